use std::net::SocketAddr;

use ringbolt_tests::{
    Client, Config, Count, Echo, Peer, Ringbolt, Server, Signal, Watched, accept_any, cpu,
    expect_reset, herd, kill, need, until,
};

use crate::session;

/// Goal: `max_sessions` is reached exactly and never passed, over all workers; the next client waits
/// in the backlog and is served when a place is free. Method: 5 sessions are held; a sixth client
/// sends and gets nothing while each of the five talks 200 times; one ends, the sixth is served.
#[test]
fn the_sixth_waits() {
    need!(Binary);
    let server = Server::listen();
    let config = Config::new().global("max_sessions = 5").servers([server.address()]);
    let ringbolt = Ringbolt::start(&config);
    for _ in 0..3 {
        let mut live: Vec<_> = (0..5)
            .map(|_| (Client::default().connect(ringbolt.address()), server.accept()))
            .collect();
        let mut sixth = Client::default().connect(ringbolt.address());
        sixth.send(b"my turn?");
        for _ in 0..200 {
            for (client, serving) in &mut live {
                client.exchange(serving);
            }
            assert!(server.nobody(), "a sixth session");
        }
        drop(live.pop());
        let mut serving = server.accept();
        assert_eq!(serving.receive(8), b"my turn?");
    }
}

/// Goal: the limit holds under a crowd, and all of it is served in the end. Method: 1,000 clients at
/// once against 5 places; the server counts its connections, each ending before its session does.
#[test]
fn a_crowd_takes_turns() {
    need!(Binary);
    let echo = Echo::start();
    let config = Config::new().global("max_sessions = 5").servers([echo.address()]);
    let ringbolt = Ringbolt::start(&config);
    let count = herd(1_000, ringbolt.address(), |_| {});
    assert_eq!(count, Count { echoed: 1_000, ..Count::default() });
    assert!(echo.most_live() <= 5, "{} at once", echo.most_live());
}

/// Goal: the same limits for one listener: reached exactly, the next one waits, and another listener is
/// not touched by it. Method: 3 sessions by one listener and a fourth client, while 5 come and go by
/// the other one; one of the three ends.
#[test]
fn a_listener_has_a_limit_of_its_own() {
    need!(Binary);
    let server = Server::listen();
    let config = Config::new().listener("max_sessions = 3").servers([server.address()]);
    let other = "[listener.other]\nbind = \"127.0.0.1:0\"\npool = \"echo\"\n";
    let watched = Watched::start_with(config, other);
    let [web, other] = [0, 1].map(|which| watched.ringbolt.addresses()[which]);
    let mut live: Vec<_> = (0..3).map(|_| session(&server, &watched.ringbolt)).collect();
    let mut fourth = Client::default().connect(web);
    fourth.send(b"my turn?");
    for _ in 0..5 {
        let mut client = Client::default().connect(other);
        client.exchange(&mut server.accept());
        live.iter_mut().for_each(|(client, serving)| client.exchange(serving));
        assert!(server.nobody(), "a fourth session");
    }
    assert_eq!(watched.stat("web", "FRONTEND")["slim"], "3");
    drop(live.pop());
    assert_eq!(server.accept().receive(8), b"my turn?");
}

/// Goal: a listener's limit holds under a crowd. Method: as for all sessions.
#[test]
fn a_crowd_takes_turns_at_a_listener() {
    need!(Binary);
    let echo = Echo::start();
    let config = Config::new().listener("max_sessions = 5").servers([echo.address()]);
    let ringbolt = Ringbolt::start(&config);
    let count = herd(1_000, ringbolt.address(), |_| {});
    assert_eq!(count, Count { echoed: 1_000, ..Count::default() });
    assert!(echo.most_live() <= 5, "{} at once", echo.most_live());
}

