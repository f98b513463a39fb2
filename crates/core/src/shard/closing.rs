//! The end of a session: operations in flight are retired first, then the descriptors are closed,
//! then the slot is free. A close is a reset, unless the session ended in order.

use crate::close::Cause;
use crate::kernel::{Kernel, NO_FD, Span};
use crate::record::{Flags, Session};
use crate::session::{DirectionId, Phase, Side};
use crate::shard::{Shard, poll_op};
use crate::time::Instant;
use crate::token::Op;

impl Shard<'_> {
    /// Ends a session in which each side has ended and was told of the other's end.
    pub(super) fn close_orderly<K: Kernel>(&mut self, kernel: &mut K, slot: u32, now: Instant) {
        for side in Side::BOTH {
            kernel.forgive(self.session(slot).socket(side as usize));
        }
        self.close(kernel, slot, Cause::Ended, now);
    }

    /// Ends a session. Sides that were not forgiven see a reset.
    pub(super) fn close<K: Kernel>(
        &mut self,
        kernel: &mut K,
        slot: u32,
        cause: Cause,
        now: Instant,
    ) {
        self.session(slot).set_phase(Phase::Closing);
        self.slots[slot as usize].cause = cause;
        self.slots[slot as usize].waiting = false;
        self.timers.clear(slot);
        for side in Side::BOTH {
            let token = self.token(slot, poll_op(side));
            let watch = &mut self.slots[slot as usize].watches[side as usize];
            if watch.polling && !watch.cancelling {
                watch.cancelling = true;
                kernel.cancel(token);
            }
        }
        if self.slots[slot as usize].connecting {
            kernel.cancel(self.token(slot, Op::Connect));
        }
        self.release_when_quiet(kernel, slot, now);
    }

    /// Closes the descriptors and frees the slot, unless an operation is still in flight.
    pub(super) fn release_when_quiet<K: Kernel>(
        &mut self,
        kernel: &mut K,
        slot: u32,
        now: Instant,
    ) {
        let state = &self.slots[slot as usize];
        let polling = state.watches.iter().any(|watch| watch.polling);
        if polling || state.connecting {
            return;
        }
        let cause = state.cause;
        let session = self.session(slot);
        self.leave_source(session);
        self.leave_server(session);
        self.leave_key(slot);
        for side in Side::BOTH {
            let socket = session.socket(side as usize);
            if socket != NO_FD {
                session.set_socket(side as usize, NO_FD);
                kernel.close(socket);
            }
        }
        for id in DirectionId::BOTH {
            self.place.direction(slot, id).drop_pipe(kernel, &mut self.pipes);
        }
        if session.has(Flags::SPILLED) {
            self.release_spill(kernel, slot);
        }
        kernel.measure(Span::Session, now.since(Instant::from_nanos(session.accepted_at.get())));
        self.count_end(session, cause);
        session.end();
        self.slab.give(slot);
        self.free_places_of(kernel, session.listener.get());
        self.queue.hasten(now);
    }

    fn count_end(&self, session: &Session, cause: Cause) {
        let (counted, gauges) = (&self.place.counted, &self.place.gauges);
        gauges.pools[session.pool.get() as usize].subtract();
        counted.worker.ended.add(1);
        counted.worker.sessions.set(counted.worker.sessions.read() - 1);
        counted.worker.causes[cause as usize].add(1);
        let side = match cause {
            Cause::ClientReset | Cause::ClientLeft => Side::Client,
            Cause::ServerReset => Side::Server,
            Cause::Ended
            | Cause::IdleTimeout
            | Cause::FinTimeout
            | Cause::ConnectFailed
            | Cause::ConnectTimeout
            | Cause::NoServer
            | Cause::LocalFault
            | Cause::Stopped
            | Cause::BadProxyHeader
            | Cause::ProxyHeaderTimeout
            | Cause::ProxyHeaderCut
            | Cause::NoProxy
            | Cause::SourceLimit
            | Cause::ServersFull
            | Cause::Shortage
            | Cause::NoPort
            | Cause::EngineDied => return,
        };
        if session.attempts.get() > 0 {
            counted.servers[session.server.get() as usize].aborts[side as usize].add(1);
        }
    }

    pub(super) fn release_spill<K: Kernel>(&self, kernel: &mut K, slot: u32) {
        for id in DirectionId::BOTH {
            kernel.release(self.place.part.spill(slot, id));
        }
    }
}
