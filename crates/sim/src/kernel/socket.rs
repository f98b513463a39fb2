//! A connection of the kernel in memory, with what its peer did and saw.

use std::cell::Cell;
use std::net::IpAddr;

use ringbolt_core::adopt::{Counts, State};
use ringbolt_core::kernel::{Errno, Fd, Readiness};
use ringbolt_core::token::Token;

use super::End;

/// A connection: our socket, and what its peer did and saw.
#[derive(Debug, Default)]
pub struct Socket {
    /// The other socket of the session, once it is known.
    pub mate: Option<Fd>,
    /// The session got as far as moving bytes.
    pub relayed: bool,
    /// Everything the peer has sent.
    pub sent_by_peer: Vec<u8>,
    /// How much of it was read.
    pub read: usize,
    /// How much of it was a PROXY header.
    pub heading: usize,
    /// Where an urgent mark stands, in bytes sent by the peer. A UNIX socket has none; there it is
    /// where a read stops once and says nothing of it.
    pub(super) urgent: Option<usize>,
    /// The peer's end has come.
    pub peer_fin: bool,
    /// The peer has broken the connection.
    pub peer_reset: bool,
    pub(super) error_taken: bool,
    /// Everything we have written.
    pub written: Vec<u8>,
    /// How much of it is a PROXY header.
    pub preface: usize,
    /// How much of it the peer has taken.
    pub taken: usize,
    /// How much is kept for a peer that takes nothing.
    pub window: usize,
    pub(super) no_space: bool,
    /// We have ended our direction.
    pub shut: bool,
    pub(super) forgiven: bool,
    /// It is closed, and the peer saw this.
    pub closed: Option<End>,
    pub(super) poll: Option<Token>,
    /// We connected it.
    pub(super) active: bool,
    /// A UNIX socket: bytes written are in the peer's hands, and a close is no reset.
    pub unix: bool,
    /// Where it is bound.
    pub from: Option<IpAddr>,
}

impl Socket {
    pub(super) fn readiness(&self) -> Readiness {
        let mut bits = Readiness::default();
        let mut set = |on: bool, bit: Readiness| {
            if on {
                bits = bits.and(bit);
            }
        };
        let over = self.peer_fin || self.peer_reset;
        set(self.read < self.sent_by_peer.len() || over, Readiness::IN);
        set(self.room() > 0 || self.peer_reset, Readiness::OUT);
        set(self.peer_reset && !self.error_taken, Readiness::ERROR);
        set(self.peer_reset || (self.peer_fin && self.shut), Readiness::HANG_UP);
        set(over, Readiness::PEER_ENDED);
        bits
    }

    /// What the peer has sent of the session's stream.
    pub fn stream_in(&self) -> &[u8] {
        &self.sent_by_peer[self.heading..]
    }

    /// What we have written of the session's stream.
    pub fn stream_out(&self) -> &[u8] {
        self.written.get(self.preface..).unwrap_or_default()
    }

    /// What TCP would have counted. The peer's kernel acknowledges what the peer has taken.
    pub(super) fn counts(&self) -> Counts {
        let delivered = self.taken == self.written.len();
        let state = match (self.peer_reset, self.peer_fin, self.shut) {
            (true, ..) => State::Closed,
            (false, true, true) if delivered => State::Closed,
            (false, true, true) => State::BothEnding,
            (false, true, false) => State::CloseWait,
            (false, false, true) => State::FinWait,
            (false, false, false) => State::Established,
        };
        let fin = u64::from(self.shut);
        let acknowledged = self.taken as u64 + u64::from(self.active);
        Counts {
            state,
            received: self.sent_by_peer.len() as u64 + u64::from(self.peer_fin),
            acknowledged: acknowledged + if delivered { fin } else { 0 },
            unread: (self.sent_by_peer.len() - self.read) as u32,
            queued: (self.written.len() - self.taken) as u32
                + if delivered { 0 } else { fin as u32 },
            fin_received: self.peer_fin,
            error_pending: self.peer_reset && !self.error_taken,
        }
    }

    pub(super) fn room(&self) -> usize {
        self.window - (self.written.len() - self.taken)
    }

    /// Takes what can be read, as far as the next urgent mark.
    pub(super) fn take(&mut self, into: &[Cell<u8>]) -> Result<usize, Errno> {
        let mut end = self.sent_by_peer.len();
        if let Some(mark) = self.urgent.filter(|mark| *mark > self.read) {
            end = mark; // reads stop at the mark
        }
        if self.urgent.is_some_and(|mark| mark <= self.read && end > mark) {
            self.urgent = None;
        }
        let bytes = (end - self.read).min(into.len());
        if bytes > 0 {
            let from = &self.sent_by_peer[self.read..][..bytes];
            into.iter().zip(from).for_each(|(place, byte)| place.set(*byte));
            self.read += bytes;
            return Ok(bytes);
        }
        if self.peer_reset && !self.error_taken && !self.peer_fin {
            self.error_taken = true;
            return Err(Errno::CONNECTION_RESET);
        }
        if self.peer_fin || self.peer_reset { Ok(0) } else { Err(Errno::AGAIN) }
    }

    /// Writes what there is room for.
    pub(super) fn give(&mut self, from: &[Cell<u8>]) -> Result<usize, Errno> {
        if self.peer_reset && self.unix {
            return Err(Errno::PIPE); // the error waits for a read
        }
        if self.peer_reset {
            let first = !self.error_taken;
            self.error_taken = true;
            return Err(if first { Errno::CONNECTION_RESET } else { Errno::PIPE });
        }
        let bytes = self.room().min(from.len());
        self.no_space = bytes < from.len();
        self.written.extend(from[..bytes].iter().map(Cell::get));
        if bytes == 0 { Err(Errno::AGAIN) } else { Ok(bytes) }
    }
}