/// Goal: a reload that changes a limit holds at once: a lowered one lets nobody in before enough have
/// ended, a raised one lets them in. Method: 5 sessions, a limit of 3 from a reload on, a sixth client;
/// sessions end one by one; a seventh client, and no limit from another reload on.
#[test]
fn another_limit_holds_at_once() {
    need!(Binary);
    let server = Server::listen();
    let config = |line: &str| Config::new().listener(line).servers([server.address()]);
    let watched = Watched::start(config("backlog = 100"));
    let mut live: Vec<_> = (0..5).map(|_| session(&server, &watched.ringbolt)).collect();
    watched.reload(config("max_sessions = 3"));
    let [mut sixth, mut seventh] =
        [(); 2].map(|()| Client::default().connect(watched.ringbolt.address()));
    sixth.send(b"6");
    seventh.send(b"7");
    let current = || watched.metrics().value("ringbolt_frontend_current_sessions{proxy=\"web\"}");
    for left in [4.0, 3.0] {
        drop(live.pop());
        until("it has ended", || (current() == left).then_some(()));
        assert!(server.nobody(), "a session over the limit");
    }
    drop(live.pop());
    let mut first = server.accept();
    let first = first.receive(1);
    assert!(server.nobody(), "a session over the limit");
    watched.reload(config("backlog = 100"));
    let second = server.accept().receive(1);
    assert_eq!([first, second].concat().iter().map(|byte| u32::from(*byte)).sum::<u32>(), 109);
}

/// A client of one address, and its session with the server that answers it at once.
fn greeted(client: Client, to: SocketAddr) -> Peer {
    let mut client = client.connect(to);
    assert_eq!(client.receive(2), b"hi");
    client
}

/// Goal: one key has exactly as many sessions as it may, over all workers; others are not touched;
/// beyond is a reset that is counted and logged. Method: 64 clients of a key, by its prefix, come from
/// 8 threads at once; the gauge says how many have a session; a client of another key; one ends and
/// there is a place for one more; the next engine goes on with them and counts them; the same with it.
#[test]
fn one_key_has_so_many_sessions() {
    need!(Binary);
    let echo = Echo::with_greeting(b"hi");
    let config = Config::new().listener("max_per_source = 3").servers([echo.address()]);
    let watched = Watched::start(config.pool("key = { v4 = 24, v6 = 64 }"));
    let to = watched.ringbolt.address();
    let of_key = |last| Client::default().from([41, 1, last]);
    // Two counters of one thing; one who looks between the two counts sees that.
    let denied = || {
        until("both counters agree", || {
            let metrics = watched.metrics();
            let refused = metrics.value("ringbolt_sessions_refused_total{reason=\"source-limit\"}");
            let by = metrics.value("ringbolt_frontend_denied_connections_total{proxy=\"web\"}");
            (refused == by).then_some(by)
        })
    };
    let current = || watched.metrics().value("ringbolt_frontend_current_sessions{proxy=\"web\"}");
    for engine in 0..2_u8 {
        let before = denied();
        let crowd: Vec<Peer> = std::thread::scope(|scope| {
            let one = |thread: u8| {
                // One that is reset at once may hear of it in the connect.
                move || (0..8).filter_map(|_| of_key(thread).try_connect(to).ok()).collect()
            };
            let threads: Vec<_> = (1..=8).map(|thread| scope.spawn(one(thread))).collect();
            threads.into_iter().flat_map(|it| it.join().unwrap_or_else(|_| vec![])).collect()
        });
        until("all are judged", || (denied() - before == 61.0).then_some(()));
        assert_eq!(current(), 3.0);
        let mut served: Vec<Peer> =
            crowd.into_iter().filter_map(|peer| peer.receive_or_reset(2)).collect();
        assert_eq!(served.len(), 3);
        drop(greeted(Client::default().from([41, 2, 1]), to));
        expect_reset(of_key(99), to);
        drop(served.pop());
        until("it has ended", || (current() == 2.0).then_some(()));
        let mut fourth = greeted(of_key(99), to);
        expect_reset(of_key(100), to);
        watched.ringbolt.line_with("web: connections reset: their key has max_per_source");
        assert_eq!(watched.stat("web", "FRONTEND")["dcon"], denied().to_string());
        if engine == 0 {
            let engine = watched.ringbolt.engine();
            kill(engine, Signal::SIGKILL);
            watched.ringbolt.engine_after(engine);
            for peer in served.iter_mut().chain([&mut fourth]) {
                peer.round_trip(b"still there");
            }
            assert_eq!(current(), 3.0);
            expect_reset(of_key(100), to);
            drop((served, fourth));
            until("all have ended", || (current() == 0.0).then_some(()));
        }
    }
}

