//! One way through a session: bytes from a source to a sink, then the source's end to the sink.
//!
//! A direction copies through the worker's hot buffer, or splices through a pipe that it borrows
//! for the length of a turn. What the sink does not take waits: copied bytes in the direction's
//! spill block, spliced ones in the pipe, which is then kept. While something waits nothing is read,
//! so a direction never has both, and changes between the two only when it has neither.
//! What a broken direction means for the session is decided in `shard`.

mod copy;
pub(crate) mod flow;
mod splice;

use crate::direction::flow::Flow;
use crate::kernel::{Errno, Kernel};
use crate::limits::{BLOCK, PIPE_BYTES, TURN_BYTES};
use crate::pipes::Pipes;
use crate::record::{Flags, Session};
use crate::region::Part;
use crate::session::{DirectionId, Watch};
use crate::spec::Splice;
use crate::stats::WorkerStats;

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

/// What a direction works with, beside its record, and what it has done with it.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) watches: &'a mut [Watch; 2],
    pub(crate) flow: &'a mut Flow,
    pub(crate) pipes: &'a mut Pipes,
    pub(crate) policy: Splice,
    pub(crate) counted: &'a WorkerStats,
    /// Bytes received through the hot buffer.
    pub(crate) copied: usize,
    /// Bytes received into a pipe.
    pub(crate) spliced: usize,
}

impl Turn<'_> {
    /// A spliced byte costs a fraction of a copied one (README, "How bytes move"), so a turn's share
    /// holds more of them.
    fn is_used_up(&self) -> bool {
        self.copied + BLOCK > TURN_BYTES || self.spliced >= PIPE_BYTES
    }
}

impl<'r> Direction<'_, 'r> {
    /// Moves bytes until the source has none, the sink takes none, or a turn's share was read.
    pub(crate) fn pump(&self, kernel: &mut impl Kernel, turn: &mut Turn<'_>) -> Pause {
        let pause = self.move_bytes(kernel, turn);
        self.return_pipe(kernel, turn.pipes);
        pause
    }

    /// Whether nothing more will come out of this direction's source, and all of it was delivered
    /// or can no longer be.
    pub(crate) fn is_exhausted(&self) -> bool {
        let finished = self.is(Flags::ENDED) || self.is(Flags::BROKEN);
        self.is(Flags::FAILED) || (finished && !self.is_holding())
    }

    /// Whether bytes that were received wait for the sink.
    pub(crate) fn is_holding(&self) -> bool {
        self.session.spill(self.id).1 > 0 || self.session.piped(self.id) > 0
    }

    fn move_bytes(&self, kernel: &mut impl Kernel, turn: &mut Turn<'_>) -> Pause {
        loop {
            self.deliver_spill(kernel, turn);
            self.deliver_pipe(kernel, turn);
            if self.is_holding() {
                return Pause::Waiting;
            }
            if self.is(Flags::ENDED) {
                self.pass_end_on(kernel, turn);
                return Pause::Waiting;
            }
            let blocked = self.is(Flags::BROKEN) || self.is(Flags::FAILED);
            if blocked || !turn.watches[self.source()].readable {
                return Pause::Waiting;
            }
            if turn.is_used_up() {
                return Pause::OutOfBudget;
            }
            if !self.splice_or_decline(kernel, turn) {
                self.copy_block(kernel, turn);
            }
        }
    }

    /// The source gave 0 bytes: its end, unless it is broken and the error was told before.
    fn source_ended(&self, kernel: &mut impl Kernel, turn: &mut Turn<'_>) {
        turn.watches[self.source()].readable = false;
        let fd = self.session.socket(self.source());
        // Once an error was taken from a socket, a reset connection reads as ended.
        let genuine = self.session.errors[self.source()].get() == 0 || kernel.fin_received(fd);
        self.mark(if genuine { Flags::ENDED } else { Flags::BROKEN });
    }

    /// Reading the source gave an error, which it will not give again.
    fn source_broke(&self, turn: &mut Turn<'_>, errno: Errno) {
        turn.watches[self.source()].readable = false;
        self.session.errors[self.source()].set(errno.0 as u16);
        self.mark(Flags::BROKEN);
    }

    /// The sink is broken. What it has sent is still to be read: it came before the break.
    fn sink_broke(&self, turn: &mut Turn<'_>, errno: Errno) {
        let taken = &self.session.errors[self.sink()];
        if taken.get() == 0 {
            taken.set(errno.0 as u16);
        }
        self.mark(Flags::FAILED);
        turn.watches[self.sink()].readable = true;
    }

    fn pass_end_on(&self, kernel: &mut impl Kernel, turn: &mut Turn<'_>) {
        if self.is(Flags::SHUT) || self.is(Flags::FAILED) {
            return;
        }
        self.mark(Flags::SHUT);
        if self.closes_now(turn) {
            return;
        }
        // It fails only when the connection is gone already; reading the other way will tell why.
        if kernel.shut_down(self.session.socket(self.sink())).is_err() {
            self.mark(Flags::FAILED);
            turn.watches[self.sink()].readable = true;
        }
    }

    /// Whether this is the last end of a session that is whole: it goes out with the close, which
    /// follows at once. Of one that is not, the close is a reset, and the end has to come before.
    fn closes_now(&self, turn: &Turn<'_>) -> bool {
        let back = |flag| self.session.is(flag, self.id.other());
        let whole = !back(Flags::FAILED) && turn.watches.iter().all(|watch| !watch.broken);
        whole && back(Flags::ENDED) && back(Flags::SHUT)
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
