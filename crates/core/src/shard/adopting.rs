//! Going on with the sessions of an engine that is gone.
//!
//! What the kernel's counts prove of each is `adopt`'s business; here it is carried out. Every step can
//! be repeated: an engine that dies in the middle leaves what the next one judges in the same way.

use crate::adopt::{Death, Evidence, Far, Held, Loss, Standing, Verdict, judge};
use crate::close::Cause;
use crate::kernel::{Errno, Kernel, NO_FD};
use crate::record::Flags;
use crate::session::{DirectionId, Phase, Side, Slot, Watch};
use crate::shard::Shard;
use crate::slab::Slab;
use crate::time::Instant;

impl Shard<'_> {
    /// Goes on with the sessions that this worker's records name, after an engine that died so. Called
    /// once, before the first turn; what they have taken of limits has been counted.
    pub fn adopt<K: Kernel>(&mut self, kernel: &mut K, death: Death, now: Instant) {
        let (journal, sessions) = (self.place.part.journal, self.place.part.sessions);
        let used = journal.used().min(sessions.len() as u32);
        let free = |slot: u32| sessions[slot as usize].phase() == Some(Phase::Free);
        self.slots.resize(used as usize, Slot::FRESH);
        self.slab = Slab::resume(sessions.len() as u32, used, free);
        self.place.counted.worker.sessions.set(u64::from(self.slab.live()));
        let suspect = journal.suspect().filter(|slot| *slot < used);
        // Whose bytes may be in the hot buffer comes before anybody else's get there.
        let others = (0..used).filter(|slot| Some(*slot) != suspect);
        for slot in suspect.into_iter().chain(others).filter(|slot| !free(*slot)) {
            let is_suspect = suspect == Some(slot);
            if !is_suspect {
                journal.look_at(slot);
            }
            self.adopt_pipes(kernel, slot);
            let verdict = self.examine(kernel, slot, is_suspect, death);
            self.carry_out(kernel, slot, verdict, now);
            journal.clear();
        }
    }

    /// Pipes that a record names are lent out, with what the kernel has in them: an engine that died after a
    /// splice has not written that down, and a pipe with residue must never be lent to another session,
    /// whatever becomes of this one. Half a pipe is none.
    fn adopt_pipes<K: Kernel>(&mut self, kernel: &mut K, slot: u32) {
        let session = self.session(slot);
        for id in DirectionId::BOTH {
            // Without a pipe there is nothing, whatever an engine that took it out had yet to write.
            session.set_piped(id, session.pipe(id).map_or(0, |pipe| kernel.waiting_in(pipe.read)));
            if session.pipe(id).is_some() {
                self.pipes.adopt();
            } else if let Some(end) = session.half_a_pipe(id) {
                session.set_pipe(id, None);
                kernel.close(end);
            }
        }
    }

    fn examine<K: Kernel>(
        &self,
        kernel: &mut K,
        slot: u32,
        suspect: bool,
        death: Death,
    ) -> Verdict {
        let record = self.session(slot);
        let relays = match record.phase() {
            // Its sockets may be closed already.
            None | Some(Phase::Free | Phase::Closing) => return Verdict::Over,
            Some(Phase::Heading | Phase::Connecting) => false,
            Some(Phase::Relaying | Phase::Flushing) => true,
        };
        let Some(client) = kernel.counts(record.socket(Side::Client as usize)) else {
            return Verdict::Lost(Loss::Mismatch);
        };
        let server = match record.socket(Side::Server as usize) {
            socket if !relays || socket == NO_FD => Far::None,
            socket if record.is_unix() => Far::Unix { deserted: kernel.is_deserted(socket) },
            socket => match kernel.counts(socket) {
                Some(counts) => Far::Tcp(counts),
                None => return Verdict::Lost(Loss::Mismatch),
            },
        };
        let pipes = DirectionId::BOTH.map(|id| record.piped(id));
        let in_hand = self.place.part.journal.in_hand().filter(|_| suspect);
        let in_hand = in_hand.map(|(_, id, base)| (id, base));
        judge(&Evidence { record, client, server, pipes, in_hand, suspect, death })
    }

    fn carry_out<K: Kernel>(&mut self, kernel: &mut K, slot: u32, verdict: Verdict, now: Instant) {
        let counted = self.place.counted.worker;
        match verdict {
            Verdict::GoOn(standings) => {
                counted.adopted.add(1);
                self.go_on_from(kernel, slot, standings);
            }
            Verdict::ReadHeader => {
                counted.adopted.add(1);
                let session = self.session(slot);
                session.header_read.set(0);
                session.header_sent.set(0);
                self.keep_held(slot, DirectionId::ToServer, Held::Nothing);
                let limit = self.listener(session).proxy_header_timeout;
                self.timers.set(slot, now + limit);
                self.watch(kernel, slot, Side::Client);
            }
            Verdict::Connect => {
                counted.adopted.add(1);
                self.connect_anew(kernel, slot, now);
            }
            Verdict::Over => {
                // What else had ended it has died with the engine.
                let ended = self.ended_in_order(self.session(slot));
                let cause = if ended { Cause::Ended } else { Cause::EngineDied };
                self.close(kernel, slot, cause, now);
            }
            Verdict::Lost(loss) => {
                counted.lost[loss as usize].add(1);
                self.close(kernel, slot, Cause::EngineDied, now);
            }
        }
    }

    /// Writes down where both directions stand, and has the session tell what it is ready for.
    fn go_on_from<K: Kernel>(&mut self, kernel: &mut K, slot: u32, standings: [Standing; 2]) {
        let session = self.session(slot);
        for (id, standing) in DirectionId::BOTH.into_iter().zip(standings) {
            let Standing { read, held, shut, failed, source_lost } = standing;
            self.keep_held(slot, id, held);
            if let Some(read) = read {
                session.received[id as usize].set(read);
            }
            // Reading will find the end once more, if it is there.
            session.unmark(Flags::ENDED, id);
            if shut {
                session.mark(Flags::SHUT, id);
            } else {
                session.unmark(Flags::SHUT, id);
            }
            if failed {
                session.mark(Flags::FAILED, id);
            }
            let taken = &session.errors[id.source() as usize];
            if source_lost && taken.get() == 0 {
                taken.set(Errno::CONNECTION_RESET.0 as u16);
            }
        }
        session.set_phase(Phase::Relaying);
        let state = &mut self.slots[slot as usize];
        // What became ready while nobody was there is not told again.
        state.watches = [Watch { readable: true, ..Watch::FRESH }; 2];
        for side in Side::BOTH {
            self.watch(kernel, slot, side);
        }
        self.await_silence(slot, Instant::from_nanos(session.active_at.get()));
        self.stand_in_line(slot);
    }

    /// Bytes that are in our memory get their place in the direction's spill block.
    fn keep_held(&self, slot: u32, id: DirectionId, held: Held) {
        let session = self.session(slot);
        match held {
            Held::Nothing => {
                session.set_spill(id, 0, 0);
                session.unmark(Flags::HEADER, id);
            }
            Held::Spill { offset, length } => session.set_spill(id, offset, length),
            Held::Hot { offset, length } => {
                let block = self.place.part.spill(slot, id);
                let bytes = &self.place.part.hot[offset..][..length];
                session.note(Flags::SPILLED, true);
                block.iter().zip(bytes).for_each(|(place, byte)| place.set(byte.get()));
                session.set_spill(id, 0, length);
                session.unmark(Flags::HEADER, id);
            }
        }
    }

    /// The server has got nothing yet: whoever is first now is asked.
    fn connect_anew<K: Kernel>(&mut self, kernel: &mut K, slot: u32, now: Instant) {
        let session = self.session(slot);
        let socket = session.socket(Side::Server as usize);
        self.leave_source(session);
        self.leave_server(session);
        if socket != NO_FD {
            session.set_socket(Side::Server as usize, NO_FD);
            kernel.close(socket);
        }
        session.set_phase(Phase::Connecting);
        session.attempts.set(0);
        // A header for the server that stands in its place already stays as it is.
        self.client_known(kernel, slot, None, now);
    }
}
