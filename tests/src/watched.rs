//! A balancer that is watched, as its operators do: over HTTP and over its runtime socket.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::process::Command;

use serde_json::Value;

use crate::{BOUND, Client, Config, End, Folder, Metrics, Ringbolt, User, binary};

/// A running `ringbolt run` with `global.http` and `global.admin`.
#[derive(Debug)]
pub struct Watched {
    /// The balancer.
    pub ringbolt: Ringbolt,
    http: SocketAddr,
    folder: Folder,
}

/// What came back over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The status code.
    pub status: u16,
    /// The head, in small letters.
    pub head: String,
    /// The rest.
    pub body: String,
}

/// A row of `show stat`, by HAProxy's column names.
pub type Row = BTreeMap<String, String>;

impl Watched {
    /// Starts one.
    pub fn start(config: Config) -> Self {
        Self::start_with(config, "")
    }

    /// Starts one whose configuration ends with `more`.
    pub fn start_with(config: Config, more: &str) -> Self {
        Self::start_by(Command::new(binary()), Folder::new(), config, more)
    }

    /// Starts one that runs as another user, who owns the folder of its socket. That user need not
    /// be allowed to go where the binary was built.
    ///
    /// # Panics
    ///
    /// When there is no room for a copy of the binary.
    pub fn start_as(user: User, config: Config) -> Self {
        let folder = Folder::new();
        let copy = folder.file("ringbolt");
        std::fs::copy(binary(), &copy).expect("a temporary file");
        user.take(&folder);
        Self::start_by(user.command(copy), folder, config, "")
    }

    fn start_by(command: Command, folder: Folder, config: Config, more: &str) -> Self {
        let text = |config: Config| format!("{}{more}", config.text());
        Self::watching(folder, config, |config| Ringbolt::start_by(command, &text(config)))
    }

    /// Starts one by `start`, from the configuration with what it is watched by.
    ///
    /// # Panics
    ///
    /// When it does not say where it serves HTTP.
    pub fn watching(
        folder: Folder,
        config: Config,
        start: impl FnOnce(Config) -> Ringbolt,
    ) -> Self {
        let ringbolt = start(watched_by(&folder, config));
        let line: Value = serde_json::from_str(&ringbolt.line_with("\"http\"")).expect("JSON");
        let http = line["http"].as_str().and_then(|address| address.parse().ok());
        Self { ringbolt, http: http.expect("an address"), folder }
    }

    /// Puts another configuration in force.
    ///
    /// # Panics
    ///
    /// When it is refused.
    pub fn reload(&self, config: Config) {
        self.ringbolt.write_configuration(&watched_by(&self.folder, config).text());
        let answer = self.ask("reload");
        assert!(!answer.contains("error") && !answer.contains("refused"), "{answer}");
    }

    /// Where it serves HTTP.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// The path of its runtime socket.
    pub fn socket(&self) -> String {
        self.folder.file("admin.sock")
    }

    /// Gets a page.
    pub fn get(&self, path: &str) -> Page {
        self.request(&format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
    }

    /// Sends a request and takes the answer, which ends with the connection.
    ///
    /// # Panics
    ///
    /// When it is no answer.
    pub fn request(&self, text: &str) -> Page {
        let mut client = Client::default().connect(self.http);
        client.send(text.as_bytes());
        let (bytes, end) = client.receive_all();
        assert_eq!(end, End::Fin);
        Page::parse(&String::from_utf8(bytes).expect("text"))
    }

    /// Its metrics now.
    ///
    /// # Panics
    ///
    /// When there are none.
    pub fn metrics(&self) -> Metrics {
        let page = self.get("/metrics");
        assert_eq!(page.status, 200, "{page:?}");
        Metrics::parse(&page.body)
    }

    /// What the runtime socket answers to a line, up to the end of the connection.
    pub fn ask(&self, line: &str) -> String {
        ask(&self.socket(), &format!("{line}\n"))
    }

    /// The row of `show stat` with these names.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn stat(&self, proxy: &str, server: &str) -> Row {
        row(&self.ask("show stat"), proxy, server)
    }
}

/// A row of `show stat` in CSV.
pub(crate) fn row(text: &str, proxy: &str, server: &str) -> Row {
    let mut lines = text.lines();
    let columns = lines.next().and_then(|head| head.strip_prefix("# ")).expect("a head");
    let rows = lines.filter(|line| !line.is_empty()).map(|line| -> Row {
        let cells = line.split(',').map(str::to_owned);
        columns.split(',').map(str::to_owned).zip(cells).collect()
    });
    let mut rows = rows.filter(|row| row["pxname"] == proxy && row["svname"] == server);
    rows.next().unwrap_or_else(|| panic!("{proxy}/{server} in:\n{text}"))
}

/// Sends to a UNIX socket and takes what comes until the other side ends.
///
/// # Panics
///
/// When nobody is there, or it does not end.
pub fn ask(socket: &str, text: &str) -> String {
    let mut stream = UnixStream::connect(socket).expect("somebody listens");
    stream.set_read_timeout(Some(BOUND)).expect("a live socket");
    stream.write_all(text.as_bytes()).expect("it is taken");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer and an end");
    String::from_utf8(answer).expect("text")
}

/// The configuration of a balancer that is watched from this folder.
fn watched_by(folder: &Folder, config: Config) -> Config {
    let config = config.global("http = \"127.0.0.1:0\"").global("log = \"json\"");
    config.global(&format!("admin = \"{}\"", folder.file("admin.sock")))
}

impl Page {
    /// Takes an answer apart.
    ///
    /// # Panics
    ///
    /// When it is none.
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        Self {
            status: status.unwrap_or_else(|| panic!("{head:?}")),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }
}
