//! The laws of a shard, whatever its peers do and in whatever order it hears of it:
//! bytes out are a prefix of bytes in; a FIN goes out only after an end came in and everything was
//! delivered; an error in is a reset out; every session ends exactly once; gauges return to 0; a
//! stale completion is ignored and its resources come back.
//!
//! Method: random peers play against a shard on sockets in memory; the kernel checks each call, and
//! the end of each run checks the rest.

mod headings;
mod health;
mod limits;
mod places;
mod reloads;
mod scenes;
mod shortages;
mod splices;

use headings::{header, headers};
use proptest::prelude::*;
use ringbolt_core::adopt::Loss;
use ringbolt_core::spec::Splice;
use ringbolt_sim::ground::{on_unix, snapshot, splicing, with_headers, with_sources};
use ringbolt_sim::kernel::{Answer, PipeSupply};
use ringbolt_sim::laws::{SOURCES, source};
use ringbolt_sim::player::Step;
use ringbolt_sim::world::{self, CAPACITY, World, memory};

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
            holds(world.check_prefixes())?;
            holds(world.check_sources())?;
            holds(world.check_headers())?;
        }
        holds(world.finish())?;
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
            faults += step.own_faults();
            world.take(step);
            holds(world.check_prefixes())?;
            holds(world.check_headers())?;
        }
        let lost = |loss: Loss| world.region.counted.worker.lost[loss as usize].read();
        prop_assert_eq!(lost(Loss::Mismatch), 0);
        prop_assert!(lost(Loss::InHand) <= faults, "one session at most for each fault");
        prop_assert!(lost(Loss::Uncounted) == 0 || !unix.is_empty());
        holds(world.finish())?;
    }
}

fn death() -> impl Strategy<Value = Step> {
    let again = proptest::collection::vec(0usize..20, 0..3);
    (0usize..20, any::<usize>(), prop::bool::weighted(0.2), again)
        .prop_map(|(moments, pick, fault, again)| Step::Die { moments, pick, fault, again })
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

/// A law that is broken fails the case.
fn holds(law: Result<(), String>) -> Result<(), TestCaseError> {
    law.map_err(TestCaseError::fail)
}
