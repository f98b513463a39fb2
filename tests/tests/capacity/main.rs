//! What many idle sessions cost, and how many can be held. Not a module of the end-to-end tests,
//! whose one process shares its descriptors among tests that run at once; here they run one after
//! the other, and each says what it measured.

#![forbid(unsafe_code)]

/// An echo server in another process.
mod echo;
/// Memory, descriptors and CPU of sessions that are silent.
mod idle;
/// As many sessions as descriptors allow.
mod limit;
/// Probes of many servers.
mod probes;

use std::sync::{Mutex, MutexGuard, PoisonError};

use std::process::Command;

use ringbolt_tests::{Client, Config, DESCRIPTORS, Peer, Ringbolt, binary};

use crate::echo::EchoProcess;

/// What every test holds: each may use all descriptors of this process, and two balancers would
/// share the pages of one program, which changes what each is charged for.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A balancer before `server` that may open [`DESCRIPTORS`] and no more, wherever it runs: what it
/// has room for depends on that.
fn start(server: &EchoProcess, with: impl FnOnce(Config) -> Config) -> Ringbolt {
    // The limit that cannot be raised again; the balancer raises the other one to it.
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit -n {DESCRIPTORS}; exec \"$0\" \"$@\"")]).arg(binary());
    let config = with(Config::new().servers([server.address()]));
    Ringbolt::start_by(limited, &config.text())
}

/// So many sessions, each of which has moved a message both ways.
fn sessions(count: usize, ringbolt: &Ringbolt) -> Vec<Peer> {
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        let mut client = Client::default().connect(ringbolt.address());
        client.round_trip(&[b'x'; 128]);
        clients.push(client);
    }
    clients
}
