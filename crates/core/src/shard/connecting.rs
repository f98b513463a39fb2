//! Giving a session its server: the key's first choice, and the next one when that cannot be
//! reached, at once when it refuses and after the connect timeout when it is silent.

use crate::close::Cause;
use crate::kernel::{Errno, Kernel, NO_FD, Remote, Span};
use crate::key::Key;
use crate::mapping::Question;
use crate::record::{Flags, Session};
use crate::session::{Phase, Side, Slot, Watch};
use crate::shard::Shard;
use crate::shortage::Shortage;
use crate::snapshot::{Pool, Server, Source};
use crate::time::Instant;
use crate::token::{Op, Token};

impl Shard<'_> {
    /// Begins the first attempt of a session.
    pub(super) fn connect_first<K: Kernel>(&mut self, kernel: &mut K, slot: u32, now: Instant) {
        let pool = self.session(slot).pool.get();
        let ticket = &mut self.tickets[pool as usize];
        *ticket = ticket.wrapping_add(1);
        self.connect_next(kernel, slot, Cause::NoServer, now);
    }

    pub(super) fn connect_completed<K: Kernel>(
        &mut self,
        kernel: &mut K,
        token: Token,
        result: i32,
        now: Instant,
    ) {
        let Some(session) = self.living(token) else { return };
        self.slots[token.slot as usize].connecting = false;
        match session.phase() {
            Some(Phase::Closing) => self.release_when_quiet(kernel, token.slot, now),
            Some(Phase::Connecting) if result == 0 => self.connected(kernel, token.slot, now),
            Some(Phase::Connecting) => {
                self.connect_failed(kernel, token.slot, Errno(-result), now);
            }
            Some(Phase::Free | Phase::Heading | Phase::Relaying | Phase::Flushing) | None => {}
        }
    }

    /// The client did something while its server is being connected to. Bytes and an end of stream
    /// wait their turn; a reset ends the session.
    pub(super) fn client_spoke<K: Kernel>(&mut self, kernel: &mut K, slot: u32, now: Instant) {
        if self.slots[slot as usize].watches[Side::Client as usize].broken {
            self.close(kernel, slot, Cause::ClientLeft, now);
        }
    }

    /// Begins the next attempt; when there is none, ends the session for the reason `otherwise`.
    fn connect_next<K: Kernel>(
        &mut self,
        kernel: &mut K,
        slot: u32,
        otherwise: Cause,
        now: Instant,
    ) {
        let session = self.session(slot);
        self.leave_server(session);
        let left = session.server.get();
        let attempts = usize::from(session.attempts.get());
        let first = attempts == 0;
        if !first {
            self.tried[slot as usize][attempts - 1] = left;
        }
        match self.next_server(slot) {
            Ok(()) => {}
            Err(Nobody::Full) if first => return self.close(kernel, slot, Cause::ServersFull, now),
            Err(Nobody::Full | Nobody::Left) => return self.close(kernel, slot, otherwise, now),
        }
        session.attempts.set(session.attempts.get() + 1);
        if !first {
            self.place.counted.worker.retries.add(1);
            self.place.counted.servers[left as usize].redispatched.add(1);
        }
        self.slots[slot as usize].sources_tried = 0;
        self.connect_or_wait(kernel, slot, now);
    }

    /// Gives a session its next server, with a place there.
    fn next_server(&self, slot: u32) -> Result<(), Nobody> {
        let session = self.session(slot);
        let pool = &self.snapshot.pools[session.pool.get() as usize];
        let chosen = loop {
            let full = |index: usize| !self.has_room(&pool.servers[index]);
            match self.choose(slot, pool, &full) {
                // Another worker may take the last place in the meantime.
                Some(index) if !self.enter_server(session, &pool.servers[index]) => {}
                chosen => break chosen,
            }
        };
        if pool.servers.iter().all(|server| server.max_sessions.is_none()) {
            return chosen.map(drop).ok_or(Nobody::Left);
        }
        let wanted = self.choose(slot, pool, &|_| false);
        if let Some(full) = wanted.filter(|_| wanted != chosen) {
            let place = usize::from(pool.servers[full].gauge);
            self.place.counted.servers[place].full.add(1);
        }
        match (chosen, wanted) {
            (Some(_), _) => Ok(()),
            (None, Some(_)) => Err(Nobody::Full),
            (None, None) => Err(Nobody::Left),
        }
    }

    fn connect_or_wait<K: Kernel>(&mut self, kernel: &mut K, slot: u32, now: Instant) {
        // Those who wait already come first.
        if self.queue.pause().is_some() || self.connect_to(kernel, slot, now) == Opened::Not {
            self.wait_for_socket(slot, now);
        }
    }

    /// Goes on with a session that has waited for a socket.
    pub(super) fn connect_again<K: Kernel>(&mut self, kernel: &mut K, slot: u32, now: Instant) {
        if self.connect_to(kernel, slot, now) == Opened::Not {
            self.slots[slot as usize].waiting = true;
        }
    }

    /// Connects to a session's server, from the source whose turn it is.
    fn connect_to<K: Kernel>(&mut self, kernel: &mut K, slot: u32, now: Instant) -> Opened {
        let session = self.session(slot);
        let pool = &self.snapshot.pools[session.pool.get() as usize];
        let Some(server) = server_of(session, pool) else {
            self.connect_next(kernel, slot, Cause::NoServer, now);
            return Opened::OrEnded;
        };
        let (state, turns) = (&mut self.slots[slot as usize], &mut self.source_turns);
        let turn = &mut turns[usize::from(server.gauge)];
        let (socket, source) = loop {
            let source = next_source(server, state, turn);
            match kernel.open(&server.addr, source.map(|source| source.addr), pool.keepalive) {
                Ok(socket) => break (socket, source),
                // The machine has lost that address.
                Err(Errno::ADDR_NOT_AVAILABLE) if has_more_sources(server, state) => {}
                Err(Errno::ADDR_NOT_AVAILABLE) => {
                    self.connect_next(kernel, slot, Cause::LocalFault, now);
                    return Opened::OrEnded;
                }
                Err(errno) => {
                    let Some(shortage) = Shortage::of(errno) else {
                        self.close(kernel, slot, Cause::LocalFault, now);
                        return Opened::OrEnded;
                    };
                    // This one was not.
                    state.sources_tried -= u8::from(source.is_some());
                    self.run_short(shortage, now);
                    return Opened::Not;
                }
            }
        };
        let unix = matches!(server.addr, Remote::Unix(_));
        session.active_at.set(now.as_nanos());
        session.set_source(source.map(|source| source.gauge));
        session.note(Flags::UNIX, unix);
        session.set_socket(Side::Server as usize, socket);
        if let Some(source) = source {
            self.place.gauges.sources[source.gauge as usize].add();
        }
        self.place.counted.worker.connects.add(1);
        // For those who have waited for it.
        self.queue.relieve();
        match &server.addr {
            Remote::Inet(addr) => {
                state.connecting = true;
                self.timers.set(slot, now + pool.connect_timeout);
                kernel.connect(socket, *addr, self.token(slot, Op::Connect));
            }
            Remote::Unix(path) => match kernel.connect_now(socket, path) {
                Ok(()) => self.connected(kernel, slot, now),
                Err(errno) => self.connect_failed(kernel, slot, errno, now),
            },
        }
        Opened::OrEnded
    }

    /// Whom the mapping gives a session next, of the servers that are up, were not tried, and are not
    /// `full`.
    fn choose(&self, slot: u32, pool: &Pool, full: &dyn Fn(usize) -> bool) -> Option<usize> {
        let session = self.session(slot);
        let attempts = session.attempts.get();
        if attempts >= pool.attempts || usize::from(attempts) >= pool.servers.len() {
            return None;
        }
        let tried = &self.tried[slot as usize][..attempts.into()];
        let place = |index: usize| pool.servers[index].gauge;
        let up = |index: usize| self.place.health[usize::from(place(index))].is_up();
        let takes = |index: usize| pool.servers[index].weight > 0 && up(index);
        let open = pool.fail_open && !(0..pool.servers.len()).any(takes);
        let addr = session.client();
        let chosen = pool.mapping.choose(&Question {
            key: Key::of(addr, pool.key),
            addr,
            servers: &pool.servers,
            up: &|index| open || up(index),
            passed: &|index| tried.contains(&place(index)) || full(index),
            // Nowhere when a reload took that server away in the meantime: then from the beginning.
            first: tried.first().map(|first| {
                (0..pool.servers.len()).find(|index| place(*index) == *first).unwrap_or(0)
            }),
            sessions: &|index| self.place.gauges.servers[usize::from(place(index))].sessions(),
            ticket: self.tickets[session.pool.get() as usize],
            tables: &self.tables[session.pool.get() as usize],
        });
        chosen.map(|choice| choice.server)
    }

    fn connected<K: Kernel>(&mut self, kernel: &mut K, slot: u32, now: Instant) {
        let session = self.session(slot);
        let gauge = session.server.get();
        let took = now.since(Instant::from_nanos(session.active_at.get()));
        kernel.measure(Span::Connect { gauge }, took);
        session.active_at.set(now.as_nanos());
        session.set_phase(Phase::Relaying);
        self.place.counted.servers[gauge as usize].sessions.add(1);
        self.timers.clear(slot);
        self.await_silence(slot, now);
        self.watch(kernel, slot, Side::Server);
        self.relay(kernel, slot, now);
    }

    fn connect_failed<K: Kernel>(&mut self, kernel: &mut K, slot: u32, errno: Errno, now: Instant) {
        let session = self.session(slot);
        let gauge = session.server.get() as usize;
        let counted = &self.place.counted;
        let shortage = match errno {
            Errno::ADDR_NOT_AVAILABLE => Some(Shortage::Ports),
            _ => Shortage::of(errno),
        };
        let cause = match (shortage, errno) {
            // The server is not to blame, but another one may still be reached.
            (Some(Shortage::Ports), _) => Cause::NoPort,
            (Some(Shortage::Descriptors | Shortage::Memory), _) => Cause::LocalFault,
            // Nothing but the time limit cancels a connect in this phase.
            (None, Errno::CANCELED | Errno::TIMED_OUT) => Cause::ConnectTimeout,
            (None, _) => Cause::ConnectFailed,
        };
        match shortage {
            Some(shortage) => counted.worker.shortages[shortage as usize].add(1),
            None => counted.servers[gauge].connect_errors.add(1),
        }
        self.leave_source(session);
        let socket = session.socket(Side::Server as usize);
        session.set_socket(Side::Server as usize, NO_FD);
        kernel.close(socket);
        self.slots[slot as usize].watches[Side::Server as usize] = Watch::FRESH;
        if cause == Cause::NoPort && self.has_more_sources(slot) {
            return self.connect_or_wait(kernel, slot, now);
        }
        self.connect_next(kernel, slot, cause, now);
    }

    /// Whether a session's server can be tried from another source.
    fn has_more_sources(&self, slot: u32) -> bool {
        let session = self.session(slot);
        let server = server_of(session, &self.snapshot.pools[session.pool.get() as usize]);
        server.is_some_and(|server| has_more_sources(server, &self.slots[slot as usize]))
    }
}

/// Whether there is a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opened {
    /// There is one, or the session has ended for want of a server.
    OrEnded,
    /// None is to be had at the moment.
    Not,
}

/// Why a session has no next server.
enum Nobody {
    /// All that are left have as many sessions as they may.
    Full,
    /// None is left, or it has had all its attempts.
    Left,
}

/// A session's server; `None` when a reload has taken it away.
fn server_of<'s>(session: &Session, pool: &'s Pool) -> Option<&'s Server> {
    pool.servers.iter().find(|server| server.gauge == session.server.get())
}

/// The next source of an attempt: the first is the one whose turn it is at this server.
fn next_source(server: &Server, state: &mut Slot, turn: &mut u32) -> Option<Source> {
    let count = server.sources.len();
    if count == 0 {
        return None;
    }
    if state.sources_tried == 0 {
        state.first_source = (*turn as usize % count) as u8;
        *turn = turn.wrapping_add(1);
    }
    let next = usize::from(state.first_source) + usize::from(state.sources_tried);
    state.sources_tried += 1;
    Some(server.sources[next % count])
}

fn has_more_sources(server: &Server, state: &Slot) -> bool {
    usize::from(state.sources_tried) < server.sources.len()
}
