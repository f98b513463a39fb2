use std::net::{IpAddr, SocketAddr};

use ringbolt_tests::{Client, Config, Ringbolt, Server, Watched, accept_any, need, proxy};
use serde_json::Value;

use crate::explain::answers;

/// The mappings of other products.
const COMPATIBLE: [&str; 9] = [
    "haproxy-source",
    "haproxy-source-avalanche",
    "haproxy-source-consistent",
    "haproxy-source-consistent-raw",
    "haproxy-source-consistent-3.0",
    "nginx-ip-hash",
    "nginx-hash",
    "nginx-hash-consistent",
    "nginx-hash-binary-consistent",
];

/// Addresses of IPv4, of IPv6, and of IPv4 in the form of IPv6.
fn clients() -> Vec<IpAddr> {
    let text = |number: u32| match number % 4 {
        0 => format!("2001:db8:{number:x}::{number:x}"),
        1 => format!("::ffff:198.51.{number}.7"),
        _ => format!("{}.0.2.{number}", 11 + 3 * number),
    };
    (0..32).map(|number| text(number).parse().expect("an address")).collect()
}

fn config(balance: &str, servers: &[Server]) -> Config {
    Config::new()
        .listener("accept_proxy = [\"127.0.0.0/8\"]")
        .pool(&format!("balance = \"{balance}\""))
        .servers(servers.iter().map(Server::address))
}

/// Whom a client meets that a PROXY header names.
fn meet(ringbolt: &Ringbolt, servers: &[Server], client: IpAddr, binary: bool) -> String {
    let destination: SocketAddr = match client {
        IpAddr::V4(_) => ([192, 0, 2, 250], 80).into(),
        IpAddr::V6(_) => "[2001:db8::250]:80".parse().expect("an address"),
    };
    let from = SocketAddr::new(client, 4_711);
    let header =
        if binary { proxy::v2(from, destination, &[]) } else { proxy::v1(from, destination) };
    let mut peer = Client::default().connect(ringbolt.address());
    peer.send(&[&header[..], b"?"].concat());
    let servers: Vec<&Server> = servers.iter().collect();
    let (position, mut serving) = accept_any(&servers);
    assert_eq!(serving.receive(1), b"?");
    format!("ws{}", position + 1)
}

fn order(answer: &Value) -> Vec<String> {
    let next = answer["next"].as_array().expect("a list");
    let all = std::iter::once(&answer["server"]).chain(next);
    all.map(|name| name.as_str().expect("a name").to_owned()).collect()
}

/// Goal: clients meet the server that `explain` names, under every mapping, whatever the form of their
/// address; and the next one that it names when that refuses. Method: a running balancer behind PROXY
/// headers of both forms, 32 addresses; then without one of its four servers.
#[test]
fn sessions_go_where_explain_says() {
    need!(Binary);
    let clients = clients();
    let texts: Vec<String> = clients.iter().map(IpAddr::to_string).collect();
    let arguments: Vec<&str> = texts.iter().map(String::as_str).collect();
    for balance in COMPATIBLE.into_iter().chain(["source"]) {
        let mut servers: Vec<Server> = (0..4).map(|_| Server::listen()).collect();
        let config = config(balance, &servers).of_server("weight = 3");
        let explained = answers(&config.text(), &arguments);
        let ringbolt = Ringbolt::start(&config);
        for (number, (client, answer)) in clients.iter().zip(&explained).enumerate() {
            let met = meet(&ringbolt, &servers, *client, number % 2 == 0);
            assert_eq!(answer["server"], met.as_str(), "{balance}, {client}: {answer}");
        }
        // The last one has an index that no other server has to give up.
        let closed = servers.pop().expect("a server").close();
        for (client, answer) in clients.iter().zip(&explained) {
            let expected = order(answer).into_iter().find(|name| name != "ws4");
            let met = meet(&ringbolt, &servers, *client, false);
            assert_eq!(Some(&met), expected.as_ref(), "{balance}, {client}: {answer}");
        }
        drop(closed);
    }
}

/// Goal: a full server is passed over and moves nobody else, under the mapping that a server which is down
/// moves nearly everybody. Method: HAProxy's map of four servers, of which one has its one session; every
/// client meets its server, or its next one.
#[test]
fn a_full_server_moves_only_its_own() {
    need!(Binary);
    let clients = clients();
    let texts: Vec<String> = clients.iter().map(IpAddr::to_string).collect();
    let arguments: Vec<&str> = texts.iter().map(String::as_str).collect();
    let servers: Vec<Server> = (0..4).map(|_| Server::listen()).collect();
    let config = config("haproxy-source", &servers).of_server("max_sessions = 1");
    let explained = answers(&config.text(), &arguments);
    let watched = Watched::start(config);
    let owned = clients.iter().zip(&explained).find(|(_, answer)| answer["server"] == "ws4");
    let (owner, _) = owned.expect("ws4 has clients");
    let destination = SocketAddr::new(*owner, 80);
    let mut held = Client::default().connect(watched.ringbolt.address());
    held.send(&[&proxy::v1(destination, destination)[..], b"?"].concat());
    let mut serving = servers[3].accept();
    assert_eq!(serving.receive(1), b"?");
    for (client, answer) in clients.iter().zip(&explained) {
        let expected = order(answer).into_iter().find(|name| name != "ws4");
        let met = meet(&watched.ringbolt, &servers, *client, true);
        assert_eq!(Some(&met), expected.as_ref(), "{client}: {answer}");
    }
    held.exchange(&mut serving);
}

/// Goal: balancers that map alike say so, and others do not. Method: the fingerprints of one file, of the
/// same with its servers in another order, and of one with another weight; under `source` order does not
/// count, under HAProxy's map it does.
#[test]
fn fingerprints() {
    need!(Binary);
    let servers = [Server::listen(), Server::listen()];
    let [one, two] = servers.each_ref().map(Server::address);
    let fingerprint = |balance: &str, servers: [(&str, SocketAddr); 2], weight: u8| {
        let mut config = Config::new().pool(&format!("balance = \"{balance}\""));
        for (name, address) in servers {
            config = config.server(name, address).of_server(&format!("weight = {weight}"));
        }
        let name = "ringbolt_mapping_fingerprint{pool=\"echo\"}";
        Watched::start(config).metrics().value(name)
    };
    for (balance, order_counts) in [("source", false), ("haproxy-source", true)] {
        let first = fingerprint(balance, [("a", one), ("b", two)], 1);
        assert_eq!(first, fingerprint(balance, [("a", one), ("b", two)], 1));
        assert_ne!(first, fingerprint(balance, [("a", one), ("b", two)], 2));
        let turned = fingerprint(balance, [("b", two), ("a", one)], 1);
        assert_eq!(first != turned, order_counts, "{balance}");
    }
}
