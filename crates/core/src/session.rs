//! The words of a session: its sides, its directions, its phases, and what a worker remembers of
//! it between two turns and need not outlive the engine.

use crate::close::Cause;
use crate::direction::flow::Flow;
use crate::kernel::Readiness;

/// The two ends of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who connected to us.
    Client = 0,
    /// Whom we connected to.
    Server = 1,
}

impl Side {
    /// Both, client first.
    pub const BOTH: [Self; 2] = [Self::Client, Self::Server];

    /// The one at the other end.
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    /// The direction whose bytes come from here.
    pub fn outgoing(self) -> DirectionId {
        match self {
            Self::Client => DirectionId::ToServer,
            Self::Server => DirectionId::ToClient,
        }
    }
}

/// The two ways through a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectionId {
    /// From the client to the server.
    ToServer = 0,
    /// From the server to the client.
    ToClient = 1,
}

impl DirectionId {
    /// Both, towards the server first.
    pub const BOTH: [Self; 2] = [Self::ToServer, Self::ToClient];

    /// The way back.
    pub fn other(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }

    /// Where the bytes come from.
    pub fn source(self) -> Side {
        match self {
            Self::ToServer => Side::Client,
            Self::ToClient => Side::Server,
        }
    }

    /// Where they go.
    pub fn sink(self) -> Side {
        self.source().other()
    }
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The slot is free.
    Free = 0,
    /// A server is being connected to.
    Connecting = 1,
    /// Bytes move.
    Relaying = 2,
    /// One side is broken; the other gets what was received, and then a reset.
    Flushing = 3,
    /// Over; waiting for operations in flight before the descriptors are closed.
    Closing = 4,
    /// The client's PROXY header is waited for.
    Heading = 5,
}

impl Phase {
    /// The phase of a number in a record; `None` when there is no such phase.
    pub fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Free),
            1 => Some(Self::Connecting),
            2 => Some(Self::Relaying),
            3 => Some(Self::Flushing),
            4 => Some(Self::Closing),
            5 => Some(Self::Heading),
            _ => None,
        }
    }
}

/// What is known of a socket's readiness. A poll tells of changes only, so this is what is
/// remembered between them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    /// A read may find something.
    pub(crate) readable: bool,
    /// A write may find room.
    pub(crate) writable: bool,
    /// The peer has ended its direction: a short read does not mean that the queue is empty.
    pub(crate) peer_ended: bool,
    /// A read that came back short was taken to mean that the queue is empty.
    pub(crate) believed: bool,
    /// That was wrong once.
    pub(crate) stops_short: bool,
    /// The connection has an error.
    pub(crate) broken: bool,
    /// A poll is in flight.
    pub(crate) polling: bool,
    /// Its end has been asked for.
    pub(crate) cancelling: bool,
}

impl Watch {
    /// Of a new socket: there is room to write until a write says otherwise.
    pub(crate) const FRESH: Self = Self {
        readable: false,
        writable: true,
        peer_ended: false,
        believed: false,
        stops_short: false,
        broken: false,
        polling: false,
        cancelling: false,
    };

    /// Takes in what a poll saw.
    pub(crate) fn learn(&mut self, seen: Readiness) {
        let over = Readiness::PEER_ENDED.and(Readiness::ERROR).and(Readiness::HANG_UP);
        self.readable |= seen.any(Readiness::IN.and(over));
        self.writable |= seen.any(Readiness::OUT);
        self.peer_ended |= seen.any(over);
        self.broken |= seen.any(Readiness::ERROR);
    }

    /// A read gave fewer bytes than asked for: nothing is left, unless the peer has ended, which the
    /// next read tells, or its reads are known to stop short.
    pub(crate) fn read_short(&mut self) {
        let all = !self.peer_ended && !self.stops_short;
        self.believed |= all;
        self.readable &= !all;
    }

    /// A read found nothing, and that is certain.
    pub(crate) fn read_nothing(&mut self) {
        self.readable = false;
        self.believed = false;
    }
}

/// What a worker remembers of a slot and an engine that follows can do without.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    /// Of the client's and the server's socket.
    pub(crate) watches: [Watch; 2],
    /// A connect is in flight.
    pub(crate) connecting: bool,
    /// The slot stands in the run list; it may do so for a session that has ended.
    pub(crate) queued: bool,
    /// The fin timeout counts, not the idle one.
    pub(crate) half_closed: bool,
    /// What each direction's last reads say of it.
    pub(crate) flows: [Flow; 2],
    /// Looks at the queue that is being flushed; each waits longer than the one before.
    pub(crate) flush_looks: u8,
    /// The deadline is a look behind reads that were believed to be all.
    pub(crate) proving: bool,
    /// What both peers had not acknowledged at the last look for silence; `None`: not looked yet.
    pub(crate) queued_bytes: Option<u32>,
    /// Of the server's sources: the one that began this attempt, and how many were tried in it.
    pub(crate) first_source: u8,
    pub(crate) sources_tried: u8,
    /// It waits for a socket.
    pub(crate) waiting: bool,
    /// The slot stands in the queue for sockets; it may do so for a session that has ended.
    pub(crate) in_queue: bool,
    /// What ends the session, once that is known.
    pub(crate) cause: Cause,
}

impl Slot {
    /// For the slot's next session. What lists it stands in does not change with that.
    pub(crate) fn anew(&self) -> Self {
        Self { queued: self.queued, in_queue: self.in_queue, ..Self::FRESH }
    }

    pub(crate) const FRESH: Self = Self {
        watches: [Watch::FRESH; 2],
        connecting: false,
        queued: false,
        half_closed: false,
        flows: [Flow::FRESH; 2],
        flush_looks: 0,
        proving: false,
        queued_bytes: None,
        first_source: 0,
        sources_tried: 0,
        waiting: false,
        in_queue: false,
        cause: Cause::Ended,
    };
}
