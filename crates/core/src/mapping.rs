//! Who serves a key: the mappings, each a pure function with a versioned name, and the two ways of
//! choosing that keep no affinity.
//!
//! Every mapping gives a key a full order of servers; a session that cannot reach one tries the
//! next. A result that was once given by a name never changes; a change is a new name.

pub mod rendezvous;
mod rotation;

use crate::key::Key;
use crate::snapshot::Server;

/// How a pool chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapping {
    /// `rendezvous-1`, keyed with a seed.
    Rendezvous1 {
        /// The same on every machine of a fleet.
        seed: u64,
    },
    /// In turn; not sticky.
    RoundRobin,
    /// The server with the fewest sessions for its weight; not sticky.
    LeastSessions,
}

impl Mapping {
    /// The versioned name; `None` when the same key does not always meet the same server.
    pub fn version(self) -> Option<&'static str> {
        match self {
            Self::Rendezvous1 { .. } => Some("rendezvous-1"),
            Self::RoundRobin | Self::LeastSessions => None,
        }
    }

    /// The first choice, or the next one after a choice that was tried. `None`: nobody is left.
    pub fn choose(self, asked: &Question<'_>) -> Option<usize> {
        match self {
            Self::Rendezvous1 { seed } => rendezvous::choose(seed, asked),
            Self::RoundRobin => rotation::in_turn(asked),
            Self::LeastSessions => rotation::least_sessions(asked),
        }
    }
}

/// Whom a mapping is asked to choose, and from what.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The client's key.
    pub key: Key,
    /// The pool's servers, in the order of the file.
    pub servers: &'a [Server],
    /// The choice before, when that one could not be reached.
    pub after: Option<usize>,
    /// The first choice, when there was one: where a way around began.
    pub first: Option<usize>,
    /// Whether a server may be chosen at all.
    pub eligible: &'a dyn Fn(usize) -> bool,
    /// Live sessions of a server.
    pub sessions: &'a dyn Fn(usize) -> u64,
    /// Counts up with every new session of the pool.
    pub ticket: u32,
}

impl core::fmt::Debug for Question<'_> {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("Question")
            .field("key", &self.key)
            .field("servers", &self.servers.len())
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}

impl Question<'_> {
    /// Indices of the servers that may be chosen: weight above 0 and eligible.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.servers.len())
            .filter(|index| self.servers[*index].weight > 0 && (self.eligible)(*index))
    }
}
