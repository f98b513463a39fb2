use std::collections::BTreeSet;
use std::process::Command;

use ringbolt_tests::{
    Client, Config, Echo, Folder, Peer, Ringbolt, affinities, binary, closes_on_exec,
    descriptor_limit, descriptor_names, kill, need, sockets,
};
use ringbolt_tests::{Count, Signal, herd};

fn start(workers: usize) -> (Echo, Ringbolt) {
    let echo = Echo::start();
    let config = Config::new().servers([echo.address()]);
    let config = config.text().replace("workers = 2", &format!("workers = {workers}"));
    let ringbolt = Ringbolt::start_text(&config);
    (echo, ringbolt)
}

fn sessions(ringbolt: &Ringbolt, count: usize) -> Vec<Peer> {
    let open = |_| {
        let mut client = Client::default().connect(ringbolt.address());
        client.round_trip(b"x");
        client
    };
    (0..count).map(open).collect()
}

/// Goal: the engine's descriptors are the supervisor's, and those of sessions would survive an exec,
/// while the rings would not. Method: both tables in `/proc`, before and with 10 sessions.
#[test]
fn one_table_of_descriptors() {
    need!(Binary);
    let (_echo, ringbolt) = start(2);
    let before = descriptor_names(ringbolt.pid());
    let live = sessions(&ringbolt, 10);
    let supervisor = descriptor_names(ringbolt.pid());
    assert_eq!(supervisor, descriptor_names(ringbolt.engine()));
    let new: Vec<_> = supervisor.iter().filter(|(fd, _)| !before.contains_key(fd)).collect();
    assert_eq!(new.len(), 20, "two sockets a session, and nothing else: {new:?}");
    for (fd, name) in new {
        assert!(name.starts_with("socket:"), "{name}");
        assert!(!closes_on_exec(ringbolt.pid(), *fd), "{fd}: {name}");
    }
    let rings = supervisor.iter().filter(|(_, name)| name.contains("io_uring"));
    for (fd, name) in rings {
        assert!(closes_on_exec(ringbolt.pid(), *fd), "{fd}: {name}");
    }
    drop(live);
}

/// Goal: what outlives the engine is in two memory files: the sessions and the accepted
/// configuration. Method: their names in `/proc`; the same after the engine's death.
#[test]
fn two_memory_files() {
    need!(Binary);
    let (_echo, ringbolt) = start(1);
    let memory = || -> BTreeSet<String> {
        let names = descriptor_names(ringbolt.pid()).into_values();
        names.filter(|name| name.starts_with("/memfd:ringbolt")).collect()
    };
    let before = memory();
    assert_eq!(before.len(), 2, "{before:?}");
    let engine = ringbolt.engine();
    kill(engine, Signal::SIGKILL);
    ringbolt.engine_after(engine);
    assert_eq!(memory(), before);
}

/// Goal: the next engine runs what was accepted, not what the file says by now. Method: the file is
/// made worthless, the engine killed; it serves as before.
#[test]
fn a_broken_file_does_not_matter_later() {
    need!(Binary);
    let (_echo, ringbolt) = start(1);
    ringbolt.write_configuration("this is not a configuration\n");
    let engine = ringbolt.engine();
    kill(engine, Signal::SIGKILL);
    ringbolt.engine_after(engine);
    sessions(&ringbolt, 1);
}

/// Goal: every worker has its own listening socket on the address and runs on one core; the
/// supervisor has one thread. Method: the kernel's tables, with 1 and 2 workers.
#[test]
fn a_socket_and_a_core_for_each_worker() {
    need!(Binary);
    for workers in [1, 2] {
        let (_echo, ringbolt) = start(workers);
        let here = |s: &sockets::Entry| s.local == ringbolt.address() && s.remote.port() == 0;
        assert_eq!(sockets::all().into_iter().filter(here).count(), workers);
        let supervisor = affinities(ringbolt.pid());
        assert_eq!(supervisor.len(), 1, "threads of the supervisor");
        let pinned = affinities(ringbolt.engine()).into_iter();
        let pinned: BTreeSet<String> =
            pinned.filter(|cores| cores.parse::<u32>().is_ok()).collect();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // On a machine with one core every thread looks pinned, and all to the same.
        assert_eq!(pinned.len(), workers.min(cores), "{pinned:?}");
    }
}

/// Goal: what waits goes through the ring: accept, connect, poll, timers, close; none is a system
/// call of its own. Method: `strace` counts those calls, before and after 200 sessions. One worker,
/// so that with 20,000 descriptors there is room for multishot accepts; with fewer, connections are
/// polled for through the ring and then taken one by one, and those calls are not counted.
#[test]
fn what_waits_goes_through_the_ring() {
    need!(Binary, Strace);
    let echo = Echo::start();
    let folder = Folder::new();
    let trace = folder.file("trace");
    let mut calls = "connect,poll,ppoll,select,pselect6,epoll_ctl,timerfd_settime,close".to_owned();
    if descriptor_limit() >= 20_000 {
        calls.push_str(",accept,accept4");
    }
    let mut command = Command::new("strace");
    command.args(["--daemonize=grandchild", "--follow-forks", "--output", &trace]);
    command.arg(format!("--trace={calls}")).arg(binary());
    let config = Config::new().servers([echo.address()]).text();
    let ringbolt = Ringbolt::start_by(command, &config.replace("workers = 2", "workers = 1"));
    sessions(&ringbolt, 1);
    ringbolt.wait_for_base();
    let traced = || std::fs::read_to_string(&trace).expect("strace writes");
    let before = traced().lines().count();
    let served = herd(200, ringbolt.address(), |_| {});
    assert_eq!(served, Count { echoed: 200, ..Count::default() });
    ringbolt.wait_for_base();
    let text = traced();
    let new: Vec<&str> = text.lines().skip(before).collect();
    // The supervisor and the control thread may make a few for their own sake.
    assert!(new.len() < 100, "{} system calls for 200 sessions:\n{}", new.len(), new.join("\n"));
}
