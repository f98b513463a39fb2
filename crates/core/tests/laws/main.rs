//! The laws of a shard, whatever its peers do and in whatever order it hears of it:
//! bytes out are a prefix of bytes in; a FIN goes out only after an end came in and everything was
//! delivered; an error in is a reset out; every session ends exactly once; gauges return to 0; a
//! stale completion is ignored and its resources come back.
//!
//! Method: random peers play against a shard on sockets in memory; the kernel checks each call, and
//! the end of each run checks the rest.

#[path = "../support/mod.rs"]
mod support;

mod headings;
mod health;
mod limits;
mod places;
mod reloads;
mod scenes;
mod shortages;
mod splices;
mod world;

use std::net::IpAddr;
use std::time::Duration;

use headings::{header, headers};
use proptest::prelude::*;
use ringbolt_core::adopt::{Death, Loss};
use ringbolt_core::close::Cause;
use ringbolt_core::kernel::{Fd, Span};
use ringbolt_core::session::Phase;
use ringbolt_core::spec::Splice;
use ringbolt_core::token::Op;
use support::ground::{on_unix, snapshot, splicing, with_headers, with_sources};
use support::{Answer, End, PipeSupply, Socket};
use world::{CAPACITY, World, memory};

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    Connect { last: u8, window: usize, header: Vec<u8> },
    Send { pick: usize, bytes: usize, urgent: bool },
    End { pick: usize },
    Reset { pick: usize },
    Take { pick: usize, bytes: usize },
    Complete { pick: usize },
    Stale { pick: usize },
    Wait { millis: u64 },
    ConnectsTimeOut,
    Drain,
    Stop,
    PollEnds { pick: usize },
    Reload { servers: u8 },
    Descriptors { left: bool },
    Turn { place: u8, down: bool },
    Die { ops: usize, pick: usize, fault: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0u8..4, prop_oneof![100usize..2_000, 10_000usize..50_000], header())
            .prop_map(|(last, window, header)| Step::Connect { last, window, header }),
        6 => (any::<usize>(), prop_oneof![8 => 1usize..200, 8 => 10_000usize..60_000, 1 => Just(600_000)], prop::bool::weighted(0.1))
            .prop_map(|(pick, bytes, urgent)| Step::Send { pick, bytes, urgent }),
        2 => any::<usize>().prop_map(|pick| Step::End { pick }),
        1 => any::<usize>().prop_map(|pick| Step::Reset { pick }),
        4 => (any::<usize>(), 1usize..100_000).prop_map(|(pick, bytes)| Step::Take { pick, bytes }),
        20 => any::<usize>().prop_map(|pick| Step::Complete { pick }),
        1 => any::<usize>().prop_map(|pick| Step::Stale { pick }),
        2 => prop_oneof![40 => 1u64..400, 1 => Just(6_000), 1 => Just(61_000)]
            .prop_map(|millis| Step::Wait { millis }),
        1 => prop_oneof![20 => Just(Step::ConnectsTimeOut), 1 => Just(Step::Drain), 1 => Just(Step::Stop)],
        1 => any::<usize>().prop_map(|pick| Step::PollEnds { pick }),
        1 => (1u8..8).prop_map(|servers| Step::Reload { servers }),
        1 => any::<bool>().prop_map(|left| Step::Descriptors { left }),
        1 => (1u8..4, any::<bool>()).prop_map(|(place, down)| Step::Turn { place, down }),
    ]
}
impl World<'_> {
    fn take(&mut self, step: Step) {
        match step {
            Step::Connect { last, window, header } => {
                if self.region.header.total.sessions() < u64::from(CAPACITY) {
                    self.client(last, window, &header);
                }
            }
            Step::Send { pick, bytes, urgent } => {
                if let Some(fd) = self.pick(pick)
                    && !self.send_header(fd, bytes)
                {
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
            Step::Drain => self.shard.drain(&mut self.kernel, self.now),
            Step::Stop => self.shard.stop(&mut self.kernel, self.now),
            Step::Reload { servers } => self.reload(servers),
            Step::Descriptors { left } => self.kernel.descriptors(left),
            Step::Turn { place, down } => self.set_down(place, down),
            Step::Die { ops, pick, fault } => {
                self.die(ops, pick, if fault { Death::OwnFault } else { Death::Outside });
            }
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
    /// Everybody takes everything and then ends.
    fn finish(&mut self) -> Result<(), TestCaseError> {
        self.kernel.descriptors(true);
        self.settle();
        self.check_delivered()?;
        // Clients that waited for a place get one when others end, so this takes several rounds.
        while let Some(fd) = self.pick(0) {
            let before = self.kernel.sockets.len();
            let open: Vec<Fd> = self.kernel.sockets.keys().copied().collect();
            open.into_iter().for_each(|fd| self.kernel.peer_ends(fd));
            self.settle();
            prop_assert!(
                self.pick(0) != Some(fd) || self.kernel.sockets.len() > before,
                "{fd} is never closed"
            );
        }
        self.check_prefixes()?;
        self.check_ends()?;
        self.check_nothing_left()
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
                    prop_assert!(from.stream_in() == to.stream_out(), "{} sleeps", slot);
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
                    self.kernel.sockets[&mate].stream_in().starts_with(socket.stream_out()),
                    "bytes out are no prefix of bytes in"
                );
            }
        }
        Ok(())
    }

    /// Every source has as many sessions as the gauge says.
    fn check_sources(&self) -> Result<(), TestCaseError> {
        for last in 1..=SOURCES {
            let bound =
                |socket: &&Socket| socket.from == Some(source(last)) && socket.closed.is_none();
            let bound = self.kernel.sockets.values().filter(bound).count() as u64;
            prop_assert_eq!(self.region.gauges.sources[usize::from(last)].sessions(), bound);
        }
        Ok(())
    }

    /// Whoever shared a session with a broken connection has everything that came before the break,
    /// and then a reset; whoever shared one with two that ended has everything, and then an end.
    fn check_ends(&self) -> Result<(), TestCaseError> {
        let causes = &self.region.counted.worker.causes;
        let cuts = [Cause::FinTimeout, Cause::IdleTimeout, Cause::Stopped, Cause::EngineDied];
        let cut_short = cuts.iter().any(|cause| causes[*cause as usize].read() > 0);
        for (fd, socket) in self.kernel.sockets.iter().filter(|(_, socket)| socket.relayed) {
            let mate = &self.kernel.sockets[&socket.mate.unwrap()];
            let reset = |socket: &Socket| socket.peer_reset && !socket.peer_fin;
            if cut_short || mate.peer_reset {
                continue;
            }
            if reset(socket) {
                // A UNIX socket cannot be told of a reset unless it had something to say.
                let told = mate.unix || mate.closed == Some(End::Reset);
                prop_assert!(told, "{} was reset, its mate was not", fd);
            } else if !socket.peer_reset {
                prop_assert_eq!(mate.closed, Some(End::Fin));
            }
            prop_assert!(mate.stream_out() == socket.stream_in(), "bytes are missing");
        }
        Ok(())
    }

    fn check_nothing_left(&self) -> Result<(), TestCaseError> {
        for (fd, socket) in &self.kernel.sockets {
            prop_assert!(socket.closed.is_some(), "{} was never closed", fd);
        }
        prop_assert!(self.kernel.all_judged(), "a FIN for nobody");
        prop_assert_eq!(self.region.header.total.sessions(), 0);
        let gauges = self.region.gauges;
        let all = gauges.servers.iter().chain(gauges.listeners).chain(gauges.pools);
        let mut all = all.chain(gauges.sources);
        prop_assert!(all.all(|gauge| gauge.sessions() == 0));
        prop_assert_eq!(gauges.keys.sessions(), 0);
        prop_assert_eq!(self.shard.sessions().count(), 0);
        prop_assert_eq!(self.kernel.pipes_in_use(), 0, "an open pipe has something in it");
        let stats = self.region.counted.worker;
        prop_assert_eq!(stats.sessions.read(), 0);
        prop_assert_eq!(stats.faults.read(), 0);
        if self.deaths > 0 {
            // What an engine was about to count is not counted.
            return Ok(());
        }
        let ends: u64 = stats.causes.iter().map(|cause| cause.read()).sum();
        prop_assert_eq!(ends, stats.ended.read());
        prop_assert_eq!(stats.ended.read() + stats.vanished.read(), stats.accepted.read());
        let measured = &self.kernel.measured;
        let lengths = measured.iter().filter(|(what, _)| *what == Span::Session).count() as u64;
        prop_assert_eq!(lengths, stats.ended.read(), "every session has one length");
        let reached: u64 = self.region.counted.servers.iter().map(|it| it.sessions.read()).sum();
        prop_assert_eq!(measured.len() as u64 - lengths, reached, "every success has one time");
        prop_assert_eq!(stats.stale.read(), self.replayed);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn laws_hold(
        steps in proptest::collection::vec(step(), 1..160),
        answers in [answer(), answer(), answer()],
        policy in prop_oneof![Just(Splice::Auto), Just(Splice::Off), Just(Splice::Always)],
        supply in supply(),
        splice_refused in prop::bool::weighted(0.05),
        unix in prop::sample::subsequence(vec![1, 2, 3], 0..=3),
        exhausted in prop::collection::btree_set(1..=SOURCES, 0..3),
        unknown in prop::collection::btree_set(1..=SOURCES, 0..3),
        (proxied, form) in headers(),
    ) {
        let mut memory = memory();
        let snapshot = splicing(policy, snapshot(u64::from(CAPACITY)));
        let snapshot = with_sources(SOURCES, on_unix(&unix, snapshot));
        let snapshot = with_headers(&proxied, form, snapshot);
        let mut world = World::new(&mut memory, snapshot, answers);
        world.kernel.supply = supply;
        world.kernel.splice_refused = splice_refused;
        world.kernel.exhausted = exhausted.into_iter().map(source).collect();
        world.kernel.unknown = unknown.into_iter().map(source).collect();
        for step in steps {
            world.take(step);
            world.check_prefixes()?;
            world.check_sources()?;
            world.check_headers()?;
        }
        world.finish()?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Goal: sessions go on after their engine's death with no byte lost, repeated or made up, and what
    /// cannot be proved is reset. Method: the same play, with deaths before any operation.
    #[test]
    fn sessions_outlive_their_engine(
        steps in proptest::collection::vec(prop_oneof![10 => step(), 1 => death()], 1..160),
        policy in prop_oneof![Just(Splice::Auto), Just(Splice::Off), Just(Splice::Always)],
        unix in prop::sample::subsequence(vec![1, 2, 3], 0..=1),
        (proxied, form) in headers(),
    ) {
        let mut memory = memory();
        let snapshot = splicing(policy, snapshot(u64::from(CAPACITY)));
        let snapshot = with_headers(&proxied, form, on_unix(&unix, snapshot));
        let mut world = World::new(&mut memory, snapshot, world::ALL);
        let mut faults = 0;
        for step in steps {
            faults += u64::from(matches!(step, Step::Die { fault: true, .. }));
            world.take(step);
            world.check_prefixes()?;
            world.check_headers()?;
        }
        let lost = |loss: Loss| world.region.counted.worker.lost[loss as usize].read();
        prop_assert_eq!(lost(Loss::Mismatch), 0);
        prop_assert!(lost(Loss::InHand) <= faults, "one session at most for each fault");
        prop_assert!(lost(Loss::Uncounted) == 0 || !unix.is_empty());
        world.finish()?;
    }
}

fn death() -> impl Strategy<Value = Step> {
    (0usize..12, any::<usize>(), prop::bool::weighted(0.2))
        .prop_map(|(ops, pick, fault)| Step::Die { ops, pick, fault })
}

/// Sources of the server at place 1.
const SOURCES: u8 = 3;

fn source(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![4 => Just(Answer::Accepts), 1 => Just(Answer::Refuses), 1 => Just(Answer::IsSilent)]
}

fn supply() -> impl Strategy<Value = PipeSupply> {
    prop_oneof![
        4 => Just(PipeSupply::Plenty),
        2 => (0usize..3).prop_map(PipeSupply::AtMost),
        1 => Just(PipeSupply::Small),
    ]
}
