use std::net::{Ipv6Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use ringbolt_tests::{
    Client, Config, End, Inherited, Pattern, Peer, Ringbolt, Server, Signal, Watched, accept_any,
    binary, expect_reset, kill, need, proxy, stopped, until,
};
use socket2::{Domain, Socket, Type};

/// The only source that must send headers, unless a test says otherwise.
const PROXY: [u8; 3] = [66, 0, 1];

/// Where headers say that clients connected to.
fn destination() -> SocketAddr {
    ([198, 51, 100, 200], 443).into()
}

fn proxied(config: Config) -> Config {
    config.listener("accept_proxy = [\"127.66.0.1\"]").timeouts("proxy_header = \"1h\"")
}

/// A balancer before one server, behind the source of headers.
fn start(with: impl FnOnce(Config) -> Config) -> (Server, Watched) {
    let server = Server::listen();
    let config = with(proxied(Config::new().servers([server.address()])));
    (server, Watched::start(config))
}

fn connect(watched: &Watched) -> Peer {
    Client::default().from(PROXY).connect(watched.ringbolt.address())
}

/// Waits until so many sessions are live, those that wait for a header among them.
fn wait_for_sessions(watched: &Watched, count: u32) {
    let name = "ringbolt_frontend_current_sessions{proxy=\"web\"}";
    until("the sessions are there", || {
        (watched.metrics().value(name) == f64::from(count)).then_some(())
    });
}

fn refused(watched: &Watched, reason: &str) -> f64 {
    let name = format!("ringbolt_sessions_refused_total{{reason=\"{reason}\"}}");
    watched.metrics().value(&name)
}

/// Both forms of the header of a client.
fn both_forms(client: SocketAddr) -> [Vec<u8>; 2] {
    [proxy::v1(client, destination()), proxy::v2(client, destination(), &[])]
}

/// Goal: whoever a header names meets the server that it meets when it comes itself, and the server
/// gets the stream without the header. Method: three servers; 20 addresses directly and by a header in
/// both forms, and as IPv4 in IPv6; ports, also 0, do not matter.
#[test]
fn the_same_client_meets_the_same_server() {
    need!(Binary);
    let servers = [Server::listen(), Server::listen(), Server::listen()];
    let config = proxied(Config::new().servers(servers.iter().map(Server::address)));
    let ringbolt = Ringbolt::start(&config);
    let meets = |from: [u8; 3], header: &[u8]| {
        let mut client = Client::default().from(from).connect(ringbolt.address());
        client.send(header);
        let (position, mut serving) = accept_any(&servers.each_ref());
        client.exchange(&mut serving);
        position
    };
    let mut met = [0; 3];
    for last in 1..=20 {
        let direct = meets([67, 0, last], b"");
        let v4 = [127, 67, 0, last];
        let mapped = std::net::Ipv4Addr::from(v4).to_ipv6_mapped();
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 1));
        let mut headers = both_forms((v4, u16::from(last) - 1).into()).to_vec();
        headers.push(proxy::v1((mapped, 7).into(), v6));
        headers.push(proxy::v2((mapped, 7).into(), v6, &[]));
        for header in headers {
            assert_eq!(meets(PROXY, &header), direct, "{}", header.escape_ascii());
        }
        met[direct] += 1;
    }
    assert!(met.iter().all(|count| *count < 20), "one server for all shows nothing: {met:?}");
    ringbolt.wait_for_base();
}

/// Goal: a header that names no client of TCP leaves the connection's own address. Method: LOCAL,
/// UNKNOWN, unspecified, UNIX sockets, datagrams; each meets the server of a header that names the
/// proxy, which is not that of 20 other addresses.
#[test]
fn headers_of_nobody() {
    need!(Binary);
    let servers = [Server::listen(), Server::listen(), Server::listen()];
    let config = proxied(Config::new().servers(servers.iter().map(Server::address)));
    let ringbolt = Ringbolt::start(&config);
    let meets = |header: &[u8]| {
        let mut client = Client::default().from(PROXY).connect(ringbolt.address());
        client.send(header);
        let (position, mut serving) = accept_any(&servers.each_ref());
        client.exchange(&mut serving);
        position
    };
    let of = |last: u8| meets(&proxy::v1(([127, 66, 0, last], 1).into(), destination()));
    let own = of(PROXY[2]);
    let other = (2..).find(|last| of(*last) != own).expect("somebody meets another server");
    let named: Vec<u8> = [127, 66, 0, other, 1, 1, 1, 1, 0, 1, 0, 2].to_vec();
    for header in [
        b"PROXY UNKNOWN\r\n".to_vec(),
        format!("PROXY UNKNOWN 127.66.0.{other} 1.1.1.1 1 2\r\n").into_bytes(),
        proxy::binary(0x20, 0x00, &[]),
        proxy::binary(0x20, 0x11, &named),
        proxy::binary(0x21, 0x00, b"something"),
        proxy::binary(0x21, 0x12, &named),
        proxy::binary(0x21, 0x31, &[b'/'; 216]),
    ] {
        assert_eq!(meets(&header), own, "{}", header.escape_ascii());
    }
}

