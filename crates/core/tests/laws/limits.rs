//! Limits over several workers: none is ever passed, each is reached exactly, and nobody waits while
//! there is a place. Method: random clients play against shards that share a region; a worker takes a
//! turn only when its kernel has something for it or another worker has woken it. Then single stories.

use proptest::prelude::*;
use ringbolt_core::close::Cause;
use ringbolt_core::kernel::Fd;
use ringbolt_core::region::Extent;
use ringbolt_core::session::Phase;
use ringbolt_core::snapshot::Snapshot;
use ringbolt_sim::ground::snapshot;
use ringbolt_sim::kernel::{Answer, End, LISTENER};
use ringbolt_sim::world::{ALL, World, cause, memory_for, run, workers, workers_on};

const WORKERS: usize = 3;
/// Of each worker, and more than it is ever given.
const PLACES: u32 = 16;
const EXTENT: Extent = Extent { workers: WORKERS, capacity: PLACES };

/// What the limits are; `None`: there is none.
#[derive(Clone, Copy, Debug)]
struct Limits {
    total: u64,
    listener: Option<u64>,
    source: Option<u32>,
    server: [Option<u64>; 3],
}

impl Limits {
    fn snapshot(self) -> Snapshot {
        let mut snapshot = snapshot(self.total);
        let listener = &mut snapshot.listeners[0];
        listener.max_sessions = self.listener.unwrap_or(self.total);
        listener.max_per_source = self.source;
        for (server, limit) in snapshot.pools[0].servers.iter_mut().zip(self.server) {
            server.max_sessions = limit;
        }
        snapshot
    }

    fn sessions(self) -> u64 {
        self.total.min(self.listener.unwrap_or(self.total))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Connect { worker: usize, last: u8 },
    Reset { worker: usize, pick: usize },
    End { worker: usize, pick: usize },
    Complete { worker: usize, pick: usize },
    ConnectsTimeOut { worker: usize },
}

fn limits() -> impl Strategy<Value = Limits> {
    let server = || proptest::option::of(1..4u64);
    let source = proptest::option::of(1..4u32);
    (1..8u64, proptest::option::of(1..8u64), source, [server(), server(), server()])
        .prop_map(|(total, listener, source, server)| Limits { total, listener, source, server })
}

fn step() -> impl Strategy<Value = Step> {
    let worker = || 0..WORKERS;
    prop_oneof![
        4 => (worker(), 0..4u8).prop_map(|(worker, last)| Step::Connect { worker, last }),
        1 => (worker(), any::<usize>()).prop_map(|(worker, pick)| Step::Reset { worker, pick }),
        1 => (worker(), any::<usize>()).prop_map(|(worker, pick)| Step::End { worker, pick }),
        8 => (worker(), any::<usize>()).prop_map(|(worker, pick)| Step::Complete { worker, pick }),
        1 => worker().prop_map(|worker| Step::ConnectsTimeOut { worker }),
    ]
}

/// Several workers on one region.
struct Crew<'r> {
    worlds: Vec<World<'r>>,
    limits: Limits,
}

