use std::net::SocketAddr;

use ringbolt_tests::{
    Client, Config, End, Peer, Ringbolt, Server, Signal, accept_any, expect_reset, need, until,
};

/// How many client addresses a test tries: with two servers, the chance that all 40 have the same
/// owner is 2 in 2^40.
const ADDRESSES: u8 = 40;

fn client(number: u8) -> Client {
    Client::default().from([8, 0, number + 1])
}

fn clients() -> impl Iterator<Item = Client> {
    (0..ADDRESSES).map(client)
}

/// The position of the server that `client` meets now.
fn owner(client: Client, to: SocketAddr, servers: &[&Server]) -> usize {
    let (mut client, (position, mut server)) = (client.connect(to), accept_any(servers));
    client.exchange(&mut server);
    position
}

/// The addresses that `servers[position]` owns.
fn owned_by(position: usize, to: SocketAddr, servers: &[&Server]) -> Vec<Client> {
    let owned: Vec<_> = clients().filter(|c| owner(*c, to, servers) == position).collect();
    assert!(!owned.is_empty() && owned.len() < ADDRESSES.into(), "every server owns somebody");
    owned
}

/// Two servers, and a time for one connect attempt.
fn pair(connect: &str, more: &[&str]) -> (Server, Server, Ringbolt) {
    let (one, two) = (Server::listen(), Server::listen());
    let config = Config::new()
        .servers([one.address(), two.address()])
        .timeouts(&format!("connect = \"{connect}\""));
    let config = more.iter().fold(config, |config, line| config.pool(line));
    let ringbolt = Ringbolt::start(&config);
    (one, two, ringbolt)
}

/// Goal: a refusing server is passed over at once, and only its own clients move. Method: learn who
/// owns whom, close one server; an hour for an attempt, so that a served client has not waited.
#[test]
fn a_refusing_server_is_passed_over_at_once() {
    need!(Binary);
    let servers: Vec<Server> = (0..3).map(|_| Server::listen()).collect();
    let config = Config::new().timeouts("connect = \"1h\"");
    let config = config.servers(servers.iter().map(Server::address));
    let ringbolt = Ringbolt::start(&config);
    let all: Vec<&Server> = servers.iter().collect();
    let before: Vec<usize> = clients().map(|c| owner(c, ringbolt.address(), &all)).collect();
    for position in 0..3 {
        assert!(before.contains(&position), "every server owns somebody: {before:?}");
    }

    let [one, two, three]: [Server; 3] = servers.try_into().expect("three servers");
    let _closed = one.close();
    let rest = [&two, &three];
    let after = clients().map(|c| owner(c, ringbolt.address(), &rest) + 1);
    let mut next = Vec::new();
    for (before, after) in before.into_iter().zip(after) {
        if before == 0 {
            next.push(after);
        } else {
            assert_eq!(after, before, "a client of a living server moved");
        }
    }
    // The next choice is the key's own: not all go to the same one.
    next.sort_unstable();
    next.dedup();
    assert_eq!(next, [1, 2], "next choices");
}

/// Goal: when all servers refuse, the client is reset, not ended. Method: closed ports only; then
/// nothing is left behind.
#[test]
fn all_refuse() {
    need!(Binary);
    let closed: Vec<_> = (0..3).map(|_| Server::listen().close()).collect();
    let config = Config::new().servers(closed.iter().map(|port| port.address()));
    let ringbolt = Ringbolt::start(&config);
    for client in clients() {
        expect_reset(client, ringbolt.address());
    }
    ringbolt.wait_for_base();
}

/// Goal: `attempts` is the number of servers tried, in all. Method: two of three servers refuse, two
/// attempts: a client whose third choice is the living one is reset, and never shows up there.
#[test]
fn attempts_are_counted() {
    need!(Binary);
    let servers: Vec<Server> = (0..3).map(|_| Server::listen()).collect();
    let config = Config::new().pool("attempts = 2").servers(servers.iter().map(Server::address));
    let ringbolt = Ringbolt::start(&config);
    let [one, two, three]: [Server; 3] = servers.try_into().expect("three servers");
    let _closed = (one.close(), two.close());
    let (mut served, mut reset) = (0, 0);
    for client in clients() {
        match client.try_connect(ringbolt.address()) {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => reset += 1,
            Err(error) => panic!("{error}"),
            Ok(mut client) => {
                until("served or reset", || (!client.silent() || !three.nobody()).then_some(()));
                if three.nobody() {
                    assert_eq!(client.end(), End::Reset);
                    reset += 1;
                } else {
                    client.exchange(&mut three.accept());
                    served += 1;
                }
            }
        }
    }
    assert!(three.nobody());
    // A third of the keys has the living server as its third choice; all 40 or none is (2/3)^40.
    assert!(served > 0 && reset > 0, "{served} served, {reset} reset");
}

