//! The laws of a shard, whatever its peers do and in whatever order it hears of it:
//! bytes out are a prefix of bytes in; a FIN goes out only after an end came in and everything was
//! delivered; an error in is a reset out; every session ends exactly once; gauges return to 0; a
//! stale completion is ignored and its resources come back.
//!
//! Method: random peers play against a shard on sockets in memory; the kernel checks each call, and
//! the end of each run checks the rest.

mod support;

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use ringbolt_core::close::Cause;
use ringbolt_core::kernel::{Fd, NO_FD};
use ringbolt_core::mapping::Mapping;
use ringbolt_core::mapping::rendezvous::name_hash;
use ringbolt_core::record::{Extent, Flags, Part, Region};
use ringbolt_core::session::{DirectionId, Phase};
use ringbolt_core::shard::{Place, Shard};
use ringbolt_core::snapshot::{Listener, Pool, Server, Snapshot};
use ringbolt_core::spec::KeyPrefix;
use ringbolt_core::time::Instant;
use ringbolt_core::token::Op;
use support::{Answer, Call, End, LISTENER, MemoryKernel, Probe, Socket};
use zerocopy::IntoBytes;

const CAPACITY: u32 = 4;
const IDLE: Duration = Duration::from_secs(60);
const FIN: Duration = Duration::from_secs(5);

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    Connect { last: u8, window: usize },
    Send { pick: usize, bytes: usize, urgent: bool },
    End { pick: usize },
    Reset { pick: usize },
    Take { pick: usize, bytes: usize },
    Complete { pick: usize },
    Stale { pick: usize },
    Wait { millis: u64 },
    ConnectsTimeOut,
    PollEnds { pick: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0u8..4, prop_oneof![100usize..2_000, 10_000usize..50_000])
            .prop_map(|(last, window)| Step::Connect { last, window }),
        6 => (any::<usize>(), prop_oneof![8 => 1usize..200, 8 => 10_000usize..60_000, 1 => Just(600_000)], prop::bool::weighted(0.1))
            .prop_map(|(pick, bytes, urgent)| Step::Send { pick, bytes, urgent }),
        2 => any::<usize>().prop_map(|pick| Step::End { pick }),
        1 => any::<usize>().prop_map(|pick| Step::Reset { pick }),
        4 => (any::<usize>(), 1usize..100_000).prop_map(|(pick, bytes)| Step::Take { pick, bytes }),
        20 => any::<usize>().prop_map(|pick| Step::Complete { pick }),
        1 => any::<usize>().prop_map(|pick| Step::Stale { pick }),
        2 => (1u64..400).prop_map(|millis| Step::Wait { millis }),
        1 => Just(Step::ConnectsTimeOut),
        1 => any::<usize>().prop_map(|pick| Step::PollEnds { pick }),
    ]
}

/// A page of the region; it wants to be aligned.
#[derive(Clone, Copy, zerocopy::FromBytes, zerocopy::IntoBytes)]
#[repr(C, align(4096))]
struct Page([u8; 4096]);

/// A shard, its kernel, and the clock.
struct World<'r> {
    kernel: MemoryKernel,
    shard: Shard<'r>,
    region: RegionView<'r>,
    now: Instant,
    sequence: u8,
    replayed: u64,
}

/// What the test reads of the region.
struct RegionView<'r> {
    header: &'r ringbolt_core::record::Header,
    gauges: &'r [ringbolt_core::record::ServerGauge],
    counted: ringbolt_core::record::Counted<'r>,
}

fn snapshot(max_sessions: u64) -> Snapshot {
    let server = |name: &str, port: u16| Server {
        name: name.into(),
        name_hash: name_hash(name),
        addr: ([192, 0, 2, 1], port).into(),
        weight: 1,
        backup: false,
        gauge: port,
    };
    Snapshot {
        listeners: vec![Listener {
            name: "web".into(),
            pool: 0,
            idle_timeout: Some(IDLE),
            fin_timeout: FIN,
        }],
        pools: vec![Pool {
            name: "echo".into(),
            mapping: Mapping::Rendezvous1 { seed: 0 },
            key: KeyPrefix { v4: 32, v6: 64 },
            attempts: 2,
            connect_timeout: Duration::from_secs(1),
            keepalive: None,
            servers: vec![server("ws1", 1), server("ws2", 2), server("ws3", 3)],
        }],
        max_sessions,
    }
}

