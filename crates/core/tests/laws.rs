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
use ringbolt_core::record::{Extent, Part, Region};
use ringbolt_core::session::Phase;
use ringbolt_core::shard::{Place, Shard};
use ringbolt_core::snapshot::{Listener, Pool, Server, Snapshot};
use ringbolt_core::spec::KeyPrefix;
use ringbolt_core::time::Instant;
use ringbolt_core::token::Op;
use support::{Answer, End, LISTENER, MemoryKernel, Socket};
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
        for _ in 0..10_000 {
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