/// Goal: a header may come in any pieces, nothing is connected to before it is whole, and waiting for
/// the rest of it costs nothing. Method: byte by byte, in both forms, the longest there is among them;
/// before the last byte the engine's threads sleep.
#[test]
fn byte_by_byte() {
    need!(Binary);
    let (server, watched) = start(|config| config);
    let client = SocketAddr::from(([203, 0, 113, 1], 1));
    let padding = [&[4, 0x0f, 0xe1][..], &[0; 4065]].concat();
    let [text, binary] = both_forms(client);
    for header in [text, binary, proxy::v2(client, destination(), &padding)] {
        let mut client = connect(&watched);
        let (last, others) = header.split_last().expect("a header");
        for byte in others {
            client.send(&[*byte]);
        }
        ringbolt_tests::until_asleep(watched.ringbolt.engine());
        assert!(server.nobody() && client.silent(), "{} bytes", header.len());
        client.send(&[*last]);
        client.exchange(&mut server.accept());
    }
    watched.ringbolt.wait_for_base();
}

/// Goal: what comes with a header is the stream's beginning. Method: a header and 1 MB in one write,
/// then an end, copied and spliced; a header and an end.
#[test]
fn with_the_stream_behind_it() {
    need!(Binary);
    const LENGTH: usize = 1_000_000;
    let pattern = Pattern { seed: 7 };
    for splice in ["off", "always"] {
        let (server, watched) = start(|config| config.pool(&format!("splice = \"{splice}\"")));
        for header in both_forms(([203, 0, 113, 1], 1).into()) {
            let mut client = connect(&watched);
            let mut receiving = client.other();
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    client.send(&[&header, &pattern.bytes(0, LENGTH)[..]].concat());
                    client.finish();
                });
                let mut serving = server.accept();
                serving.receive_pattern(pattern, 0, LENGTH);
                assert_eq!(serving.end(), End::Fin);
                serving.send(b"seen");
            });
            assert_eq!(receiving.receive_all(), (b"seen".to_vec(), End::Fin));
        }
        for header in both_forms(([203, 0, 113, 1], 1).into()) {
            let mut client = connect(&watched);
            client.send(&header);
            client.finish();
            let mut serving = server.accept();
            assert_eq!(serving.end(), End::Fin);
            serving.send(b"bye");
            drop(serving);
            assert_eq!(client.receive_all(), (b"bye".to_vec(), End::Fin));
        }
        watched.ringbolt.wait_for_base();
    }
}

/// Goal: what is no header is a reset, for nobody but its sender, and is counted and told. Method:
/// every kind of wrong one; no server sees anything.
#[test]
fn what_is_none() {
    need!(Binary);
    let (server, watched) = start(|config| config);
    let client = SocketAddr::from(([203, 0, 113, 1], 1));
    let wrong = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"\r\n\r\n\0\r\nQUIX\n".to_vec(),
        b"PROXY TCP4 203.0.113.1 198.51.100.200 1 65536\r\n".to_vec(),
        b"PROXY TCP6 203.0.113.1 198.51.100.200 1 2\r\n".to_vec(),
        vec![b'P'; 107],
        [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 93]].concat(),
        proxy::binary(0x11, 0x11, &[0; 12]),
        proxy::binary(0x22, 0x11, &[0; 12]),
        proxy::binary(0x21, 0x11, &[0; 11]),
        proxy::binary(0x21, 0x51, &[0; 12]),
        // Longer than is taken: known from its head.
        proxy::binary(0x21, 0x11, &[0; 4081])[..16].to_vec(),
        // An extension that is cut off, and a checksum that does not hold.
        proxy::v2(client, destination(), &[4, 0, 2, 0]),
        proxy::v2(client, destination(), &[3, 0, 4, 1, 2, 3, 4]),
    ];
    for (count, header) in (1..).zip(&wrong) {
        let mut client = connect(&watched);
        client.send(header);
        assert_eq!(client.end(), End::Reset, "{}", header.escape_ascii());
        until("it is counted", || {
            (refused(&watched, "bad-proxy-header") == f64::from(count)).then_some(())
        });
    }
    assert!(server.nobody());
    watched.ringbolt.line_with("sessions reset: no PROXY header, or a wrong one");
    watched.ringbolt.wait_for_base();
}

