//! A worker's machine: takes connections, gives each its server, moves its bytes, and ends it so
//! that both peers learn the truth.
//!
//! It owns the sessions of one worker and no policy: whom a key meets is `mapping`'s, how bytes move
//! is `direction`'s, how connections are taken is `listener`'s business. It never waits and reads no
//! clock; the engine's loop calls, in this order, [`Shard::complete`] for every completion,
//! [`Shard::turn`] once, and sleeps until [`Shard::next_turn`].

mod adopting;
mod closing;
mod connecting;
mod doors;
mod heading;
mod places;
mod proof;
mod queue;
mod relaying;
mod run_list;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::mem::replace;
use core::time::Duration;

use crate::close::Cause;
use crate::direction::Direction;
use crate::header::Header;
use crate::health::ServerHealth;
use crate::kernel::{Errno, Fd, Kernel, Readiness};
use crate::limits::ATTEMPTS_MAX;
use crate::listener::Door;
use crate::mapping::Tables;
use crate::pipes::Pipes;
use crate::record::Session;
use crate::region::{Counted, Gauges, Part};
use crate::roster::Fresh;
use crate::session::{DirectionId, Phase, Side, Slot};
use crate::shard::queue::Queue;
use crate::slab::Slab;
use crate::snapshot::Snapshot;
use crate::time::Instant;
use crate::timers::Timers;
use crate::token::{Op, Token};

/// Where a worker stands in the region and among the others.
#[derive(Clone, Copy, Debug)]
pub struct Place<'r> {
    /// This worker's number.
    pub worker: usize,
    /// How many workers there are.
    pub workers: usize,
    /// The region's head.
    pub header: &'r Header,
    /// Live sessions, by what they belong to.
    pub gauges: Gauges<'r>,
    /// Which servers are up, at the index of their gauge.
    pub health: &'r [ServerHealth],
    /// What this worker counts.
    pub counted: Counted<'r>,
    /// What it works on.
    pub part: Part<'r>,
}

impl<'r> Place<'r> {
    fn direction(&self, slot: u32, id: DirectionId) -> Direction<'_, 'r> {
        Direction { id, slot, session: &self.part.sessions[slot as usize], part: &self.part }
    }
}

/// For how long the accepts of an engine that has died may still be there. Its rings are taken down by a
/// kernel thread some time after their last descriptor was closed, and until then each takes the wake-up
/// for a new connection, which is given to one accept alone: seen when the machine was busy.
const DEAD_ACCEPTS: Duration = Duration::from_secs(10);

/// A worker's machine.
#[derive(Debug)]
pub struct Shard<'r> {
    place: Place<'r>,
    snapshot: Arc<Snapshot>,
    doors: Vec<Door>,
    slab: Slab,
    /// As many as have been used; allocated at once, touched as they are needed.
    slots: Vec<Slot>,
    timers: Timers,
    pipes: Pipes,
    /// Sessions without a socket for their server's side.
    queue: Queue,
    /// Sessions that have more to do without being told.
    run_list: VecDeque<u32>,
    /// The places of the servers that each slot's session has tried in vain, as many as it has made
    /// attempts. All zero at first, so it takes memory only for slots where that has happened.
    tried: Vec<[u16; ATTEMPTS_MAX as usize]>,
    /// What mappings keep from one question to the next, by pool.
    tables: Vec<RefCell<Tables>>,
    /// Sessions begun, by pool; gives round robin its turn.
    tickets: Vec<u32>,
    /// Attempts begun, by server; gives each of its sources its turn.
    source_turns: Vec<u32>,
    /// Sessions that were served at once since the last turn.
    served: usize,
    /// When that was last so.
    served_at: Instant,
    /// From then on no engine before this one accepts on these sockets any more.
    alone_from: Instant,
    /// No new sessions.
    draining: bool,
    /// And no sessions at all.
    stopped: bool,
}

impl<'r> Shard<'r> {
    /// A worker with no sessions, which takes connections from `doors` (socket and listener).
    pub fn new(
        place: Place<'r>,
        snapshot: Arc<Snapshot>,
        doors: impl IntoIterator<Item = (Fd, u16)>,
        now: Instant,
    ) -> Self {
        let capacity = place.part.sessions.len() as u32;
        Self {
            doors: doors.into_iter().map(|(socket, index)| Door::new(socket, index)).collect(),
            slab: Slab::new(capacity),
            slots: Vec::with_capacity(capacity as usize),
            timers: Timers::new(capacity, now),
            pipes: Pipes::new(),
            queue: Queue::new(capacity),
            run_list: VecDeque::with_capacity(capacity as usize),
            tried: vec![[0; ATTEMPTS_MAX as usize]; capacity as usize],
            tables: vec![RefCell::default(); snapshot.pools.len()],
            tickets: vec![0; snapshot.pools.len()],
            source_turns: vec![0; places_of_servers(&snapshot)],
            served: 0,
            served_at: now,
            draining: false,
            alone_from: if place.header.epoch() > 1 { now + DEAD_ACCEPTS } else { now },
            stopped: false,
            snapshot,
            place,
        }
    }

