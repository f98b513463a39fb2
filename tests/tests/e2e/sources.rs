use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use ringbolt_tests::{
    Client, Config, Echo, Network, Peer, Ringbolt, Server, Watched, expect_reset, need, until,
};

/// The gauge of a source.
fn used(watched: &Watched, server: &str, source: &str) -> f64 {
    let labels = format!("{{proxy=\"echo\",server=\"{server}\",source=\"{source}\"}}");
    watched.metrics().value(&format!("ringbolt_source_ports_used{labels}"))
}

/// Goal: servers see the addresses that they are connected to from, in turn, and the metric counts the
/// live sessions of each; none when they have ended, and after an engine's death those that go on. Method:
/// 12 sessions with one worker over three sources; a kill.
#[test]
fn in_turn() {
    need!(Binary);
    let sources = ["127.61.0.1", "127.61.0.2", "127.61.0.3"];
    let server = Server::listen();
    let config = Config::new().workers(1).servers([server.address()]);
    let watched = Watched::start(config.of_server(&format!("source = {sources:?}")));
    let sessions: Vec<(Peer, Peer)> =
        (0..12).map(|_| super::session(&server, &watched.ringbolt)).collect();
    let mut met = BTreeMap::<IpAddr, usize>::new();
    for (_, serving) in &sessions {
        *met.entry(serving.remote().ip()).or_default() += 1;
    }
    let expected = sources.map(|source| (source.parse().expect("an address"), 4));
    assert_eq!(met, BTreeMap::from(expected));
    for source in sources {
        assert_eq!(used(&watched, "ws1", source), 4.0);
    }
    drop(sessions);
    let none = || sources.iter().all(|source| used(&watched, "ws1", source) == 0.0);
    until("all have ended", || none().then_some(()));
    watched.ringbolt.wait_for_base();

    let (mut client, mut serving) = super::session(&server, &watched.ringbolt);
    let engine = watched.ringbolt.engine();
    ringbolt_tests::kill(engine, ringbolt_tests::Signal::SIGKILL);
    watched.ringbolt.engine_after(engine);
    client.exchange(&mut serving);
    let all = || sources.iter().map(|source| used(&watched, "ws1", source)).sum::<f64>();
    assert_eq!(all(), 1.0, "what goes on is counted anew");
    drop((client, serving));
    until("it has ended", || none().then_some(()));
}

/// Goal: each source has all ports for each server, and when one has none left the next is used at once.
/// Method: a network with 12 ports; two servers with two sources each hold 24 sessions each, so each
/// port is used four times; as many as the kernel's table shows. One more is not to be had, and one
/// that ends makes room.
#[test]
fn each_source_adds_all_ports() {
    need!(Binary, Network);
    const PORTS: usize = 12;
    let network = Network::new();
    network.inside(|| {
        let sources = ["127.62.0.1", "127.62.0.2"];
        let line = format!("source = {sources:?}");
        let (one, two) = (Server::listen(), Server::listen());
        let config = Config::new().pool("balance = \"least-sessions\"");
        let config = config.server("ws1", one.address()).of_server(&line);
        let config = config.server("ws2", two.address()).of_server(&line);
        let watched = Watched::start(config);
        // A port that somebody has bound is no port to connect from, at whatever address: what
        // listens has its ports already, and clients bind to others.
        let range = "/proc/sys/net/ipv4/ip_local_port_range";
        std::fs::write(range, format!("40000 {}", 40_000 + PORTS - 1)).expect("allowed");
        let to = watched.ringbolt.address();
        let client = |number: u8| Client::default().from([63, 0, number]).port(50_000);
        let mut sessions: Vec<(Peer, Peer)> = Vec::new();
        for number in 0..4 * PORTS as u8 {
            let mut client = client(number).connect(to);
            let mut serving = ringbolt_tests::accept_any(&[&one, &two]).1;
            client.exchange(&mut serving);
            sessions.push((client, serving));
        }
        let mut remotes = BTreeMap::<SocketAddr, BTreeSet<SocketAddr>>::new();
        for (_, serving) in &sessions {
            remotes.entry(serving.local()).or_default().insert(serving.remote());
        }
        for server in [&one, &two] {
            assert_eq!(remotes[&server.address()].len(), 2 * PORTS, "sessions of one server");
        }
        assert_eq!(remotes[&one.address()], remotes[&two.address()], "ports are shared");
        for (name, server) in [("ws1", &one), ("ws2", &two)] {
            for source in sources {
                let seen = established(source, server.address());
                assert_eq!((used(&watched, name, source), seen), (PORTS as f64, PORTS));
            }
        }
        expect_reset(client(200), to);
        let (client_end, serving) = sessions.pop().expect("one of many");
        client_end.reset();
        drop(serving);
        until("its port is free", || {
            let sum = |name| sources.map(|source| used(&watched, name, source)).iter().sum::<f64>();
            (sum("ws1") + sum("ws2") == (4 * PORTS - 1) as f64).then_some(())
        });
        let mut again = client(201).connect(to);
        again.exchange(&mut ringbolt_tests::accept_any(&[&one, &two]).1);
        drop((again, sessions));
        until("all have ended", || {
            let left =
                |name| sources.iter().map(|source| used(&watched, name, source)).sum::<f64>();
            (left("ws1") + left("ws2") == 0.0).then_some(())
        });
    });
}

