//! A shard, its kernel in memory, its region and the clock, for laws and scenes alike. It plays and
//! checks nothing.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use ringbolt_core::adopt::Death;
use ringbolt_core::census::Census;
use ringbolt_core::close::Cause;
use ringbolt_core::kernel::{Fd, NO_FD};
use ringbolt_core::region::{Extent, Part, Region};
use ringbolt_core::roster::Fresh;
use ringbolt_core::session::Phase;
use ringbolt_core::shard::{Place, Shard};
use ringbolt_core::snapshot::Snapshot;
use ringbolt_core::spec::Health;
use ringbolt_core::time::Instant;
use zerocopy::IntoBytes;

use crate::ground::{FIN, only_place, snapshot};
use crate::kernel::{Answer, LISTENER, MemoryKernel, Probe};
use crate::plant::Plant;

/// Sessions that there is room for.
pub const CAPACITY: u32 = 4;

/// By then a quiet session's short reads have been proved.
pub const LOOK: Duration = Duration::from_millis(200);

/// A page of the region; it wants to be aligned.
#[derive(Clone, Copy, Debug, zerocopy::FromBytes, zerocopy::IntoBytes)]
#[repr(C, align(4096))]
pub struct Page(pub [u8; 4096]);

/// A shard, its kernel, and the clock.
#[derive(Debug)]
pub struct World<'r> {
    /// The machine.
    pub kernel: MemoryKernel,
    /// The worker.
    pub shard: Shard<'r>,
    /// What it began with.
    pub snapshot: Snapshot,
    /// What is looked at.
    pub region: RegionView<'r>,
    pub(crate) place: Place<'r>,
    /// Engines that have died.
    pub deaths: u64,
    /// The clock.
    pub now: Instant,
    /// Makes the bytes of each send others.
    pub sequence: u8,
    /// Completions that came a second time.
    pub replayed: u64,
    /// What clients have still to send of their PROXY headers.
    pub unsent: BTreeMap<Fd, Vec<u8>>,
}

/// What unwinds an engine that is made to die: no panic, which would be a mistake.
struct Died;

/// What is read of the region.
#[derive(Debug)]
pub struct RegionView<'r> {
    /// The head.
    pub header: &'r ringbolt_core::header::Header,
    /// What is counted while it lasts.
    pub gauges: ringbolt_core::region::Gauges<'r>,
    /// Of each server.
    pub health: &'r [ringbolt_core::health::ServerHealth],
    /// What was counted.
    pub counted: ringbolt_core::region::Counted<'r>,
}

impl<'r> World<'r> {
    /// A world with [`CAPACITY`] places and servers that answer so.
    pub fn new(memory: &'r mut [Page], snapshot: Snapshot, answers: [Answer; 3]) -> Self {
        Self::with_capacity(CAPACITY, memory, snapshot, answers)
    }

    fn with_capacity(
        capacity: u32,
        memory: &'r mut [Page],
        snapshot: Snapshot,
        answers: [Answer; 3],
    ) -> Self {
        Self::of(only_place(memory.as_mut_bytes(), capacity), kernel(answers), snapshot)
    }

    /// The world of a worker's place in a region, after its first turn.
    pub fn of(place: Place<'r>, kernel: MemoryKernel, snapshot: Snapshot) -> Self {
        let region = RegionView {
            header: place.header,
            gauges: place.gauges,
            health: place.health,
            counted: place.counted,
        };
        let now = Instant::from_millis(1_000);
        let shard = Shard::new(place, Arc::new(snapshot.clone()), [(LISTENER, 0)], now);
        let unsent = BTreeMap::new();
        let mut world = Self {
            kernel,
            shard,
            snapshot,
            region,
            place,
            deaths: 0,
            now,
            sequence: 0,
            replayed: 0,
            unsent,
        };
        world.turn();
        world
    }

    /// The engine handles a completion and dies within the operations that this takes, before or after one:
    /// at the moment that `moments` more of them come before. Engines that follow die while they take over,
    /// each after as many as `again` says. Another one goes on.
    pub fn die(&mut self, moments: usize, pick: usize, death: Death, again: &[usize]) {
        self.until_death(moments, |world| world.complete(pick));
        let mut waiting = self.bury(&[]);
        for moments in again {
            self.until_death(*moments, |world| world.go_on(death, &waiting));
            waiting = self.bury(&waiting);
        }
        self.go_on(death, &waiting);
    }

    /// Does something, as far as the moment that so many come before.
    fn until_death(&mut self, moments: usize, act: impl FnOnce(&mut Self)) {
        let left = Cell::new(moments);
        self.kernel.probe = Some(Probe(Box::new(move |_| match left.get() {
            0 => resume_unwind(Box::new(Died)),
            more => left.set(more - 1),
        })));
        let lived = catch_unwind(AssertUnwindSafe(|| act(self)));
        if let Err(panic) = lived
            && !panic.is::<Died>()
        {
            resume_unwind(panic);
        }
        self.kernel.probe = None;
    }

