//! One way through a session: bytes from a source to a sink, then the source's end to the sink.
//!
//! A direction copies through the worker's hot buffer; what the sink does not take waits in the
//! direction's spill block, and while it does nothing is read. (Splicing through a borrowed pipe
//! will be the other way to move, entered and left only while both pipe and spill are empty.)
//! What a broken direction means for the session is decided in `shard`.

use core::cell::Cell;

use crate::kernel::{Errno, Kernel};
use crate::limits::BLOCK;
use crate::record::{Flags, Session};
use crate::region::Part;
use crate::session::{DirectionId, Watch};

/// Why a direction stopped moving bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// Until a poll tells of a change, or for ever.
    Waiting,
    /// Its share of the turn is used up; it must have another turn without being told.
    OutOfBudget,
}

/// A direction of a session, for the length of a turn.
#[derive(Debug)]
pub(crate) struct Direction<'a, 'r> {
    pub(crate) id: DirectionId,
    pub(crate) slot: u32,
    pub(crate) session: &'r Session,
    pub(crate) part: &'a Part<'r>,
}

impl<'r> Direction<'_, 'r> {
    /// Moves bytes until the source has none, the sink takes none, or `budget` bytes were read.
    pub(crate) fn pump(
        &self,
        kernel: &mut impl Kernel,
        watches: &mut [Watch; 2],
        mut budget: usize,
    ) -> Pause {
        loop {
            if !self.deliver_spill(kernel, watches) {
                return Pause::Waiting;
            }
            if self.is(Flags::ENDED) {
                self.pass_end_on(kernel, watches);
                return Pause::Waiting;
            }
            let blocked = self.is(Flags::BROKEN) || self.is(Flags::FAILED);
            if blocked || !watches[self.source()].readable {
                return Pause::Waiting;
            }
            if budget < BLOCK {
                return Pause::OutOfBudget;
            }
            budget -= self.copy_block(kernel, watches);
        }
    }

    /// Whether nothing more will come out of this direction's source, and all of it was delivered
    /// or can no longer be.
    pub(crate) fn is_exhausted(&self) -> bool {
        let finished = self.is(Flags::ENDED) || self.is(Flags::BROKEN);
        self.is(Flags::FAILED) || (finished && self.session.spill(self.id).1 == 0)
    }

    /// Sends what waits; true when nothing does any more.
    fn deliver_spill(&self, kernel: &mut impl Kernel, watches: &mut [Watch; 2]) -> bool {
        let (offset, length) = self.session.spill(self.id);
        if length == 0 {
            return true;
        }
        let waiting = &self.part.spill(self.slot, self.id)[offset..][..length];
        let sent = self.send(kernel, watches, waiting);
        self.session.set_spill(self.id, offset + sent, length - sent);
        if self.is(Flags::FAILED) {
            self.session.set_spill(self.id, 0, 0);
        }
        self.session.spill(self.id).1 == 0
    }

    /// One read and, as far as the sink takes it, one write; the rest is spilled. Returns the bytes
    /// read.
    fn copy_block(&self, kernel: &mut impl Kernel, watches: &mut [Watch; 2]) -> usize {
        let received = &self.session.received[self.id as usize];
        let journal = self.part.journal;
        journal.take_in_hand(self.slot, self.id, received.get());
        let bytes = self.receive(kernel, watches);
        received.set(received.get() + bytes as u64);
        let block = &self.part.hot[..bytes];
        let sent = self.send(kernel, watches, block);
        if sent < bytes && !self.is(Flags::FAILED) {
            self.spill(&block[sent..]);
        }
        journal.clear();
        bytes
    }

    fn receive(&self, kernel: &mut impl Kernel, watches: &mut [Watch; 2]) -> usize {
        let fd = self.session.socket(self.source());
        let watch = &mut watches[self.source()];
        match kernel.receive(fd, self.part.hot) {
            Ok(0) => {
                watch.readable = false;
                // Once an error was taken from a socket, a reset connection reads as ended.
                let genuine =
                    self.session.errors[self.source()].get() == 0 || kernel.fin_received(fd);
                self.mark(if genuine { Flags::ENDED } else { Flags::BROKEN });
                0
            }
            Ok(bytes) => {
                if bytes < BLOCK && watch.short_read_is_all() {
                    watch.readable = false;
                }
                bytes
            }
            Err(Errno::AGAIN) => {
                watch.readable = false;
                watch.urgent = false;
                0
            }
            Err(errno) => {
                watch.readable = false;
                self.session.errors[self.source()].set(errno.0 as u16);
                self.mark(Flags::BROKEN);
                0
            }
        }
    }

    /// Sends what the sink takes of `bytes`; a sink that is broken fails the direction.
    fn send(
        &self,
        kernel: &mut impl Kernel,
        watches: &mut [Watch; 2],
        bytes: &[Cell<u8>],
    ) -> usize {
        if bytes.is_empty() || !watches[self.sink()].writable || self.is(Flags::FAILED) {
            return 0;
        }
        match kernel.send(self.session.socket(self.sink()), bytes) {
            Ok(sent) => {
                watches[self.sink()].writable = sent == bytes.len();
                sent
            }
            Err(Errno::AGAIN) => {
                watches[self.sink()].writable = false;
                0
            }
            Err(errno) => {
                self.fail(watches, errno);
                0
            }
        }
    }

    fn spill(&self, rest: &[Cell<u8>]) {
        let block = self.part.spill(self.slot, self.id);
        for (place, byte) in block.iter().zip(rest) {
            place.set(byte.get());
        }
        self.session.set_spill(self.id, 0, rest.len());
    }

    fn pass_end_on(&self, kernel: &mut impl Kernel, watches: &mut [Watch; 2]) {
        if self.is(Flags::SHUT) || self.is(Flags::FAILED) {
            return;
        }
        self.mark(Flags::SHUT);
        // It fails only when the connection is gone already; reading the other way will tell why.
        if kernel.shut_down(self.session.socket(self.sink())).is_err() {
            self.mark(Flags::FAILED);
            watches[self.sink()].readable = true;
        }
    }

    /// The sink is broken. What it has sent is still to be read: it came before the break.
    fn fail(&self, watches: &mut [Watch; 2], errno: Errno) {
        let taken = &self.session.errors[self.sink()];
        if taken.get() == 0 {
            taken.set(errno.0 as u16);
        }
        self.mark(Flags::FAILED);
        watches[self.sink()].readable = true;
    }

    fn is(&self, flag: Flags) -> bool {
        self.session.is(flag, self.id)
    }

    fn mark(&self, flag: Flags) {
        self.session.mark(flag, self.id);
    }

    fn source(&self) -> usize {
        self.id.source() as usize
    }

    fn sink(&self) -> usize {
        self.id.sink() as usize
    }
}
