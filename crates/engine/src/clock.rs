//! The one clock: monotonic, the same for every process since boot.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use ringbolt_core::time::Instant;

/// The time now, on the clock that the region's moments are of.
pub fn now() -> Instant {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC)
        .expect("the monotonic clock is there on every Linux");
    Instant::from_nanos(0) + Duration::from(time)
}
