//! The immutable state that workers see: a spec with every name resolved and every default filled
//! in. A change is a new snapshot, taken over between two turns.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::mapping::Mapping;
use crate::mapping::rendezvous::name_hash;
use crate::spec::{self, Balance, KeyPrefix, Spec, Splice};

/// What every worker goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// At the index a session record holds.
    pub listeners: Vec<Listener>,
    /// At the index a session record holds.
    pub pools: Vec<Pool>,
    /// Live sessions allowed, over all workers.
    pub max_sessions: u64,
}

/// What a worker needs of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// For logs and counters.
    pub name: String,
    /// Index into [`Snapshot::pools`].
    pub pool: u16,
    /// `None`: never.
    pub idle_timeout: Option<Duration>,
    /// Half-closed and silent; also the longest wait of flush-then-reset.
    pub fin_timeout: Duration,
}

/// What a worker needs of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// For logs and counters.
    pub name: String,
    /// How a server is chosen.
    pub mapping: Mapping,
    /// Which part of the address is the key.
    pub key: KeyPrefix,
    /// Servers tried for one session.
    pub attempts: u8,
    /// Bound of one connect attempt.
    pub connect_timeout: Duration,
    /// When bytes are spliced.
    pub splice: Splice,
    /// Silence after which a keepalive probe is sent.
    pub keepalive: Option<Duration>,
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
    pub addr: SocketAddr,
    /// 0: no new sessions.
    pub weight: u32,
    /// Used when no other is left.
    pub backup: bool,
    /// Where its live sessions and statistics are counted.
    pub gauge: u16,
}

/// A spec that asks for something that is not built yet, at this path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAvailable(pub String);

impl Snapshot {
    /// Makes the snapshot of a spec. `resolve` gives the address of a server by the index of its
    /// pool and its own; `None` means that this kind of address cannot be used yet.
    pub fn new(
        spec: &Spec,
        max_sessions: u64,
        mut resolve: impl FnMut(usize, usize) -> Option<SocketAddr>,
    ) -> Result<Self, NotAvailable> {
        let mut gauges = 0..;
        let mut pools = Vec::with_capacity(spec.pools.len());
        for (index, pool) in spec.pools.iter().enumerate() {
            let mut servers = Vec::with_capacity(pool.servers.len());
            for (position, server) in pool.servers.iter().enumerate() {
                let Some(addr) = resolve(index, position) else {
                    return Err(NotAvailable(alloc::format!("{}/{}", pool.name, server.name)));
                };
                let gauge = gauges.next().unwrap_or_default();
                servers.push(Server::of(server, addr, gauge));
            }
            pools.push(Pool::of(pool, servers, spec.global.seed)?);
        }
        let listeners = spec.listeners.iter().map(Listener::of).collect();
        Ok(Self { listeners, pools, max_sessions })
    }

    /// Every server with its pool, in the order of their gauges.
    pub fn servers(&self) -> impl Iterator<Item = (&Pool, &Server)> {
        self.pools.iter().flat_map(|pool| pool.servers.iter().map(move |server| (pool, server)))
    }
}

impl Listener {
    fn of(listener: &spec::Listener) -> Self {
        Self {
            name: listener.name.clone(),
            pool: listener.pool as u16,
            idle_timeout: listener.idle_timeout,
            fin_timeout: listener.fin_timeout,
        }
    }
}

impl Pool {
    fn of(pool: &spec::Pool, servers: Vec<Server>, seed: u64) -> Result<Self, NotAvailable> {
        let mapping = match pool.balance {
            Balance::Source => Mapping::Rendezvous1 { seed },
            Balance::RoundRobin => Mapping::RoundRobin,
            Balance::LeastSessions => Mapping::LeastSessions,
            Balance::HaproxySource
            | Balance::HaproxySourceAvalanche
            | Balance::HaproxySourceConsistent
            | Balance::HaproxySourceConsistentRaw
            | Balance::HaproxySourceConsistent30
            | Balance::NginxIpHash
            | Balance::NginxHash
            | Balance::NginxHashConsistent
            | Balance::NginxHashBinaryConsistent => {
                return Err(NotAvailable(pool.balance.name().into()));
            }
        };
        Ok(Self {
            name: pool.name.clone(),
            mapping,
            key: pool.key,
            attempts: pool.attempts,
            connect_timeout: pool.connect_timeout,
            splice: pool.splice,
            keepalive: pool.keepalive,
            servers,
        })
    }
}

impl Server {
    fn of(server: &spec::Server, addr: SocketAddr, gauge: u16) -> Self {
        Self {
            name: server.name.clone(),
            name_hash: name_hash(&server.name),
            addr,
            weight: u32::from(server.weight),
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
            addr: "192.0.2.1:80".parse().unwrap(),
            weight,
            backup: false,
            gauge: 0,
        }
    }
}
