//! Giving a session its server: the key's first choice, and the next one when that cannot be
//! reached, at once when it refuses and after the connect timeout when it is silent.

use crate::close::Cause;
use crate::kernel::{Errno, Kernel, NO_FD, Span};
use crate::key::Key;
use crate::listener::is_shortage;
use crate::mapping::Question;
use crate::record::Session;
use crate::session::{Phase, Side, Watch};
use crate::shard::Shard;
use crate::snapshot::Pool;
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
        let slot = &mut self.slots[token.slot as usize];
        let connect = token.op == Op::Connect;
        if connect {
            slot.connecting = false;
            slot.connect_result = result;
        } else {
            slot.connect_timing = false;
        }
        match session.phase() {
            Some(Phase::Closing) => self.release_when_quiet(kernel, token.slot, now),
            Some(Phase::Connecting) if connect && result == 0 => {
                self.connected(kernel, token.slot, now);
            }
            // A failed attempt is over when both its completions are in, and not before: the slot
            // has room for one attempt at a time.
            Some(Phase::Connecting) if !slot.connecting && !slot.connect_timing => {
                let errno = Errno(-slot.connect_result);
                self.connect_failed(kernel, token.slot, errno, now);
            }
            Some(Phase::Free | Phase::Connecting | Phase::Relaying | Phase::Flushing) | None => {}
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
        let pool = &self.snapshot.pools[session.pool.get() as usize];
        let Some(index) = self.choose(session, pool) else {
            return self.close(kernel, slot, otherwise, now);
        };
        let server = &pool.servers[index];
        let socket = match kernel.open(server.addr, pool.keepalive) {
            Ok(socket) => socket,
            Err(errno) => {
                if is_shortage(errno) {
                    // Whoever is accepted now would fare no better; in the queue they can wait.
                    self.pause_accepting(now);
                }
                return self.close(kernel, slot, Cause::LocalFault, now);
            }
        };
        let left = session.server.replace(server.gauge);
        session.attempts.set(session.attempts.get() + 1);
        session.active_at.set(now.as_nanos());
        session.set_socket(Side::Server as usize, socket);
        self.place.gauges.servers[server.gauge as usize].add();
        let counted = &self.place.counted;
        counted.worker.connects.add(1);
        if session.attempts.get() > 1 {
            counted.worker.retries.add(1);
            counted.servers[left as usize].redispatched.add(1);
        }
        let (addr, timeout) = (server.addr, pool.connect_timeout);
        let state = &mut self.slots[slot as usize];
        state.connecting = true;
        state.connect_timing = true;
        kernel.connect(socket, addr, timeout, self.token(slot, Op::Connect));
    }

    fn choose(&self, session: &Session, pool: &Pool) -> Option<usize> {
        let tried = session.attempts.get();
        if tried >= pool.attempts || usize::from(tried) >= pool.servers.len() {
            return None;
        }
        // Nowhere when a reload took that server away in the meantime: then from the beginning.
        let place_before = (tried > 0).then(|| session.server.get());
        let before = place_before
            .and_then(|place| pool.servers.iter().position(|server| server.gauge == place));
        let addr = core::net::Ipv6Addr::from(session.client_addr.get());
        pool.mapping.choose(&Question {
            key: Key::of(addr.into(), pool.key),
            servers: &pool.servers,
            after: before,
            tried: usize::from(tried),
            eligible: &|_| true,
            sessions: &|index| {
                self.place.gauges.servers[pool.servers[index].gauge as usize].sessions()
            },
            ticket: self.tickets[session.pool.get() as usize],
        })
    }

    fn connected<K: Kernel>(&mut self, kernel: &mut K, slot: u32, now: Instant) {
        let session = self.session(slot);
        let gauge = session.server.get();
        let took = now.since(Instant::from_nanos(session.active_at.get()));
        kernel.measure(Span::Connect { gauge }, took);
        session.active_at.set(now.as_nanos());
        session.set_phase(Phase::Relaying);
        self.place.counted.servers[gauge as usize].sessions.add(1);
        if let Some(idle) = self.listener(session).idle_timeout {
            self.timers.set(slot, now + idle);
        }
        self.watch(kernel, slot, Side::Server);
        self.relay(kernel, slot, now);
    }

    fn connect_failed<K: Kernel>(&mut self, kernel: &mut K, slot: u32, errno: Errno, now: Instant) {
        let session = self.session(slot);
        let gauge = session.server.get() as usize;
        let cause = match errno {
            // Nobody but the linked time limit cancels a connect in this phase.
            Errno::CANCELED | Errno::TIMED_OUT => Cause::ConnectTimeout,
            // No local port: the server is not to blame, but another one may still be reached.
            Errno::ADDR_NOT_AVAILABLE => Cause::LocalFault,
            _ => Cause::ConnectFailed,
        };
        if cause != Cause::LocalFault {
            self.place.counted.servers[gauge].connect_errors.add(1);
        }
        self.place.gauges.servers[gauge].subtract();
        let socket = session.socket(Side::Server as usize);
        session.set_socket(Side::Server as usize, NO_FD);
        kernel.close(socket);
        self.slots[slot as usize].watches[Side::Server as usize] = Watch::FRESH;
        self.connect_next(kernel, slot, cause, now);
    }
}
