use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ringbolt_tests::{
    Client, Config, Network, Peer, Server, Signal, Watched, accept_any, cpu, descriptor_limit,
    descriptor_names, expect_reset, kill, limit_descriptors, need, silence, stopped, until,
};

use crate::session;

/// Hundredths of a second of CPU that an engine uses for 200 looks, 2 ms apart.
fn cpu_of_looks(engine: u32) -> u64 {
    let before = cpu(engine);
    let mut looks = 0;
    until("200 looks", || {
        looks += 1;
        (looks > 200).then_some(())
    });
    cpu(engine) - before
}

/// Lines of the log with this text.
fn lines(watched: &Watched, text: &str) -> usize {
    watched.ringbolt.lines().iter().filter(|line| line.contains(text)).count()
}

fn shortages(watched: &Watched, of: &str) -> f64 {
    watched.metrics().value(&format!("ringbolt_shortages_total{{resource=\"{of}\"}}"))
}

/// Goal: without descriptors nothing established is hurt, clients wait in the queue, nothing spins, one
/// line a second at the most says why; when there are some again, all are served, and it is counted.
/// Method: the engine's limit is lowered below what it has open; 20 clients; 10 sessions talk; a
/// spinning worker would use 40 hundredths of a second. Then the limit is as before.
#[test]
fn clients_wait_for_descriptors() {
    need!(Binary, Prlimit);
    let server = Server::listen();
    let watched = Watched::start(Config::new().servers([server.address()]));
    let mut live: Vec<_> = (0..10).map(|_| session(&server, &watched.ringbolt)).collect();
    let engine = watched.ringbolt.engine();
    let began = Instant::now();
    limit_descriptors(engine, 3);
    let mut clients: Vec<Peer> =
        (0..20).map(|_| Client::default().connect(watched.ringbolt.address())).collect();
    clients.iter_mut().for_each(|client| client.send(b"wait"));
    watched.ringbolt.line_with("out of descriptors");
    for _ in 0..100 {
        live.iter_mut().for_each(|(client, serving)| client.exchange(serving));
    }
    let used = cpu_of_looks(engine);
    assert!(used < 10, "{used} hundredths of a second without descriptors");
    silence(&clients, Duration::ZERO);
    assert!(server.nobody());
    let (said, seconds) = (lines(&watched, "out of descriptors"), began.elapsed().as_secs());
    assert!(said as u64 <= seconds + 2, "{said} lines in {seconds} s");

    limit_descriptors(engine, descriptor_limit());
    for _ in 0..clients.len() {
        assert_eq!(server.accept().receive(4), b"wait");
    }
    assert!(shortages(&watched, "descriptors") > 0.0);
    assert_eq!(watched.metrics().sum("ringbolt_sessions_refused_total{"), 0.0);
    live.iter_mut().for_each(|(client, serving)| client.exchange(serving));
    drop((live, clients));
    watched.ringbolt.wait_for_base();
}

/// A limit under which a process can open `count` descriptors more: each has the lowest free number.
fn limit_that_leaves(pid: u32, count: usize) -> u64 {
    let open: BTreeSet<i32> = descriptor_names(pid).into_keys().collect();
    let last = (0..).filter(|number| !open.contains(number)).nth(count).expect("endless");
    last.try_into().expect("a number")
}

/// A balancer with one worker that has accepted as many clients as there are descriptors for, and has
/// none for their servers' side; the clients.
fn accepted_and_no_more(server: &Server, connect: &str) -> (Watched, Vec<Peer>) {
    let config = Config::new().workers(1).timeouts(connect).servers([server.address()]);
    let watched = Watched::start(config);
    let engine = watched.ringbolt.engine();
    watched.ringbolt.wait_for_base();
    limit_descriptors(engine, limit_that_leaves(watched.ringbolt.pid(), 5));
    // All at once, so that they are accepted in one go.
    kill(engine, Signal::SIGSTOP);
    until("the engine is stopped", || stopped(engine).then_some(()));
    let clients = (0..5).map(|_| Client::default().connect(watched.ringbolt.address())).collect();
    kill(engine, Signal::SIGCONT);
    watched.ringbolt.wait_for_descriptors(5);
    (watched, clients)
}