    /// What is done between two engines. Returns the connections that the next one is to serve; those `left`
    /// are of the one before.
    fn bury(&mut self, left: &[Fd]) -> Vec<Fd> {
        self.deaths += 1;
        if self.kernel.plant == Some(Plant::LateRecord) {
            self.place.part.journal.clear();
        }
        self.place.gauges.clear();
        let (mut census, mut owned) = (Census::default(), BTreeSet::new());
        census.count(&self.place.part, &self.place.gauges, |fd| {
            owned.insert(fd);
        });
        assert_eq!(census.broken, 0, "a record is whole at every operation");
        self.find_mates();
        self.place.header.begin_epoch(census.sessions);
        self.kernel.engine_is_gone(&owned, left)
    }

    /// Another engine takes over, after one that died so, and has its first turn.
    fn go_on(&mut self, death: Death, waiting: &[Fd]) {
        let snapshot = Arc::new(self.snapshot.clone());
        let mut shard = Shard::new(self.place, snapshot, [(LISTENER, 0)], self.now);
        shard.adopt(&mut self.kernel, death, self.now);
        for fd in waiting {
            shard.take_over(&mut self.kernel, *fd, 0, self.now);
        }
        self.shard = shard;
        self.turn();
    }

    /// A turn of the worker.
    pub fn turn(&mut self) {
        self.shard.turn(&mut self.kernel, self.now);
        self.find_mates();
    }

    /// Completions and turns until there is nothing more to do, with peers that do nothing.
    pub fn turns(&mut self) {
        while self.kernel.has_completions() || self.shard.next_turn(self.now) == Some(self.now) {
            self.complete(0);
            self.turn();
        }
    }

    /// The kernel judges a FIN by what the other socket of the session has seen; the records say
    /// which one that is.
    pub fn find_mates(&mut self) {
        for (_, session) in self.shard.sessions() {
            let relayed = matches!(session.phase(), Some(Phase::Relaying | Phase::Flushing));
            let pair = [session.socket(0), session.socket(1)];
            for (fd, mate) in [(pair[0], pair[1]), (pair[1], pair[0])] {
                if fd != NO_FD && mate != NO_FD {
                    let socket = self.kernel.sockets.get_mut(&fd).unwrap();
                    socket.mate = Some(mate);
                    socket.relayed |= relayed;
                    if fd == pair[1] {
                        socket.preface = usize::from(session.header_sent.get());
                    }
                }
            }
        }
        self.kernel.judge_fins();
    }

    /// One of the completions that wait, and the turn that follows.
    pub fn complete(&mut self, pick: usize) {
        if let Some((token, result, more)) = self.kernel.completion(pick) {
            self.find_mates();
            self.shard.complete(&mut self.kernel, token, result, more, self.now);
            self.turn();
        }
    }

    /// Time passes.
    pub fn wait(&mut self, span: Duration) {
        self.now = self.now + span;
        self.turn();
    }

    /// Goes on with those servers of the pool whose bit is set, in turned order.
    pub fn reload(&mut self, servers: u8) {
        let mut next = self.snapshot.clone();
        let pool = &mut next.pools[0].servers;
        pool.retain(|server| servers & 1 << (server.gauge - 1) != 0);
        pool.reverse();
        self.renew(next, &[(LISTENER, 0)]);
    }

    /// Goes on under a snapshot, with these doors.
    pub fn renew(&mut self, snapshot: Snapshot, doors: &[(Fd, u16)]) {
        let fresh = Fresh::default();
        self.shard.renew(&mut self.kernel, Arc::new(snapshot), doors, &fresh, self.now);
        self.find_mates();
    }

    /// A server, by its place, goes down or up.
    pub fn set_down(&self, place: u8, down: bool) {
        let health = &self.region.health[usize::from(place)];
        let at_once = Health { rise: 1, fall: 1, ..Health::OFF };
        health.judge(!down, &at_once, self.now);
    }

    /// One of the sockets that are open.
    pub fn pick(&self, pick: usize) -> Option<Fd> {
        let open = || {
            self.kernel
                .sockets
                .iter()
                .filter(|(_, socket)| socket.closed.is_none())
                .map(|(fd, _)| *fd)
        };
        let count = open().count();
        if count == 0 { None } else { open().nth(pick % count) }
    }

