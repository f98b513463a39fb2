//! Whose rules a way of balancing follows, which decides what else its pool may say.
//!
//! The mappings themselves are the core's.

use ringbolt_core::spec::Balance;

/// Whose rules a way of balancing follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Ours.
    Own,
    /// HAProxy's, bit for bit.
    Haproxy,
    /// nginx's, bit for bit.
    Nginx,
    /// It keeps no affinity, so it has no key.
    NotSticky,
}

impl Family {
    pub(crate) fn of(balance: Balance) -> Self {
        match balance {
            Balance::Source => Self::Own,
            Balance::HaproxySource
            | Balance::HaproxySourceAvalanche
            | Balance::HaproxySourceConsistent
            | Balance::HaproxySourceConsistentRaw
            | Balance::HaproxySourceConsistent30 => Self::Haproxy,
            Balance::NginxIpHash
            | Balance::NginxHash
            | Balance::NginxHashConsistent
            | Balance::NginxHashBinaryConsistent => Self::Nginx,
            Balance::RoundRobin | Balance::LeastSessions => Self::NotSticky,
        }
    }
}
