//! Moving a session's bytes, and judging after each turn whether it goes on, has ended, or is
//! broken. A broken side's bytes are delivered first; then the other side is reset, because a clean
//! end would be a lie.

use crate::close::Cause;
use crate::direction::{Pause, Turn};
use crate::kernel::Kernel;
use crate::record::{Flags, Session};
use crate::session::{DirectionId, Phase, Side};
use crate::shard::Shard;
use crate::snapshot::Listener;
use crate::time::Instant;
use core::time::Duration;

/// A flush looks again after 1 ms, then after twice as long each time, up to 64 ms.
const FLUSH_LOOK: Duration = Duration::from_millis(1);
const FLUSH_LOOKS_MAX: u8 = 6;

impl<'r> Shard<'r> {
    /// Gives a session its turn, and tells how many bytes it moved.
    pub(super) fn relay<K: Kernel>(&mut self, kernel: &mut K, slot: u32, now: Instant) -> usize {
        let session = self.session(slot);
        let mut again = false;
        let mut moved = 0;
        for id in DirectionId::BOTH {
            let state = &mut self.slots[slot as usize];
            let mut turn = Turn {
                watches: &mut state.watches,
                flow: &mut state.flows[id as usize],
                pipes: &mut self.pipes,
                policy: self.snapshot.pools[session.pool.get() as usize].splice,
                counted: self.place.counted.worker,
                copied: 0,
                spliced: 0,
            };
            let pause = self.place.direction(slot, id).pump(kernel, &mut turn);
            again |= pause == Pause::OutOfBudget;
            let (copied, spliced) = (turn.copied, turn.spliced);
            if copied + spliced > 0 {
                moved += copied + spliced;
                self.count(session, id, copied as u64, spliced as u64);
            }
        }
        if moved > 0 {
            session.active_at.set(now.as_nanos());
        }
        self.keep_spill_small(kernel, slot, again);
        self.judge(kernel, slot, again, now);
        moved
    }

    /// Sets the deadline to when silence that began at `start` is too long.
    pub(super) fn await_silence(&mut self, slot: u32, start: Instant) {
        if let Some(limit) = self.silence_allowed(slot) {
            self.timers.set(slot, start + limit);
        }
    }

    fn silence_allowed(&self, slot: u32) -> Option<Duration> {
        let listener = self.listener(self.session(slot));
        let half_closed = self.slots[slot as usize].half_closed;
        if half_closed { Some(listener.fin_timeout) } else { listener.idle_timeout }
    }

    /// No byte has moved for a while: long enough?
    pub(super) fn silence<K: Kernel>(&mut self, kernel: &mut K, slot: u32, now: Instant) {
        let session = self.session(slot);
        let Some(limit) = self.silence_allowed(slot) else { return };
        let due = Instant::from_nanos(session.active_at.get()) + limit;
        let queued = queued(kernel, session);
        let before = self.slots[slot as usize].queued_bytes.replace(queued);
        // Nothing comes in, but a slow receiver may still take what was written. A first look cannot
        // tell, and gives it the benefit of the doubt.
        let taking = before.map_or(queued > 0, |before| queued < before);
        if due > now {
            self.timers.set(slot, due);
        } else if taking {
            self.timers.set(slot, now + limit);
        } else {
            let half_closed = self.slots[slot as usize].half_closed;
            let cause = if half_closed { Cause::FinTimeout } else { Cause::IdleTimeout };
            self.close(kernel, slot, cause, now);
        }
    }

    /// One side is broken and all it sent was passed on: resets the other as soon as its kernel
    /// has acknowledged everything, because a reset destroys what is still queued.
    pub(super) fn flush<K: Kernel>(&mut self, kernel: &mut K, slot: u32, now: Instant) {
        let session = self.session(slot);
        let side = if self.is_broken(session, Side::Client) { Side::Server } else { Side::Client };
        let limit = self.listener(session).fin_timeout;
        let state = &mut self.slots[slot as usize];
        let cause = state.cause;
        // What a UNIX socket has taken is in the server's hands, and no close destroys it.
        let delivered = side == Side::Server && session.is_unix();
        let over = now >= Instant::from_nanos(session.active_at.get()) + limit;
        if delivered
            || state.watches[side as usize].broken
            || kernel.unacknowledged(session.socket(side as usize)) == 0
        {
            self.close(kernel, slot, cause, now);
        } else if over {
            self.close(kernel, slot, Cause::FinTimeout, now);
        } else {
            let wait = FLUSH_LOOK * (1 << state.flush_looks.min(FLUSH_LOOKS_MAX));
            state.flush_looks = state.flush_looks.saturating_add(1);
            self.timers.set(slot, now + wait);
        }
    }