impl Crew<'_> {
    /// One for as long as the process lives.
    fn of(limits: Limits, answers: [Answer; 3]) -> Self {
        Self { worlds: workers(WORKERS, PLACES, &limits.snapshot(), answers), limits }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Connect { worker, last } => {
                self.worlds[worker].kernel.client(([198, 51, 100, last], 9).into(), 1_000);
            }
            Step::Reset { worker, pick } => {
                let world = &mut self.worlds[worker];
                world.pick(pick).into_iter().for_each(|fd| world.kernel.peer_resets(fd));
            }
            Step::End { worker, pick } => {
                let world = &mut self.worlds[worker];
                world.pick(pick).into_iter().for_each(|fd| world.kernel.peer_ends(fd));
            }
            Step::Complete { worker, pick } => self.worlds[worker].complete(pick),
            Step::ConnectsTimeOut { worker } => self.worlds[worker].kernel.connects_time_out(),
        }
        self.wake();
    }

    /// Gives those their turn that were woken.
    fn wake(&mut self) {
        for worker in 0..WORKERS {
            for woken in std::mem::take(&mut self.worlds[worker].kernel.wakes) {
                self.worlds[woken].turn();
            }
        }
        if self.worlds.iter().any(|world| !world.kernel.wakes.is_empty()) {
            self.wake();
        }
    }

    /// Nothing more happens until somebody outside does something.
    fn rest(&mut self) {
        let busy = |world: &World<'_>| {
            world.kernel.has_completions() || world.shard.next_turn(world.now) == Some(world.now)
        };
        while let Some(worker) = self.worlds.iter().position(busy) {
            self.worlds[worker].turns();
            self.wake();
        }
    }

    /// Sessions that live, of a kind.
    fn live(&self, of: impl Fn(&ringbolt_core::record::Session) -> bool) -> u64 {
        let all = self.worlds.iter().flat_map(|world| world.shard.sessions());
        let lives = |phase| !matches!(phase, Some(Phase::Free | Phase::Closing) | None);
        all.filter(|(_, session)| lives(session.phase()) && of(session)).count() as u64
    }

    fn check_limits(&self) -> Result<(), TestCaseError> {
        let region = &self.worlds[0].region;
        prop_assert!(region.header.total.sessions() <= self.limits.total);
        let at_listener = region.gauges.listeners[0].sessions();
        prop_assert!(at_listener <= self.limits.sessions());
        for (place, limit) in (1..).zip(self.limits.server) {
            let at_server = region.gauges.servers[place].sessions();
            prop_assert!(limit.is_none_or(|limit| at_server <= limit));
            let live =
                self.live(|it| it.attempts.get() > 0 && usize::from(it.server.get()) == place);
            prop_assert!(live <= at_server, "sessions at {} are not counted", place);
        }
        for last in 0..4 {
            let live = self.live(|session| session.client_addr.get()[15] == last);
            let limit = self.limits.source.map_or(u64::MAX, u64::from);
            prop_assert!(live <= limit, "{} sessions of {}", live, last);
        }
        Ok(())
    }

    /// Nobody waits in a queue while there is a place.
    fn check_nobody_waits(&self) -> Result<(), TestCaseError> {
        let waiting: usize = self.worlds.iter().map(|world| world.kernel.waiting()).sum();
        let live = self.worlds[0].region.header.total.sessions();
        prop_assert!(
            waiting == 0 || live == self.limits.sessions(),
            "{} wait, {} live",
            waiting,
            live
        );
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn limits_hold(
        steps in proptest::collection::vec(step(), 1..120),
        limits in limits(),
        answers in [answer(), answer(), answer()],
    ) {
        let mut memory = memory_for(EXTENT);
        let worlds = workers_on(&mut memory, EXTENT, &limits.snapshot(), answers);
        let mut crew = Crew { worlds, limits };
        for step in steps {
            crew.take(step);
            crew.check_limits()?;
        }
        // All clients get a place, an end or a reset in the end, and leave.
        loop {
            crew.rest();
            crew.check_limits()?;
            crew.check_nobody_waits()?;
            let open: Vec<(usize, Fd)> = (0..WORKERS)
                .filter_map(|worker| Some((worker, crew.worlds[worker].pick(0)?)))
                .collect();
            if open.is_empty() {
                break;
            }
            for (worker, fd) in open {
                crew.worlds[worker].kernel.connects_time_out();
                crew.worlds[worker].kernel.peer_resets(fd);
            }
        }
        let region = &crew.worlds[0].region;
        let gauges = region.gauges;
        let all = gauges.servers.iter().chain(gauges.listeners).chain(gauges.pools);
        let all = all.chain([&region.header.total]);
        prop_assert!(all.map(|gauge| gauge.sessions()).sum::<u64>() == 0);
        prop_assert_eq!(gauges.keys.sessions(), 0);
    }
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![4 => Just(Answer::Accepts), 1 => Just(Answer::Refuses), 1 => Just(Answer::IsSilent)]
}

const NONE: Limits = Limits { total: 40, listener: None, source: None, server: [None; 3] };

/// So many clients, each at the next worker, of one address or of many.
fn connect(crew: &mut Crew<'_>, count: u8, one_address: bool) {
    for number in 0..count {
        let last = if one_address { 1 } else { number };
        crew.take(Step::Connect { worker: usize::from(number) % WORKERS, last });
        crew.rest();
    }
}

fn caused(crew: &Crew<'_>, of: Cause) -> u64 {
    crew.worlds.iter().map(|world| cause(world, of)).sum()
}

#[test]
fn one_key_has_so_many_and_no_more() {
    let mut crew = Crew::of(Limits { source: Some(4), ..NONE }, ALL);
    connect(&mut crew, 9, true);
    assert_eq!((crew.live(|_| true), caused(&crew, Cause::SourceLimit)), (4, 5));
    let denied = |world: &World<'_>| world.region.counted.listeners[0].denied.read();
    assert_eq!(crew.worlds.iter().map(denied).sum::<u64>(), 5);
    connect(&mut crew, 9, false);
    assert_eq!(crew.live(|_| true), 4 + 8, "only that key has as many as it may");
}

