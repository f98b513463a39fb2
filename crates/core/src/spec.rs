//! The validated wish: what an operator asked for, after every check has passed.
//!
//! Plain data that `config` builds and everything else reads. It holds what was written, so names
//! are not resolved and defaults that depend on the machine are still open. What workers see is the
//! `snapshot`, which is made from this.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;
use core::time::Duration;

use crate::key::Key;

/// A whole configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// What concerns the process.
    pub global: Global,
    /// In the order of the file; names are unique.
    pub listeners: Vec<Listener>,
    /// In the order of the file; names are unique.
    pub pools: Vec<Pool>,
}

/// What concerns the process as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Global {
    /// Worker threads, 1 to 256; `None`: one for each core the process may run on.
    pub workers: Option<u16>,
    /// Live sessions over all workers; `None`: what the descriptor limit allows.
    pub max_sessions: Option<u32>,
    /// Path of the runtime socket.
    pub admin: Option<String>,
    /// Address of metrics and dashboard.
    pub http: Option<SocketAddr>,
    /// User the engine runs as.
    pub user: Option<String>,
    /// Group the engine runs as.
    pub group: Option<String>,
    /// Log form; `None`: text on a terminal, JSON elsewhere.
    pub log: Option<LogFormat>,
    /// Keys the hash of `source`; the same on every machine of a fleet. At most 2^63-1.
    pub seed: u64,
    /// After a drain began, sessions still live are reset; `None`: never.
    pub drain_timeout: Option<Duration>,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
    /// HAProxy's `option tcplog`.
    TcpLog,
}

/// An address clients connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Unique among listeners.
    pub name: String,
    /// At least one.
    pub binds: Vec<Bind>,
    /// Index into [`Spec::pools`].
    pub pool: usize,
    /// No byte either way for this long ends the session; `None`: never.
    pub idle_timeout: Option<Duration>,
    /// Half-closed and silent for this long; also the longest wait of flush-then-reset.
    pub fin_timeout: Duration,
    /// The longest wait for a PROXY header.
    pub proxy_header_timeout: Duration,
    /// Sources from which a PROXY header is required.
    pub accept_proxy: Vec<Network>,
    /// Reset everybody who is not in `accept_proxy`.
    pub accept_proxy_only: bool,
    /// Live sessions of this listener; `None`: only the global limit.
    pub max_sessions: Option<u32>,
    /// Live sessions of one key; `None`: no limit.
    pub max_per_source: Option<u32>,
    /// Length of the accept queue, 1 to 65,535.
    pub backlog: u32,
    /// Accept Multipath TCP.
    pub mptcp: bool,
}

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// An address; port 0 takes a free one. An IPv6 address is IPv6 only.
    Address(SocketAddr),
    /// An inherited listening socket: a number, or the name of an environment variable that holds it.
    Inherited(String),
}

/// An address prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// With the bits beyond `prefix` zero.
    pub addr: IpAddr,
    /// 0 to 32 or 0 to 128.
    pub prefix: u8,
}

impl Network {
    /// Whether an address is in it. A v4-mapped address is IPv4, and in no IPv6 network.
    pub fn contains(&self, addr: IpAddr) -> bool {
        let (addr, prefix) = (addr.to_canonical(), self.prefix);
        let leading = |addr| Key::of(addr, KeyPrefix { v4: prefix, v6: prefix });
        self.addr.is_ipv4() == addr.is_ipv4() && leading(self.addr) == leading(addr)
    }
}

/// A set of servers with a mapping and a health policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Unique among pools.
    pub name: String,
    /// How a server is chosen.
    pub balance: Balance,
    /// Which part of the client's address is the key.
    pub key: KeyPrefix,
    /// Servers tried for one session, 1 to 16.
    pub attempts: u8,
    /// Bound of one connect attempt.
    pub connect_timeout: Duration,
    /// PROXY header sent to servers.
    pub send_proxy: SendProxy,
    /// When bytes are spliced.
    pub splice: Splice,
    /// TCP_KEEPIDLE of both sides (TCP_KEEPINTVL is a third, TCP_KEEPCNT 6); `None`: no keepalive.
    pub keepalive: Option<Duration>,
    /// With every server down, treat all as up.
    pub fail_open: bool,
    /// How servers are probed.
    pub health: Health,
    /// At least one; names and ids are unique in the pool.
    pub servers: Vec<Server>,
}

