//! Who serves a key: the mappings, each a pure function with a versioned name, and the two ways of
//! choosing that keep no affinity.
//!
//! Every mapping gives a key a full order of servers; a session that cannot reach one tries the
//! next. A result that was once given by a name never changes; a change is a new name. The mappings of
//! HAProxy and nginx are those products' own, bit for bit, with whatever is odd about them.

mod crc32;
mod haproxy;
mod haproxy_map;
mod haproxy_ring;
mod nginx;
mod nginx_hash;
mod nginx_ip_hash;
mod nginx_ring;
mod remote_addr;
pub mod rendezvous;
mod ring;
mod rotation;
#[cfg(test)]
pub(crate) mod vectors;

pub use haproxy_map::Tables;
pub use haproxy_ring::{Generation, HaproxyRing};
pub use nginx_hash::VALUES as HASH_VALUES;
pub use nginx_ip_hash::VALUES as IP_HASH_VALUES;
pub use nginx_ring::NginxRing;
pub use remote_addr::RemoteAddr;

use core::cell::RefCell;
use core::net::IpAddr;

use crate::key::Key;
use crate::snapshot::{Pool, Server};
use crate::spec::{self, Balance};

/// How a pool chooses. What a mapping needs beside the servers' weights is made once, with this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mapping {
    /// `rendezvous-1`, keyed with a seed.
    Rendezvous1 {
        /// The same on every machine of a fleet.
        seed: u64,
    },
    /// HAProxy's `balance source`, map-based.
    HaproxyMap {
        /// With `hash-type … avalanche`.
        avalanche: bool,
    },
    /// HAProxy's `balance source`, `hash-type consistent`.
    HaproxyRing(HaproxyRing),
    /// nginx's `ip_hash`.
    NginxIpHash {
        /// Of `rendezvous-1`, which stands in for nginx's round robin.
        seed: u64,
    },
    /// nginx's `hash $remote_addr`.
    NginxHash {
        /// As above.
        seed: u64,
    },
    /// nginx's `hash … consistent`.
    NginxRing {
        /// The points of its servers.
        ring: NginxRing,
        /// As above.
        seed: u64,
    },
    /// In turn; not sticky.
    RoundRobin,
    /// The server with the fewest sessions for its weight; not sticky.
    LeastSessions,
}

/// What a mapping answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Index of the server.
    pub server: usize,
    /// What the mapping made of the key; `None`: nothing.
    pub hash: Option<u64>,
    /// The place in the mapping's table or ring that this led to; `None`: it has none.
    pub slot: Option<u64>,
}

impl Mapping {
    /// The mapping of a pool. `seed` is the configuration's.
    pub fn of(pool: &spec::Pool, seed: u64) -> Self {
        let haproxy = |generation| Self::HaproxyRing(HaproxyRing::of(generation, &pool.servers));
        let nginx = |binary| Self::NginxRing { ring: NginxRing::of(binary, &pool.servers), seed };
        match pool.balance {
            Balance::Source => Self::Rendezvous1 { seed },
            Balance::HaproxySource => Self::HaproxyMap { avalanche: false },
            Balance::HaproxySourceAvalanche => Self::HaproxyMap { avalanche: true },
            Balance::HaproxySourceConsistent => haproxy(Generation::Avalanche),
            Balance::HaproxySourceConsistentRaw => haproxy(Generation::Raw),
            Balance::HaproxySourceConsistent30 => haproxy(Generation::Of30),
            Balance::NginxIpHash => Self::NginxIpHash { seed },
            Balance::NginxHash => Self::NginxHash { seed },
            Balance::NginxHashConsistent => nginx(false),
            Balance::NginxHashBinaryConsistent => nginx(true),
            Balance::RoundRobin => Self::RoundRobin,
            Balance::LeastSessions => Self::LeastSessions,
        }
    }

    /// Whether the same key always meets the same server.
    pub fn is_sticky(&self) -> bool {
        match self {
            Self::Rendezvous1 { .. }
            | Self::HaproxyMap { .. }
            | Self::HaproxyRing(_)
            | Self::NginxIpHash { .. }
            | Self::NginxHash { .. }
            | Self::NginxRing { .. } => true,
            Self::RoundRobin | Self::LeastSessions => false,
        }
    }

