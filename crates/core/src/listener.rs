//! How a worker takes connections from one listening socket: many at a time while there is plenty
//! of room, one by one near the limit, not at all when there is none.
//!
//! A multishot accept cannot be stopped between two connections, so it is used only while all
//! workers' completion queues together could not pass the limit. Below that a worker polls the
//! socket, and takes a place in the shared total for each connection before it accepts it. (A place
//! reserved for an accept that merely waits would be missing elsewhere: with two workers and five
//! places, four sessions on one worker would be all.)

use crate::back_off::BackOff;
use crate::kernel::{Errno, Fd};
use crate::limits::COMPLETION_ENTRIES;
use crate::token::{Op, Token};

/// How connections are being taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taking {
    /// Not at all.
    Paused,
    /// By multishot accept.
    Accepting,
    /// By poll and single accepts.
    Polling,
    /// The operation in flight has been told to end.
    Ending,
}

/// One listening socket of one worker.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) socket: Fd,
    pub(crate) listener: u16,
    /// Of the operation in flight.
    pub(crate) generation: u32,
    pub(crate) taking: Taking,
    /// The listener is gone from the configuration: what waits is served, then the socket closed.
    pub(crate) leaving: bool,
    /// Connections may wait (known only while polling).
    pub(crate) ready: bool,
    /// After an accept that failed, other than for a shortage.
    pub(crate) back_off: BackOff,
}

impl Door {
    pub(crate) fn new(socket: Fd, listener: u16) -> Self {
        Self {
            socket,
            listener,
            generation: 0,
            taking: Taking::Paused,
            leaving: false,
            ready: false,
            back_off: BackOff::default(),
        }
    }

    /// The identity of the operation in flight.
    pub(crate) fn token(&self, op: Op) -> Token {
        Token { op, slot: self.socket as u32, generation: self.generation }
    }

    /// Serves what waits, and then closes.
    pub(crate) fn leave(&mut self) {
        self.leaving = true;
        self.ready = true;
    }
}

/// How to take connections while `free` more sessions are allowed over all of `workers`, by the total or
/// by the listener's own limit, each worker with so many `doors`, from a socket where this worker's accept
/// would be `alone` or not. Going back to multishot needs twice the room that leaving it does, so that it
/// is not left again at once.
pub(crate) fn manner(now: Taking, free: u64, workers: usize, doors: usize, alone: bool) -> Taking {
    // Of several multishot accepts on one socket the kernel always wakes the one that was there first,
    // and no other. A poll is woken whoever else waits.
    if !alone {
        return Taking::Polling;
    }
    // Each multishot may bring one more when the completion queue is full.
    let headroom = workers as u64 * (u64::from(COMPLETION_ENTRIES) + doors as u64);
    let enough = if now == Taking::Polling { 2 * headroom } else { headroom };
    if free >= enough { Taking::Accepting } else { Taking::Polling }
}

/// Whether an accept failed for the sake of one connection only, so that the next may succeed.
pub(crate) fn is_one_connections_fault(errno: Errno) -> bool {
    const ABORTED: i32 = 103;
    const PROTOCOL: i32 = 71;
    const FORBIDDEN: i32 = 1; // a firewall's answer
    matches!(errno.0, ABORTED | PROTOCOL | FORBIDDEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: a socket on which others may accept is polled however much room there is, and another is
    // not. Method: plenty of room, little room.
    #[test]
    fn what_is_shared_is_polled() {
        let taken = |free, alone| manner(Taking::Paused, free, 2, 1, alone);
        assert_eq!(taken(1 << 20, true), Taking::Accepting);
        assert_eq!(taken(1 << 20, false), Taking::Polling);
        assert_eq!(taken(10, true), Taking::Polling);
    }
}
