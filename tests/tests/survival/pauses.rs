//! How long those who talk had to wait: for each of them and each dead engine, the longest of the round
//! trips that ended before the next one died. What is measured before the first death tells what the
//! machine adds by itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

/// Waits by what they are counted to.
#[derive(Debug)]
pub(crate) struct Pauses {
    deaths: AtomicUsize,
    /// Without a death, and with one; in microseconds.
    waits: Mutex<[Histogram<u64>; 2]>,
}

/// The longest wait of one who talks, and the death that it counts to.
#[derive(Debug, Default)]
pub(crate) struct Longest {
    death: usize,
    wait: Duration,
}

impl Pauses {
    pub(crate) fn new() -> Self {
        let empty = || Histogram::new_with_max(60_000_000, 3).expect("bounds that it can have");
        Self { deaths: AtomicUsize::new(0), waits: Mutex::new([empty(), empty()]) }
    }

    /// From now on waits count to the next death.
    pub(crate) fn engine_dies(&self) {
        self.deaths.fetch_add(1, Ordering::SeqCst);
    }

    /// A round trip of somebody's took so long and has just ended.
    pub(crate) fn waited(&self, longest: &mut Longest, wait: Duration) {
        let death = self.deaths.load(Ordering::SeqCst);
        if death != longest.death {
            self.note(longest);
            *longest = Longest { death, wait };
        }
        longest.wait = longest.wait.max(wait);
    }

    /// Somebody has talked enough.
    pub(crate) fn note(&self, longest: &Longest) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let micros = longest.wait.as_micros() as u64;
        waits[usize::from(longest.death > 0)].saturating_record(micros);
    }

    pub(crate) fn in_words(&self) -> String {
        let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let [quiet, death] = waits.each_ref().map(|waits| {
            let at = |quantile| waits.value_at_quantile(quantile) as f64 / 1e3;
            format!("p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms", at(0.5), at(0.99), at(1.0))
        });
        format!(
            "pause of those who talk, the longest round trip of each after each of {} deaths: {death}; \
             before the first, in half a second to a second: {quiet}",
            self.deaths.load(Ordering::SeqCst)
        )
    }
}
