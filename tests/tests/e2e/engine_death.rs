use std::io::Read;

use ringbolt_tests::{
    BOUND, Client, Config, Count, Echo, End, Ringbolt, Server, Signal, Watched, ended, herd, kill,
    need, stopped, until, until_asleep,
};

/// How often a herd is cut: with what the engine holds at that moment, each is another case.
const HERDS: usize = 3;
const CLIENTS: usize = 2_000;

/// Kills the engine and waits for the next one.
fn replace_engine(ringbolt: &Ringbolt, signal: Signal) {
    let engine = ringbolt.engine();
    kill(engine, signal);
    ringbolt.engine_after(engine);
}

/// A round trip through a balancer that may just have got a new engine.
fn serves(ringbolt: &Ringbolt) {
    Client::default().connect(ringbolt.address()).round_trip(b"x");
}

/// Goal: the engine may die; the listeners stay, live sessions go on with the next one and are counted, an
/// end passes that was on its way, and no descriptor is left behind. Method: two sessions, both sides
/// watched, one of them half-closed; several deaths, by `kill -9` and by abort, of an engine that is at
/// work on neither: one that aborts over a session takes it with it.
#[test]
fn sessions_go_on() {
    need!(Binary);
    let server = Server::listen();
    let ringbolt = Ringbolt::start(&Config::new().servers([server.address()]));
    let session = || {
        let mut client = Client::default().connect(ringbolt.address());
        let mut server = server.accept();
        client.exchange(&mut server);
        (client, server)
    };
    drop(session());
    for (deaths, signal) in (1..).zip([Signal::SIGKILL, Signal::SIGABRT, Signal::SIGKILL]) {
        // Sessions that are over have given their descriptors back, and are not counted.
        ringbolt.wait_for_base();
        let (mut client, mut serving) = session();
        let (mut half, mut half_serving) = session();
        half.finish();
        assert_eq!(half_serving.end(), End::Fin);

        until_asleep(ringbolt.engine());
        replace_engine(&ringbolt, signal);
        client.exchange(&mut serving);
        half_serving.send(b"after the end");
        assert_eq!(half.receive(13), b"after the end");
        half_serving.finish();
        assert_eq!(half.end(), End::Fin);
        client.finish();
        assert_eq!(serving.end(), End::Fin);
        serving.finish();
        assert_eq!(client.end(), End::Fin);

        let counted = || {
            let lines = ringbolt.lines();
            lines.iter().filter(|line| line.contains("\"sessions_adopted\":2,")).count()
        };
        until("the log counts two sessions", || (counted() == deaths).then_some(()));
        drop(session());
    }
    ringbolt.wait_for_base();
}

/// Goal: who waits in a listener's queue while there is no engine is served by the next. Method: the
/// engine is stopped, so that it accepts nothing; 20 clients connect; then it is killed.
#[test]
fn waiting_connections_are_served() {
    need!(Binary);
    let echo = Echo::start();
    let ringbolt = Ringbolt::start(&Config::new().servers([echo.address()]));
    serves(&ringbolt);
    let engine = ringbolt.engine();
    kill(engine, Signal::SIGSTOP);
    until("the engine is stopped", || stopped(engine).then_some(()));
    let mut clients: Vec<_> =
        (0..20).map(|_| Client::default().connect(ringbolt.address())).collect();
    for client in &mut clients {
        client.send(b"still there?");
    }
    kill(engine, Signal::SIGKILL);
    for client in &mut clients {
        assert_eq!(client.receive(12), b"still there?");
    }
}

/// Goal: an engine that dies amid 2,000 connects leaves nobody waiting and nothing behind: every
/// client is echoed or reset, none waits over 10 s, the descriptors are back at base. Method: a herd
/// that comes at once; the engine is killed after the first echoes, at another count each time.
#[test]
fn killed_amid_two_thousand_connects() {
    need!(Binary);
    let echo = Echo::start();
    let ringbolt = Ringbolt::start(&Config::new().servers([echo.address()]));
    serves(&ringbolt);
    for (round, signal) in [Signal::SIGKILL, Signal::SIGKILL, Signal::SIGABRT]
        .into_iter()
        .cycle()
        .take(HERDS)
        .enumerate()
    {
        let engine = ringbolt.engine();
        let after = [1, 100, 700][round % 3];
        let mut killed = false;
        let count = herd(CLIENTS, ringbolt.address(), |count| {
            if !killed && count.done() >= after {
                kill(engine, signal);
                killed = true;
            }
        });
        let Count { echoed, reset, .. } = count;
        assert_eq!(echoed + reset, CLIENTS, "round {round}: {count:?}");
        assert!(echoed >= after, "round {round}: {count:?}");
        assert_ne!(ringbolt.engine_after(engine), engine);
        serves(&ringbolt);
        until("the server's connections end", || (echo.live() == 0).then_some(()));
        ringbolt.wait_for_base();
    }
}

/// Goal: an engine that keeps dying is started again and again, without limit. Method: 20 deaths in
/// a row, each as soon as the next engine is seen; then a round trip, and descriptors at base.
#[test]
fn a_crash_loop_ends_when_the_crashes_do() {
    need!(Binary);
    let echo = Echo::start();
    let ringbolt = Ringbolt::start(&Config::new().servers([echo.address()]));
    serves(&ringbolt);
    for _ in 0..20 {
        replace_engine(&ringbolt, Signal::SIGKILL);
    }
    serves(&ringbolt);
    ringbolt.wait_for_base();
}

/// Goal: nobody serves without a supervisor, and its death frees the port. Method: `kill -9` of the
/// supervisor under a live session: both sides are reset, the engine ends, the port can be bound.
#[test]
fn the_engine_ends_with_its_supervisor() {
    need!(Binary);
    let server = Server::listen();
    let mut ringbolt = Ringbolt::start(&Config::new().servers([server.address()]));
    let engine = ringbolt.engine();
    let mut client = Client::default().connect(ringbolt.address());
    let mut serving = server.accept();
    client.exchange(&mut serving);

    ringbolt.signal(Signal::SIGKILL);
    ringbolt.wait();
    until("the engine ends", || ended(engine).then_some(()));
    assert_eq!(client.end(), End::Reset);
    assert_eq!(serving.end(), End::Reset);
    until("the port is free", || std::net::TcpListener::bind(ringbolt.address()).ok());
}

/// Goal: what else the engine had open when it died is closed too: connections of its control
/// thread. Method: clients of HTTP and of the runtime socket that have not finished their request;
/// the engine is killed; every client is told an end, and the descriptors are back at base.
#[test]
fn connections_of_the_control_thread_go_with_it() {
    need!(Binary);
    let echo = Echo::start();
    let watched = Watched::start(Config::new().servers([echo.address()]));
    let mut clients: Vec<_> = (0..5).map(|_| Client::default().connect(watched.http())).collect();
    let mut operators: Vec<_> = (0..5)
        .map(|_| std::os::unix::net::UnixStream::connect(watched.socket()).expect("it listens"))
        .collect();
    watched.ringbolt.wait_for_descriptors(10);
    replace_engine(&watched.ringbolt, Signal::SIGKILL);
    for client in &mut clients {
        client.receive_all();
    }
    for operator in &mut operators {
        operator.set_read_timeout(Some(BOUND)).expect("a live socket");
        assert_eq!(operator.read(&mut [0; 16]).expect("an end"), 0);
    }
    watched.ringbolt.wait_for_base();
    serves(&watched.ringbolt);
}
