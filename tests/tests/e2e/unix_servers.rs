use std::net::Ipv4Addr;

use ringbolt_tests::{
    Client, Clients, Config, EchoServer, End, Folder, Language, Pattern, Peer, Ringbolt, Server,
    Signal, UnixPeer, UnixServer, Watched, kill, need, stopped, until, until_asleep,
};

const UP: Pattern = Pattern { seed: 11 };
const DOWN: Pattern = Pattern { seed: 12 };

/// A balancer before one server on a UNIX socket, in which no timeout can look like the passing on of
/// an end or a reset.
struct Path {
    watched: Watched,
    server: UnixServer,
}

impl Path {
    fn new(splice: &str) -> Self {
        println!("splice = {splice:?}");
        let server = UnixServer::listen();
        let config = Config::new().timeouts("idle = \"off\"").timeouts("fin = \"1h\"");
        let config = config.pool(&format!("splice = \"{splice}\""));
        Self { watched: Watched::start(config.server_at("ws1", &server.place())), server }
    }

    fn both_ways() -> impl Iterator<Item = Self> {
        ["off", "always"].into_iter().map(Self::new)
    }

    fn ringbolt(&self) -> &Ringbolt {
        &self.watched.ringbolt
    }

    fn session(&self) -> (Peer, UnixPeer) {
        let mut client = Client::default().connect(self.ringbolt().address());
        let mut server = self.server.accept();
        client.send(b"?");
        assert_eq!(server.receive(1), b"?");
        server.send(b"!");
        assert_eq!(client.receive(1), b"!");
        (client, server)
    }
}

/// Goal: a WebSocket server on a UNIX socket is a server like any other. Method: the article's server
/// there, a client through the balancer: one byte, 4 MiB, an orderly close, a death.
#[test]
fn a_websocket_server() {
    need!(Binary, Python);
    let folder = Folder::new();
    let server = EchoServer::start_on_unix("ws1", &folder.file("ws1.sock"));
    let ringbolt = Ringbolt::start(&Config::new().server_at("ws1", server.place()));
    let mut clients = Clients::start(Language::Python);
    for id in ["a", "b"] {
        assert_eq!(clients.open(id, Ipv4Addr::LOCALHOST, ringbolt.address()), "ws1");
        for bytes in [1, 4 << 20] {
            assert_eq!(clients.echo(id, bytes, 5), "ws1");
        }
    }
    assert_eq!(clients.close("a"), 1000);
    server.kill();
    assert_eq!(clients.lost("b"), 1006);
    ringbolt.wait_for_base();
}

/// Goal: an end on one side ends one direction, and the other goes on. Method: each side ends first,
/// then gets 1 MB and an end; copied and spliced.
#[test]
fn half_closed_both_ways() {
    need!(Binary);
    const LENGTH: usize = 1_000_000;
    for path in Path::both_ways() {
        let (mut client, mut server) = path.session();
        client.finish();
        assert_eq!(server.end(), End::Fin);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                server.send_pattern(DOWN, LENGTH);
                server.finish();
            });
            client.receive_pattern(DOWN, 0, LENGTH);
        });
        assert_eq!(client.end(), End::Fin);

        let (mut client, mut server) = path.session();
        server.finish();
        assert_eq!(client.end(), End::Fin);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                client.send_pattern(UP, 0, LENGTH);
                client.finish();
            });
            server.receive_pattern(UP, LENGTH);
        });
        assert_eq!(server.end(), End::Fin);
        drop((client, server));
        path.ringbolt().wait_for_base();
    }
}

/// Goal: a server that dies with something unread has broken the stream: its client gets what it sent
/// and then a reset, no end. Method: the server sends and closes with the client's bytes in its queue.
#[test]
fn a_server_that_breaks_off() {
    need!(Binary);
    for path in Path::both_ways() {
        let (mut client, mut server) = path.session();
        client.send(b"never read");
        until("it is there", || (!server.silent()).then_some(()));
        server.send(b"half of it");
        drop(server);
        assert_eq!(client.receive_all(), (b"half of it".to_vec(), End::Reset));
        path.ringbolt().wait_for_base();
    }
}

/// Goal: what a client sent before it was reset is delivered; the server is told of the reset when the
/// kernel can tell it, which is while it has sent something that was not passed on, and otherwise sees
/// an end, since a UNIX socket knows no other. Method: both cases.
#[test]
fn a_reset_of_the_client() {
    need!(Binary);
    for path in Path::both_ways() {
        let (mut client, mut server) = path.session();
        client.send(b"last words");
        client.reset();
        assert_eq!(server.receive(10), b"last words");
        assert_eq!(server.end(), End::Fin);

        let (client, mut server) = path.session();
        let piece = vec![7; 64 * 1024];
        // The client reads nothing, so in the end everything on the way is full: when nothing goes in after
        // the balancer has taken all that it can.
        until("the way is full", || {
            if server.send_some(&piece) > 0 {
                return None;
            }
            until_asleep(path.ringbolt().engine());
            (server.send_some(&piece) == 0).then_some(())
        });
        client.reset();
        assert_eq!(server.end(), End::Reset);
        path.ringbolt().wait_for_base();
    }
}

