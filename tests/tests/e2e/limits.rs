use ringbolt_tests::{Client, Config, Count, Echo, Ringbolt, Server, cpu, herd, need, until};

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
