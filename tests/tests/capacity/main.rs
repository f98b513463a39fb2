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

use std::sync::{Mutex, MutexGuard, PoisonError};

use ringbolt_tests::{Client, Peer, Ringbolt};

/// What every test holds: each may use all descriptors of this process, and two balancers would
/// share the pages of one program, which changes what each is charged for.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
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