/// How many leading bits of an address make the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPrefix {
    /// 0 to 32.
    pub v4: u8,
    /// 0 to 128.
    pub v6: u8,
}

/// A mapping by its versioned name, or a way of choosing that keeps no affinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// `source`: our own `rendezvous-1`.
    Source,
    /// `haproxy-source`.
    HaproxySource,
    /// `haproxy-source-avalanche`.
    HaproxySourceAvalanche,
    /// `haproxy-source-consistent`.
    HaproxySourceConsistent,
    /// `haproxy-source-consistent-raw`.
    HaproxySourceConsistentRaw,
    /// `haproxy-source-consistent-3.0`.
    HaproxySourceConsistent30,
    /// `nginx-ip-hash`.
    NginxIpHash,
    /// `nginx-hash`.
    NginxHash,
    /// `nginx-hash-consistent`.
    NginxHashConsistent,
    /// `nginx-hash-binary-consistent`.
    NginxHashBinaryConsistent,
    /// `round-robin`.
    RoundRobin,
    /// `least-sessions`.
    LeastSessions,
}

impl Balance {
    /// Every value, with the name it has in a configuration.
    pub const NAMES: [(Self, &'static str); 12] = [
        (Self::Source, "source"),
        (Self::HaproxySource, "haproxy-source"),
        (Self::HaproxySourceAvalanche, "haproxy-source-avalanche"),
        (Self::HaproxySourceConsistent, "haproxy-source-consistent"),
        (Self::HaproxySourceConsistentRaw, "haproxy-source-consistent-raw"),
        (Self::HaproxySourceConsistent30, "haproxy-source-consistent-3.0"),
        (Self::NginxIpHash, "nginx-ip-hash"),
        (Self::NginxHash, "nginx-hash"),
        (Self::NginxHashConsistent, "nginx-hash-consistent"),
        (Self::NginxHashBinaryConsistent, "nginx-hash-binary-consistent"),
        (Self::RoundRobin, "round-robin"),
        (Self::LeastSessions, "least-sessions"),
    ];

    /// The name in a configuration.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(balance, _)| *balance == self).map_or("", |(_, name)| name)
    }

    /// Which part of an address is the key unless the pool says otherwise, which only pools of our own
    /// mapping may: a whole IPv4 address, and of IPv6 the part that a site has, because hosts change the
    /// rest. Other products take the whole of both; nginx's `ip_hash` takes 24 bits of IPv4.
    pub fn key(self) -> KeyPrefix {
        match self {
            Self::Source | Self::RoundRobin | Self::LeastSessions => KeyPrefix { v4: 32, v6: 64 },
            Self::NginxIpHash => KeyPrefix { v4: 24, v6: 128 },
            Self::HaproxySource
            | Self::HaproxySourceAvalanche
            | Self::HaproxySourceConsistent
            | Self::HaproxySourceConsistentRaw
            | Self::HaproxySourceConsistent30
            | Self::NginxHash
            | Self::NginxHashConsistent
            | Self::NginxHashBinaryConsistent => KeyPrefix { v4: 32, v6: 128 },
        }
    }
}

/// PROXY header towards a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendProxy {
    /// None.
    Off,
    /// The text form.
    V1,
    /// The binary form.
    V2,
}

/// When the bytes of a direction are spliced instead of copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Splice {
    /// Bulk is spliced, small messages are copied.
    Auto,
    /// Never.
    Off,
    /// Whenever a pipe is to be had.
    Always,
}

