//! Whose turn it is: messages at once, bulk in line.
//!
//! A turn of bulk takes a tenth of a millisecond, one of a message a hundredth. So a session that is
//! bulk is not served when its poll tells of something, but waits in the run list, which is served
//! between two looks for completions and, while there are messages, only a share at a time.

use core::mem::replace;
use core::time::Duration;

use crate::kernel::Kernel;
use crate::limits::PIPE_BYTES;
use crate::session::Phase;
use crate::shard::Shard;
use crate::time::Instant;

/// Bulk has the worker for itself when no message has come for so long. To look for completions after
/// every share makes bulk up to a fifth dearer: it is then taken in smaller pieces.
const ALONE: Duration = Duration::from_millis(100);

impl Shard<'_> {
    /// Gives sessions of the run list their turns: as many as move a pipe's worth of bytes for each
    /// session that was served at once since the last time, and one at least. So a message waits for
    /// one share of bulk, and messages, however many, do not starve bulk.
    pub(super) fn serve_run_list<K: Kernel>(&mut self, kernel: &mut K, now: Instant) {
        let served = replace(&mut self.served, 0);
        if served > 0 {
            self.served_at = now;
        }
        let alone = now >= self.served_at + ALONE;
        let allowance = if alone { usize::MAX } else { PIPE_BYTES * served.max(1) };
        let mut moved = 0;
        for _ in 0..self.run_list.len() {
            if moved >= allowance {
                return;
            }
            let Some(slot) = self.run_list.pop_front() else { return };
            self.slots[slot as usize].queued = false;
            if self.session(slot).phase() == Some(Phase::Relaying) {
                self.place.part.journal.look_at(slot);
                moved += self.relay(kernel, slot, now);
            }
        }
    }

    /// A session's poll has told of something: serves it, or has it stand in line.
    pub(super) fn serve<K: Kernel>(&mut self, kernel: &mut K, slot: u32, now: Instant) {
        if self.slots[slot as usize].flows.iter().any(|flow| flow.is_bulk()) {
            self.stand_in_line(slot);
        } else {
            self.served += 1;
            self.relay(kernel, slot, now);
        }
    }

    /// The session has a turn when those before it in the run list have had theirs.
    pub(super) fn stand_in_line(&mut self, slot: u32) {
        let state = &mut self.slots[slot as usize];
        if !state.queued {
            state.queued = true;
            debug_assert!(self.run_list.len() < self.slots.len(), "no slot stands in it twice");
            self.run_list.push_back(slot);
        }
    }
}