/// Goal: a connection that ends before its header is whole ends by a reset, and is counted. Method: an
/// end and a reset, after nothing and after half a header.
#[test]
fn cut_off() {
    need!(Binary);
    let (server, watched) = start(|config| config);
    for half in [&b""[..], b"PROXY TCP4 ", b"\r\n\r\n\0\r\nQUIT\n\x21"] {
        let mut client = connect(&watched);
        client.send(half);
        client.finish();
        assert_eq!(client.end(), End::Reset);
        wait_for_sessions(&watched, 0);
        let mut client = connect(&watched);
        client.send(half);
        // One that is reset in the queue was never there.
        wait_for_sessions(&watched, 1);
        client.reset();
        wait_for_sessions(&watched, 0);
    }
    until("all are counted", || (refused(&watched, "proxy-header-cut") == 6.0).then_some(()));
    assert!(server.nobody());
    watched.ringbolt.wait_for_base();
}

/// Goal: `timeouts.proxy_header` bounds the wait, also for who sends a byte now and then or waits for
/// the server to speak first; a listener may have its own; others are not kept waiting. Method: 200
/// who send nothing and one that trickles; meanwhile somebody is served; all get a reset.
#[test]
fn the_wait_has_an_end() {
    need!(Binary);
    let server = Server::listen();
    let config = Config::new().servers([server.address()]).timeouts("proxy_header = \"1h\"");
    let config = config.listener("accept_proxy = [\"127.66.0.1\"]");
    let config = config.listener("timeouts = { proxy_header = \"2s\" }");
    let watched = Watched::start(config);
    let mut silent: Vec<Peer> = (0..200).map(|_| connect(&watched)).collect();
    let mut trickling = connect(&watched);
    let mut direct = Client::default().connect(watched.ringbolt.address());
    direct.exchange(&mut server.accept());
    let mut served = connect(&watched);
    served.send(&proxy::v1(([203, 0, 113, 1], 1).into(), destination()));
    let mut serving = server.accept();
    served.exchange(&mut serving);
    let endless = b"PROXY UNKNOWN ".iter().chain(std::iter::repeat(&b'x'));
    let pieces = endless.take(100).take_while(|byte| {
        trickling.silent_for(Duration::from_millis(50)) && trickling.try_send(&[**byte]).is_ok()
    });
    assert!(pieces.count() < 100, "a byte puts the end off");
    for client in &mut silent {
        assert_eq!(client.end(), End::Reset);
    }
    until("all are counted", || (refused(&watched, "proxy-header-timeout") == 201.0).then_some(()));
    assert!(server.nobody());
    // Whoever has sent one in time is not touched.
    served.exchange(&mut serving);
}

/// Goal: only the sources that are listed must send a header: what anybody else sends is data, and with
/// `accept_proxy_only` nobody else is served. Method: a header from another source, both ways.
#[test]
fn other_sources() {
    need!(Binary);
    let header = proxy::v1(([203, 0, 113, 1], 1).into(), destination());
    let (server, watched) = start(|config| config);
    let mut client = Client::default().connect(watched.ringbolt.address());
    client.send(&header);
    assert_eq!(server.accept().receive(header.len()), header);

    let (server, watched) = start(|config| config.listener("accept_proxy_only = true"));
    for _ in 0..3 {
        expect_reset(Client::default(), watched.ringbolt.address());
    }
    assert!(server.nobody());
    let mut client = connect(&watched);
    client.send(&header);
    client.exchange(&mut server.accept());
    assert_eq!(refused(&watched, "no-proxy"), 3.0);
    watched.ringbolt.line_with("accept_proxy_only, and from no source in accept_proxy");
}

