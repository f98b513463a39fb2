//! What happens in a game, a step each: peers, the machine, and those who run the balancer.

use std::time::Duration;

use ringbolt_core::adopt::Death;
use ringbolt_core::kernel::Fd;
use ringbolt_core::token::Op;

use crate::world::{CAPACITY, World};

/// What happens next. Each `pick` is one of those that there are then.
#[derive(Clone, Debug)]
pub enum Step {
    /// A client 198.51.100.`last` connects.
    Connect {
        /// Who.
        last: u8,
        /// What its kernel takes while it reads nothing.
        window: usize,
        /// What it sends before its stream if it must send a PROXY header.
        header: Vec<u8>,
    },
    /// A peer sends.
    Send {
        /// Who.
        pick: usize,
        /// How much.
        bytes: usize,
        /// The first byte is urgent data.
        urgent: bool,
    },
    /// A peer ends its direction.
    End {
        /// Who.
        pick: usize,
    },
    /// A peer breaks its connection.
    Reset {
        /// Who.
        pick: usize,
    },
    /// A peer reads.
    Take {
        /// Who.
        pick: usize,
        /// How much, at most.
        bytes: usize,
    },
    /// The worker hears of something.
    Complete {
        /// Of what.
        pick: usize,
    },
    /// It hears again of something that concerns nobody any more.
    Stale {
        /// Of what.
        pick: usize,
    },
    /// Time passes.
    Wait {
        /// So much.
        millis: u64,
    },
    /// Servers that are silent have been for too long.
    ConnectsTimeOut,
    /// Nobody is accepted any more.
    Drain,
    /// All is to end.
    Stop,
    /// A poll ends by itself.
    PollEnds {
        /// Whose.
        pick: usize,
    },
    /// Another configuration.
    Reload {
        /// The bits of the servers that are in it, at least one.
        servers: u8,
    },
    /// Descriptors are left, or not.
    Descriptors {
        /// They are.
        left: bool,
    },
    /// The health of a server changes.
    Turn {
        /// Which, from 1.
        place: u8,
        /// It is down.
        down: bool,
    },
    /// The engine dies and another one goes on.
    Die {
        /// After so many more moments before and after operations.
        moments: usize,
        /// While it hears of this.
        pick: usize,
        /// By its own fault.
        fault: bool,
        /// After so many moments of taking over each of these dies in the same way.
        again: Vec<usize>,
    },
}

impl Step {
    /// Engines that crash in it.
    pub fn own_faults(&self) -> u64 {
        if let Self::Die { fault: true, again, .. } = self { 1 + again.len() as u64 } else { 0 }
    }
}

impl World<'_> {
    /// Lets it happen.
    pub fn take(&mut self, step: Step) {
        match step {
            Step::Connect { last, window, header } => {
                if self.region.header.total.sessions() < u64::from(CAPACITY) {
                    self.client(last, window, &header);
                }
            }
            Step::Send { pick, bytes, urgent } => {
                if let Some(fd) = self.pick(pick)
                    && !self.send_header(fd, bytes)
                {
                    self.sequence = self.sequence.wrapping_add(37);
                    let start = self.kernel.sockets[&fd].sent_by_peer.len();
                    let bytes = stream(self.sequence, start, bytes);
                    self.kernel.peer_sends(fd, &bytes, urgent);
                }
            }
            Step::End { pick } => {
                if let Some(fd) = self.pick(pick) {
                    self.kernel.peer_ends(fd);
                }
            }
            Step::Reset { pick } => {
                if let Some(fd) = self.pick(pick) {
                    self.kernel.peer_resets(fd);
                }
            }
            Step::Take { pick, bytes } => {
                if let Some(fd) = self.pick(pick) {
                    self.kernel.peer_takes(fd, bytes);
                }
            }
            Step::Complete { pick } => self.complete(pick),
            Step::Stale { pick } => self.replay(pick),
            Step::Wait { millis } => self.wait(Duration::from_millis(millis)),
            Step::ConnectsTimeOut => self.kernel.connects_time_out(),
            Step::Drain => self.shard.drain(&mut self.kernel, self.now),
            Step::Stop => self.shard.stop(&mut self.kernel, self.now),
            Step::Reload { servers } => self.reload(servers),
            Step::Descriptors { left } => self.kernel.descriptors(left),
            Step::Turn { place, down } => self.set_down(place, down),
            Step::Die { moments, pick, fault, again } => {
                let death = if fault { Death::OwnFault } else { Death::Outside };
                self.die(moments, pick, death, &again);
            }
            Step::PollEnds { pick } => {
                if let Some(fd) = self.pick(pick) {
                    self.kernel.poll_ends(fd);
                }
            }
        }
    }

    /// A client 198.51.100.`last` connects. One that must send a header will send `header` before its
    /// stream.
    pub fn client(&mut self, last: u8, window: usize, header: &[u8]) -> Fd {
        let addr = [198, 51, 100, last].into();
        let fd = self.kernel.client((addr, 9).into(), window);
        let proxied = &self.snapshot.listeners[0].accept_proxy;
        if proxied.iter().any(|network| network.contains(addr)) {
            self.unsent.insert(fd, header.to_vec());
        }
        fd
    }

    /// Sends up to `most` bytes of the header that a client has still to send; false when there is
    /// nothing left of it.
    pub fn send_header(&mut self, fd: Fd, most: usize) -> bool {
        let Some(unsent) = self.unsent.get_mut(&fd).filter(|unsent| !unsent.is_empty()) else {
            return false;
        };
        let piece: Vec<u8> = unsent.drain(..most.min(unsent.len())).collect();
        self.kernel.peer_sends(fd, &piece, false);
        true
    }

    /// A completion of a session that is over comes again.
    fn replay(&mut self, pick: usize) {
        let count = self.kernel.delivered.len();
        if count == 0 {
            return;
        }
        let (token, result) = self.kernel.delivered[pick % count];
        let of_a_session = matches!(token.op, Op::PollClient | Op::PollServer | Op::Connect);
        let life = (token.slot, token.generation);
        let lives =
            self.shard.sessions().any(|(slot, session)| (slot, session.generation()) == life);
        if of_a_session && !lives {
            self.replayed += 1;
            self.shard.complete(&mut self.kernel, token, result, false, self.now);
        }
    }
}

/// Bytes that say where they stand, so that one that is lost, doubled or swapped shows.
pub fn stream(seed: u8, start: usize, bytes: usize) -> Vec<u8> {
    let byte = |place: usize| (place as u8).wrapping_mul(31) ^ (place >> 8) as u8 ^ seed;
    (start..start + bytes).map(byte).collect()
}
