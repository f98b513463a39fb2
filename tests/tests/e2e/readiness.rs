use std::net::TcpListener;

use ringbolt_tests::{
    Client, Config, End, Folder, Page, Peer, Server, Signal, Watched, command, finish, need, until,
};

fn start() -> (Server, Watched) {
    let server = Server::listen();
    let watched = Watched::start(Config::new().servers([server.address()]));
    (server, watched)
}

/// Goal: each path answers what it promises, others are not found, and nothing but GET and HEAD is
/// taken. Method: all of them.
#[test]
fn paths() {
    need!(Binary);
    let (_server, watched) = start();
    for path in ["/healthz", "/readyz"] {
        assert_eq!((watched.get(path).status, watched.get(path).body.as_str()), (200, "ok\n"));
    }
    let index = watched.get("/");
    for path in ["/metrics", "/healthz", "/readyz"] {
        assert!(index.status == 200 && index.body.contains(path), "{index:?}");
    }
    for path in ["/nothing", "/metrics/", "/healthz/x", "//"] {
        assert_eq!(watched.get(path).status, 404, "{path}");
    }
    let with = |method: &str, path: &str| {
        watched.request(&format!("{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
    };
    let head: Page = with("HEAD", "/metrics");
    assert!(head.status == 200 && head.body.is_empty(), "{head:?}");
    assert!(head.head.contains("content-length: "), "{head:?}");
    for method in ["POST", "PUT", "DELETE"] {
        let refused = with(method, "/metrics");
        assert!(refused.status == 405 && refused.head.contains("allow: get, head"), "{refused:?}");
    }
    assert_eq!(watched.request("nonsense\r\n\r\n").status, 400);
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024));
    let mut client = Client::default().connect(watched.http());
    client.send_some(long.as_bytes());
    let answer = until("an answer", || (!client.silent()).then(|| client.receive(12)));
    assert_eq!(answer, b"HTTP/1.1 431");
}

/// Goal: ready until a drain, alive until the end. Method: USR1 with a live session; the session
/// ends; so does the balancer.
#[test]
fn ready_until_drained() {
    need!(Binary);
    let (server, mut watched) = start();
    let (mut client, mut serving) = crate::session(&server, &watched.ringbolt);
    assert_eq!(watched.get("/readyz").status, 200);
    watched.ringbolt.signal(Signal::SIGUSR1);
    let draining = until("not ready any more", || {
        let page = watched.get("/readyz");
        (page.status != 200).then_some(page)
    });
    assert_eq!((draining.status, draining.body.as_str()), (503, "draining\n"));
    assert_eq!(watched.get("/healthz").status, 200);
    let status = |state: &str| {
        watched
            .metrics()
            .value(&format!("ringbolt_frontend_status{{proxy=\"web\",state=\"{state}\"}}"))
    };
    assert_eq!([status("UP"), status("DOWN")], [0.0, 1.0]);
    assert_eq!(watched.stat("web", "FRONTEND")["status"], "STOP");
    assert!(watched.ask("show info").contains("\nStopping: 1\n"));
    client.exchange(&mut serving);
    client.finish();
    assert_eq!(serving.end(), End::Fin);
    serving.finish();
    assert_eq!(client.end(), End::Fin);
    assert_eq!(watched.ringbolt.exit_code(), 0);
}

/// Goal: a worker that has ended in a drain takes nothing that it measured with it, and a scrape
/// does not wait for it. Method: four sessions, of which one lives on while the drain ends the
/// workers that have none; all that ended are counted.
#[test]
fn ended_workers_are_counted() {
    need!(Binary);
    let (server, watched) = start();
    let live = crate::session(&server, &watched.ringbolt);
    for _ in 0..8 {
        crate::session(&server, &watched.ringbolt);
    }
    watched.ringbolt.signal(Signal::SIGUSR1);
    until("not ready any more", || (watched.get("/readyz").status != 200).then_some(()));
    let count = || watched.metrics().value("ringbolt_session_seconds_count");
    until("the ended ones are counted", || (count() == 8.0).then_some(()));
    for _ in 0..3 {
        assert_eq!(count(), 8.0);
    }
    drop(live);
}

/// Goal: a flood of connections, half a request, and an answer that nobody takes harm nobody else,
/// and their number is bounded. Method: 200 of each kind are held open; another client gets its
/// answer, a session crosses, and in the end every descriptor is back.
#[test]
fn floods_harm_nobody() {
    need!(Binary);
    let (server, watched) = start();
    for request in ["", "GET /metr", "GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n"] {
        let held: Vec<Peer> = (0..200)
            .map(|_| {
                // A small buffer, which an answer does not fit into.
                let mut peer = Client::default().receive_buffer(1).connect(watched.http());
                peer.send(request.as_bytes());
                peer
            })
            .collect();
        assert_eq!(watched.get("/healthz").status, 200, "{request:?}");
        let beyond = watched.ringbolt.descriptors_beyond_base();
        assert!(beyond <= 33, "{beyond} descriptors for HTTP, after {request:?}");
        crate::session(&server, &watched.ringbolt);
        assert_eq!(watched.get("/readyz").status, 200, "{request:?}");
        drop(held);
        watched.ringbolt.wait_for_base();
    }
}

/// Goal: an address for HTTP that cannot be had is exit 3 and says who has it. Method: this test
/// has it; then an address that is nobody's here.
#[test]
fn a_taken_address() {
    need!(Binary);
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = holder.local_addr().expect("a bound socket").to_string();
    let name = std::fs::read_to_string("/proc/self/comm").expect("a kernel with /proc");
    let folder = Folder::new();
    for (address, said) in [(taken.as_str(), name.trim_end()), ("192.0.2.1:1", "no address of")] {
        let server = Server::listen();
        let config = Config::new().servers([server.address()]);
        let config = config.global(&format!("http = \"{address}\""));
        let ended = finish(command(&["run", &folder.write("c.toml", &config.text())]));
        assert_eq!(ended.code, Ok(3), "{ended:?}");
        assert!(ended.stderr.contains(address) && ended.stderr.contains(said), "{ended:?}");
    }
}
