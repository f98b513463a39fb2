//! Looking behind reads that came back short.
//!
//! A short read is taken to mean that the queue is empty, which saves each message a read that finds
//! nothing. It is wrong where reads stop in the middle: at TCP's urgent mark, and on a UNIX socket
//! between two sends of which one carried descriptors (unix(7)). The kernel does not tell twice of
//! what is there, so it would stay there until more comes. Therefore, once nothing has moved for a
//! moment, a session's sockets are read once more; one where that finds something is not believed
//! again. What it costs is one read after each burst of messages.

use core::time::Duration;

use crate::kernel::Kernel;
use crate::session::{Phase, Side};
use crate::shard::Shard;
use crate::time::Instant;

/// Looks fall on multiples of this on the clock, so that those of many sessions share a wake-up. One
/// comes when nothing has moved for one to two of them.
const STEP: Duration = Duration::from_millis(64);

impl Shard<'_> {
    /// Sees to it that reads which were believed are proved.
    pub(super) fn await_proof(&mut self, slot: u32, now: Instant) {
        let state = &mut self.slots[slot as usize];
        if !state.proving && state.watches.iter().any(|watch| watch.believed) {
            state.proving = true;
            self.timers.set(slot, after(now));
        }
    }

    /// The time of a look has come: the session is quiet, or has another one later.
    pub(super) fn prove<K: Kernel>(&mut self, kernel: &mut K, slot: u32, now: Instant) {
        let session = self.session(slot);
        let active_at = Instant::from_nanos(session.active_at.get());
        if active_at + STEP > now {
            return self.timers.set(slot, after(active_at));
        }
        let state = &mut self.slots[slot as usize];
        state.proving = false;
        let believed = state.watches.each_ref().map(|watch| watch.believed);
        let received = || Side::BOTH.map(|side| session.received[side.outgoing() as usize].get());
        let before = received();
        for watch in state.watches.iter_mut().filter(|watch| watch.believed) {
            watch.believed = false;
            watch.readable = true;
        }
        self.relay(kernel, slot, now);
        if session.phase() != Some(Phase::Relaying) {
            return;
        }
        let after = received();
        let state = &mut self.slots[slot as usize];
        for side in Side::BOTH.map(|side| side as usize) {
            // It may have come at this very moment. Then a read a message is all that it costs.
            state.watches[side].stops_short |= believed[side] && after[side] > before[side];
        }
        if !state.proving {
            self.await_silence(slot, Instant::from_nanos(session.active_at.get()));
        }
    }
}

/// The first look after nothing has moved since `moment`.
fn after(moment: Instant) -> Instant {
    let step = STEP.as_millis() as u64;
    Instant::from_millis((moment.as_millis() / step + 2) * step)
}