/// Connections from an address to a server, as `ss` counts them.
fn established(source: &str, server: SocketAddr) -> usize {
    let server = server.to_string();
    let arguments = ["-Htn", "state", "established", "src", source, "dst", &server];
    let output = Command::new("ss").args(arguments).output().expect("ss runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).lines().count()
}

/// Goal: a source that the machine does not have is a failed start that names it; one that it loses
/// later is passed over. Method: an address of nobody; one that is taken away under a running
/// balancer.
#[test]
fn addresses_of_this_machine() {
    need!(Binary, Network);
    let folder = ringbolt_tests::Folder::new();
    let config = Config::new().servers([([127, 0, 0, 1], 9).into()]);
    let text = config.of_server("source = [\"127.0.0.1\", \"192.0.2.77\"]").text();
    let ended = ringbolt_tests::finish(ringbolt_tests::command(&[
        "run",
        &folder.write("ringbolt.toml", &text),
    ]));
    assert_eq!(ended.code, Ok(3), "{ended:?}");
    let said = "server echo/ws1: the source 192.0.2.77 is no address of this machine";
    assert!(ended.stderr.contains(said), "{ended:?}");

    let network = Network::new();
    network.ip("address add 192.0.2.1/24 dev lo");
    network.ip("address add 192.0.2.2/24 dev lo");
    network.inside(|| {
        let echo = Echo::start();
        let config = Config::new().servers([echo.address()]);
        let config = config.of_server("source = [\"192.0.2.1\", \"192.0.2.2\"]");
        let watched = Watched::start(config);
        let serves = || Client::default().connect(watched.ringbolt.address()).round_trip(b"x");
        serves();
        network.ip("address del 192.0.2.2/24 dev lo");
        (0..8).for_each(|_| serves());
        let errors = "ringbolt_server_connection_errors_total{proxy=\"echo\",server=\"ws1\"}";
        assert_eq!(watched.metrics().value(errors), 0.0, "no fault of the server's");
    });
}

/// Goal: a name with addresses of both families is connected to by the one that its source has.
/// Method: `localhost` from 127.0.0.1; whatever the resolver names first.
#[test]
fn a_name_has_the_family_of_its_sources() {
    need!(Binary);
    let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("bound").port();
    let config = Config::new().server_at("ws1", &format!("localhost:{port}"));
    let ringbolt = Ringbolt::start(&config.of_server("source = [\"127.64.0.1\"]"));
    let _client = Client::default().connect(ringbolt.address());
    let (_, from) = server.accept().expect("a connection");
    assert_eq!(from.ip(), IpAddr::from([127, 64, 0, 1]));
}