#[test]
fn a_full_server_gives_its_sessions_to_their_next_choice() {
    let mut crew = Crew::of(Limits { server: [Some(2), None, None], ..NONE }, ALL);
    connect(&mut crew, 30, false);
    let region = &crew.worlds[0].region;
    let live = |place: usize| region.gauges.servers[place].sessions();
    assert_eq!((live(1), live(1) + live(2) + live(3)), (2, 30));
    let count = |of: fn(&ringbolt_core::stats::ServerStats) -> u64| -> u64 {
        crew.worlds.iter().map(|world| of(&world.region.counted.servers[1])).sum()
    };
    assert!(count(|server| server.full.read()) > 2, "about a third wanted it");
    assert_eq!(count(|server| server.connect_errors.read() + server.redispatched.read()), 0);
    let retries = |world: &World<'_>| world.region.counted.worker.retries.read();
    assert_eq!(crew.worlds.iter().map(retries).sum::<u64>(), 0, "it was no attempt");
}

#[test]
fn with_every_server_full_a_client_is_reset_for_that() {
    let mut crew = Crew::of(Limits { server: [Some(1), Some(2), Some(1)], ..NONE }, ALL);
    connect(&mut crew, 7, false);
    assert_eq!((crew.live(|_| true), caused(&crew, Cause::ServersFull)), (4, 3));
    assert_eq!(caused(&crew, Cause::NoServer), 0);
}

#[test]
fn with_the_rest_full_the_reason_is_that_of_the_attempt() {
    let answers = [Answer::Refuses, Answer::Accepts, Answer::Accepts];
    let mut crew = Crew::of(Limits { server: [None, Some(1), Some(1)], ..NONE }, answers);
    connect(&mut crew, 20, false);
    assert_eq!(crew.live(|_| true), 2);
    let (refused, full) = (caused(&crew, Cause::ConnectFailed), caused(&crew, Cause::ServersFull));
    assert_eq!((refused, full), (18, 0), "the server that refuses is never full");
}

/// Goal: a lowered limit is passed by no more than what had been accepted by then, and not at all
/// later. Method: many at a time; five more are accepted and not looked at when the limit falls to 12.
#[test]
fn a_lowered_limit_is_passed_by_what_was_accepted_before() {
    for before in [0, 5] {
        let mut world = workers(1, 32, &snapshot(1 << 20), ALL).remove(0);
        let client = |world: &mut World<'_>, number: u16| {
            world.kernel.client(([198, 51, 100, 1], number).into(), 1_000)
        };
        let mut clients: Vec<Fd> = (0..10 + before).map(|it| client(&mut world, it)).collect();
        let limits = Limits { total: 1 << 20, listener: Some(12), ..NONE };
        (0..10).for_each(|_| world.complete(0)); // each accept's completion comes before its session's
        world.renew(limits.snapshot(), &[(LISTENER, 0)]);
        clients.extend((20..30).map(|it| client(&mut world, it)));
        run(&mut world);
        let live = |world: &World<'_>| world.region.gauges.listeners[0].sessions();
        assert_eq!(live(&world), u64::from(before + 10).max(12));
        for client in &clients[..8] {
            world.kernel.peer_resets(*client);
            run(&mut world);
            assert!(live(&world) <= u64::from(before + 10).max(12));
        }
        assert_eq!(live(&world), 12, "who waited has a place again");
        world.renew(Limits { listener: None, ..limits }.snapshot(), &[(LISTENER, 0)]);
        run(&mut world);
        assert_eq!(live(&world), clients.len() as u64 - 8, "a raised one holds at once");
    }
}

#[test]
fn keys_are_counted_from_the_reload_on_that_limits_them_the_living_included() {
    let mut crew = Crew::of(NONE, ALL);
    connect(&mut crew, 3, true);
    let limited = Limits { source: Some(4), ..NONE };
    for world in &mut crew.worlds {
        world.renew(limited.snapshot(), &[(LISTENER, 0)]);
    }
    connect(&mut crew, 3, true);
    assert_eq!((crew.live(|_| true), caused(&crew, Cause::SourceLimit)), (4, 2));
    for world in &mut crew.worlds {
        world.renew(NONE.snapshot(), &[(LISTENER, 0)]);
    }
    connect(&mut crew, 6, true);
    assert_eq!(crew.live(|_| true), 10);
}

#[test]
fn who_is_refused_for_its_key_sees_a_reset_and_no_server_hears_of_it() {
    let mut world = workers(1, 4, &Limits { source: Some(1), ..NONE }.snapshot(), ALL).remove(0);
    let [first, second] = [1, 2].map(|port| {
        let client = world.kernel.client(([198, 51, 100, 1], port).into(), 1_000);
        run(&mut world);
        client
    });
    assert_eq!(world.kernel.sockets[&first].closed, None);
    assert_eq!(world.kernel.sockets[&second].closed, Some(End::Reset));
    assert_eq!(world.region.counted.worker.connects.read(), 1);
}
