//! Splicing: from the source into a borrowed pipe and from there to the sink, without a copy.
//!
//! What splice(2) answers is not always the truth, so three rules keep clear of its traps:
//! - A pipe is filled only while it is empty. "Try again" then never means that the pipe is full,
//!   which many small segments make it by their number long before its size.
//! - A 0 is no end, and a "try again" that contradicts what is known of the source is no empty queue
//!   (splice stops at urgent data for ever): there a plain read decides.
//! - A pipe is given back only when as much came out as went in; any other is closed, so that no
//!   byte of one session can come out in another.

use crate::direction::{Direction, Turn};
use crate::kernel::{Errno, Kernel};
use crate::limits::PIPE_BYTES;
use crate::pipes::{Fallback, Pipe, Pipes};
use crate::record::Flags;

impl Direction<'_, '_> {
    /// One splice from the source into an empty pipe, where that is this direction's way now; false
    /// when a plain read is to be done instead.
    pub(super) fn splice_or_decline(&self, kernel: &mut impl Kernel, turn: &mut Turn<'_>) -> bool {
        if !turn.flow.splices(turn.policy) {
            return false;
        }
        let pipe = match self.pipe(kernel, turn.pipes) {
            Ok(pipe) => pipe,
            Err(reason) => return decline(turn, reason),
        };
        let fd = self.session.socket(self.source());
        match kernel.splice_in(fd, pipe.write, PIPE_BYTES) {
            Ok(0) => false,
            Ok(bytes) => {
                self.session.set_piped(self.id, bytes);
                let received = &self.session.received[self.id as usize];
                received.set(received.get() + bytes as u64);
                turn.spliced += bytes;
                turn.flow.spliced(bytes);
                true
            }
            Err(Errno::AGAIN) => {
                // After bytes it is what a short read is; at first it contradicts what is known.
                let watch = &mut turn.watches[self.source()];
                if turn.spliced > 0 {
                    watch.read_short();
                }
                !watch.readable
            }
            Err(errno) if is_refusal(errno) => {
                turn.flow.refuse();
                decline(turn, Fallback::Refused)
            }
            Err(errno) => {
                self.source_broke(turn, errno);
                true
            }
        }
    }

    /// Splices what waits in the pipe to the sink. A splice that takes less than all does not say
    /// that the sink is full; only "try again" does, and only after it will a poll tell of room.
    pub(super) fn deliver_pipe(&self, kernel: &mut impl Kernel, turn: &mut Turn<'_>) {
        let Some(pipe) = self.session.pipe(self.id) else { return };
        let sink = self.session.socket(self.sink());
        while self.session.piped(self.id) > 0 && !self.is(Flags::FAILED) {
            if !turn.watches[self.sink()].writable {
                return;
            }
            let waiting = self.session.piped(self.id);
            match kernel.splice_out(pipe.read, sink, waiting) {
                // An empty pipe that ought not to be: bytes are gone, so nothing may follow them.
                Ok(0) => self.sink_broke(turn, Errno::IO),
                Ok(bytes) => self.session.set_piped(self.id, waiting - bytes),
                Err(Errno::AGAIN) => turn.watches[self.sink()].writable = false,
                Err(errno) => self.sink_broke(turn, errno),
            }
        }
    }

    /// Gives the pipe back, unless bytes wait in it for a sink that still takes some.
    pub(super) fn return_pipe(&self, kernel: &mut impl Kernel, pipes: &mut Pipes) {
        if self.session.piped(self.id) == 0 || self.is(Flags::FAILED) {
            self.drop_pipe(kernel, pipes);
        }
    }

    /// Gives the pipe back, or closes it when bytes are left in it.
    pub(crate) fn drop_pipe(&self, kernel: &mut impl Kernel, pipes: &mut Pipes) {
        let Some(pipe) = self.session.pipe(self.id) else { return };
        let left = self.session.piped(self.id);
        self.session.set_pipe(self.id, None);
        self.session.set_piped(self.id, 0);
        if left == 0 {
            pipes.give_back(pipe);
        } else {
            pipes.discard(kernel, pipe);
        }
    }

    /// The pipe of this turn: the record names it before a byte can be in it.
    fn pipe(&self, kernel: &mut impl Kernel, pipes: &mut Pipes) -> Result<Pipe, Fallback> {
        if let Some(pipe) = self.session.pipe(self.id) {
            return Ok(pipe);
        }
        let pipe = pipes.borrow(kernel)?;
        self.session.set_pipe(self.id, Some(pipe));
        Ok(pipe)
    }
}

fn decline(turn: &Turn<'_>, reason: Fallback) -> bool {
    turn.counted.fallbacks[reason as usize].add(1);
    false
}

/// Whether the kernel says that it does not splice here, which is no fault of the connection's.
fn is_refusal(errno: Errno) -> bool {
    const INVALID: i32 = 22;
    const NO_SUCH_CALL: i32 = 38;
    const NOT_SUPPORTED: i32 = 95;
    matches!(errno.0, INVALID | NO_SUCH_CALL | NOT_SUPPORTED)
}