/// Goal: a server has exactly as many sessions as it may, over all workers; more go to their next
/// choice, counted as that and not as a failure; with all servers full a client is reset for that
/// reason; a place that is free again is used. Method: clients of many addresses, each with a session
/// that is held; two servers that hold 3 and 4.
#[test]
fn a_full_server_is_passed_over() {
    need!(Binary);
    let servers = [Server::listen(), Server::listen()];
    let [one, two] = &servers;
    let config = Config::new().server("ws1", one.address()).of_server("max_sessions = 3");
    let config = config.server("ws2", two.address()).of_server("max_sessions = 4");
    let watched = Watched::start(config);
    let to = watched.ringbolt.address();
    let mut live = [Vec::new(), Vec::new()];
    for last in 1..=7 {
        let client = Client::default().from([42, 1, last]).connect(to);
        let (which, serving) = accept_any(&[one, two]);
        live[which].push((client, serving));
    }
    assert_eq!([live[0].len(), live[1].len()], [3, 4]);
    (8..30).for_each(|last| expect_reset(Client::default().from([42, 1, last]), to));
    let metrics = watched.metrics();
    assert_eq!(metrics.value("ringbolt_sessions_refused_total{reason=\"servers-full\"}"), 22.0);
    let of_servers = |name: &str| metrics.sum(&format!("ringbolt_server_{name}{{"));
    assert!(of_servers("full_total") >= 22.0, "each wanted one of them");
    assert_eq!(of_servers("limit_sessions"), 7.0);
    assert_eq!(of_servers("connection_errors_total"), 0.0);
    assert_eq!(of_servers("redispatch_warnings_total"), 0.0);
    assert_eq!(watched.stat("echo", "ws2")["slim"], "4");
    watched.ringbolt.line_with("every server has its max_sessions");
    for (which, server) in servers.iter().enumerate() {
        drop(live[which].pop());
        let current = || watched.metrics().sum("ringbolt_server_current_sessions{");
        until("it has ended", || (current() == 6.0).then_some(()));
        let client = Client::default().from([42, 2, 1]).connect(to);
        live[which].push((client, server.accept()));
    }
}

/// Goal: a server's limit holds under a crowd. Method: 600 clients, each for the length of an echo,
/// and two servers, one with 3 places; the first counts its connections.
#[test]
fn a_crowd_passes_over_a_full_server() {
    need!(Binary);
    let (small, large) = (Echo::start(), Echo::start());
    let config = Config::new().pool("balance = \"round-robin\"");
    let config = config.server("ws1", small.address()).of_server("max_sessions = 3");
    let ringbolt = Ringbolt::start(&config.server("ws2", large.address()));
    let count = herd(600, ringbolt.address(), |_| {});
    assert_eq!(count, Count { echoed: 600, ..Count::default() });
    assert!((1..=3).contains(&small.most_live()), "{} at once", small.most_live());
}

/// Goal: a session costs two descriptors, and nothing stays behind. Method: count at base, with 50
/// live sessions, and after 5,000 short ones.
#[test]
fn descriptors_come_back() {
    need!(Binary);
    let echo = Echo::start();
    let ringbolt = Ringbolt::start(&Config::new().servers([echo.address()]));
    let mut live: Vec<_> = (0..50).map(|_| Client::default().connect(ringbolt.address())).collect();
    for client in &mut live {
        client.round_trip(b"x");
    }
    assert_eq!(ringbolt.descriptors_beyond_base(), 2 * live.len().cast_signed());
    drop(live);

    for _ in 0..10 {
        let count = herd(500, ringbolt.address(), |_| {});
        assert_eq!(count, Count { echoed: 500, ..Count::default() });
    }
    ringbolt.wait_for_base();
}

/// Goal: idle sessions cost no CPU: nothing spins. Method: 100 idle sessions; the engine's CPU time
/// (in hundredths of a second) while it is looked at 200 times, 2 ms apart. A spinning worker would
/// use 40; a busy machine gives it less, never more.
#[test]
fn idle_sessions_cost_no_cpu() {
    need!(Binary);
    let echo = Echo::start();
    let ringbolt = Ringbolt::start(&Config::new().servers([echo.address()]));
    let mut live: Vec<_> =
        (0..100).map(|_| Client::default().connect(ringbolt.address())).collect();
    for client in &mut live {
        client.round_trip(b"x");
    }
    let engine = ringbolt.engine();
    let before = cpu(engine);
    let mut looks = 0;
    until("200 looks", || {
        looks += 1;
        (looks > 200).then_some(())
    });
    let used = cpu(engine) - before;
    assert!(used < 10, "{used} hundredths of a second while idle");
}
