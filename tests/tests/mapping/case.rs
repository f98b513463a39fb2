use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use ringbolt_script::Dice;
use ringbolt_tests::{Folder, command, finish};
use serde_json::Value;

use crate::answering::Answering;

/// The most servers of a pool; the least are 2.
pub(crate) const SERVERS_MAX: usize = 16;

/// Ways to write HAProxy's mappings, with our name of each.
const OF_HAPROXY: [(&str, &str); 6] = [
    ("haproxy-source", ""),
    ("haproxy-source-consistent", "hash-type consistent"),
    ("haproxy-source-avalanche", "hash-type map-based sdbm avalanche"),
    ("haproxy-source-consistent-raw", "hash-type consistent djb2"),
    ("haproxy-source", "hash-type map-based djb2"),
    ("haproxy-source-consistent", "hash-type consistent crc32 avalanche"),
];

/// The same of nginx's; the last is of its HTTP module.
const OF_NGINX: [(&str, &str); 4] = [
    ("nginx-hash", "hash $remote_addr;"),
    ("nginx-hash-consistent", "hash $remote_addr consistent;"),
    ("nginx-hash-binary-consistent", "hash $binary_remote_addr consistent;"),
    ("nginx-ip-hash", "ip_hash;"),
];

/// A pool.
#[derive(Debug)]
pub(crate) struct Case {
    /// Our name of its mapping.
    pub(crate) balance: &'static str,
    /// The line that says the same to the program.
    pub(crate) line: &'static str,
    /// At least one takes sessions.
    pub(crate) servers: Vec<Server>,
    /// The index of the first one among all that answer.
    pub(crate) first: usize,
}

/// A server of it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// Where it is.
    pub(crate) addr: SocketAddr,
    /// Its weight; 0 only in HAProxy.
    pub(crate) weight: usize,
    /// An id of its own.
    pub(crate) id: Option<usize>,
    /// Whether it is a backup.
    pub(crate) backup: bool,
    /// Why it takes nobody.
    pub(crate) down: Option<Down>,
}

/// Why a server takes nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Down {
    /// The file says so.
    Written,
    /// HAProxy's runtime socket was told that it drains.
    Drain,
    /// The same, that it is in maintenance.
    Maint,
    /// The same, and then that it is ready again: it takes sessions.
    Back,
}

/// What `explain` says of a client.
#[derive(Debug)]
pub(crate) struct Explained {
    /// The index of its server.
    pub(crate) server: Option<usize>,
    /// Its slot.
    pub(crate) slot: Option<u64>,
}

impl Case {
    /// A pool of HAProxy's; ways to write it follow each other.
    pub(crate) fn of_haproxy(number: usize, dice: &mut Dice, servers: &Answering) -> Self {
        let (balance, line) = OF_HAPROXY[number % OF_HAPROXY.len()];
        let (first, mut servers) = members(dice, servers, 256);
        if dice.one_in(2) {
            let mut ids = BTreeSet::new();
            while ids.len() < servers.len() {
                ids.insert(dice.between(1, 5_000));
            }
            // Not in the order of the file.
            let turn = dice.throw(servers.len());
            let ids = ids.iter().cycle().skip(turn);
            servers.iter_mut().zip(ids).for_each(|(server, id)| server.id = Some(*id));
        }
        for server in &mut servers {
            server.backup = dice.one_in(6);
            server.down = dice
                .one_in(5)
                .then(|| [Down::Written, Down::Drain, Down::Maint, Down::Back][dice.throw(4)]);
            if dice.one_in(8) {
                server.weight = 0;
            }
        }
        if dice.one_in(5) {
            // Nobody is left but backups, if there are any.
            let active = servers.iter_mut().filter(|server| !server.backup);
            active.for_each(|server| server.down = Some(Down::Drain));
        }
        Self { balance, line, servers: with_somebody(servers), first }
    }

    /// A pool of nginx's.
    pub(crate) fn of_nginx(number: usize, dice: &mut Dice, servers: &Answering) -> Self {
        let (balance, line) = OF_NGINX[number % OF_NGINX.len()];
        let (first, mut servers) = members(dice, servers, 60);
        // Of most servers now and then, so that keys run out of tries.
        let most = dice.one_in(6);
        for server in &mut servers {
            let down = if most { !dice.one_in(8) } else { dice.one_in(5) };
            server.down = down.then_some(Down::Written);
        }
        Self { balance, line, servers: with_somebody(servers), first }
    }

    /// HAProxy's default, of all these servers.
    pub(crate) fn plain(servers: &Answering) -> Self {
        let (balance, line) = OF_HAPROXY[0];
        let servers = servers.addresses().iter().map(|addr| Server::plain(*addr, 1)).collect();
        Self { balance, line, servers, first: 0 }
    }

    /// Whether it is one of nginx's.
    pub(crate) fn is_nginx(&self) -> bool {
        self.balance.starts_with("nginx-")
    }

