use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use ringbolt_tests::{Clients, Config, EchoServer, Language, Ringbolt, need};

/// The client addresses: with three servers, the chance that one of them gets none of 24 is under
/// 2 in 10,000, and the mapping has no chance in it: what passes once passes always.
const ADDRESSES: [Ipv4Addr; 24] = {
    let mut addresses = [Ipv4Addr::LOCALHOST; 24];
    let mut number = 0;
    while number < 24 {
        addresses[number] = Ipv4Addr::new(127, 10, number as u8, 5 + 7 * number as u8);
        number += 1;
    }
    addresses
};

/// The system of the article: three echo servers behind the balancer.
struct System {
    servers: BTreeMap<String, EchoServer>,
    ringbolt: Ringbolt,
}

impl System {
    fn start() -> Self {
        let names = ["ws1", "ws2", "ws3"];
        let servers: BTreeMap<_, _> =
            names.map(|name| (name.to_owned(), EchoServer::start(name))).into();
        let config = Config::new().servers(servers.values().map(EchoServer::address));
        let ringbolt = Ringbolt::start(&config);
        Self { servers, ringbolt }
    }

    fn address(&self) -> SocketAddr {
        self.ringbolt.address()
    }
}

/// Opens a client from each address and says which server each met.
fn meet(clients: &mut Clients, to: SocketAddr, round: usize) -> Vec<String> {
    let open = |address: &Ipv4Addr| clients.open(&format!("{address} {round}"), *address, to);
    ADDRESSES.iter().map(open).collect()
}

/// Goal: each address always meets the same server, whichever program asks, over reconnects, and
/// every server gets somebody. Method: both client programs, four rounds, every other round closed.
#[test]
fn each_address_always_meets_the_same_server() {
    need!(Binary, Python, Node);
    let system = System::start();
    let mut first = None;
    for language in [Language::Python, Language::Node] {
        let mut clients = Clients::start(language);
        for round in 0..4 {
            let met = meet(&mut clients, system.address(), round);
            let first = first.get_or_insert_with(|| met.clone());
            assert_eq!(&met, first, "{language:?}, round {round}");
            if round % 2 == 0 {
                for address in ADDRESSES {
                    assert_eq!(clients.close(&format!("{address} {round}")), 1000);
                }
            }
        }
    }
    for name in system.servers.keys() {
        assert!(first.iter().flatten().any(|met| met == name), "nobody met {name}");
    }
}

/// Goal: the mapping outlives the balancer: a new one with the same servers sends everybody where
/// they were, in whatever order the file names the servers. Method: a second balancer, reversed.
#[test]
fn a_second_balancer_agrees() {
    need!(Binary, Python);
    let system = System::start();
    let mut clients = Clients::start(Language::Python);
    let met = meet(&mut clients, system.address(), 0);
    let reversed = system.servers.iter().rev();
    let config = reversed.fold(Config::new(), |c, (name, s)| c.server(name, s.address()));
    let second = Ringbolt::start(&config);
    assert_eq!(meet(&mut clients, second.address(), 1), met);
}

/// Goal: messages of 1 byte to 16 MiB come back as they were sent. Method: lengths around the
/// boundaries of WebSocket frames and of the balancer's buffers, from both client programs.
#[test]
fn messages_come_back_intact() {
    need!(Binary, Python, Node);
    let system = System::start();
    for language in [Language::Python, Language::Node] {
        let mut clients = Clients::start(language);
        let name = clients.open("a", ADDRESSES[0], system.address());
        let lengths =
            [1, 125, 126, 4_096, 16_384, 65_535, 65_536, 100_000, 1 << 20, (1 << 20) + 1, 16 << 20];
        for (seed, bytes) in (1..).zip(lengths) {
            assert_eq!(clients.echo("a", bytes, seed), name);
        }
        assert_eq!(clients.close("a"), 1000);
    }
}

/// Goal: killing a server sends only its clients elsewhere, and live connections of the others go
/// on. Method: everybody is connected; one server is killed; its clients lose their connection and
/// find another server, the others go on and reconnect to their own.
#[test]
fn a_killed_server_moves_only_its_clients() {
    need!(Binary, Python, Node);
    for language in [Language::Python, Language::Node] {
        let mut system = System::start();
        let mut clients = Clients::start(language);
        let met = meet(&mut clients, system.address(), 0);
        let gone = met[0].clone();
        system.servers.remove(&gone).expect("one of three").kill();
        for (address, met) in ADDRESSES.iter().zip(&met) {
            let id = format!("{address} 0");
            if *met == gone {
                assert_eq!(clients.lost(&id), 1006, "{address} was with {gone}");
            } else {
                assert_eq!(&clients.echo(&id, 1_000, 1), met, "{address} on its old connection");
            }
        }
        let after = meet(&mut clients, system.address(), 1);
        for ((address, before), after) in ADDRESSES.iter().zip(&met).zip(&after) {
            assert_ne!(after, &gone);
            assert!(*before == gone || before == after, "{address}: {before} to {after}");
        }
        assert_eq!(meet(&mut clients, system.address(), 2), after, "the second choice is kept too");
    }
}