/// Goal: sources may be IPv6, and IPv4 ones are themselves when they come mapped. Method: a listener of
/// IPv6, and an inherited socket of both families; each list names one family.
#[test]
fn sources_of_both_families() {
    need!(Binary);
    let dual = || {
        let socket = Socket::new(Domain::IPV6, Type::STREAM, None).expect("a socket");
        socket.set_only_v6(false).expect("a new socket");
        socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into()).expect("a port");
        socket.listen(128).expect("a bound socket");
        Inherited::new(socket)
    };
    let server = Server::listen();
    let header = proxy::v2(([203, 0, 113, 1], 1).into(), destination(), &[]);
    let [v4, v6] = ["127.0.0.0/8", "::/0"];
    for (list, from_v4, from_v6) in [(v4, true, false), (v6, false, true)] {
        let config = Config::new().bind("fd@3").servers([server.address()]);
        let config = config.listener(&format!("accept_proxy = [\"{list}\"]"));
        let ringbolt = dual().start(&config);
        let port = ringbolt.address().port();
        for (to, must) in [
            (SocketAddr::from(([127, 0, 0, 1], port)), from_v4),
            ((Ipv6Addr::LOCALHOST, port).into(), from_v6),
        ] {
            let mut client = Client::default().connect(to);
            client.send(&header);
            let mut serving = server.accept();
            if !must {
                assert_eq!(serving.receive(header.len()), header);
            }
            client.exchange(&mut serving);
        }
    }
}

/// Goal: a client that is gone when its header is read is connected nowhere. Method: the engine is
/// stopped while a header and a reset come.
#[test]
fn gone_behind_its_header() {
    need!(Binary);
    let (server, watched) = start(|config| config);
    let mut client = connect(&watched);
    wait_for_sessions(&watched, 1);
    let engine = watched.ringbolt.engine();
    kill(engine, Signal::SIGSTOP);
    until("the engine is stopped", || stopped(engine).then_some(()));
    client.send(&proxy::v1(([203, 0, 113, 1], 1).into(), destination()));
    client.reset();
    kill(engine, Signal::SIGCONT);
    watched.ringbolt.wait_for_base();
    assert!(server.nobody());
    let left = "ringbolt_sessions_ended_total{reason=\"client-left\"}";
    assert_eq!(watched.metrics().value(left), 1.0);
}

/// Goal: who has sent half a header can send the rest of it to the next engine, as nothing was taken,
/// and amid a drain; a stop resets it. Method: `kill -9`, USR1 and TERM meanwhile.
#[test]
fn half_a_header_and() {
    need!(Binary);
    let header = proxy::v1(([203, 0, 113, 1], 1).into(), destination());
    let (half, rest) = header.split_at(20);
    let (server, watched) = start(|config| config);
    let waiting = |count| {
        let mut client = connect(&watched);
        client.send(half);
        wait_for_sessions(&watched, count);
        client
    };
    let mut client = waiting(1);
    let engine = watched.ringbolt.engine();
    kill(engine, Signal::SIGKILL);
    watched.ringbolt.engine_after(engine);
    client.send(rest);
    client.exchange(&mut server.accept());
    client.reset();
    wait_for_sessions(&watched, 0);

    let (mut first, mut second) = (waiting(1), waiting(2));
    watched.ringbolt.signal(Signal::SIGUSR1);
    watched.ringbolt.line_with("drain");
    first.send(rest);
    let mut serving = server.accept();
    first.exchange(&mut serving);
    watched.ringbolt.signal(Signal::SIGTERM);
    for client in [&mut first, &mut second] {
        assert_eq!(client.end(), End::Reset);
    }
    let Watched { mut ringbolt, .. } = watched;
    assert_eq!(ringbolt.exit_code(), 0);
}

/// Goal: an engine that dies of a header takes its sender with it, so that the next one does not meet it
/// again. Method: a signal that ends the engine at its first look at one; `strace` sends it.
#[test]
fn an_engine_that_dies_of_a_header() {
    need!(Binary, Strace);
    let mut strace = Command::new("strace");
    strace.args(["--daemonize=grandchild", "--follow-forks", "--output=/dev/null"]);
    strace.args(["--trace=recvfrom", "--inject=recvfrom:signal=SIGABRT:when=1"]).arg(binary());
    let config = proxied(Config::new().servers([Server::listen().address()]));
    let ringbolt = Ringbolt::start_by(strace, &config.workers(1).text());
    let engine = ringbolt.engine();
    let mut client = Client::default().from(PROXY).connect(ringbolt.address());
    client.send(b"PROXY ");
    assert_eq!(client.end(), End::Reset);
    let next = ringbolt.engine_after(engine);
    ringbolt_tests::until_asleep(next);
    assert_eq!(ringbolt.engine(), next);
}