/// Goal: a server that takes nobody or is not there is passed over at once for the next choice. Method:
/// a full queue, a missing path and a path without a listener beside a server that serves; clients from
/// 20 addresses.
#[test]
fn passed_over_at_once() {
    need!(Binary);
    let (mut full, closed, folder) = (UnixServer::listen(), UnixServer::listen(), Folder::new());
    full.fill();
    let closed = closed.close();
    let server = Server::listen();
    let config = Config::new().pool("attempts = 4").timeouts("connect = \"1h\"");
    let config = config
        .server_at("full", &full.place())
        .server_at("missing", &format!("unix:{}", folder.file("none")))
        .server_at("closed", &format!("unix:{}", closed.file("server.sock")))
        .server("good", server.address());
    let watched = Watched::start(config);
    for last in 1..=20 {
        let client = Client::default().from([50, 0, last]);
        let mut client = client.connect(watched.ringbolt.address());
        client.exchange(&mut server.accept());
    }
    let metrics = watched.metrics();
    for name in ["full", "missing", "closed"] {
        let errors = "ringbolt_server_connection_errors_total";
        let labels = format!("{{proxy=\"echo\",server=\"{name}\"}}");
        assert!(metrics.value(&format!("{errors}{labels}")) > 0.0, "{name} was nobody's choice");
    }
    watched.ringbolt.wait_for_base();
}

/// Goal: bulk crosses whole, both ways at once, copied and spliced, before a server that reads late.
/// Method: 50 MB each way with bytes that know their place; then how they crossed.
#[test]
fn bulk() {
    need!(Binary);
    const LENGTH: usize = 50_000_000;
    for splice in ["off", "always", "auto"] {
        let path = Path::new(splice);
        let (mut client, mut server) = path.session();
        let (mut client_reads, mut server_reads) = (client.other(), server.other());
        std::thread::scope(|scope| {
            scope.spawn(move || client.send_pattern(UP, 0, LENGTH));
            scope.spawn(move || server.send_pattern(DOWN, LENGTH));
            scope.spawn(move || client_reads.receive_pattern(DOWN, 0, LENGTH));
            // It begins when everything before it is full.
            until("something waits", || (!server_reads.silent()).then_some(()));
            server_reads.receive_pattern(UP, LENGTH);
        });
        drop(server_reads);
        let metrics = path.watched.metrics();
        let spliced = metrics.value("ringbolt_relay_bytes_total{path=\"splice\"}");
        let least = if splice == "off" { 0.0 } else { LENGTH as f64 };
        assert!(spliced >= least && (splice != "off" || spliced == 0.0), "{splice}: {spliced}");
        assert_eq!(metrics.value("ringbolt_splice_fallback_total{reason=\"refused\"}"), 0.0);
        path.ringbolt().wait_for_base();
    }
}

/// Goal: nothing stays behind a piece that ends a read before the queue is empty. Method: a server that
/// sends a descriptor with its bytes, and more bytes after them, while the engine is stopped.
#[test]
fn pieces_with_descriptors() {
    need!(Binary);
    for path in Path::both_ways() {
        let (mut client, mut server) = path.session();
        let engine = path.ringbolt().engine();
        kill(engine, Signal::SIGSTOP);
        until("the engine is stopped", || stopped(engine).then_some(()));
        server.send_with_descriptor(b"one");
        server.send_with_descriptor(b"two");
        server.send(b"three");
        kill(engine, Signal::SIGCONT);
        assert_eq!(client.receive(11), b"onetwothree");
    }
}

/// Goal: such a session goes on after its engine's death, and what its server has not taken yet is not
/// lost; nothing is left behind. Method: `kill -9` under a quiet session, and under streams both ways that
/// wait for their readers, copied and spliced; ends both ways; another session; descriptors.
#[test]
fn the_next_engine_goes_on() {
    need!(Binary);
    for path in Path::both_ways() {
        drop(path.session());
        path.ringbolt().wait_for_base();
        let quiet = path.session();
        let (mut client, mut server) = path.session();
        let piece = [UP, DOWN].map(|pattern| pattern.bytes(0, 16 << 20));
        let mut sent = [0; 2];
        until("the way is full, and nobody is at work on it", || {
            until_asleep(path.ringbolt().engine());
            let up = client.send_some(&piece[0][sent[0]..]);
            let down = server.send_some(&piece[1][sent[1]..]);
            (sent[0], sent[1]) = (sent[0] + up, sent[1] + down);
            (up + down == 0).then_some(())
        });
        let engine = path.ringbolt().engine();
        kill(engine, Signal::SIGKILL);
        path.ringbolt().engine_after(engine);
        client.finish();
        server.finish();
        server.receive_pattern(UP, sent[0]);
        assert_eq!(server.end(), End::Fin);
        client.receive_pattern(DOWN, 0, sent[1]);
        assert_eq!(client.end(), End::Fin);
        let (mut client, mut server) = quiet;
        client.send(b"still there?");
        assert_eq!(server.receive(12), b"still there?");
        server.send(b"yes");
        assert_eq!(client.receive(3), b"yes");
        drop((client, server));
        drop(path.session());
        path.ringbolt().wait_for_base();
    }
}
