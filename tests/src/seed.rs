//! The seed of what is random in a test.

use std::env;
use std::hash::{BuildHasher, RandomState};

use crate::say;

/// RINGBOLT_SEED, or a fresh one that is short enough to be typed; said aloud, so that whoever sees a
/// failure can have it again.
///
/// # Panics
///
/// When RINGBOLT_SEED is no number.
pub fn seed(test: &str) -> u64 {
    let seed = match env::var("RINGBOLT_SEED") {
        Ok(text) => text.parse().unwrap_or_else(|error| panic!("RINGBOLT_SEED={text}: {error}")),
        Err(_) => RandomState::new().hash_one(0) >> 40,
    };
    say(&format!("{test}: RINGBOLT_SEED={seed}"));
    seed
}