/// Goal: a server that does not answer is given up after `timeouts.connect`, what the client has
/// sent meanwhile reaches the next, and the clients of healthy servers stay where they were. Method:
/// its accept queue is full, so the kernel drops its SYNs; when it answers again, its clients are
/// its own again.
#[test]
fn a_silent_server_is_passed_over_after_the_timeout() {
    need!(Binary);
    for splice in ["off", "always"] {
        let (one, two, ringbolt) = pair("300ms", &[&format!("splice = \"{splice}\"")]);
        let servers = [&one, &two];
        let owned = owned_by(0, ringbolt.address(), &servers);
        let of_the_other = owned_by(1, ringbolt.address(), &servers);
        let hole = one.blackhole();

        let mut waiting: Vec<Peer> =
            owned.iter().take(3).map(|client| client.connect(ringbolt.address())).collect();
        for client in &mut waiting {
            client.send(b"hello");
            client.finish();
        }
        for _ in &waiting {
            let mut server = two.accept();
            assert_eq!(server.receive_all(), (b"hello".to_vec(), End::Fin));
            server.send(b"welcome");
        }
        for client in &mut waiting {
            assert_eq!(client.receive_all(), (b"welcome".to_vec(), End::Fin));
        }
        drop(waiting);
        for client in of_the_other {
            assert_eq!(owner(client, ringbolt.address(), &[&two]), 0, "its server is healthy");
        }
        ringbolt.wait_for_base();
        drop(hole);
        one.accept();
        for client in owned {
            assert_eq!(owner(client, ringbolt.address(), &servers), 0);
        }
    }
}

/// Goal: a client whose server is still being connected to is reset when it stops, whatever the
/// client has sent. Method: attempts of an hour into a black hole; a drain ended by a second USR1,
/// or TERM.
#[test]
fn a_stop_during_the_connect() {
    need!(Binary);
    for first in [Some(Signal::SIGUSR1), None] {
        let (one, two, mut ringbolt) = pair("1h", &[]);
        let owned = owned_by(0, ringbolt.address(), &[&one, &two]);
        let _hole = one.blackhole();
        let mut waiting: Vec<Peer> =
            owned.iter().map(|client| client.connect(ringbolt.address())).collect();
        for client in &mut waiting {
            client.send(b"hello");
        }
        waiting[0].finish();
        ringbolt.wait_for_descriptors(2 * waiting.len().cast_signed());
        if let Some(first) = first {
            ringbolt.signal(first);
            ringbolt.line_with("draining");
            ringbolt.signal(first);
        } else {
            ringbolt.signal(Signal::SIGTERM);
        }
        for client in &mut waiting {
            assert_eq!(client.end(), End::Reset);
        }
        assert_eq!(ringbolt.exit_code(), 0);
        assert!(two.nobody());
    }
}

/// Goal: with one attempt there is no next server. Method: `attempts = 1`, the owner in a black hole:
/// a reset, and the other server has seen nobody. The pool's own connect time is used.
#[test]
fn one_attempt_is_one() {
    need!(Binary);
    let (one, two, ringbolt) = pair("1h", &["attempts = 1", "timeouts = { connect = \"300ms\" }"]);
    let owned = owned_by(0, ringbolt.address(), &[&one, &two]);
    let _hole = one.blackhole();
    expect_reset(owned[0], ringbolt.address());
    assert!(two.nobody());
}

/// Goal: a client that gives up while its server is being connected to leaves nothing behind, and
/// the attempt is not carried on. Method: an attempt of an hour into a black hole; the client resets;
/// the descriptors must come back long before.
#[test]
fn a_client_resets_during_the_connect() {
    need!(Binary);
    let (one, two, ringbolt) = pair("1h", &[]);
    let owned = owned_by(0, ringbolt.address(), &[&one, &two]);
    let hole = one.blackhole();
    let waiting: Vec<Peer> =
        owned.iter().map(|client| client.connect(ringbolt.address())).collect();
    // A socket of each client, and one on its way to the server.
    ringbolt.wait_for_descriptors(2 * waiting.len().cast_signed());
    waiting.into_iter().for_each(Peer::reset);
    ringbolt.wait_for_base();
    assert!(two.nobody());

    // And the server is as good as before.
    drop(hole);
    one.accept();
    assert_eq!(owner(owned[0], ringbolt.address(), &[&one, &two]), 0);
}

/// Goal: a server of weight 0 takes no new sessions. Method: 40 addresses meet the other one.
#[test]
fn weight_zero_takes_nobody() {
    need!(Binary);
    let (one, two) = (Server::listen(), Server::listen());
    let config = Config::new().server("ws1", one.address()).of_server("weight = 0");
    let ringbolt = Ringbolt::start(&config.server("ws2", two.address()));
    for client in clients() {
        assert_eq!(owner(client, ringbolt.address(), &[&one, &two]), 1);
    }
}

/// Goal: pools that are not sticky spread. Method: one address, `round-robin` and `least-sessions`,
/// open sessions on both of two servers.
#[test]
fn pools_without_affinity_spread() {
    need!(Binary);
    for balance in ["round-robin", "least-sessions"] {
        let (one, two, ringbolt) = pair("5s", &[&format!("balance = \"{balance}\"")]);
        let mut seen = [0, 0];
        let mut live = Vec::new();
        for _ in 0..20 {
            let mut client = Client::default().connect(ringbolt.address());
            let (position, mut server) = accept_any(&[&one, &two]);
            client.exchange(&mut server);
            seen[position] += 1;
            live.push((client, server));
        }
        assert!(seen[0] >= 5 && seen[1] >= 5, "{balance}: {seen:?}");
    }
}
