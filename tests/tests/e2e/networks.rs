use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

use ringbolt_tests::{
    Client, Config, End, Network, Peer, Server, Signal, Watched, expect_reset, kill, need, stopped,
    until,
};

use crate::path::{Path, UP};
use crate::session;

/// Goal: a connection that an administrator ends, at the balancer or at a peer, is a reset to the
/// session's other end, after what was received. Method: `ss -K` in a network of its own, on each
/// of the four sockets of a session that 100 kB have just crossed. The kernel tells the end that
/// is killed ECONNABORTED, and resets its peer.
#[test]
fn connections_that_an_administrator_ends() {
    need!(Binary, Network);
    let network = Network::new();
    network.inside(|| {
        for path in Path::both_ways() {
            for case in 0..4 {
                let [clients, balancers] = [1, 2].map(|bit| case & bit != 0);
                println!("the client's connection {clients}, the balancer's end {balancers}");
                let (client, server) = path.session();
                let (mut peer, mut other) =
                    if clients { (client, server) } else { (server, client) };
                peer.send_pattern(UP, 0, 100_000);
                peer.wait_until_sent();
                if balancers {
                    network.end_connection(peer.remote(), peer.local());
                    assert_eq!(peer.end(), End::Reset);
                } else {
                    network.end_connection(peer.local(), peer.remote());
                }
                other.receive_pattern(UP, 0, 100_000);
                assert_eq!(other.end(), End::Reset);
            }
            path.wait_for_no_session();
        }
    });
}

/// Goal: a server that no route leads to is passed over at once, whatever the kernel calls it, and
/// when nobody is left the client is reset. Method: a network with a route of each kind (EINVAL,
/// EHOSTUNREACH, EACCES), one server without any (ENETUNREACH), and a good one; an hour for an
/// attempt. Everybody meets the good one, and each of the others was tried; then that one refuses.
#[test]
fn routes_that_lead_nowhere() {
    need!(Binary, Network);
    let network = Network::new();
    for route in ["blackhole 10.1.0.0/16", "unreachable 10.2.0.0/16", "prohibit 10.3.0.0/16"] {
        network.ip(&format!("route add {route}"));
    }
    network.inside(|| {
        for splice in ["off", "always"] {
            let good = Server::listen();
            let config = Config::new().timeouts("connect = \"1h\"").pool("attempts = 5");
            let config = config.pool(&format!("splice = \"{splice}\""));
            let bad = (1..5).map(|net| SocketAddr::from(([10, net, 0, 1], 9)));
            let watched = Watched::start(config.servers(bad.chain([good.address()])));
            let address = watched.ringbolt.address();
            let clients = || (1..41).map(|number| Client::default().from([9, 0, number]));
            for client in clients() {
                client.connect(address).exchange(&mut good.accept());
            }
            let metrics = watched.metrics();
            for server in 1..5 {
                let server = format!("{{proxy=\"echo\",server=\"ws{server}\"}}");
                let errors = format!("ringbolt_server_connection_errors_total{server}");
                assert!(metrics.value(&errors) > 0.0, "{errors}");
            }
            let _closed = good.close();
            clients().for_each(|client| expect_reset(client, address));
            watched.ringbolt.wait_for_base();
        }
    });
}

/// Goal: a machine that has lost its power is found out by keepalive, on either side, and the other
/// end is reset, in each way to move bytes. Method: keepalive after a second. A client, and the
/// server of another session, vanish without a word, and their machine knows nothing of the
/// connection when it is asked; another server is behind a cable, in a second network, and the
/// cable is pulled.
#[test]
fn machines_that_lose_their_power() {
    need!(Binary, Network, Repair);
    let (near, far) = (Network::new(), Network::new());
    near.ip(&format!("link add near type veth peer name far netns {}", far.name()));
    for (network, end, address) in [(&near, "near", "10.9.0.1"), (&far, "far", "10.9.0.2")] {
        network.ip(&format!("addr add {address}/24 dev {end}"));
        network.ip(&format!("link set {end} up"));
    }
    near.inside(|| {
        let (mut watched, mut left, mut cut_off) = (Vec::new(), Vec::new(), Vec::new());
        for splice in ["off", "always"] {
            let config = Config::new().timeouts("idle = \"off\"").pool("keepalive = \"1s\"");
            let config = config.pool(&format!("splice = \"{splice}\""));
            let here = Server::listen();
            let there = far.inside(|| Server::listen_at(Ipv4Addr::new(10, 9, 0, 2)));
            let [by_here, by_there] = [&here, &there]
                .map(|server| Watched::start(config.clone().servers([server.address()])));
            left.push({
                let (client, serving) = session(&here, &by_here.ringbolt);
                client.vanish();
                serving
            });
            left.push({
                let (client, serving) = session(&here, &by_here.ringbolt);
                serving.vanish();
                client
            });
            let (client, serving) = session(&there, &by_there.ringbolt);
            left.push(client);
            cut_off.push(serving);
            watched.extend([(by_here, [1.0, 1.0]), (by_there, [0.0, 1.0])]);
        }
        far.ip("link set far down");
        for peer in &mut left {
            assert_eq!(peer.end(), End::Reset);
        }
        for (watched, lost) in watched {
            watched.ringbolt.wait_for_base();
            let metrics = watched.metrics();
            let ended = |reason| {
                metrics.value(&format!("ringbolt_sessions_ended_total{{reason=\"{reason}\"}}"))
            };
            assert_eq!(["client-reset", "server-reset"].map(ended), lost);
        }
        assert!(cut_off.iter().all(Peer::silent), "nothing reaches them");
    });
}

/// Goal: a server process that is killed ends its connections as its kernel does: with a FIN when it
/// had read everything, with a reset when not; the client is told just that, and bytes first.
/// Method: a real process, one session that it has answered, one whose last bytes it has not read
/// because it is stopped; `kill -9`.
#[test]
fn a_server_process_that_is_killed() {
    need!(Binary);
    for splice in ["off", "always"] {
        let mut process = EchoProcess::start();
        let config = Config::new().pool(&format!("splice = \"{splice}\""));
        let watched = Watched::start(config.servers([process.address]));
        let open = || Client::default().connect(watched.ringbolt.address());
        let (mut idle, mut talking) = (open(), open());
        idle.round_trip(b"x");
        talking.round_trip(b"x");
        let pid = process.child.id();
        kill(pid, Signal::SIGSTOP);
        until("it is stopped", || stopped(pid).then_some(()));
        talking.send(b"are you there?");
        until("the server's machine has it", || {
            let at_the_server = |s: &ringbolt_tests::sockets::Entry| s.local == process.address;
            let mut sockets = ringbolt_tests::sockets::all().into_iter().filter(at_the_server);
            sockets.find(|socket| socket.unread == 14)
        });
        kill(pid, Signal::SIGKILL);
        process.child.wait().expect("our child");
        assert_eq!(talking.end(), End::Reset);
        assert_eq!(idle.end(), End::Fin);
        drop(idle);
        watched.ringbolt.wait_for_base();
    }
}

/// An echo server in a process of its own.
struct EchoProcess {
    child: Child,
    address: SocketAddr,
}

impl EchoProcess {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_echo"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the echo server starts");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        output.read_line(&mut line).expect("its address");
        Self { child, address: line.trim().parse().expect("an address") }
    }
}

impl Drop for EchoProcess {
    /// Fails only when it has ended already.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
