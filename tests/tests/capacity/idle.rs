use std::time::{Duration, Instant};

use ringbolt_tests::{
    Memory, Ringbolt, Signal, Thread, kill, memory, need, say, silence, threads, until,
};

use crate::echo::EchoProcess;
use crate::{alone, sessions, start};

const SESSIONS: usize = 5_000;
/// Bytes of user memory that an idle session may cost.
const BYTES_MAX: f64 = 300.0;
const SILENCE: Duration = Duration::from_secs(10);

/// Goal: an idle session costs at most 300 bytes of user memory and exactly two descriptors.
/// Method: the Pss of supervisor and engine together and their descriptors, of a balancer that has
/// just started, of the same one after 300 sessions came and went, and with 5,000 sessions that have
/// moved a message both ways. The bound holds against the first of these, so that what the first
/// sessions touch for all that follow is paid for as well.
#[test]
fn memory_and_descriptors() {
    need!(Binary, Descriptors);
    let _alone = alone();
    let server = EchoProcess::start();
    let ringbolt = start(&server, |config| config);
    let fresh = memory_of(&ringbolt);
    drop(sessions(300, &ringbolt));
    ringbolt.wait_for_base();
    let warm = memory_of(&ringbolt);

    let live = sessions(SESSIONS, &ringbolt);
    ringbolt.wait_for_descriptors(2 * SESSIONS.cast_signed());
    let full = memory_of(&ringbolt);
    say(&format!("5,000 idle sessions: {}", increase(fresh, full, "a fresh balancer")));
    say(&format!("5,000 idle sessions: {}", increase(warm, full, "one that has served 300")));
    say("5,000 idle sessions: 2 descriptors a session, exactly");
    assert!(per_session(fresh.all, full.all) <= BYTES_MAX, "{fresh:?}, then {full:?}");

    drop(live);
    ringbolt.wait_for_base();
}

/// Goal: idle sessions wake no worker, with health checks off. Method: 5,000 sessions, all
/// defaults but for keepalive, which probes in those 10 s too; what each worker's thread has used when
/// all sleep, and after 10 s in which no session heard anything, is the same. Then each session
/// moves a message: now it must differ, or the look sees nothing.
#[test]
fn no_worker_wakes() {
    need!(Binary, Descriptors);
    let _alone = alone();
    let server = EchoProcess::start();
    let ringbolt = start(&server, |config| config.pool("keepalive = \"3s\""));
    let mut live = sessions(SESSIONS, &ringbolt);
    let engine = ringbolt.engine();
    let workers = || threads(engine, "worker-");
    assert_eq!(workers().len(), 2);
    let quiet = || {
        let before = until("all workers sleep", || {
            Some(workers()).filter(|workers| workers.iter().all(|worker| worker.asleep))
        });
        silence(&live, SILENCE);
        let after = workers();
        for (before, after) in before.iter().zip(&after) {
            say(&format!("10 s of 5,000 idle sessions: {}", rise(before, after)));
        }
        before == after
    };
    // Once in 4.7 hours the timing wheel moves what is due in an hour to a finer level, and that may
    // be now; but not twice in a row.
    assert!(quiet() || quiet(), "idle sessions wake workers");

    let before = workers();
    live.iter_mut().for_each(|client| client.round_trip(b"x"));
    for (before, after) in before.iter().zip(&workers()) {
        assert!(before.voluntary_switches < after.voluntary_switches, "{}", rise(before, after));
        assert!(before.cpu_ns < after.cpu_ns, "{}", rise(before, after));
    }
}

/// Goal: the next engine goes on with thousands of sessions at once; all of them tell that they are ready
/// when it has armed their polls, which is more than a completion queue holds. Method: 5,000 sessions, two
/// deaths, a message each way on every one after each; descriptors.
#[test]
fn the_next_engine_goes_on_with_all() {
    need!(Binary, Descriptors);
    let _alone = alone();
    let server = EchoProcess::start();
    let ringbolt = start(&server, |config| config);
    let mut live = sessions(SESSIONS, &ringbolt);
    for death in 1..=2 {
        let engine = ringbolt.engine();
        let killed = Instant::now();
        kill(engine, Signal::SIGKILL);
        live[0].round_trip(b"x");
        say(&format!(
            "5,000 idle sessions, death {death}: one answers after {:?}",
            killed.elapsed()
        ));
        live.iter_mut().for_each(|client| client.round_trip(b"still there?"));
        assert_ne!(ringbolt.engine_after(engine), engine);
        ringbolt.wait_for_descriptors(2 * SESSIONS.cast_signed());
    }
    drop(live);
    ringbolt.wait_for_base();
}

/// Of the supervisor and its engine together.
fn memory_of(ringbolt: &Ringbolt) -> Memory {
    memory(ringbolt.pid()) + memory(ringbolt.engine())
}

fn per_session(before: u64, after: u64) -> f64 {
    (after as f64 - before as f64) / SESSIONS as f64
}

fn increase(before: Memory, after: Memory, than: &str) -> String {
    format!(
        "{:.0} B of user memory a session more than {than} (shared {:.0}, anonymous {:.0}, \
         files {:.0})",
        per_session(before.all, after.all),
        per_session(before.shared, after.shared),
        per_session(before.anonymous, after.anonymous),
        per_session(before.file, after.file),
    )
}

fn rise(before: &Thread, after: &Thread) -> String {
    format!(
        "{}: {} voluntary switches, {} involuntary ones, {} ns of CPU",
        before.name,
        after.voluntary_switches - before.voluntary_switches,
        after.involuntary_switches - before.involuntary_switches,
        after.cpu_ns - before.cpu_ns,
    )
}