impl<'r> World<'r> {
    fn new(memory: &'r mut [Page], snapshot: Snapshot, answers: [Answer; 3]) -> Self {
        let extent = Extent { workers: 1, capacity: CAPACITY };
        let mut region = Region::format(memory.as_mut_bytes(), extent).unwrap();
        let part = Part::view(region.parts.pop().unwrap(), CAPACITY).unwrap();
        let place = Place {
            worker: 0,
            workers: 1,
            header: region.header,
            gauges: region.gauges,
            counted: region.stats[0],
            part,
        };
        let view =
            RegionView { header: region.header, gauges: region.gauges, counted: region.stats[0] };
        let now = Instant::from_millis(1_000);
        let mut kernel = MemoryKernel::new();
        for (port, answer) in (1..).zip(answers) {
            kernel.answers.insert(([192, 0, 2, 1], port).into(), answer);
        }
        let shard = Shard::new(place, Arc::new(snapshot), [(LISTENER, 0)], now);
        let mut world = Self { kernel, shard, region: view, now, sequence: 0, replayed: 0 };
        world.turn();
        world
    }

    fn turn(&mut self) {
        self.shard.turn(&mut self.kernel, self.now);
        self.find_mates();
    }

    /// The kernel judges a FIN by what the other socket of the session has seen; the records say
    /// which one that is.
    fn find_mates(&mut self) {
        for (_, session) in self.shard.sessions() {
            let relayed = matches!(session.phase(), Some(Phase::Relaying | Phase::Flushing));
            let pair = [session.socket(0), session.socket(1)];
            for (fd, mate) in [(pair[0], pair[1]), (pair[1], pair[0])] {
                if fd != NO_FD && mate != NO_FD {
                    let socket = self.kernel.sockets.get_mut(&fd).unwrap();
                    socket.mate = Some(mate);
                    socket.relayed |= relayed;
                }
            }
        }
    }

    fn complete(&mut self, pick: usize) {
        if let Some((token, result, more)) = self.kernel.completion(pick) {
            self.find_mates();
            self.shard.complete(&mut self.kernel, token, result, more, self.now);
            self.turn();
        }
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now + span;
        self.turn();
    }

