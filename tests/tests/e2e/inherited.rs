use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use ringbolt_tests::{
    Client, Config, Echo, End, Inherited, Peer, Ringbolt, Server, Signal, fresh_address, herd,
    kill, need, stopped, until,
};
use socket2::{Domain, Socket, Type};

/// A listening socket to pass on, and where it is.
fn listening() -> (Inherited, SocketAddr) {
    let listener = TcpListener::bind((fresh_address(), 0)).expect("a port");
    let address = listener.local_addr().expect("a bound socket");
    (Inherited::new(listener), address)
}

fn serves(address: SocketAddr) {
    Client::default().connect(address).round_trip(b"x");
}

/// Goal: an inherited socket is listened on by its number or by a variable's name, where it is bound,
/// which the ready line says; all workers take connections from it. Method: both ways; 200 clients that
/// stay, then the sessions of each worker; then 2,000 that come and go at once.
#[test]
fn by_number_and_by_name() {
    need!(Binary);
    let echo = Echo::start();
    for bind in ["fd@3", "fd@WEB"] {
        let (inherited, address) = listening();
        let watched = inherited.watched(Config::new().bind(bind).servers([echo.address()]));
        assert_eq!(watched.ringbolt.addresses(), [address]);
        serves(address);
        until("every worker has sessions", || {
            let clients: Vec<Peer> = (0..100).map(|_| Client::default().connect(address)).collect();
            until("all have begun", || (echo.live() == clients.len()).then_some(()));
            let metrics = watched.metrics();
            let of = |worker| format!("ringbolt_worker_sessions{{worker=\"{worker}\"}}");
            let each = ["0", "1"].map(|worker| metrics.value(&of(worker)));
            assert_eq!(each.iter().sum::<f64>(), 100.0);
            println!("sessions of each worker: {each:?}");
            drop(clients);
            until("all have ended", || (echo.live() == 0).then_some(()));
            each.iter().all(|sessions| *sessions > 0.0).then_some(())
        });
        assert_eq!(herd(2_000, address, |_| {}).echoed, 2_000);
        watched.ringbolt.wait_for_base();
    }
}

/// Goal: what waits in the queue outlives an engine, and so does the socket. Method: the engine is
/// stopped, 20 clients connect and speak, it is killed; they are served; three more deaths.
#[test]
fn the_queue_outlives_the_engine() {
    need!(Binary);
    let echo = Echo::start();
    let (inherited, address) = listening();
    let ringbolt = inherited.start(&Config::new().bind("fd@3").servers([echo.address()]));
    serves(address);
    let engine = ringbolt.engine();
    kill(engine, Signal::SIGSTOP);
    until("the engine is stopped", || stopped(engine).then_some(()));
    let mut clients: Vec<Peer> = (0..20).map(|_| Client::default().connect(address)).collect();
    for client in &mut clients {
        client.send(b"still there?");
    }
    kill(engine, Signal::SIGKILL);
    for client in &mut clients {
        assert_eq!(client.receive(12), b"still there?");
    }
    drop(clients);
    for _ in 0..3 {
        let engine = ringbolt.engine_after(engine);
        kill(engine, Signal::SIGKILL);
        ringbolt.engine_after(engine);
        serves(address);
    }
    ringbolt.wait_for_base();
}

/// Goal: a drain takes nobody new by it, and ends as any other. Method: a session is live and nobody
/// else holds the socket: clients are refused; the session goes on; it ends, exit 0. Then the same with
/// a copy elsewhere: a client waits for whoever comes next, and nobody answers it falsely.
#[test]
fn a_drain_gives_it_up() {
    need!(Binary);
    for kept in [false, true] {
        let server = Server::listen();
        let (inherited, address) = listening();
        let copy = kept.then(|| inherited.other());
        let config = Config::new().bind("fd@3").servers([server.address()]);
        let mut ringbolt = inherited.start(&config);
        let mut client = Client::default().connect(address);
        let mut serving = server.accept();
        client.exchange(&mut serving);
        ringbolt.signal(Signal::SIGUSR1);
        if kept {
            ringbolt.line_with("draining");
        } else {
            until("clients are refused", || match Client::default().try_connect(address) {
                // It came before the drain, and its session is not to hold that up.
                Ok(early) => {
                    early.reset();
                    None
                }
                Err(error) => (error.kind() == ErrorKind::ConnectionRefused).then_some(()),
            });
        }
        client.exchange(&mut serving);
        client.finish();
        assert_eq!(serving.end(), End::Fin);
        drop(serving);
        assert_eq!(client.end(), End::Fin);
        drop(client);
        assert_eq!(ringbolt.exit_code(), 0);
        if let Some(copy) = copy {
            // It comes next.
            let mut waiting = Client::default().connect(address);
            let echo = Echo::start();
            let _next = copy.start(&Config::new().bind("fd@3").servers([echo.address()]));
            waiting.round_trip(b"x");
        }
    }
}

