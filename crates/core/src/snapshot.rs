//! The immutable state that workers see: a spec with every name resolved and every default filled
//! in. A change is a new snapshot, taken over between two turns.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use crate::fingerprint;
use crate::kernel::Remote;
use crate::mapping::Mapping;
use crate::mapping::rendezvous::name_hash;
use crate::roster::{Roster, server_name, source_name};
use crate::spec::{self, Balance, Bind, Health, KeyPrefix, Network, SendProxy, Spec, Splice};

/// What every worker goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Each at its place in the roster.
    pub listeners: Vec<Listener>,
    /// Each at its place in the roster.
    pub pools: Vec<Pool>,
    /// Live sessions allowed, over all workers.
    pub max_sessions: u64,
    /// After a drain began, sessions still live are reset; `None`: never.
    pub drain_timeout: Option<Duration>,
}

/// What a worker needs of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// For logs and counters.
    pub name: String,
    /// False when it is gone from the configuration; sessions that came by it may still live.
    pub in_use: bool,
    /// Index into [`Snapshot::pools`].
    pub pool: u16,
    /// All workers take connections from one socket, because it was inherited.
    pub shared: bool,
    /// `None`: never.
    pub idle_timeout: Option<Duration>,
    /// Half-closed and silent; also the longest wait of flush-then-reset.
    pub fin_timeout: Duration,
    /// Sources from which a PROXY header is required.
    pub accept_proxy: Vec<Network>,
    /// Reset everybody who is not in `accept_proxy`.
    pub accept_proxy_only: bool,
    /// The longest wait for a PROXY header.
    pub proxy_header_timeout: Duration,
    /// Live sessions allowed, over all workers.
    pub max_sessions: u64,
    /// Live sessions allowed of one key, over all workers; `None`: no limit.
    pub max_per_source: Option<u32>,
}

/// What a worker needs of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// For logs and counters.
    pub name: String,
    /// False when it is gone from the configuration; its sessions may still live.
    pub in_use: bool,
    /// How a server is chosen.
    pub mapping: Mapping,
    /// The same on every machine that gives every client the same server.
    pub fingerprint: u64,
    /// Which part of the address is the key.
    pub key: KeyPrefix,
    /// Servers tried for one session.
    pub attempts: u8,
    /// Bound of one connect attempt.
    pub connect_timeout: Duration,
    /// PROXY header sent to servers.
    pub send_proxy: SendProxy,
    /// When bytes are spliced.
    pub splice: Splice,
    /// Silence after which a keepalive probe is sent.
    pub keepalive: Option<Duration>,
    /// With every server down, treat all as up.
    pub fail_open: bool,
    /// How the servers are probed, which no worker does.
    pub health: Health,
    /// In the order of the file.
    pub servers: Vec<Server>,
}

/// What a worker needs of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its identity under `source`.
    pub name: String,
    /// Hash of that name.
    pub name_hash: u64,
    /// Where it is.
    pub addr: Remote,
    /// Where to connect from, in turn; empty: the system's choice.
    pub sources: Vec<Source>,
    /// 0: no new sessions.
    pub weight: u32,
    /// Live sessions allowed, those being connected included; `None`: no limit.
    pub max_sessions: Option<u64>,
    /// Used when no other is left.
    pub backup: bool,
    /// Where its live sessions and statistics are counted.
    pub gauge: u16,
}

/// An address that a server is connected to from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Of the server's family.
    pub addr: IpAddr,
    /// Where the live sessions from there are counted.
    pub gauge: u16,
}

/// A server, by this path, that has no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAddress(pub String);

impl Snapshot {
    /// Makes the snapshot of a spec, each thing at its place in `roster`. What is gone from the spec
    /// and still has a place stays as it was in `previous`, for the sessions that it may have.
    /// `resolve` gives the address of a server by the index of its pool and its own; `None` means
    /// that there is none.
    ///
    /// # Errors
    /// When a server has no address.
    pub fn new(
        spec: &Spec,
        roster: &Roster,
        previous: Option<&Self>,
        max_sessions: u64,
        mut resolve: impl FnMut(usize, usize) -> Option<Remote>,
    ) -> Result<Self, NoAddress> {
        let mut pools = Vec::new();
        for (place, holder) in roster.pools.holders().enumerate() {
            let name = holder.map_or("", |(name, _)| name);
            let index = spec.pools.iter().position(|pool| pool.name == name);
            let before =
                || previous.and_then(|it| it.pools.get(place)).filter(|it| it.name == name);
            pools.push(match index {
                Some(index) => {
                    let pool = &spec.pools[index];
                    let servers = servers_of(pool, roster, |server| resolve(index, server))?;
                    Pool::of(pool, servers, spec.global.seed)
                }
                None => {
                    Pool { in_use: false, ..before().cloned().unwrap_or_else(|| Pool::gone(name)) }
                }
            });
        }
        let listeners = roster.listeners.holders().enumerate().map(|(place, holder)| {
            let name = holder.map_or("", |(name, _)| name);
            let before =
                || previous.and_then(|it| it.listeners.get(place)).filter(|it| it.name == name);
            match spec.listeners.iter().find(|listener| listener.name == name) {
                Some(listener) => {
                    let pool = roster.pools.of(&spec.pools[listener.pool].name);
                    let pool = pool.expect("every pool of the spec has a place");
                    Listener::of(listener, pool, max_sessions)
                }
                None => Listener {
                    in_use: false,
                    ..before().cloned().unwrap_or_else(|| Listener::gone(name))
                },
            }
        });
        let drain_timeout = spec.global.drain_timeout;
        Ok(Self { listeners: listeners.collect(), pools, max_sessions, drain_timeout })
    }

