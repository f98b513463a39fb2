//! The proof that live sessions outlive the engine: a thousand of every kind, and fifty engines, each
//! killed at a moment that nobody chose. A binary of its own, because it takes a minute and the whole
//! machine, and because `scripts/planted` runs it against an engine with a bug, of which it must tell.

#![forbid(unsafe_code)]

/// The sessions: both ends of each.
mod fleet;
/// Clients that come while engines die.
mod newcomers;
/// How long those who talk had to wait.
mod pauses;
/// What the ends of a session do.
mod roles;

use std::sync::atomic::Ordering;
use std::time::Duration;

use ringbolt_script::Dice;
use ringbolt_tests::{Config, Metrics, Signal, Watched, kill, need, say, seed};

use fleet::{Fleet, Kind};
use newcomers::Newcomers;
use pauses::Beside;

const KILLS: usize = 50;

/// Goal: whatever the engine was doing when it was killed, no byte is wrong, missing or doubled, no
/// stream that was broken looks ended, no session that is quiet or spliced is lost and hardly any other,
/// who comes meanwhile is served, and nothing is left behind. Method: 1,000 sessions, quiet, talking,
/// bulk by copy and by splice, slow readers, half-closed; every byte says where it belongs; 50 times
/// `kill -9` at random moments, some of them while the next engine goes on with what it found. Half of the
/// time bulk leaves the machine to those who talk, so that their pause is the engine's and not the
/// machine's; the other half it takes all of it. A record that contradicts the kernel's counts would be a
/// bug, so none may.
#[test]
fn a_thousand_sessions_outlive_fifty_engines() {
    need!(Binary);
    let seed = seed("survival");
    let mut dice = Dice::new(seed);
    let fleet = Fleet::new();
    let watched = Watched::start_with(Config::new().servers([fleet.server()]), &listeners(&fleet));
    let [auto, copy, splice] = watched.ringbolt.addresses()[..] else { panic!("three listeners") };
    fleet.connect(|kind| match kind {
        Kind::Quiet | Kind::Talk | Kind::Half => auto,
        Kind::Copied | Kind::SlowCopied => copy,
        Kind::Spliced | Kind::SlowSpliced => splice,
    });
    let newcomers = Newcomers::start(auto);
    fleet.goes_on_for(Duration::from_secs(2));
    fleet.pauses.begin();
    fleet.goes_on_for(Duration::from_secs(1));

    let mut alive = vec![0; Kind::ALL.len()];
    for kill_number in 0..KILLS {
        fleet.calm.store(kill_number < KILLS / 2, Ordering::SeqCst);
        fleet.goes_on_for(pause(&mut dice));
        for (kind, alive) in Kind::ALL.into_iter().zip(&mut alive) {
            *alive += fleet.alive(kind);
        }
        let engine = watched.ringbolt.engine();
        fleet.pauses.engine_dies(if kill_number < KILLS / 2 { Beside::Calm } else { Beside::Bulk });
        kill(engine, Signal::SIGKILL);
        watched.ringbolt.engine_after(engine);
        newcomers.wait_for_one_more();
    }
    fleet.goes_on_for(Duration::from_millis(500));
    fleet.finish();
    let newcomers = newcomers.stop();
    let metrics = watched.metrics();
    report(&fleet, &alive, &metrics);
    say(&format!("{} clients came meanwhile and were served", newcomers.served));
    watched.ringbolt.wait_for_base();

    assert_eq!(fleet.wrongs(), [""; 0], "seed {seed}");
    let mismatches = metrics.value("ringbolt_sessions_lost_total{reason=\"mismatch\"}");
    assert_eq!(mismatches, 0.0, "records contradict the kernel's counts; seed {seed}");
    for kind in [Kind::Quiet, Kind::Spliced, Kind::SlowSpliced] {
        assert_eq!(fleet.lost(kind), 0, "{kind:?} sessions are lost; seed {seed}");
    }
    let others = [Kind::Talk, Kind::Copied, Kind::SlowCopied, Kind::Half];
    let lost: usize = others.iter().map(|kind| fleet.lost(*kind)).sum();
    let kills: usize = others.iter().map(|kind| alive[*kind as usize]).sum();
    assert!(lost * 1_000 <= kills, "{lost} of {kills} are lost; seed {seed}");
    assert_eq!(newcomers.failed, [""; 0], "seed {seed}");
}

/// Two more listeners, with pools that say how bytes move.
fn listeners(fleet: &Fleet) -> String {
    let pool = |name, splice| {
        format!(
            "\n[listener.{name}]\nbind = \"127.0.0.1:0\"\npool = \"{name}\"\n\
             \n[pool.{name}]\nsplice = \"{splice}\"\n\
             \n[[pool.{name}.server]]\nname = \"ws1\"\naddr = \"{}\"\n",
            fleet.server()
        )
    };
    pool("copy", "off") + &pool("splice", "always")
}

fn report(fleet: &Fleet, alive: &[usize], metrics: &Metrics) {
    for kind in Kind::ALL {
        let (lost, kills) = (fleet.lost(kind), alive[kind as usize]);
        let bytes = fleet.received(kind) as f64 / 1e9;
        say(&format!("{kind:?}: {lost} of {kills} session-kills lost; {bytes:.2} GB checked"));
    }
    fleet.pauses.in_words().iter().for_each(|line| say(line));
    let adopted = metrics.value("ringbolt_sessions_adopted_total");
    say(&format!("{KILLS} engines were killed; sessions were gone on with {adopted} times"));
}

/// Until the next kill: one in five comes while the engine is still beginning, the others after it has lived
/// long enough not to be held back as one that fails at its start.
fn pause(dice: &mut Dice) -> Duration {
    let micros = if dice.one_in(5) { dice.throw(30_000) } else { dice.between(600_000, 1_100_000) };
    Duration::from_micros(micros as u64)
}