    /// One of the sockets that are open.
    fn pick(&self, pick: usize) -> Option<Fd> {
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

    fn take(&mut self, step: Step) {
        match step {
            Step::Connect { last, window } => {
                if self.region.header.sessions() < u64::from(CAPACITY) {
                    self.kernel.client(([198, 51, 100, last], 9).into(), window);
                }
            }
            Step::Send { pick, bytes, urgent } => {
                if let Some(fd) = self.pick(pick) {
                    let start = self.kernel.sockets[&fd].sent_by_peer.len();
                    self.sequence = self.sequence.wrapping_add(37);
                    let seed = self.sequence;
                    let bytes: Vec<u8> = (start..start + bytes)
                        .map(|place| (place as u8).wrapping_mul(31) ^ (place >> 8) as u8 ^ seed)
                        .collect();
                    self.kernel.peer_sends(fd, &bytes, urgent);
                }
            }
            Step::End { pick } => {
                if let Some(fd) = self.pick(pick) {
                    self.kernel.peer_ends(fd);
                }
            }
            Step::Reset { pick } => {
                if let Some(fd) = self.pick(pick) {
                    self.kernel.peer_resets(fd);
                }
            }
            Step::Take { pick, bytes } => {
                if let Some(fd) = self.pick(pick) {
                    self.kernel.peer_takes(fd, bytes);
                }
            }
            Step::Complete { pick } => self.complete(pick),
            Step::Stale { pick } => self.replay(pick),
            Step::Wait { millis } => self.wait(Duration::from_millis(millis)),
            Step::ConnectsTimeOut => self.kernel.connects_time_out(),
            Step::PollEnds { pick } => {
                if let Some(fd) = self.pick(pick) {
                    self.kernel.poll_ends(fd);
                }
            }
        }
    }

    /// A completion of a session that is over comes again.
    fn replay(&mut self, pick: usize) {
        let count = self.kernel.delivered.len();
        if count == 0 {
            return;
        }
        let (token, result) = self.kernel.delivered[pick % count];
        let of_a_session = matches!(token.op, Op::PollClient | Op::PollServer | Op::Connect);
        let life = (token.slot, token.generation);
        let lives =
            self.shard.sessions().any(|(slot, session)| (slot, session.generation()) == life);
        if of_a_session && !lives {
            self.replayed += 1;
            self.shard.complete(&mut self.kernel, token, result, false, self.now);
        }
    }

    /// Lets everything that was begun come to its end, with peers that take every byte.
    fn settle(&mut self) {
        for _ in 0..1_000_000 {
            let open: Vec<Fd> = self.kernel.sockets.keys().copied().collect();
            open.into_iter().for_each(|fd| self.kernel.peer_takes(fd, usize::MAX));
            self.kernel.connects_time_out();
            if self.kernel.has_completions() {
                self.complete(0);
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

    /// Nothing sleeps: what live peers sent has arrived although nobody did anything more, and an
    /// end has been passed on.
    fn check_delivered(&self) -> Result<(), TestCaseError> {
        for (slot, session) in self.shard.sessions() {
            if session.phase() != Some(Phase::Relaying) {
                continue;
            }
            let [client, server] = [0, 1].map(|side| &self.kernel.sockets[&session.socket(side)]);
            for (from, to) in [(client, server), (server, client)] {
                if !from.peer_reset && !to.peer_reset {
                    prop_assert_eq!(from.sent_by_peer.len(), to.written.len(), "{} sleeps", slot);
                    prop_assert_eq!(from.peer_fin, to.shut, "an end in {} is not passed on", slot);
                }
                prop_assert!(
                    !from.peer_reset || from.peer_fin,
                    "a reset in {} is not passed on",
                    slot
                );
            }
        }
        Ok(())
    }

    fn check_prefixes(&self) -> Result<(), TestCaseError> {
        for socket in self.kernel.sockets.values() {
            if let Some(mate) = socket.mate {
                prop_assert!(
                    self.kernel.sockets[&mate].sent_by_peer.starts_with(&socket.written),
                    "bytes out are no prefix of bytes in"
                );
            }
        }
        Ok(())
    }

    /// Whoever shared a session with a broken connection has everything that came before the break,
    /// and then a reset; whoever shared one with two that ended has everything, and then an end.
    fn check_ends(&self) -> Result<(), TestCaseError> {
        let causes = &self.region.counted.worker.causes;
        let timed_out = causes[Cause::FinTimeout as usize].read() > 0;
        for (fd, socket) in self.kernel.sockets.iter().filter(|(_, socket)| socket.relayed) {
            let mate = &self.kernel.sockets[&socket.mate.unwrap()];
            let reset = |socket: &Socket| socket.peer_reset && !socket.peer_fin;
            if timed_out || mate.peer_reset {
                continue;
            }
            if reset(socket) {
                prop_assert_eq!(
                    mate.closed,
                    Some(End::Reset),
                    "{} was reset, its mate was not",
                    fd
                );
            } else if !socket.peer_reset {
                prop_assert_eq!(mate.closed, Some(End::Fin));
            }
            prop_assert_eq!(mate.written.len(), socket.sent_by_peer.len(), "bytes are missing");
        }
        Ok(())
    }

    fn check_nothing_left(&self) -> Result<(), TestCaseError> {
        for (fd, socket) in &self.kernel.sockets {
            prop_assert!(socket.closed.is_some(), "{} was never closed", fd);
        }
        prop_assert_eq!(self.region.header.sessions(), 0);
        prop_assert!(self.region.gauges.iter().all(|gauge| gauge.sessions() == 0));
        prop_assert_eq!(self.shard.sessions().count(), 0);
        let stats = self.region.counted.worker;
        let ends: u64 = stats.causes.iter().map(|cause| cause.read()).sum();
        prop_assert_eq!(ends, stats.ended.read());
        prop_assert_eq!(stats.ended.read() + stats.vanished.read(), stats.accepted.read());
        prop_assert_eq!(stats.stale.read(), self.replayed);
        prop_assert_eq!(stats.faults.read(), 0);
        Ok(())
    }
}

fn memory() -> Vec<Page> {
    vec![Page([0; 4096]); Extent { workers: 1, capacity: CAPACITY }.bytes() / 4096 + 1]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn laws_hold(
        steps in proptest::collection::vec(step(), 1..160),
        answers in [answer(), answer(), answer()],
    ) {
        let mut memory = memory();
        let mut world = World::new(&mut memory, snapshot(u64::from(CAPACITY)), answers);
        for step in steps {
            world.take(step);
            world.check_prefixes()?;
        }
        world.settle();
        world.check_delivered()?;
        // Clients that waited for a place get one when others end, so this takes several rounds.
        while let Some(fd) = world.pick(0) {
            let before = world.kernel.sockets.len();
            let open: Vec<Fd> = world.kernel.sockets.keys().copied().collect();
            open.into_iter().for_each(|fd| world.kernel.peer_ends(fd));
            world.settle();
            prop_assert!(
                world.pick(0) != Some(fd) || world.kernel.sockets.len() > before,
                "{fd} is never closed"
            );
        }
        world.check_prefixes()?;
        world.check_ends()?;
        world.check_nothing_left()?;
    }
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![4 => Just(Answer::Accepts), 1 => Just(Answer::Refuses), 1 => Just(Answer::IsSilent)]
}

/// One session that relays, its peers' sockets, and the region for as long as the process lives.
fn one_session(answers: [Answer; 3]) -> (World<'static>, Fd, Fd) {
    let memory: &'static mut [Page] = Box::leak(memory().into_boxed_slice());
    let mut world = World::new(memory, snapshot(u64::from(CAPACITY)), answers);
    let client = world.kernel.client(([198, 51, 100, 1], 9).into(), 1_000);
    while world.kernel.has_completions() {
        world.complete(0);
    }
    let server = world.shard.sessions().next().map_or(NO_FD, |(_, session)| session.socket(1));
    (world, client, server)
}

fn run(world: &mut World<'_>) {
    while world.kernel.has_completions() {
        world.complete(0);
    }
}

fn cause(world: &World<'_>, cause: Cause) -> u64 {
    world.region.counted.worker.causes[cause as usize].read()
}

const ALL: [Answer; 3] = [Answer::Accepts; 3];

#[test]
fn silence_ends_a_session_and_a_byte_puts_it_off() {
    let (mut world, client, server) = one_session(ALL);
    world.wait(IDLE / 2);
    world.kernel.peer_sends(client, b"x", false);
    run(&mut world);
    world.wait(IDLE / 2 + Duration::from_millis(10));
    run(&mut world);
    assert_eq!(world.kernel.sockets[&client].closed, None, "the byte was activity");
    world.wait(IDLE / 2);
    run(&mut world);
    assert_eq!(world.kernel.sockets[&client].closed, Some(End::Reset));
    assert_eq!(world.kernel.sockets[&server].closed, Some(End::Reset));
    assert_eq!(cause(&world, Cause::IdleTimeout), 1);
}

#[test]
fn half_closed_silence_ends_a_session() {
    let (mut world, client, server) = one_session(ALL);
    world.kernel.peer_ends(client);
    run(&mut world);
    assert!(world.kernel.sockets[&server].shut);
    world.wait(FIN + Duration::from_millis(10));
    run(&mut world);
    assert_eq!(world.kernel.sockets[&server].closed, Some(End::Reset));
    assert_eq!(cause(&world, Cause::FinTimeout), 1);
}

#[test]
fn a_flush_is_bounded() {
    let (mut world, client, server) = one_session(ALL);
    world.kernel.peer_sends(server, &[7; 900], false);
    run(&mut world);
    world.kernel.peer_resets(server);
    run(&mut world);
    for _ in 0..200 {
        world.wait(Duration::from_millis(50)); // the client takes nothing
    }
    run(&mut world);
    assert_eq!(world.kernel.sockets[&client].closed, Some(End::Reset));
    assert_eq!(cause(&world, Cause::FinTimeout), 1);
}

#[test]
fn a_client_that_leaves_while_connecting_ends_at_once() {
    let (mut world, client, server) = one_session([Answer::IsSilent; 3]);
    world.kernel.peer_resets(client);
    run(&mut world);
    assert!(world.kernel.sockets[&server].closed.is_some(), "without waiting for the time limit");
    assert_eq!(cause(&world, Cause::ClientLeft), 1);
}

#[test]
fn every_attempt_is_another_server_and_no_more_than_asked() {
    let (world, client, _) = one_session([Answer::Refuses; 3]);
    let tries: Vec<u64> =
        (1..=3).map(|at| world.region.counted.servers[at].connect_errors.read()).collect();
    assert_eq!((tries.iter().sum::<u64>(), tries.iter().max()), (2, Some(&1)), "attempts = 2");
    assert_eq!(world.kernel.sockets[&client].closed, Some(End::Reset));
    assert_eq!(cause(&world, Cause::ConnectFailed), 1);
}

#[test]
fn no_descriptors_pause_accepting_and_it_goes_on() {
    let (mut world, ..) = one_session(ALL);
    world.kernel.accept_fails = true;
    let second = world.kernel.client(([198, 51, 100, 2], 9).into(), 1_000);
    run(&mut world);
    world.kernel.accept_fails = false;
    assert!(world.shard.next_turn(world.now).is_some_and(|at| at > world.now), "no spin");
    world.wait(Duration::from_secs(2));
    run(&mut world);
    assert!(world.kernel.sockets[&second].relayed);
}

#[test]
fn a_drain_serves_the_queue_and_is_over_after_the_last_end() {
    let (mut world, client, _) = one_session(ALL);
    let late = world.kernel.client(([198, 51, 100, 2], 9).into(), 1_000);
    world.shard.drain(&mut world.kernel, world.now);
    run(&mut world);
    assert!(world.kernel.sockets[&late].relayed, "what waited is served");
    assert!(world.kernel.listener_closed && !world.shard.is_over());
    for fd in [client, late] {
        world.kernel.peer_ends(fd);
    }
    world.settle();
    let open: Vec<Fd> = world.kernel.sockets.keys().copied().collect();
    open.into_iter().for_each(|fd| world.kernel.peer_ends(fd));
    world.settle();
    assert!(world.shard.is_over());
}

#[test]
fn a_stop_ends_every_phase() {
    let (mut world, client, server) = one_session(ALL);
    world.kernel.peer_sends(server, &[7; 900], false);
    run(&mut world);
    world.kernel.peer_resets(server); // flushing: the client takes nothing
    run(&mut world);
    world.shard.stop(&mut world.kernel, world.now);
    run(&mut world);
    assert!(world.shard.is_over() && world.kernel.listener_closed);
    assert_eq!(world.kernel.sockets[&client].closed, Some(End::Reset));
}

#[test]
fn a_stop_ends_what_was_accepted_before_it_was_known() {
    let memory: &'static mut [Page] = Box::leak(
        vec![Page([0; 4096]); Extent { workers: 1, capacity: 4 }.bytes() / 4096 + 1]
            .into_boxed_slice(),
    );
    // Room enough for a multishot accept.
    let mut world = World::new(memory, snapshot(1 << 20), ALL);
    let client = world.kernel.client(([198, 51, 100, 1], 9).into(), 1_000);
    world.shard.stop(&mut world.kernel, world.now); // the accept's completion is on its way
    run(&mut world);
    assert!(world.kernel.sockets[&client].closed.is_some(), "a session outlives the stop");
    assert!(world.shard.is_over());
}

#[test]
fn a_reset_after_an_end_is_passed_on() {
    let (mut world, client, server) = one_session(ALL);
    world.kernel.peer_ends(client);
    run(&mut world);
    world.kernel.peer_resets(client);
    run(&mut world);
    assert_eq!(world.kernel.sockets[&server].closed, Some(End::Reset));
}

#[test]
fn a_receiver_that_still_takes_is_not_silent() {
    let (mut world, client, server) = one_session(ALL);
    world.kernel.peer_sends(server, &[7; 900], false);
    world.kernel.peer_ends(server);
    run(&mut world);
    for _ in 0..20 {
        world.kernel.peer_takes(client, 40);
        world.wait(FIN / 2);
        run(&mut world);
    }
    assert_eq!(world.kernel.sockets[&client].taken, 800, "a slow client lost what was sent to it");
}

/// Goal: a survivor finds written down what could have happened. Method: look at the region at
/// each call into the kernel.
#[test]
fn stores_come_before_their_acts() {
    let memory: &'static mut [Page] = Box::leak(memory().into_boxed_slice());
    let extent = Extent { workers: 1, capacity: CAPACITY };
    let mut region = Region::format(memory.as_mut_bytes(), extent).unwrap();
    let part = Part::view(region.parts.pop().unwrap(), CAPACITY).unwrap();
    let (journal, records) = (part.journal, part.sessions);
    let place = Place {
        worker: 0,
        workers: 1,
        header: region.header,
        gauges: region.gauges,
        counted: region.stats[0],
        part,
    };
    let owner = move |fd: Fd| {
        records.iter().enumerate().find_map(|(slot, record)| {
            (0..2)
                .find(|side| record.phase() != Some(Phase::Free) && record.socket(*side) == fd)
                .map(|side| (slot as u32, side, record))
        })
    };
    let mut kernel = MemoryKernel::new();
    kernel.probe = Some(Probe(Box::new(move |call| match call {
        Call::Receive(fd) => {
            let (slot, side, record) = owner(fd).expect("a receive for nobody");
            let id = DirectionId::BOTH[side];
            assert_eq!(journal.in_hand(), Some((slot, id, record.received[side].get())));
        }
        Call::ShutDown(fd) => {
            let (_, side, record) = owner(fd).expect("a shutdown for nobody");
            assert!(record.is(Flags::SHUT, DirectionId::BOTH[1 - side]));
        }
        Call::Connect(fd) => {
            assert!(owner(fd).is_some_and(|(_, _, record)| record.attempts.get() > 0))
        }
        Call::Close(fd) => assert!(owner(fd).is_none(), "{fd} is closed while a record names it"),
    })));
    let now = Instant::from_millis(1_000);
    let shard = Shard::new(place, Arc::new(snapshot(4)), [(LISTENER, 0)], now);
    let view =
        RegionView { header: region.header, gauges: region.gauges, counted: region.stats[0] };
    let mut world = World { kernel, shard, region: view, now, sequence: 0, replayed: 0 };
    world.turn();
    let client = world.kernel.client(([198, 51, 100, 1], 9).into(), 100);
    run(&mut world);
    let server = world.shard.sessions().next().unwrap().1.socket(1);
    for fd in [client, server] {
        world.kernel.peer_sends(fd, &[1; 5_000], false);
        run(&mut world);
        assert_eq!(journal.in_hand(), None, "the journal is cleared");
    }
    for fd in [client, server] {
        world.kernel.peer_ends(fd);
    }
    world.settle();
    assert!(world.kernel.sockets[&client].closed.is_some());
}

/// Goal: whoever gives a place back wakes the workers that wait for one. Method: two workers, one
/// place.
#[test]
fn a_place_given_back_wakes_the_other_worker() {
    let extent = Extent { workers: 2, capacity: 4 };
    let pages = vec![Page([0; 4096]); extent.bytes() / 4096 + 1];
    let memory: &'static mut [Page] = Box::leak(pages.into_boxed_slice());
    let region = Region::format(memory.as_mut_bytes(), extent).unwrap();
    let (header, gauges, stats) = (region.header, region.gauges, region.stats);
    let now = Instant::from_millis(1_000);
    let mut worlds: Vec<World<'static>> = region
        .parts
        .into_iter()
        .enumerate()
        .map(|(worker, bytes)| {
            let place = Place {
                worker,
                workers: 2,
                header,
                gauges,
                counted: stats[worker],
                part: Part::view(bytes, 4).unwrap(),
            };
            let shard = Shard::new(place, Arc::new(snapshot(1)), [(LISTENER, 0)], now);
            let region = RegionView { header, gauges, counted: stats[worker] };
            let mut world =
                World { kernel: MemoryKernel::new(), shard, region, now, sequence: 0, replayed: 0 };
            world.turn();
            world
        })
        .collect();
    let first = worlds[0].kernel.client(([198, 51, 100, 1], 9).into(), 1_000);
    run(&mut worlds[0]);
    let second = worlds[1].kernel.client(([198, 51, 100, 2], 9).into(), 1_000);
    run(&mut worlds[1]);
    assert!(!worlds[1].kernel.sockets[&second].relayed, "one place");
    assert_eq!(worlds[1].shard.next_turn(now), None, "it sleeps");
    worlds[0].kernel.peer_resets(first);
    run(&mut worlds[0]);
    assert_eq!(worlds[0].kernel.wakes, 1);
    worlds[1].turn();
    run(&mut worlds[1]);
    assert!(worlds[1].kernel.sockets[&second].relayed);
}