    /// Every server of the configuration with its pool, in the order of their places and the file.
    pub fn servers(&self) -> impl Iterator<Item = (&Pool, &Server)> {
        let pools = self.pools.iter().filter(|pool| pool.in_use);
        pools.flat_map(|pool| pool.servers.iter().map(move |server| (pool, server)))
    }
}

fn servers_of(
    pool: &spec::Pool,
    roster: &Roster,
    mut resolve: impl FnMut(usize) -> Option<Remote>,
) -> Result<Vec<Server>, NoAddress> {
    let server = |(index, server): (usize, &spec::Server)| {
        let name = server_name(&pool.name, &server.name);
        let gauge = roster.servers.of(&name).expect("every server of the spec has a place");
        let source = |addr: &IpAddr| {
            let gauge = roster.sources.of(&source_name(&name, *addr));
            let gauge = gauge.expect("every source of the spec has a place");
            Source { addr: *addr, gauge }
        };
        let sources = server.source.iter().map(source).collect();
        let addr = resolve(index).ok_or(NoAddress(name))?;
        Ok(Server::of(server, addr, sources, gauge))
    };
    pool.servers.iter().enumerate().map(server).collect()
}

impl Listener {
    fn of(listener: &spec::Listener, pool: u16, max_sessions: u64) -> Self {
        Self {
            name: listener.name.clone(),
            in_use: true,
            pool,
            shared: listener.binds.iter().any(|bind| matches!(bind, Bind::Inherited(_))),
            idle_timeout: listener.idle_timeout,
            fin_timeout: listener.fin_timeout,
            accept_proxy: listener.accept_proxy.clone(),
            accept_proxy_only: listener.accept_proxy_only,
            proxy_header_timeout: listener.proxy_header_timeout,
            max_sessions: listener.max_sessions.map_or(max_sessions, u64::from),
            max_per_source: listener.max_per_source,
        }
    }

    /// One that nobody knows more of than its name.
    fn gone(name: &str) -> Self {
        Self {
            name: name.into(),
            in_use: false,
            pool: 0,
            shared: false,
            idle_timeout: None,
            fin_timeout: FIN_TIMEOUT,
            accept_proxy: Vec::new(),
            accept_proxy_only: false,
            proxy_header_timeout: PROXY_HEADER_TIMEOUT,
            max_sessions: 0,
            max_per_source: None,
        }
    }
}

impl Pool {
    fn of(pool: &spec::Pool, servers: Vec<Server>, seed: u64) -> Self {
        Self {
            name: pool.name.clone(),
            in_use: true,
            mapping: Mapping::of(pool, seed),
            fingerprint: fingerprint::of(pool, seed),
            key: pool.key,
            attempts: pool.attempts,
            connect_timeout: pool.connect_timeout,
            send_proxy: pool.send_proxy,
            splice: pool.splice,
            keepalive: pool.keepalive,
            fail_open: pool.fail_open,
            health: pool.health.clone(),
            servers,
        }
    }

    /// A pool by itself, as far as choosing goes: its servers have nowhere to connect to and no places.
    pub fn alone(pool: &spec::Pool, seed: u64) -> Self {
        let server = |server| Server::of(server, Remote::Unix(String::new()), Vec::new(), 0);
        Self::of(pool, pool.servers.iter().map(server).collect(), seed)
    }

    /// One that nobody knows more of than its name.
    fn gone(name: &str) -> Self {
        Self {
            name: name.into(),
            in_use: false,
            mapping: Mapping::RoundRobin,
            fingerprint: 0,
            key: Balance::RoundRobin.key(),
            attempts: 1,
            connect_timeout: FIN_TIMEOUT,
            send_proxy: SendProxy::Off,
            splice: Splice::Auto,
            keepalive: None,
            fail_open: false,
            health: Health::OFF,
            servers: Vec::new(),
        }
    }
}

/// CONTRACT's default of `timeouts.fin`.
const FIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Of `timeouts.proxy_header`.
const PROXY_HEADER_TIMEOUT: Duration = Duration::from_secs(3);

impl Server {
    fn of(server: &spec::Server, addr: Remote, sources: Vec<Source>, gauge: u16) -> Self {
        Self {
            name: server.name.clone(),
            name_hash: name_hash(&server.name),
            addr,
            sources,
            weight: u32::from(server.weight),
            max_sessions: server.max_sessions.map(u64::from),
            backup: server.backup,
            gauge,
        }
    }

    /// A server for tests.
    #[cfg(test)]
    pub(crate) fn sample(name: &str, weight: u32) -> Self {
        Self {
            name: name.into(),
            name_hash: name_hash(name),
            addr: Remote::Unix("/anywhere".into()),
            sources: Vec::new(),
            weight,
            max_sessions: None,
            backup: false,
            gauge: 0,
        }
    }
}