    pub(super) fn listener(&self, session: &Session) -> &Listener {
        &self.snapshot.listeners[session.listener.get() as usize]
    }

    fn judge<K: Kernel>(&mut self, kernel: &mut K, slot: u32, again: bool, now: Instant) {
        let session = self.session(slot);
        for side in Side::BOTH {
            // What sent a reset takes nothing any more, also when it had ended before.
            let reset_after_end = session.is(Flags::ENDED, side.outgoing())
                && self.slots[slot as usize].watches[side as usize].broken;
            if reset_after_end || session.is(Flags::BROKEN, side.outgoing()) {
                session.mark(Flags::FAILED, side.other().outgoing());
            }
        }
        let broken = Side::BOTH.map(|side| self.is_broken(session, side));
        let side = match broken {
            [false, false] if self.has_ended(session) => {
                return self.close_orderly(kernel, slot, now);
            }
            [false, false] => return self.go_on(slot, again, now),
            [true, true] => {
                let cause = self.slots[slot as usize].cause;
                let known = cause != Cause::Ended;
                return self.close(
                    kernel,
                    slot,
                    if known { cause } else { Cause::ClientReset },
                    now,
                );
            }
            [true, false] => Side::Client,
            [false, true] => Side::Server,
        };
        self.slots[slot as usize].cause = match side {
            Side::Client => Cause::ClientReset,
            Side::Server => Cause::ServerReset,
        };
        if self.place.direction(slot, side.outgoing()).is_exhausted() {
            session.active_at.set(now.as_nanos());
            session.set_phase(Phase::Flushing);
            self.flush(kernel, slot, now);
        } else {
            let unread = self.slots[slot as usize].watches[side as usize].readable;
            let waiting = self.place.direction(slot, side.outgoing()).is_holding();
            self.go_on(slot, again || (unread && !waiting), now);
        }
    }

    /// The session has another turn, now or when something happens.
    fn go_on(&mut self, slot: u32, again: bool, now: Instant) {
        let session = self.session(slot);
        let broken = Side::BOTH.into_iter().any(|side| self.is_broken(session, side));
        if again {
            self.stand_in_line(slot);
        }
        let state = &mut self.slots[slot as usize];
        let ending = DirectionId::BOTH.iter().any(|id| session.is(Flags::ENDED, *id))
            || state.watches.iter().any(|watch| watch.broken)
            || broken;
        if ending && !state.half_closed {
            state.half_closed = true;
            state.queued_bytes = None;
            // Otherwise that comes after the proof.
            if !state.proving {
                self.await_silence(slot, now);
            }
        }
        self.await_proof(slot, now);
    }

    /// Gives the memory of the spill blocks back once nothing waits and nothing comes in.
    fn keep_spill_small<K: Kernel>(&self, kernel: &mut K, slot: u32, again: bool) {
        let session = self.session(slot);
        let waits = DirectionId::BOTH.iter().any(|id| session.spill(*id).1 > 0);
        if session.has(Flags::SPILLED) && !waits && !again {
            self.release_spill(kernel, slot);
            session.note(Flags::SPILLED, false);
        }
    }

    fn count(&self, session: &Session, id: DirectionId, copied: u64, spliced: u64) {
        let counted = &self.place.counted;
        let bytes = copied + spliced;
        counted.worker.copied[id as usize].add(copied);
        counted.worker.spliced[id as usize].add(spliced);
        counted.servers[session.server.get() as usize].bytes[id as usize].add(bytes);
        counted.listeners[session.listener.get() as usize].bytes[id as usize].add(bytes);
    }

    /// Whether nothing can be read from a side any more without it having said so, or nothing can
    /// be written to it.
    fn is_broken(&self, session: &Session, side: Side) -> bool {
        session.is(Flags::BROKEN, side.outgoing())
            || session.is(Flags::FAILED, side.other().outgoing())
    }

    /// Whether a session that is over was not broken.
    pub(super) fn ended_in_order(&self, session: &Session) -> bool {
        self.has_ended(session) && !Side::BOTH.into_iter().any(|side| self.is_broken(session, side))
    }

    /// Whether both sides have ended and each knows of the other's end.
    fn has_ended(&self, session: &Session) -> bool {
        let done = |id| session.is(Flags::ENDED, id) && session.is(Flags::SHUT, id);
        DirectionId::BOTH.into_iter().all(done)
    }
}

/// Bytes that either peer has not acknowledged.
fn queued(kernel: &mut impl Kernel, session: &Session) -> u32 {
    let [client, server] =
        Side::BOTH.map(|side| kernel.unacknowledged(session.socket(side as usize)));
    client.saturating_add(server)
}