    /// A completion: what the token's operation resulted in, and whether it will give `more`.
    pub fn complete<K: Kernel>(
        &mut self,
        kernel: &mut K,
        token: Token,
        result: i32,
        more: bool,
        now: Instant,
    ) {
        let journal = self.place.part.journal;
        if token.op.is_of_a_session() {
            journal.look_at(token.slot);
        }
        match token.op {
            Op::Accept | Op::PollDoor => self.door_completed(kernel, token, result, more, now),
            Op::PollClient => self.polled(kernel, token, Side::Client, result, more, now),
            Op::PollServer => self.polled(kernel, token, Side::Server, result, more, now),
            Op::Connect => self.connect_completed(kernel, token, result, now),
            Op::Silent if is_harmless(Errno(-result)) => {}
            Op::Silent => self.place.counted.worker.faults.add(1),
            Op::Wake => {}
        }
        journal.clear();
    }

    /// What is due without a completion: sessions with more to do, deadlines, accepting.
    pub fn turn<K: Kernel>(&mut self, kernel: &mut K, now: Instant) {
        self.serve_run_list(kernel, now);
        while let Some(slot) = self.timers.expire(now) {
            self.place.part.journal.look_at(slot);
            self.deadline(kernel, slot, now);
        }
        self.serve_queue(kernel, now);
        self.place.part.journal.clear();
        self.tend_doors(kernel, now);
    }

    /// When the next turn is due without a completion; `None`: not before one.
    pub fn next_turn(&self, now: Instant) -> Option<Instant> {
        if !self.run_list.is_empty() || self.doors_want_turn() {
            return Some(now);
        }
        let retries = self.doors.iter().filter_map(|door| door.back_off.until());
        retries.chain(self.queue.pause()).chain(self.timers.next()).min()
    }

    /// Takes no new sessions from now on. The listening sockets are closed once what waits in
    /// their queues has been served.
    pub fn drain<K: Kernel>(&mut self, kernel: &mut K, now: Instant) {
        self.draining = true;
        self.doors.iter_mut().for_each(Door::leave);
        self.tend_doors(kernel, now);
    }

    /// Resets every session, and takes no new ones.
    pub fn stop<K: Kernel>(&mut self, kernel: &mut K, now: Instant) {
        self.draining = true;
        self.stopped = true;
        for door in &mut self.doors {
            door.leaving = true;
            door.ready = false;
        }
        self.tend_doors(kernel, now);
        for slot in 0..self.slab.used() {
            match self.session(slot).phase() {
                Some(Phase::Free | Phase::Closing) | None => {}
                Some(Phase::Heading | Phase::Connecting | Phase::Relaying | Phase::Flushing) => {
                    self.close(kernel, slot, Cause::Stopped, now);
                }
            }
        }
    }

    /// Goes on under another snapshot, with these listening sockets and no others. No session is
    /// touched: what it holds of the configuration are places, and those stay. Counters of `fresh`
    /// places begin at 0.
    pub fn renew<K: Kernel>(
        &mut self,
        kernel: &mut K,
        snapshot: Arc<Snapshot>,
        doors: &[(Fd, u16)],
        fresh: &Fresh,
        now: Instant,
    ) {
        let counted = &self.place.counted;
        fresh.servers.iter().for_each(|place| counted.servers[usize::from(*place)].clear());
        fresh.listeners.iter().for_each(|place| counted.listeners[usize::from(*place)].clear());
        self.tables.resize(snapshot.pools.len(), RefCell::default());
        self.tickets.resize(snapshot.pools.len(), 0);
        self.source_turns.resize(places_of_servers(&snapshot), 0);
        let before = replace(&mut self.snapshot, snapshot);
        self.count_keys(&before);
        for door in &mut self.doors {
            match doors.iter().find(|(socket, _)| *socket == door.socket) {
                Some((_, listener)) => door.listener = *listener,
                None => door.leave(),
            }
        }
        // A drain takes nobody new, by whatever door.
        if !self.draining {
            for (socket, listener) in doors {
                if self.doors.iter().all(|door| door.socket != *socket) {
                    self.doors.push(Door::new(*socket, *listener));
                }
            }
        }
        self.tend_doors(kernel, now);
    }