    /// Lets everything that was begun come to its end, with peers that take every byte.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub fn settle(&mut self) {
        let all = |world: &Self| world.kernel.sockets.keys().copied().collect();
        self.rest(all, |_| 0);
    }

    /// Lets everything that was begun come to its end, with peers that take every byte if they are among
    /// `reading`, and completions in an order of `order`'s choice.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub fn rest(
        &mut self,
        reading: impl Fn(&Self) -> Vec<Fd>,
        mut order: impl FnMut(usize) -> usize,
    ) {
        for turn in 0..1_000_000 {
            reading(self).into_iter().for_each(|fd| self.kernel.peer_takes(fd, usize::MAX));
            self.kernel.connects_time_out();
            if self.kernel.has_completions() {
                self.complete(order(turn));
            } else if self.shard.next_turn(self.now) == Some(self.now) {
                self.turn();
            } else if self.shard.next_turn(self.now).is_some_and(|at| at.since(self.now) < FIN / 10)
            {
                self.wait(Duration::from_millis(1)); // a flush that looks again soon
            } else {
                return;
            }
        }
        panic!("the shard does not come to rest");
    }
}

/// Room for the region of a world.
pub fn memory() -> Vec<Page> {
    memory_for(Extent { workers: 1, capacity: CAPACITY })
}

/// Room for a region.
pub fn memory_for(extent: Extent) -> Vec<Page> {
    vec![Page([0; 4096]); extent.bytes() / 4096 + 1]
}

/// Workers of one region, each with a kernel of its own.
pub fn workers_on<'r>(
    memory: &'r mut [Page],
    extent: Extent,
    snapshot: &Snapshot,
    answers: [Answer; 3],
) -> Vec<World<'r>> {
    let region = Region::format(memory.as_mut_bytes(), extent).unwrap();
    let (header, gauges, health) = (region.header, region.gauges, region.health);
    let stats = region.stats;
    let world = |(worker, bytes)| {
        let place = Place {
            worker,
            workers: extent.workers,
            header,
            gauges,
            health,
            counted: stats[worker],
            part: Part::view(bytes, extent.capacity).unwrap(),
        };
        World::of(place, kernel(answers), snapshot.clone())
    };
    region.parts.into_iter().enumerate().map(world).collect()
}

/// The same, and the region for as long as the process lives.
pub fn workers(
    workers: usize,
    capacity: u32,
    snapshot: &Snapshot,
    answers: [Answer; 3],
) -> Vec<World<'static>> {
    let extent = Extent { workers, capacity };
    workers_on(Box::leak(memory_for(extent).into_boxed_slice()), extent, snapshot, answers)
}

/// A kernel with servers at the places 1 to 3.
fn kernel(answers: [Answer; 3]) -> MemoryKernel {
    let mut kernel = MemoryKernel::new();
    for (port, answer) in (1..).zip(answers) {
        kernel.answers.insert(([192, 0, 2, 1], port).into(), answer);
    }
    kernel
}

/// As many sessions as a snapshot allows, with clients that take 1,000 bytes and then no more.
pub fn crowd(snapshot: Snapshot) -> World<'static> {
    let sessions = snapshot.max_sessions as u32;
    let memory = memory_for(Extent { workers: 1, capacity: sessions });
    let memory: &'static mut [Page] = Box::leak(memory.into_boxed_slice());
    let mut world = World::with_capacity(sessions, memory, snapshot, ALL);
    for number in 0..sessions as u16 {
        world.kernel.client(([198, 51, 100, 1], 1_000 + number).into(), 1_000);
        run(&mut world);
    }
    world
}

/// One session that relays, its peers' sockets, and the region for as long as the process lives.
pub fn one_session(answers: [Answer; 3]) -> (World<'static>, Fd, Fd) {
    one_session_of(snapshot(u64::from(CAPACITY)), answers)
}

/// The same under a snapshot.
pub fn one_session_of(snapshot: Snapshot, answers: [Answer; 3]) -> (World<'static>, Fd, Fd) {
    let memory: &'static mut [Page] = Box::leak(memory().into_boxed_slice());
    let mut world = World::new(memory, snapshot, answers);
    let client = world.kernel.client(([198, 51, 100, 1], 9).into(), 1_000);
    while world.kernel.has_completions() {
        world.complete(0);
    }
    let server = world.shard.sessions().next().map_or(NO_FD, |(_, session)| session.socket(1));
    (world, client, server)
}

/// Completions until none is left.
pub fn run(world: &mut World<'_>) {
    while world.kernel.has_completions() {
        world.complete(0);
    }
}

/// How often sessions ended so.
pub fn cause(world: &World<'_>, cause: Cause) -> u64 {
    world.region.counted.worker.causes[cause as usize].read()
}

/// Servers that accept.
pub const ALL: [Answer; 3] = [Answer::Accepts; 3];