    /// The best choice of those that are left. `None`: nobody is left.
    pub fn choose(&self, asked: &Question<'_>) -> Option<Choice> {
        match self {
            Self::Rendezvous1 { seed } => rendezvous::choose(*seed, asked),
            Self::HaproxyMap { avalanche } => haproxy_map::choose(*avalanche, asked),
            Self::HaproxyRing(ring) => ring.choose(asked),
            Self::NginxIpHash { seed } => nginx_ip_hash::choose(*seed, asked),
            Self::NginxHash { seed } => nginx_hash::choose(*seed, asked),
            Self::NginxRing { ring, seed } => ring.choose(*seed, asked),
            Self::RoundRobin => rotation::in_turn(asked),
            Self::LeastSessions => rotation::least_sessions(asked),
        }
    }
}

/// The versioned name of the mapping of a way of balancing; of one that keeps no affinity, its name.
pub fn version(balance: Balance) -> &'static str {
    match balance {
        Balance::Source => "rendezvous-1",
        Balance::HaproxySource
        | Balance::HaproxySourceAvalanche
        | Balance::HaproxySourceConsistent
        | Balance::HaproxySourceConsistentRaw
        | Balance::HaproxySourceConsistent30
        | Balance::NginxIpHash
        | Balance::NginxHash
        | Balance::NginxHashConsistent
        | Balance::NginxHashBinaryConsistent
        | Balance::RoundRobin
        | Balance::LeastSessions => balance.name(),
    }
}

/// Points on the ring of a pool; 0: its mapping has none.
pub fn ring_points(pool: &spec::Pool) -> u64 {
    let per_weight = match pool.balance {
        Balance::HaproxySourceConsistent
        | Balance::HaproxySourceConsistentRaw
        | Balance::HaproxySourceConsistent30 => haproxy_ring::POINTS_PER_WEIGHT,
        Balance::NginxHashConsistent | Balance::NginxHashBinaryConsistent => {
            nginx_ring::POINTS_PER_WEIGHT
        }
        Balance::Source
        | Balance::HaproxySource
        | Balance::HaproxySourceAvalanche
        | Balance::NginxIpHash
        | Balance::NginxHash
        | Balance::RoundRobin
        | Balance::LeastSessions => 0,
    };
    let weights: u64 = pool.servers.iter().map(|server| u64::from(server.weight)).sum();
    u64::from(per_weight) * weights
}

/// Whom a mapping is asked to choose, and from what.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The client's key.
    pub key: Key,
    /// The client's address as it came, of which the mappings of other products make a key of their own.
    pub addr: IpAddr,
    /// The pool's servers, in the order of the file.
    pub servers: &'a [Server],
    /// Whether a server is up. Some mappings are made anew of those that are.
    pub up: &'a dyn Fn(usize) -> bool,
    /// Whether a server is only passed over: it is full, or was tried in vain. A mapping stays as it is,
    /// and gives what it would answer if its choices before that one were down.
    pub passed: &'a dyn Fn(usize) -> bool,
    /// The first choice, when there was one: where a way around began.
    pub first: Option<usize>,
    /// Live sessions of a server.
    pub sessions: &'a dyn Fn(usize) -> u64,
    /// Counts up with every new session of the pool.
    pub ticket: u32,
    /// Where tables are kept from one question to the next.
    pub tables: &'a RefCell<Tables>,
}

impl core::fmt::Debug for Question<'_> {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("Question")
            .field("key", &self.key)
            .field("addr", &self.addr)
            .field("servers", &self.servers.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Question<'a> {
    /// Whom a client meets first while everybody is up and idle.
    pub fn of(pool: &'a Pool, addr: IpAddr, tables: &'a RefCell<Tables>) -> Self {
        Self {
            key: Key::of(addr, pool.key),
            addr,
            servers: &pool.servers,
            up: &|_| true,
            passed: &|_| false,
            first: None,
            sessions: &|_| 0,
            ticket: 0,
            tables,
        }
    }

    /// Whether a server may be the answer: it has a weight, is up and not passed over.
    fn may_choose(&self, server: usize) -> bool {
        self.servers[server].weight > 0 && (self.up)(server) && !(self.passed)(server)
    }

    /// Indices of the servers that may be the answer.
    fn candidates(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.servers.len()).filter(|server| self.may_choose(*server))
    }
}
