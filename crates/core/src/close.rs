//! Who or what ended a session, and in which phase: the reason that counters and logs give.
//!
//! After HAProxy's "stream state at disconnection", whose two letters operators have read for
//! twenty years.

/// Who or what ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Cause {
    /// Both ends finished, and each was told.
    Ended = 0,
    /// The client's connection was reset or lost.
    ClientReset = 1,
    /// The server's connection was reset or lost.
    ServerReset = 2,
    /// No byte either way for the idle timeout.
    IdleTimeout = 3,
    /// Half-closed and silent, or not to be flushed, for the fin timeout.
    FinTimeout = 4,
    /// Every server that was tried refused or could not be reached.
    ConnectFailed = 5,
    /// The last attempt ran into the connect timeout.
    ConnectTimeout = 6,
    /// The pool has no server that takes new sessions.
    NoServer = 7,
    /// The server's side could not be had, for a reason of this machine's that has no name below.
    LocalFault = 8,
    /// The client left while its server was being connected to.
    ClientLeft = 9,
    /// A stop, or the deadline of a drain.
    Stopped = 10,
    /// What a source that must send a PROXY header sent first is none.
    BadProxyHeader = 11,
    /// No whole PROXY header came within its time.
    ProxyHeaderTimeout = 12,
    /// The connection ended, or was reset, before its PROXY header was whole.
    ProxyHeaderCut = 13,
    /// It came from no source of PROXY headers, by a listener that takes no others.
    NoProxy = 14,
    /// The client's key had all the sessions that its listener gives one.
    SourceLimit = 15,
    /// Every server that takes new sessions had all it may have.
    ServersFull = 16,
    /// It waited for a descriptor, or memory, for the server's side, for the whole connect timeout.
    Shortage = 17,
    /// No source of the servers that were tried had a port left.
    NoPort = 18,
    /// The engine that served it died, and nothing proves that no byte is lost; or it died while it ended
    /// the session, and why is not known any more.
    EngineDied = 19,
}

impl Cause {
    /// Number of causes.
    pub const COUNT: usize = 20;

    /// Every cause, with its name in metrics and logs and HAProxy's two letters (who, and in which
    /// phase).
    pub const NAMES: [(Self, &'static str, &'static str); Self::COUNT] = [
        (Self::Ended, "ended", "--"),
        (Self::ClientReset, "client-reset", "CD"),
        (Self::ServerReset, "server-reset", "SD"),
        (Self::IdleTimeout, "idle-timeout", "cD"),
        (Self::FinTimeout, "fin-timeout", "sD"),
        (Self::ConnectFailed, "connect-failed", "SC"),
        (Self::ConnectTimeout, "connect-timeout", "sC"),
        (Self::NoServer, "no-server", "SC"),
        (Self::LocalFault, "local-fault", "RC"),
        (Self::ClientLeft, "client-left", "CC"),
        (Self::Stopped, "stopped", "KD"),
        (Self::BadProxyHeader, "bad-proxy-header", "PR"),
        (Self::ProxyHeaderTimeout, "proxy-header-timeout", "cR"),
        (Self::ProxyHeaderCut, "proxy-header-cut", "CR"),
        (Self::NoProxy, "no-proxy", "PR"),
        (Self::SourceLimit, "source-limit", "PR"),
        (Self::ServersFull, "servers-full", "PC"),
        (Self::Shortage, "shortage", "RC"),
        (Self::NoPort, "no-port", "RC"),
        (Self::EngineDied, "engine-died", "ID"),
    ];

    /// The name in metrics and logs.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: a name belongs to the cause at its place. Method: all of them.
    #[test]
    fn names_stand_at_their_place() {
        for (place, (cause, ..)) in Cause::NAMES.iter().enumerate() {
            assert_eq!(*cause as usize, place);
        }
    }
}
