//! Taking connections: arms, ends and re-arms the accepting of each listening socket, and opens a
//! session for each connection.

use crate::close::Cause;
use crate::kernel::{Errno, Fd, Kernel};
use crate::listener::{Taking, is_one_connections_fault, manner};
use crate::session::{Phase, Side, Slot};
use crate::shard::Shard;
use crate::time::Instant;
use crate::token::{Op, Token};

/// Connections that one listening socket may bring in a turn while they are taken one by one.
const ACCEPTS_PER_TURN: usize = 64;

impl Shard<'_> {
    /// Serves a connection that was accepted by an engine that died before it wrote it down. It has
    /// a descriptor already, and is counted here.
    pub fn take_over<K: Kernel>(
        &mut self,
        kernel: &mut K,
        socket: Fd,
        listener: u16,
        now: Instant,
    ) {
        self.place.header.add_session();
        self.open(kernel, socket, listener, now);
    }

    pub(super) fn door_completed<K: Kernel>(
        &mut self,
        kernel: &mut K,
        token: Token,
        result: i32,
        more: bool,
        now: Instant,
    ) {
        let current = self.doors.iter_mut().find(|door| door.socket == token.slot as Fd);
        let Some(door) = current.filter(|door| door.generation == token.generation) else {
            self.place.counted.worker.stale.add(1);
            return;
        };
        let ending = door.taking == Taking::Ending;
        if !more {
            door.taking = Taking::Paused;
        }
        if result >= 0 && token.op == Op::PollDoor {
            door.ready = true;
        } else if result >= 0 {
            door.recover();
            let listener = door.listener;
            self.place.header.add_session();
            self.open(kernel, result, listener, now);
        } else if !ending && !is_one_connections_fault(Errno(-result)) {
            door.back_off(now);
            self.place.counted.worker.accept_pauses.add(1);
        }
    }

    /// Brings every listening socket into the manner that the room left asks for.
    pub(super) fn tend_doors<K: Kernel>(&mut self, kernel: &mut K, now: Instant) {
        for index in 0..self.doors.len() {
            self.tend_door(kernel, index, now);
        }
        if self.doors.iter().any(|door| door.leaving) {
            let room = self.free_places() > 0;
            self.doors.retain(|door| {
                let served = door.taking == Taking::Paused && !(door.ready && room);
                let closed = door.leaving && served;
                if closed {
                    kernel.close(door.socket);
                }
                !closed
            });
        }
    }

    /// Whether a connection may wait that there is room for.
    pub(super) fn doors_want_turn(&self) -> bool {
        let room = self.free_places() > 0;
        room && self.doors.iter().any(|door| door.ready && door.retry_at.is_none())
    }

    fn tend_door<K: Kernel>(&mut self, kernel: &mut K, index: usize, now: Instant) {
        if self.doors[index].retry_at.is_some_and(|at| at <= now) {
            self.doors[index].retry_at = None;
        }
        let count = self.doors.len();
        let taking = self.doors[index].taking;
        let shared = self.snapshot.listeners[usize::from(self.doors[index].listener)].shared;
        let wanted = manner(taking, self.free_places(), self.place.workers, count, shared);
        let door = &mut self.doors[index];
        match door.taking {
            Taking::Paused if door.leaving || door.retry_at.is_some() => {}
            Taking::Paused => {
                door.generation = door.generation.wrapping_add(1);
                door.taking = wanted;
                if wanted == Taking::Accepting {
                    kernel.accept(door.socket, door.token(Op::Accept));
                } else {
                    kernel.poll(door.socket, door.token(Op::PollDoor));
                }
            }
            Taking::Accepting | Taking::Polling
                if door.leaving || door.retry_at.is_some() || door.taking != wanted =>
            {
                let op = if door.taking == Taking::Accepting { Op::Accept } else { Op::PollDoor };
                door.taking = Taking::Ending;
                kernel.cancel(door.token(op));
            }
            Taking::Accepting | Taking::Polling | Taking::Ending => {}
        }
        if self.doors[index].ready {
            self.accept_waiting(kernel, index, now);
        }
    }

    /// Accepts what waits, each connection with its place taken first.
    fn accept_waiting<K: Kernel>(&mut self, kernel: &mut K, index: usize, now: Instant) {
        for _ in 0..ACCEPTS_PER_TURN {
            if self.doors[index].retry_at.is_some() || !self.reserve_place() {
                return;
            }
            let door = &mut self.doors[index];
            match kernel.accept_now(door.socket) {
                Ok(socket) => {
                    door.recover();
                    let listener = door.listener;
                    self.open(kernel, socket, listener, now);
                    continue;
                }
                Err(Errno::AGAIN) => door.ready = false,
                Err(errno) if is_one_connections_fault(errno) => {}
                Err(_) => {
                    door.back_off(now);
                    self.place.counted.worker.accept_pauses.add(1);
                }
            }
            self.free_place(kernel);
            if !self.doors[index].ready {
                return;
            }
        }
    }

    /// Opens a session for an accepted connection whose place in the total is taken.
    fn open<K: Kernel>(&mut self, kernel: &mut K, socket: Fd, listener: u16, now: Instant) {
        self.place.counted.worker.accepted.add(1);
        if self.stopped {
            self.place.counted.worker.vanished.add(1);
            return self.refuse(kernel, socket);
        }
        let Ok(peer) = kernel.peer(socket) else {
            // Reset before it could be looked at.
            self.place.counted.worker.vanished.add(1);
            return self.refuse(kernel, socket);
        };
        let Some(slot) = self.slab.take() else {
            // A place in the total is a place in every slab, so this is a fault of ours.
            self.place.counted.worker.faults.add(1);
            return self.refuse(kernel, socket);
        };
        if self.slab.used() > self.place.part.journal.used() {
            self.place.part.journal.set_used(self.slab.used());
        }
        match self.slots.get_mut(slot as usize) {
            Some(state) => *state = Slot::FRESH,
            None => self.slots.push(Slot::FRESH),
        }
        let session = self.session(slot);
        let rules = &self.snapshot.listeners[listener as usize];
        let (pool, header_timeout) = (rules.pool, rules.proxy_header_timeout);
        let proxied = rules.accept_proxy.iter().any(|network| network.contains(peer.ip()));
        let refused = rules.accept_proxy_only && !proxied;
        session.begin();
        session.set_socket(Side::Client as usize, socket);
        session.listener.set(listener);
        session.pool.set(pool);
        self.name_client(session, peer);
        session.accepted_at.set(now.as_nanos());
        session.active_at.set(now.as_nanos());
        session.set_phase(if proxied { Phase::Heading } else { Phase::Connecting });
        self.count_begin(listener, pool);
        if refused {
            return self.close(kernel, slot, Cause::NoProxy, now);
        }
        self.watch(kernel, slot, Side::Client);
        if proxied {
            self.timers.set(slot, now + header_timeout);
        } else {
            self.client_known(kernel, slot, None, now);
        }
    }

    fn count_begin(&self, listener: u16, pool: u16) {
        let (counted, gauges) = (&self.place.counted, &self.place.gauges);
        gauges.listeners[listener as usize].add();
        gauges.pools[pool as usize].add();
        counted.worker.sessions.set(counted.worker.sessions.read() + 1);
        counted.listeners[listener as usize].sessions.add(1);
    }

    /// Takes no connections for a moment, because there is nothing to serve them with.
    pub(super) fn pause_accepting(&mut self, now: Instant) {
        self.doors.iter_mut().for_each(|door| door.back_off(now));
        self.place.counted.worker.accept_pauses.add(1);
    }

    fn refuse<K: Kernel>(&self, kernel: &mut K, socket: Fd) {
        kernel.close(socket);
        self.free_place(kernel);
    }

    fn reserve_place(&self) -> bool {
        let header = self.place.header;
        if header.reserve(self.snapshot.max_sessions) {
            return true;
        }
        // The word first, then one more look: a place given back in between would wake nobody.
        header.wait_for_place(self.place.worker);
        header.reserve(self.snapshot.max_sessions)
    }

    pub(super) fn free_place<K: Kernel>(&self, kernel: &mut K) {
        let this = self.place.worker;
        self.place.header.free(|worker| {
            if worker != this {
                kernel.wake(worker);
            }
        });
    }

    fn free_places(&self) -> u64 {
        self.snapshot.max_sessions.saturating_sub(self.place.header.sessions())
    }
}