/// How the servers of a pool are probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// What a probe does.
    pub probe: Probe,
    /// Between two probes of a server.
    pub interval: Duration,
    /// The same while a server is changing its state.
    pub fast_interval: Duration,
    /// Bound of one probe.
    pub timeout: Duration,
    /// Good probes that bring a server up.
    pub rise: u32,
    /// Bad probes that bring it down.
    pub fall: u32,
}

impl Health {
    /// No probes, and CONTRACT's defaults for the rest.
    pub const OFF: Self = Self {
        probe: Probe::Off,
        interval: Duration::from_secs(2),
        fast_interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        rise: 2,
        fall: 3,
    };
}

/// What a probe does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Nothing; a server counts as up.
    Off,
    /// Connects.
    Tcp,
    /// Sends an HTTP request and looks at the status.
    Http {
        /// Request method.
        method: String,
        /// Request target.
        path: String,
        /// Host header; `None`: the server's address.
        host: Option<String>,
        /// Good status codes.
        status: Vec<RangeInclusive<u16>>,
    },
    /// Does a WebSocket handshake and wants a 101.
    WebSocket {
        /// Request target.
        path: String,
        /// Host header; `None`: the server's address.
        host: Option<String>,
    },
    /// Sends bytes and wants bytes.
    SendExpect {
        /// Sent after connecting; may be empty.
        send: Vec<u8>,
        /// Must occur in the answer.
        expect: Vec<u8>,
    },
}

/// One member of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The identity under `source`: renaming moves clients.
    pub name: String,
    /// Where it is.
    pub addr: ServerAddr,
    /// HAProxy's id; the default is the position from 1.
    pub id: u32,
    /// 0 to 65,535; 0 takes no new sessions.
    pub weight: u16,
    /// Live sessions of this server; `None`: no limit.
    pub max_sessions: Option<u32>,
    /// Used when no other is up.
    pub backup: bool,
    /// Local addresses to connect from; empty: the system's choice.
    pub source: Vec<IpAddr>,
}

/// A server's address, as written and as understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddr {
    /// As written, because one of nginx's mappings hashes the text.
    pub text: String,
    /// As understood.
    pub place: Place,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An address and a port.
    Socket(SocketAddr),
    /// A name to resolve, and a port.
    Name {
        /// Host name.
        host: String,
        /// Port, not 0.
        port: u16,
    },
    /// A UNIX stream socket.
    Unix(String),
}

impl Place {
    /// A text that two servers share exactly when they are at the same place, as far as can be told
    /// without resolving names.
    pub fn identity(&self) -> String {
        match self {
            Self::Socket(addr) => addr.to_string(),
            Self::Name { host, port } => format!("{}:{port}", host.to_ascii_lowercase()),
            Self::Unix(path) => format!("unix:{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: a network has exactly its addresses, and a mapped one is IPv4. Method: the edges of
    // networks of every kind of length.
    #[test]
    fn networks_contain_their_addresses() {
        let inside = |addr: &str, prefix, other: &str| {
            Network { addr: addr.parse().unwrap(), prefix }.contains(other.parse().unwrap())
        };
        assert!(inside("10.0.0.0", 8, "10.255.255.255") && !inside("10.0.0.0", 8, "11.0.0.0"));
        assert!(inside("10.1.2.3", 32, "10.1.2.3") && !inside("10.1.2.3", 32, "10.1.2.2"));
        assert!(inside("0.0.0.0", 0, "255.1.2.3") && !inside("0.0.0.0", 0, "::1"));
        assert!(inside("10.0.0.0", 8, "::ffff:10.1.2.3") && !inside("::", 0, "::ffff:10.1.2.3"));
        assert!(inside("2001:db8::", 33, "2001:db8:7fff::") && inside("::", 0, "ff02::1"));
        assert!(!inside("2001:db8::", 33, "2001:db8:8000::") && !inside("::", 0, "10.0.0.1"));
        assert!(inside("::1", 128, "::1") && !inside("::1", 128, "::2"));
    }
}