/// Goal: a client that was accepted and whose server's side has no descriptor waits for one and is not
/// reset. Method: 5 descriptors, 5 clients that are accepted at once; the limit is raised again.
#[test]
fn accepted_clients_wait_too() {
    need!(Binary, Prlimit);
    let server = Server::listen();
    let (watched, clients) = accepted_and_no_more(&server, "connect = \"1h\"");
    watched.ringbolt.line_with("out of descriptors");
    silence(&clients, Duration::from_millis(300));
    assert!(server.nobody());
    let used = cpu_of_looks(watched.ringbolt.engine());
    assert!(used < 10, "{used} hundredths of a second without descriptors");
    limit_descriptors(watched.ringbolt.engine(), descriptor_limit());
    for _ in &clients {
        server.accept().send(b"here");
    }
    assert_eq!(watched.metrics().sum("ringbolt_sessions_refused_total{"), 0.0);
}

/// Goal: those who wait for longer than a connect may take are reset, for that reason; nobody blames a
/// server, and everything comes back. Method: the same, and nothing mends it.
#[test]
fn accepted_clients_do_not_wait_for_ever() {
    need!(Binary, Prlimit);
    let server = Server::listen();
    let (watched, clients) = accepted_and_no_more(&server, "connect = \"1s\"");
    let (mut served, mut reset) = (0, 0);
    // One that is reset leaves a descriptor, which may come in time for another.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            until("each is served or reset", || {
                while !server.nobody() {
                    server.accept().send(b"here");
                    served += 1;
                }
                (watched.ringbolt.descriptors_beyond_base() == 0).then_some(())
            });
        });
        for client in clients {
            reset += usize::from(client.receive_or_reset(4).is_none());
        }
    });
    assert_eq!(served + reset, 5);
    assert!(reset > 0, "some must go");
    let metrics = watched.metrics();
    let refused = metrics.value("ringbolt_sessions_refused_total{reason=\"shortage\"}");
    assert_eq!(refused, reset as f64);
    assert_eq!(metrics.sum("ringbolt_server_connection_errors_total{"), 0.0);
}

/// Goal: when the local ports towards a server run out, its clients go to their next choice, and when
/// those of all have run out they are reset for that reason; no server is blamed, nothing established
/// is hurt, a line says so, and a port that is free again is used. Method: a network with 12 ports and
/// two servers.
#[test]
fn ports_run_out() {
    need!(Binary, Network);
    const PORTS: u8 = 12;
    let network = Network::new();
    network.inside(|| {
        let servers = [Server::listen(), Server::listen()];
        let config = Config::new().servers(servers.iter().map(Server::address));
        let watched = Watched::start(config);
        let range = "/proc/sys/net/ipv4/ip_local_port_range";
        let ports = format!("40000 {}", 40_000 + u32::from(PORTS) - 1);
        std::fs::write(range, ports).expect("allowed");
        let to = watched.ringbolt.address();
        // From a port outside of that range.
        let client = |last: u8| Client::default().from([64, 0, last]).port(50_000);
        let mut live: Vec<(Peer, Peer)> = Vec::new();
        for last in 0..2 * PORTS {
            let client = client(last).connect(to);
            live.push((client, accept_any(&[&servers[0], &servers[1]]).1));
        }
        for server in &servers {
            let here = live.iter().filter(|(_, it)| it.local() == server.address()).count();
            assert_eq!(here, usize::from(PORTS));
        }
        (100..105).for_each(|last| expect_reset(client(last), to));
        live.iter_mut().for_each(|(client, serving)| client.exchange(serving));
        let (left, _) = live.swap_remove(0);
        left.reset();
        let current = || watched.metrics().sum("ringbolt_server_current_sessions{");
        until("it has ended", || (current() == f64::from(2 * PORTS - 1)).then_some(()));
        let mut again = client(106).connect(to);
        again.exchange(&mut accept_any(&[&servers[0], &servers[1]]).1);

        watched.ringbolt.line_with("no local port was left to connect to a server from; add");
        watched.ringbolt.line_with("sessions reset: no local port was left");
        assert!(shortages(&watched, "ports") >= 10.0, "5 clients, 2 servers each");
        let metrics = watched.metrics();
        assert_eq!(metrics.value("ringbolt_sessions_refused_total{reason=\"no-port\"}"), 5.0);
        assert_eq!(metrics.sum("ringbolt_server_connection_errors_total{"), 0.0);
    });
}