/// Goal: a reload keeps it, with its sessions; one that was taken out can be taken in again, also by its
/// other name. Method: each in turn; a client that came meanwhile waits and is served.
#[test]
fn reloads() {
    need!(Binary);
    let echo = Echo::start();
    let (inherited, address) = listening();
    let config =
        |bind: &str| Config::new().bind(bind).servers([echo.address()]).global("log = \"json\"");
    let ringbolt = inherited.start(&config("fd@3"));
    let mut client = Client::default().connect(address);
    client.round_trip(b"x");
    let mut loads = 0;
    let mut reload = |text: &str| {
        ringbolt.write_configuration(text);
        ringbolt.signal(Signal::SIGHUP);
        loads += 1;
        until("the reload is told", || {
            let told = ringbolt.lines().iter().filter(|line| line.contains("reload")).count();
            (told >= loads).then_some(())
        });
    };
    reload(&config("fd@3").listener("backlog = 100").text());
    serves(address);
    reload(&config("127.0.0.1:0").text());
    let mut waiting = Client::default().connect(address);
    waiting.send(b"x");
    reload(&config("fd@WEB").text());
    assert_eq!(waiting.receive(1), b"x");
    reload(&config("fd@3").text());
    serves(address);
    client.round_trip(b"still the same");
    drop((client, waiting));
    let refused = |lines: &[String]| lines.iter().any(|line| line.contains("refused"));
    assert!(!refused(&ringbolt.lines()), "{:#?}", ringbolt.lines());
    ringbolt.wait_for_base();
}

/// Goal: what is no inherited listening TCP socket is a failed start, with its place and what mends it.
/// Method: a table of wrong ones.
#[test]
fn what_cannot_be_taken() {
    need!(Binary);
    let address = (fresh_address(), 0);
    let unheard = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from(address).into()).expect("a free port");
        Inherited::new(socket)
    };
    let datagrams = || Inherited::new(UdpSocket::bind(address).expect("a port"));
    let stream = || {
        let server = TcpListener::bind(address).expect("a port");
        let to = server.local_addr().expect("bound");
        Inherited::new(std::net::TcpStream::connect(to).expect("it listens"))
    };
    let good = || listening().0;
    let no_listener = "descriptor 3 is no listening TCP socket";
    let cases = [
        (good(), "fd@77", "listener.web.bind = \"fd@77\": descriptor 77 was not open"),
        (good(), "fd@OTHER", "descriptor 77 was not open at the start"),
        (good(), "fd@NOBODY", "there is no environment variable of that name"),
        (good(), "fd@WORD", "holds \"three\", which is no descriptor number"),
        (unheard(), "fd@3", no_listener),
        (datagrams(), "fd@3", no_listener),
        (stream(), "fd@3", no_listener),
        (good(), "fd@3\", \"fd@WEB", "descriptor 3 is the socket that listener.web has"),
    ];
    for (inherited, bind, said) in cases {
        let config = Config::new().bind(bind).servers([([127, 0, 0, 1], 9).into()]);
        let (one, list) = (format!("\"{bind}\""), format!("[\"{bind}\"]"));
        let ended = inherited.refused(&config.text().replace(&one, &list));
        assert_eq!(ended.code, Ok(3), "{bind}: {ended:?}");
        assert!(ended.stderr.contains(said), "{bind}: {ended:?}");
    }
}

/// Goal: a balancer does not take its own sockets for inherited ones. Method: a reload that names the
/// descriptor of its socket for HTTP and of its first listener is refused and changes nothing.
#[test]
fn its_own_sockets_are_not_inherited() {
    need!(Binary);
    let echo = Echo::start();
    let config = Config::new().servers([echo.address()]).global("http = \"127.0.0.1:0\"");
    let ringbolt = Ringbolt::start(&config.clone().global("log = \"json\""));
    for number in 3..20 {
        let before = ringbolt.lines().len();
        let text = config.clone().bind(&format!("fd@{number}")).global("log = \"json\"").text();
        ringbolt.write_configuration(&text);
        ringbolt.signal(Signal::SIGHUP);
        until("the reload is refused", || {
            let lines = ringbolt.lines();
            lines[before..].iter().any(|line| line.contains("reload refused")).then_some(())
        });
    }
    serves(ringbolt.address());
}
