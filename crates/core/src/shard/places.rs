//! The places that limits leave: in the total, at a listener, at a server, among the sessions of a key.
//! Each is taken before what it is for, over all workers, and given back once.

use crate::kernel::Kernel;
use crate::key::Key;
use crate::keys::UNLIMITED;
use crate::record::{Flags, Session};
use crate::session::Phase;
use crate::shard::{Place, Shard};
use crate::snapshot::{Server, Snapshot};

impl Place<'_> {
    /// Sessions that a listener may still have.
    pub(super) fn room(&self, snapshot: &Snapshot, listener: u16) -> u64 {
        let max = snapshot.listeners[usize::from(listener)].max_sessions;
        let at_listener = self.gauges.listeners[usize::from(listener)].room(max);
        at_listener.min(self.header.total.room(snapshot.max_sessions))
    }
}

impl Shard<'_> {
    /// Takes a place at a listener and one in the total. When there is none, this worker is woken once
    /// one is given back.
    pub(super) fn reserve_places<K: Kernel>(&self, kernel: &mut K, listener: u16) -> bool {
        let max = self.snapshot.listeners[usize::from(listener)].max_sessions;
        let gauge = &self.place.gauges.listeners[usize::from(listener)];
        if !gauge.take_or_wait(max, self.place.worker) {
            return false;
        }
        let total = &self.place.header.total;
        let taken = total.take_or_wait(self.snapshot.max_sessions, self.place.worker);
        if !taken {
            gauge.give_back(self.waker(kernel));
        }
        taken
    }

    /// Counts a session whose connection was accepted without a place: there was room for all that
    /// could come.
    pub(super) fn add_to(&self, listener: u16) {
        self.place.gauges.listeners[usize::from(listener)].add();
        self.place.header.total.add();
    }

    /// Gives both places back.
    pub(super) fn free_places_of<K: Kernel>(&self, kernel: &mut K, listener: u16) {
        self.place.gauges.listeners[usize::from(listener)].give_back(self.waker(kernel));
        self.place.header.total.give_back(self.waker(kernel));
    }

    /// Whether a server has room for one session more.
    pub(super) fn has_room(&self, server: &Server) -> bool {
        let gauge = &self.place.gauges.servers[usize::from(server.gauge)];
        server.max_sessions.is_none_or(|max| gauge.room(max) > 0)
    }

    /// Gives a session to a server, with a place there; whether there was one.
    pub(super) fn enter_server(&self, session: &Session, server: &Server) -> bool {
        let before = session.server.replace(server.gauge);
        session.note(Flags::AT_SERVER, true);
        let gauge = &self.place.gauges.servers[usize::from(server.gauge)];
        let taken = gauge.take(server.max_sessions.unwrap_or(u64::MAX));
        if !taken {
            session.note(Flags::AT_SERVER, false);
            session.server.set(before);
        }
        taken
    }

    /// Gives a session's place at its server back, if it has one.
    pub(super) fn leave_server(&self, session: &Session) {
        if session.has(Flags::AT_SERVER) {
            self.place.gauges.servers[usize::from(session.server.get())].subtract();
            session.note(Flags::AT_SERVER, false);
        }
    }

    /// Gives the place of the source that a session is connected from back, if it has one.
    pub(super) fn leave_source(&self, session: &Session) {
        if let Some(place) = session.source() {
            self.place.gauges.sources[usize::from(place)].subtract();
            session.set_source(None);
        }
    }

    /// Takes a place among the sessions of a client's key, if its listener counts those; whether there
    /// was one.
    pub(super) fn enter_key(&mut self, slot: u32) -> bool {
        let session = self.session(slot);
        let max = self.listener(session).max_per_source;
        max.is_none_or(|max| self.count_key(slot, max))
    }

    /// Gives that place back, if a session has one.
    pub(super) fn leave_key(&mut self, slot: u32) {
        if let Some(place) = self.slots[slot as usize].key_place.take() {
            self.place.gauges.keys.give_back(place);
            self.session(slot).note(Flags::KEYED, false);
        }
    }

    /// Counts the live sessions of listeners that count keys from now on.
    pub(super) fn count_keys(&mut self, before: &Snapshot) {
        let limited = |snapshot: &Snapshot, listener: u16| {
            let listener = snapshot.listeners.get(usize::from(listener));
            listener.is_some_and(|listener| listener.max_per_source.is_some())
        };
        for slot in 0..self.slab.used() {
            let session = self.session(slot);
            let listener = session.listener.get();
            let lives = match session.phase() {
                Some(Phase::Connecting | Phase::Relaying | Phase::Flushing) => true,
                // Its key is counted when its client is known.
                Some(Phase::Heading | Phase::Free | Phase::Closing) | None => false,
            };
            let begins = limited(&self.snapshot, listener) && !limited(before, listener);
            if lives && begins && !session.has(Flags::KEYED) {
                self.count_key(slot, UNLIMITED);
            }
        }
    }

    fn count_key(&mut self, slot: u32, max: u32) -> bool {
        let session = self.session(slot);
        let prefix = self.snapshot.pools[usize::from(session.pool.get())].key;
        session.note(Flags::KEYED, true);
        let key = Key::of(session.client(), prefix);
        let place = self.place.gauges.keys.take(session.listener.get(), key, max);
        session.note(Flags::KEYED, place.is_some());
        self.slots[slot as usize].key_place = place;
        place.is_some()
    }

    /// Wakes other workers; this one takes a turn anyhow.
    fn waker<K: Kernel>(&self, kernel: &mut K) -> impl FnMut(usize) {
        let this = self.place.worker;
        move |worker| {
            if worker != this {
                kernel.wake(worker);
            }
        }
    }
}