    /// What `ringbolt explain` says of these clients under a mapping.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub(crate) fn explain(&self, balance: &str, clients: &[IpAddr]) -> Vec<Explained> {
        self.explain_text(&self.toml(balance), clients)
    }

    /// The same of the program's own file.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub(crate) fn explain_imported(&self, clients: &[IpAddr]) -> Vec<Explained> {
        self.explain_text(&self.original(), clients)
    }

    fn explain_text(&self, text: &str, clients: &[IpAddr]) -> Vec<Explained> {
        let folder = Folder::new();
        let file = folder.write("file", text);
        let clients: Vec<String> = clients.iter().map(IpAddr::to_string).collect();
        let named = |index: usize| match text.starts_with("[listener") {
            false if self.is_nginx() => self.servers[index].addr.to_string(),
            true | false => index.to_string(),
        };
        let down: Vec<String> =
            self.down().map(|index| format!("--down=echo/{}", named(index))).collect();
        let mut arguments = vec!["explain", &file, "--json"];
        arguments.extend(clients.iter().chain(&down).map(String::as_str));
        let ended = finish(command(&arguments));
        assert_eq!(ended.code, Ok(0), "{}", ended.stderr);
        let answer: Vec<Value> = serde_json::from_str(&ended.stdout).expect("JSON");
        let explained = |(answer, client): (&Value, &String)| {
            assert_eq!(answer["address"], client.as_str());
            let server = answer["server"].as_str().map(|name| self.index(name));
            Explained { server, slot: answer["slot"].as_u64() }
        };
        assert_eq!(answer.len(), clients.len());
        answer.iter().zip(&clients).map(explained).collect()
    }

    /// Servers that take nobody although they have a weight.
    pub(crate) fn down(&self) -> impl Iterator<Item = usize> + '_ {
        let all = self.servers.iter().enumerate();
        all.filter(|(_, server)| server.is_down()).map(|(index, _)| index)
    }

    /// The index of a server by its name: nginx's servers have their addresses for names.
    fn index(&self, name: &str) -> usize {
        let of_address = |server: &Server| server.addr.to_string() == name;
        let index = name.parse().ok().or_else(|| self.servers.iter().position(of_address));
        index.expect("one of the servers")
    }

    /// The program's configuration of it, with everybody up and an address to listen on.
    fn original(&self) -> String {
        let mut text = String::new();
        if self.is_nginx() {
            let http = self.balance == "nginx-ip-hash";
            let (block, pass) = if http {
                ("http", "location / { proxy_pass http://echo; }")
            } else {
                ("stream", "proxy_pass echo;")
            };
            let server = |it: &Server| format!("server {} weight={};", it.addr, it.weight);
            let servers: String = self.servers.iter().map(server).collect();
            let _ = writeln!(
                text,
                "{block} {{ upstream echo {{ {} {servers} }} server {{ listen 127.0.0.1:1; {pass} }} }}",
                self.line
            ); // a String takes everything, here and below
            return text;
        }
        let _ = writeln!(text, "listen echo\n bind 127.0.0.1:1\n balance source\n {}", self.line);
        for (index, server) in self.servers.iter().enumerate() {
            let Server { addr, weight, id, backup, .. } = server;
            let id = id.map(|id| format!(" id {id}")).unwrap_or_default();
            let backup = if *backup { " backup" } else { "" };
            let _ = writeln!(text, " server {index} {addr} weight {weight}{id}{backup}");
        }
        text
    }

    /// Our configuration of it, under a mapping.
    pub(crate) fn toml(&self, balance: &str) -> String {
        let mut text = String::from("[listener.web]\nbind = \"127.0.0.1:0\"\npool = \"echo\"\n");
        let _ = writeln!(text, "[pool.echo]\nbalance = \"{balance}\""); // a String takes everything
        for (index, server) in self.servers.iter().enumerate() {
            let Server { addr, weight, id, backup, .. } = server;
            let _ = writeln!(
                text,
                "[[pool.echo.server]]\nname = \"{index}\"\naddr = \"{addr}\"\nweight = {weight}\n\
                 backup = {backup}"
            );
            if let Some(id) = id {
                let _ = writeln!(text, "id = {id}");
            }
        }
        text
    }
}

impl Server {
    /// One that is up.
    fn plain(addr: SocketAddr, weight: usize) -> Self {
        Self { addr, weight, id: None, backup: false, down: None }
    }

    /// Whether it takes nobody although it has a weight.
    pub(crate) fn is_down(&self) -> bool {
        matches!(self.down, Some(Down::Written | Down::Drain | Down::Maint))
    }
}

/// Random servers that are all there, of equal weight, of small weights, or of any; and the index of the
/// first one.
fn members(dice: &mut Dice, servers: &Answering, weight_max: usize) -> (usize, Vec<Server>) {
    let count = dice.between(2, SERVERS_MAX);
    let (least, most) = match dice.throw(4) {
        0 => (1, 1),
        1 => (dice.between(2, weight_max), 0),
        2 => (1, 10),
        _ => (1, weight_max),
    };
    // From anywhere among the addresses, so that indices are not all the same.
    let first = dice.throw(servers.addresses().len() - count + 1);
    let addresses = servers.addresses()[first..][..count].iter();
    let weight = |dice: &mut Dice| {
        if most < least { least } else { dice.between(least, most) }
    };
    let member = |addr: &SocketAddr| Server::plain(*addr, weight(dice));
    (first, addresses.map(member).collect())
}

/// The same, with the first one up when nobody is.
fn with_somebody(mut servers: Vec<Server>) -> Vec<Server> {
    let takes = |server: &Server| server.weight > 0 && !server.is_down();
    if !servers.iter().any(takes) {
        servers[0].weight = servers[0].weight.max(1);
        servers[0].down = None;
    }
    servers
}
