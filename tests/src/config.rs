//! The text of a ringbolt.toml, put together from the lines that a test cares about.

use std::fmt::Write;
use std::net::SocketAddr;

/// A configuration: one listener on a port from the kernel, one pool with `balance = "source"`.
#[derive(Clone, Debug)]
pub struct Config {
    global: Vec<String>,
    timeouts: Vec<String>,
    bind: String,
    listener: Vec<String>,
    pool: Vec<String>,
    servers: Vec<String>,
}

impl Config {
    /// Two workers, no servers yet.
    #[allow(clippy::new_without_default)] // without servers it is no configuration yet
    pub fn new() -> Self {
        Self {
            global: vec!["workers = 2".into()], // `workers` replaces it
            timeouts: Vec::new(),
            bind: "127.0.0.1:0".into(),
            listener: Vec::new(),
            pool: Vec::new(),
            servers: Vec::new(),
        }
    }

    /// Servers with the names ws1, ws2, ….
    pub fn servers(mut self, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        for address in addresses {
            let name = format!("ws{}", self.servers.len() + 1);
            self = self.server(&name, address);
        }
        self
    }

    /// One more server.
    pub fn server(self, name: &str, address: SocketAddr) -> Self {
        self.server_at(name, &address.to_string())
    }

    /// One more server, at a place that is no address and port.
    pub fn server_at(mut self, name: &str, place: &str) -> Self {
        self.servers.push(format!("name = \"{name}\"\naddr = \"{place}\""));
        self
    }

    /// A line for the server that was added last.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn of_server(mut self, line: &str) -> Self {
        let server = self.servers.last_mut().expect("a server first");
        server.push('\n');
        server.push_str(line);
        self
    }

    /// Where the listener binds.
    pub fn bind(self, bind: &str) -> Self {
        Self { bind: bind.into(), ..self }
    }

    /// So many workers instead of two.
    pub fn workers(mut self, workers: usize) -> Self {
        self.global[0] = format!("workers = {workers}");
        self
    }

    /// A line for the table `global`.
    pub fn global(mut self, line: &str) -> Self {
        self.global.push(line.into());
        self
    }

    /// A line for the table `timeouts`.
    pub fn timeouts(mut self, line: &str) -> Self {
        self.timeouts.push(line.into());
        self
    }

    /// A line for the listener.
    pub fn listener(mut self, line: &str) -> Self {
        self.listener.push(line.into());
        self
    }

    /// A line for the pool.
    pub fn pool(mut self, line: &str) -> Self {
        self.pool.push(line.into());
        self
    }

    /// The text.
    pub fn text(&self) -> String {
        let bind = format!("bind = \"{}\"\npool = \"echo\"", self.bind);
        let mut text = String::new();
        let mut table = |head: &str, lines: &[String]| {
            let _ = writeln!(text, "{head}\n{}\n", lines.join("\n")); // a String takes everything
        };
        table("[global]", &self.global);
        table("[timeouts]", &self.timeouts);
        table("[listener.web]", &[&[bind], &self.listener[..]].concat());
        table("[pool.echo]", &self.pool);
        for server in &self.servers {
            table("[[pool.echo.server]]", std::slice::from_ref(server));
        }
        text
    }
}
