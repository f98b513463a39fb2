//! Copying: a block at a time through the worker's hot buffer, what the sink does not take into the
//! direction's spill block.

use core::cell::Cell;

use crate::direction::{Direction, Turn};
use crate::kernel::{Errno, Kernel};
use crate::limits::BLOCK;
use crate::record::Flags;
use crate::session::DirectionId;

impl Direction<'_, '_> {
    /// Sends what waits in the spill block, or in the place for a PROXY header.
    pub(super) fn deliver_spill(&self, kernel: &mut impl Kernel, turn: &mut Turn<'_>) {
        let (offset, length) = self.session.spill(self.id);
        if length == 0 {
            return;
        }
        let block = if self.is(Flags::HEADER) {
            self.part.header(self.slot)
        } else {
            self.part.spill(self.slot, self.id)
        };
        // A UNIX socket does not say afterwards how much it got.
        let uncounted = self.session.is_unix() && self.id == DirectionId::ToServer;
        if uncounted {
            self.part.journal.take_in_hand(self.slot, self.id, u64::MAX);
        }
        let sent = self.send(kernel, turn, &block[offset..][..length]);
        self.session.set_spill(self.id, offset + sent, length - sent);
        if sent == length {
            self.session.unmark(Flags::HEADER, self.id);
        }
        if self.is(Flags::FAILED) {
            self.session.set_spill(self.id, 0, 0);
        }
        if uncounted {
            self.part.journal.look_at(self.slot);
        }
    }

    /// One read and, as far as the sink takes it, one write; the rest is spilled.
    pub(super) fn copy_block(&self, kernel: &mut impl Kernel, turn: &mut Turn<'_>) {
        let received = &self.session.received[self.id as usize];
        let journal = self.part.journal;
        journal.take_in_hand(self.slot, self.id, received.get());
        let bytes = self.receive(kernel, turn);
        received.set(received.get() + bytes as u64);
        let block = &self.part.hot[..bytes];
        let sent = self.send(kernel, turn, block);
        if sent < bytes && !self.is(Flags::FAILED) {
            self.spill(&block[sent..], turn);
        }
        journal.look_at(self.slot);
        turn.copied += bytes;
        turn.flow.copied(bytes);
    }

    fn receive(&self, kernel: &mut impl Kernel, turn: &mut Turn<'_>) -> usize {
        let fd = self.session.socket(self.source());
        match kernel.receive(fd, self.part.hot) {
            Ok(0) => {
                self.source_ended(kernel, turn);
                0
            }
            Ok(bytes) => {
                if bytes < BLOCK {
                    turn.watches[self.source()].read_short();
                }
                bytes
            }
            Err(Errno::AGAIN) => {
                turn.watches[self.source()].read_nothing();
                0
            }
            Err(errno) => {
                self.source_broke(turn, errno);
                0
            }
        }
    }

    /// Sends what the sink takes of `bytes`; a sink that is broken fails the direction.
    fn send(&self, kernel: &mut impl Kernel, turn: &mut Turn<'_>, bytes: &[Cell<u8>]) -> usize {
        if bytes.is_empty() || !turn.watches[self.sink()].writable || self.is(Flags::FAILED) {
            return 0;
        }
        match kernel.send(self.session.socket(self.sink()), bytes) {
            Ok(sent) => {
                turn.watches[self.sink()].writable = sent == bytes.len();
                sent
            }
            Err(Errno::AGAIN) => {
                turn.watches[self.sink()].writable = false;
                0
            }
            Err(errno) => {
                self.sink_broke(turn, errno);
                0
            }
        }
    }

    fn spill(&self, rest: &[Cell<u8>], turn: &Turn<'_>) {
        if !self.session.has(Flags::SPILLED) {
            self.session.note(Flags::SPILLED, true);
            turn.counted.spills.add(1);
        }
        let block = self.part.spill(self.slot, self.id);
        for (place, byte) in block.iter().zip(rest) {
            place.set(byte.get());
        }
        self.session.set_spill(self.id, 0, rest.len());
    }
}
