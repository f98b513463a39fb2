//! When to try again what has failed: soon, and later each time that it fails again.

use core::time::Duration;

use crate::time::Instant;

const FIRST: Duration = Duration::from_millis(10);
const DOUBLINGS_MAX: u32 = 3; // 10 ms · 2^3 = 80 ms, within which HAProxy tries again too

/// The pause before the next try.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BackOff {
    /// Not before this; `None`: at any time.
    until: Option<Instant>,
    failures: u32,
}

impl BackOff {
    /// It has failed: later.
    pub(crate) fn fail(&mut self, now: Instant) {
        self.until = Some(now + FIRST * (1 << self.failures.min(DOUBLINGS_MAX)));
        self.failures += 1;
    }

    /// It has succeeded: a failure after this is a first one.
    pub(crate) fn succeed(&mut self) {
        self.failures = 0;
    }

    /// What it has failed of may have gone: try before long.
    pub(crate) fn hasten(&mut self, at: Instant) {
        self.until = self.until.map(|until| until.min(at));
    }

    /// Ends a pause that has passed.
    pub(crate) fn look(&mut self, now: Instant) {
        self.until = self.until.filter(|until| *until > now);
    }

    /// When the pause ends; `None`: there is none.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }
}
