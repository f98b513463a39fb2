//! The same script through ringbolt, HAProxy and nginx: the same bytes in the same order, and the same
//! ends, but for the differences that are intended. What users of those products rely on, they find
//! here; and what both rivals agree on and we do not would be a mistake of ours.
//!
//! `RINGBOLT_SCRIPTS=1000 cargo test --release -p ringbolt-tests --test differential` plays more
//! scripts than the hundred that are played otherwise, `RINGBOLT_SEED=N` plays known ones.

#![forbid(unsafe_code)]

/// The balancers.
mod product;
/// How scripts are played.
mod stage;

use std::env;

use ringbolt_script::{Script, Sight, scenarios};
use ringbolt_tests::{Server, need, seed};

use crate::product::Product;
use crate::stage::Stage;

/// Scripts, when nothing else is said.
const SCRIPTS: u64 = 100;

/// Goal: what holds on the simulated kernel holds on the real ring. Method: the simulator's scenario
/// list through the built binary, which copies, then splices.
#[test]
fn scenarios_on_the_real_ring() {
    need!(Binary);
    let server = Server::listen();
    for product in [Product::copying(&server), Product::splicing(&server)] {
        for (name, script) in scenarios() {
            let seen = Stage::play(&script, &product, &server);
            assert_eq!(seen, script.promised(), "{}: {name}", product.name);
        }
    }
}

/// Goal: a session through ringbolt goes as it goes through HAProxy and through nginx, copied or
/// spliced. Method: random scripts of sends, half-closes, resets and stalls, each step of which waits
/// for its effect at the other end; seeds are printed, and a failure prints its own.
#[test]
fn sessions_go_alike() {
    need!(Binary, Haproxy, Nginx);
    let server = Server::listen();
    let ours = [Product::copying(&server), Product::splicing(&server)];
    let rivals = [Product::haproxy(&server), Product::nginx(&server)];
    let first = seed("differential");
    let count = number("RINGBOLT_SCRIPTS").unwrap_or(SCRIPTS).max(1);
    for seed in first..first + count {
        let script = Script::of(seed);
        println!("RINGBOLT_SEED={seed} RINGBOLT_SCRIPTS=1: {script:?}");
        let promised = script.promised();
        for product in &ours {
            assert_eq!(Stage::play(&script, product, &server), promised, "{}", product.name);
        }
        for product in &rivals {
            let seen = Stage::play(&script, product, &server);
            let alike = seen.len() == promised.len()
                && promised.iter().zip(&seen).all(|(ours, theirs)| are_alike(ours, theirs));
            assert!(alike, "{}: {seen:?}\nours: {promised:?}", product.name);
        }
    }
}

/// Whether a rival may show `theirs` where ringbolt shows `ours`. Intended to differ: a broken
/// connection may look like an ended one at theirs, and what they had received need not arrive.
fn are_alike(ours: &Sight, theirs: &Sight) -> bool {
    if let (Sight::Broken { bytes, .. }, Sight::Broken { bytes: of_them, .. }) = (ours, theirs) {
        return of_them <= bytes;
    }
    ours == theirs
}

/// Goal: the comparison finds what differs. Method: by hand, one difference at a time.
#[test]
fn a_difference_is_found() {
    let alike = |ours, theirs| are_alike(&ours, &theirs);
    assert!(alike(Sight::Bytes(9), Sight::Bytes(9)) && !alike(Sight::Bytes(9), Sight::Bytes(8)));
    assert!(alike(Sight::Fin, Sight::Fin) && !alike(Sight::Fin, Sight::Bytes(0)));
    let broken = |bytes, reset| Sight::Broken { bytes, reset };
    assert!(alike(broken(9, true), broken(3, false)), "a rival's own way");
    assert!(!alike(broken(9, true), broken(10, true)), "a byte from nowhere");
    assert!(!alike(broken(9, true), Sight::Fin) && !alike(Sight::Fin, broken(0, false)));
}

/// A number in the environment.
fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}
