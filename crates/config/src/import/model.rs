//! What both products' configurations come to before it is written: the part of ringbolt.toml that
//! they can ask for, each value with the place it comes from.
//!
//! Nothing is checked here. What the keys mean and allow is known to the readers of ringbolt.toml,
//! which read what is written.

use std::ops::Range;
use std::time::Duration;

use ringbolt_core::spec::{Balance, SendProxy, Splice};

/// A value and where it stands in the original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) at: Range<usize>,
}

impl<T> At<T> {
    pub(super) fn new(value: T, at: &Range<usize>) -> Self {
        Self { value, at: at.clone() }
    }

    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> At<U> {
        At { value: change(self.value), at: self.at }
    }
}

/// A time, or "off".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Off,
    After(Duration),
}

impl Limit {
    /// What both mean together: the shorter one comes first.
    pub(super) fn shorter(self, other: Self) -> Self {
        match (self, other) {
            (Self::After(one), Self::After(other)) => Self::After(one.min(other)),
            (Self::After(_), Self::Off) | (Self::Off, Self::Off) => self,
            (Self::Off, Self::After(_)) => other,
        }
    }
}

/// A whole configuration.
#[derive(Debug, Default)]
pub(super) struct Wish {
    pub(super) global: Global,
    pub(super) listeners: Vec<Listener>,
    pub(super) pools: Vec<Pool>,
}

#[derive(Debug, Default)]
pub(super) struct Global {
    pub(super) workers: Option<At<u64>>,
    pub(super) max_sessions: Option<At<u64>>,
    pub(super) admin: Option<At<String>>,
    pub(super) user: Option<At<String>>,
    pub(super) group: Option<At<String>>,
    /// `log = "tcplog"`.
    pub(super) tcplog: Option<At<()>>,
    pub(super) drain: Option<At<Limit>>,
}

#[derive(Debug)]
pub(super) struct Listener {
    pub(super) name: At<String>,
    pub(super) binds: Vec<At<String>>,
    pub(super) pool: At<String>,
    pub(super) idle: Option<At<Limit>>,
    pub(super) fin: Option<At<Duration>>,
    pub(super) accept_proxy: Option<At<Vec<String>>>,
    /// Beside `accept_proxy`: everybody else is reset.
    pub(super) accept_proxy_only: bool,
    pub(super) max_sessions: Option<At<u64>>,
    pub(super) backlog: Option<At<u64>>,
    pub(super) mptcp: Option<At<()>>,
}

#[derive(Debug)]
pub(super) struct Pool {
    pub(super) name: At<String>,
    pub(super) balance: At<Balance>,
    /// Prefix lengths of v4 and v6.
    pub(super) key: Option<At<(u8, u8)>>,
    pub(super) attempts: Option<At<u64>>,
    pub(super) connect: Option<At<Duration>>,
    pub(super) send_proxy: Option<At<SendProxy>>,
    pub(super) splice: Option<At<Splice>>,
    pub(super) keepalive: Option<At<Duration>>,
    pub(super) health: Option<At<Health>>,
    pub(super) servers: Vec<Server>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Health {
    pub(super) probe: Probe,
    pub(super) interval: Option<At<Duration>>,
    pub(super) fast_interval: Option<At<Duration>>,
    pub(super) timeout: Option<At<Duration>>,
    pub(super) rise: Option<At<u64>>,
    pub(super) fall: Option<At<u64>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    Tcp,
    Http { method: String, path: String, host: Option<String>, status: Option<String> },
    SendExpect { send: String, expect: String },
}

#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: At<String>,
    pub(super) addr: At<String>,
    pub(super) id: Option<At<u64>>,
    pub(super) weight: Option<At<u64>>,
    pub(super) max_sessions: Option<At<u64>>,
    pub(super) backup: Option<At<()>>,
    pub(super) source: Vec<At<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: of two limits the shorter one is meant, and "off" is none. Method: every pair.
    #[test]
    fn the_shorter_limit_comes_first() {
        let (short, long) = (Limit::After(Duration::from_secs(1)), Limit::After(Duration::MAX));
        for (one, other, both) in [
            (short, long, short),
            (long, short, short),
            (short, Limit::Off, short),
            (Limit::Off, short, short),
            (Limit::Off, Limit::Off, Limit::Off),
        ] {
            assert_eq!(one.shorter(other), both);
        }
    }
}
