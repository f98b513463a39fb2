//! Whatever text an `haproxy.cfg` holds: it is carried or refused without a panic, all that is said lies
//! in it and can be shown, and what is made of it is a ringbolt.toml.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringbolt_config::{Diagnostic, Included, Product, Surroundings};
use ringbolt_fuzz::holds;

/// Some variables are set.
struct Around;

impl Surroundings for Around {
    fn variable(&self, name: &str) -> Option<String> {
        (name.len() % 2 == 1).then(|| format!("8765 {name}"))
    }

    fn include(&self, _: &str, _: usize) -> Result<Vec<Included>, Diagnostic> {
        unreachable!("HAProxy includes nothing")
    }
}

fuzz_target!(|text: &str| holds(Product::Haproxy, "haproxy.cfg", text, &Around));