    /// Whether no session is left and none can come.
    pub fn is_over(&self) -> bool {
        self.draining && self.slab.live() == 0 && self.doors.is_empty()
    }

    /// The live sessions of this worker, with their slots.
    pub fn sessions(&self) -> impl Iterator<Item = (u32, &'r Session)> + '_ {
        self.place.part.live()
    }

    fn polled<K: Kernel>(
        &mut self,
        kernel: &mut K,
        token: Token,
        side: Side,
        result: i32,
        more: bool,
        now: Instant,
    ) {
        let Some(session) = self.living(token) else { return };
        let watch = &mut self.slots[token.slot as usize].watches[side as usize];
        if result >= 0 {
            watch.learn(Readiness(result as u32));
        }
        watch.polling &= more;
        let ended_unasked = !more && !watch.cancelling;
        match session.phase() {
            Some(Phase::Free) | None => {}
            Some(Phase::Closing) => return self.release_when_quiet(kernel, token.slot, now),
            // A poll that could not be armed would never tell of anything.
            Some(_) if result < 0 => return self.close(kernel, token.slot, Cause::LocalFault, now),
            Some(Phase::Heading) => self.read_header(kernel, token.slot, now),
            Some(Phase::Connecting) => self.client_spoke(kernel, token.slot, now),
            Some(Phase::Relaying) => self.serve(kernel, token.slot, now),
            Some(Phase::Flushing) => self.flush(kernel, token.slot, now),
        }
        if ended_unasked {
            self.watch(kernel, token.slot, side);
        }
    }

    /// Arms the poll of a side, unless it is armed or the session is being closed.
    fn watch<K: Kernel>(&mut self, kernel: &mut K, slot: u32, side: Side) {
        let session = self.session(slot);
        let watch = &mut self.slots[slot as usize].watches[side as usize];
        let open = !matches!(session.phase(), Some(Phase::Free | Phase::Closing) | None);
        if open && !watch.polling {
            watch.polling = true;
            kernel.poll(session.socket(side as usize), self.token(slot, poll_op(side)));
        }
    }

    fn deadline<K: Kernel>(&mut self, kernel: &mut K, slot: u32, now: Instant) {
        match self.session(slot).phase() {
            Some(Phase::Heading) => self.close(kernel, slot, Cause::ProxyHeaderTimeout, now),
            Some(Phase::Relaying) if self.slots[slot as usize].proving => {
                self.prove(kernel, slot, now);
            }
            Some(Phase::Relaying) => self.silence(kernel, slot, now),
            Some(Phase::Flushing) => self.flush(kernel, slot, now),
            // Its completion says what came of it: it may have succeeded meanwhile.
            Some(Phase::Connecting) if self.slots[slot as usize].connecting => {
                kernel.cancel(self.token(slot, Op::Connect));
            }
            Some(Phase::Connecting) => self.close(kernel, slot, Cause::Shortage, now),
            Some(Phase::Free | Phase::Closing) | None => {}
        }
    }

    /// The session a completion belongs to; `None` when its slot has another life by now.
    fn living(&self, token: Token) -> Option<&'r Session> {
        let session = self.place.part.sessions.get(token.slot as usize);
        let session = session.filter(|session| session.generation() == token.generation);
        if session.is_none() {
            self.place.counted.worker.stale.add(1);
        }
        session
    }

    fn session(&self, slot: u32) -> &'r Session {
        &self.place.part.sessions[slot as usize]
    }

    fn token(&self, slot: u32, op: Op) -> Token {
        Token { op, slot, generation: self.session(slot).generation() }
    }
}

/// One more than the last place that a server has.
fn places_of_servers(snapshot: &Snapshot) -> usize {
    let places = snapshot.pools.iter().flat_map(|pool| &pool.servers);
    places.map(|server| usize::from(server.gauge) + 1).max().unwrap_or(0)
}

fn poll_op(side: Side) -> Op {
    match side {
        Side::Client => Op::PollClient,
        Side::Server => Op::PollServer,
    }
}

/// A cancel that came after the end of what it should end: that completion is on its way.
fn is_harmless(errno: Errno) -> bool {
    const NO_ENTRY: i32 = 2;
    const ALREADY: i32 = 114;
    matches!(errno.0, NO_ENTRY | ALREADY)
}
