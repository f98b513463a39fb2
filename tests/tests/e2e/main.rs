//! End-to-end tests: the built binary, real sockets, the real kernel. One binary, so that it links
//! once; a module a topic. tests/README.md says which sentence of which issue each test shows.

#![forbid(unsafe_code)]

/// A connection that says nothing for longer than a minute. It takes that long: first by its name.
mod a_minute_of_silence;
/// The runtime socket and `ringbolt ctl`.
mod admin;
/// The article's system: WebSocket echo servers in Python, clients in Python and Node.
mod article;
/// The article's client in a browser.
mod browser;
/// The system calls of a worker: how many, and which.
mod calls;
/// `ringbolt check`, and what `run` refuses.
mod check;
/// How sessions end: both ends, whoever ended them.
mod closes;
/// Which server a session gets when servers refuse or do not answer.
mod connect;
/// What the pages under docs give programs to read.
mod documents;
/// What is left after the engine, or the supervisor, was killed.
mod engine_death;
/// What the machine runs out of: descriptors, ports.
mod exhaustion;
/// `ringbolt explain`.
mod explain;
/// IPv4 and IPv6, side by side, mapped, and of a link.
mod families;
/// The harness against itself, without the binary: a check that cannot fail is a defect.
mod harness;
/// Servers that go down and come up, and what finds that out.
mod health;
/// 1 GiB each way between curl and nginx.
mod http;
/// Configurations of HAProxy and nginx, run and converted.
mod imports;
/// Listening sockets that were passed on (`fd@`).
mod inherited;
/// Eight streams at once, by iperf3.
mod iperf;
/// Start, stop, signals, logs, usage.
mod lifecycle;
/// Bounds, and that everything comes back.
mod limits;
/// The mappings of HAProxy and nginx in a running balancer.
mod mappings;
/// Counters: `/metrics` and `show stat` agree with what was sent.
mod metrics;
/// Names of servers that have other addresses later.
mod names;
/// Networks of their own: lost machines, closed routes, connections killed by hand.
mod networks;
/// What is given as a configuration file and is none.
mod odd_files;
/// A balancer before a server, for the tests of bytes.
mod path;
/// Few pipes, lent for a turn, and never shared by two streams.
mod pipes;
/// `ringbolt plan`.
mod plan;
/// What probes say, and how answers are judged.
mod probes;
/// Supervisor, engine and workers, as the kernel sees them.
mod processes;
/// PROXY headers from clients.
mod proxy_in;
/// PROXY headers to servers.
mod proxy_out;
/// PROXY headers from and to HAProxy and nginx.
mod proxy_programs;
/// HTTP for machines: what is served, to whom, and that nobody is harmed by it.
mod readiness;
/// A session of Redis.
mod redis;
/// Bytes, ends and resets through a session.
mod relay;
/// Another configuration, put in force in place.
mod reload;
/// Addresses that servers are connected to from.
mod sources;
/// Bulk through pipes.
mod splice;
/// Readers that stall while much is to come.
mod stalled;
/// Closes and signals by the thousand, in any order.
mod storms;
/// Idle, half-closed, keepalive.
mod timeouts;
/// `ringbolt try`.
mod try_it;
/// Servers on UNIX sockets.
mod unix_servers;

use ringbolt_tests::{Client, Config, Peer, Ringbolt, Server};

/// A balancer before one server, with what `with` adds to its configuration.
fn start(with: impl FnOnce(Config) -> Config) -> (Server, Ringbolt) {
    let server = Server::listen();
    let ringbolt = Ringbolt::start(&with(Config::new().servers([server.address()])));
    (server, ringbolt)
}

/// A session through it that has proved itself: both of its ends.
fn session(server: &Server, ringbolt: &Ringbolt) -> (Peer, Peer) {
    let mut client = Client::default().connect(ringbolt.address());
    let mut server = server.accept();
    client.exchange(&mut server);
    (client, server)
}
