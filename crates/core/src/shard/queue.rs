//! What happens while descriptors, or memory for sockets, run out: accepting pauses, so that clients wait
//! in the queues of the listening sockets, and sessions that were accepted and have no socket for their
//! server's side wait here, in order, for as long as a connect may take. Nothing else is touched.
//!
//! Nobody is woken for each that waits: the first in the queue tries again, and if it is refused, all
//! go on waiting.

use alloc::collections::VecDeque;
use core::mem::{replace, take};
use core::time::Duration;

use crate::back_off::BackOff;
use crate::kernel::Kernel;
use crate::shard::Shard;
use crate::shortage::Shortage;
use crate::time::Instant;

/// A descriptor that a session gives back is closed by the end of the turn.
const CLOSED_AFTER: Duration = Duration::from_millis(1);

/// Sessions that wait for a socket, and until when nobody tries to have one.
#[derive(Debug)]
pub(super) struct Queue {
    /// The first comes first, each slot once.
    slots: VecDeque<u32>,
    back_off: BackOff,
}

impl Queue {
    /// With room for as many sessions as there are; allocated at once, touched as it is needed.
    pub(super) fn new(capacity: u32) -> Self {
        let slots = VecDeque::with_capacity(capacity as usize);
        Self { slots, back_off: BackOff::default() }
    }

    /// Until when nothing is opened or accepted; `None`: there is no shortage.
    pub(super) fn pause(&self) -> Option<Instant> {
        self.back_off.until()
    }

    /// A socket was to be had.
    pub(super) fn relieve(&mut self) {
        self.back_off.succeed();
    }

    /// A descriptor is being given back.
    pub(super) fn hasten(&mut self, now: Instant) {
        self.back_off.hasten(now + CLOSED_AFTER);
    }
}

impl Shard<'_> {
    /// Something is not to be had: nothing more is asked for during a pause.
    pub(super) fn run_short(&mut self, shortage: Shortage, now: Instant) {
        self.place.counted.worker.shortages[shortage as usize].add(1);
        self.queue.back_off.fail(now);
    }

    /// Lets a session wait for a socket.
    pub(super) fn wait_for_socket(&mut self, slot: u32, now: Instant) {
        let session = self.session(slot);
        let limit = self.snapshot.pools[usize::from(session.pool.get())].connect_timeout;
        let state = &mut self.slots[slot as usize];
        state.waiting = true;
        if !replace(&mut state.in_queue, true) {
            self.queue.slots.push_back(slot);
        }
        self.timers.set(slot, now + limit);
    }

    /// Gives those who wait their sockets, the first one first, when the pause is over.
    pub(super) fn serve_queue<K: Kernel>(&mut self, kernel: &mut K, now: Instant) {
        self.queue.back_off.look(now);
        while self.queue.pause().is_none() {
            let Some(&slot) = self.queue.slots.front() else { break };
            if take(&mut self.slots[slot as usize].waiting) {
                self.place.part.journal.look_at(slot);
                self.connect_again(kernel, slot, now);
            }
            if !self.slots[slot as usize].waiting {
                self.slots[slot as usize].in_queue = false;
                self.queue.slots.pop_front();
            }
        }
    }
}
