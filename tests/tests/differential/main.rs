//! The same script through ringbolt, HAProxy and nginx: the same bytes in the same order, and the same
//! ends, but for the differences that are intended. What users of those products rely on, they find
//! here; and what both rivals agree on and we do not would be a mistake of ours.
//!
//! `RINGBOLT_SCRIPTS=1000 cargo test --release -p ringbolt-tests --test differential` plays more
//! scripts than the hundred that are played otherwise, `RINGBOLT_SEED=N` plays known ones.

#![forbid(unsafe_code)]

/// Seeded choices.
mod dice;
/// The balancers.
mod product;
/// What both ends do, and what each sees of it.
mod script;

use std::env;
use std::hash::{BuildHasher, RandomState};

use ringbolt_tests::{Server, need, say};

use crate::product::Product;
use crate::script::{Script, Sight};

/// Scripts, when nothing else is said.
const SCRIPTS: u64 = 100;

/// Goal: a session through ringbolt goes as it goes through HAProxy and through nginx, copied or
/// spliced. Method: random scripts of sends, half-closes, resets and stalls, each step of which waits
/// for its effect at the other end; seeds are printed, and a failure prints its own.
#[test]
fn sessions_go_alike() {
    need!(Binary, Haproxy, Nginx);
    let server = Server::listen();
    let ours = [Product::copying(&server), Product::splicing(&server)];
    let rivals = [Product::haproxy(&server), Product::nginx(&server)];
    let (first, count) = (number("RINGBOLT_SEED").unwrap_or_else(fresh), scripts());
    say(&format!("differential: seeds {first} to {}", first + count - 1));
    for seed in first..first + count {
        let script = Script::of(seed);
        println!("RINGBOLT_SEED={seed} RINGBOLT_SCRIPTS=1: {script:?}");
        let promised = script.promised();
        for product in &ours {
            assert_eq!(script.play(product, &server), promised, "{}", product.name);
        }
        for product in &rivals {
            let seen = script.play(product, &server);
            let same = promised.iter().zip(&seen).all(|(ours, theirs)| ours.is_alike(theirs));
            assert!(
                same && seen.len() == promised.len(),
                "{}: {seen:?}\nours: {promised:?}",
                product.name
            );
        }
    }
}

/// Goal: the comparison finds what differs. Method: by hand, one difference at a time.
#[test]
fn a_difference_is_found() {
    let (whole, part) = (Sight::Bytes(9), Sight::Bytes(8));
    assert!(whole.is_alike(&whole) && !whole.is_alike(&part));
    assert!(!Sight::Fin.is_alike(&Sight::Bytes(0)) && Sight::Fin.is_alike(&Sight::Fin));
    let reset = Sight::Broken { bytes: 9, reset: true };
    assert!(reset.is_alike(&Sight::Broken { bytes: 3, reset: false }), "a rival's own way");
    assert!(!reset.is_alike(&Sight::Broken { bytes: 10, reset: true }), "bytes from nowhere");
    assert!(!reset.is_alike(&Sight::Fin) && !Sight::Fin.is_alike(&reset));
}

fn scripts() -> u64 {
    number("RINGBOLT_SCRIPTS").unwrap_or(SCRIPTS).max(1)
}

/// A number in the environment.
fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

/// Short enough to be typed.
fn fresh() -> u64 {
    RandomState::new().hash_one(0) >> 40
}
