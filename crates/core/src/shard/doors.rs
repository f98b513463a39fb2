//! Taking connections: arms, ends and re-arms the accepting of each listening socket, and opens a
//! session for each connection.

use crate::close::Cause;
use crate::kernel::{Errno, Fd, Kernel};
use crate::listener::{Door, Taking, is_one_connections_fault, manner};
use crate::session::{Phase, Side, Slot};
use crate::shard::Shard;
use crate::shortage::Shortage;
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
        self.add_to(listener);
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
        let current =
            |door: &Door| door.socket == token.slot as Fd && door.generation == token.generation;
        let Some(index) = self.doors.iter().position(current) else {
            self.place.counted.worker.stale.add(1);
            return;
        };
        let door = &mut self.doors[index];
        let ending = door.taking == Taking::Ending;
        if !more {
            door.taking = Taking::Paused;
        }
        if result >= 0 && token.op == Op::PollDoor {
            door.ready = true;
        } else if result >= 0 {
            door.back_off.succeed();
            let listener = door.listener;
            self.add_to(listener);
            self.open(kernel, result, listener, now);
        } else if !ending {
            self.accept_failed(index, Errno(-result), now);
        }
    }

    /// Brings every listening socket into the manner that the room left asks for.
    pub(super) fn tend_doors<K: Kernel>(&mut self, kernel: &mut K, now: Instant) {
        for index in 0..self.doors.len() {
            self.tend_door(kernel, index, now);
        }
        if self.doors.iter().any(|door| door.leaving) {
            let (place, snapshot) = (&self.place, &self.snapshot);
            self.doors.retain(|door| {
                let room = place.room(snapshot, door.listener) > 0;
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
        let room = |door: &Door| self.place.room(&self.snapshot, door.listener) > 0;
        self.doors.iter().any(|door| door.ready && !self.is_paused(door) && room(door))
    }

    fn tend_door<K: Kernel>(&mut self, kernel: &mut K, index: usize, now: Instant) {
        self.doors[index].back_off.look(now);
        let door = &self.doors[index];
        let free = self.place.room(&self.snapshot, door.listener);
        let shared = self.snapshot.listeners[usize::from(door.listener)].shared;
        let alone = !(shared && self.place.workers > 1) && now >= self.alone_from;
        let wanted = manner(door.taking, free, self.place.workers, self.doors.len(), alone);
        let paused = self.is_paused(door);
        let door = &mut self.doors[index];
        match door.taking {
            Taking::Paused if door.leaving || paused => {}
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
                if door.leaving || paused || door.taking != wanted =>
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

    /// Accepts what waits, each connection with its places taken first.
    fn accept_waiting<K: Kernel>(&mut self, kernel: &mut K, index: usize, now: Instant) {
        for _ in 0..ACCEPTS_PER_TURN {
            let listener = self.doors[index].listener;
            if self.is_paused(&self.doors[index]) || !self.reserve_places(kernel, listener) {
                return;
            }
            let door = &mut self.doors[index];
            match kernel.accept_now(door.socket) {
                Ok(socket) => {
                    door.back_off.succeed();
                    self.open(kernel, socket, listener, now);
                    continue;
                }
                Err(Errno::AGAIN) => door.ready = false,
                Err(errno) => self.accept_failed(index, errno, now),
            }
            self.free_places_of(kernel, listener);
            if !self.doors[index].ready {
                return;
            }
        }
    }

    fn accept_failed(&mut self, index: usize, errno: Errno, now: Instant) {
        if let Some(shortage) = Shortage::of(errno) {
            self.run_short(shortage, now);
        } else if !is_one_connections_fault(errno) {
            self.doors[index].back_off.fail(now);
        }
    }

    /// Whether nothing is accepted for a moment.
    fn is_paused(&self, door: &Door) -> bool {
        self.queue.pause().is_some() || door.back_off.until().is_some()
    }

    /// Opens a session for an accepted connection whose places are taken.
    fn open<K: Kernel>(&mut self, kernel: &mut K, socket: Fd, listener: u16, now: Instant) {
        self.place.counted.worker.accepted.add(1);
        if self.stopped {
            self.place.counted.worker.vanished.add(1);
            return self.refuse(kernel, socket, listener);
        }
        let Ok(peer) = kernel.peer(socket) else {
            // Reset before it could be looked at.
            self.place.counted.worker.vanished.add(1);
            return self.refuse(kernel, socket, listener);
        };
        let Some(slot) = self.slab.take() else {
            // A place in the total is a place in every slab, so this is a fault of ours.
            self.place.counted.worker.faults.add(1);
            return self.refuse(kernel, socket, listener);
        };
        if self.slab.used() > self.place.part.journal.used() {
            self.place.part.journal.set_used(self.slab.used());
        }
        match self.slots.get_mut(slot as usize) {
            Some(state) => *state = state.anew(),
            None => self.slots.push(Slot::FRESH),
        }
        self.place.part.journal.look_at(slot);
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
            self.close(kernel, slot, Cause::NoProxy, now);
        } else if proxied {
            self.watch(kernel, slot, Side::Client);
            self.timers.set(slot, now + header_timeout);
        } else {
            self.client_known(kernel, slot, None, now);
        }
        self.place.part.journal.clear();
    }

    fn count_begin(&self, listener: u16, pool: u16) {
        let (counted, gauges) = (&self.place.counted, &self.place.gauges);
        gauges.pools[pool as usize].add();
        counted.worker.sessions.set(counted.worker.sessions.read() + 1);
        counted.listeners[listener as usize].sessions.add(1);
    }

    fn refuse<K: Kernel>(&self, kernel: &mut K, socket: Fd, listener: u16) {
        kernel.close(socket);
        self.free_places_of(kernel, listener);
    }
}
