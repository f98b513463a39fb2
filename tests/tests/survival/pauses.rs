//! How long those who talk had to wait: for each of them and each dead engine, the longest of the round
//! trips that ended before the next one died. What is measured before the first death tells what the
//! machine adds by itself.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

/// What else was going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// No engine has died yet.
    Life = 0,
    /// Little bulk.
    Calm = 1,
    /// As much bulk as the machine moves.
    Bulk = 2,
}

/// Waits by what they are counted to.
#[derive(Debug)]
pub(crate) struct Pauses {
    counting: AtomicBool,
    deaths: AtomicUsize,
    beside: AtomicUsize,
    /// In microseconds.
    waits: Mutex<[Histogram<u64>; 3]>,
}

/// The longest wait of one who talks, and the death that it counts to.
#[derive(Debug, Default)]
pub(crate) struct Longest {
    death: usize,
    beside: usize,
    wait: Duration,
}

impl Pauses {
    pub(crate) fn new() -> Self {
        let empty = |_| Histogram::new_with_max(60_000_000, 3).expect("bounds that it can have");
        Self {
            counting: AtomicBool::new(false),
            deaths: AtomicUsize::new(0),
            beside: AtomicUsize::new(Beside::Life as usize),
            waits: Mutex::new([0, 1, 2].map(empty)),
        }
    }

    /// Before that nothing counts: everybody has come at once.
    pub(crate) fn begin(&self) {
        self.counting.store(true, Ordering::SeqCst);
    }

    /// From now on waits count to the next death.
    pub(crate) fn engine_dies(&self, beside: Beside) {
        self.beside.store(beside as usize, Ordering::SeqCst);
        self.deaths.fetch_add(1, Ordering::SeqCst);
    }

    /// A round trip of somebody's took so long and has just ended.
    pub(crate) fn waited(&self, longest: &mut Longest, wait: Duration) {
        if !self.counting.load(Ordering::SeqCst) {
            return;
        }
        let death = self.deaths.load(Ordering::SeqCst);
        if death != longest.death {
            self.note(longest);
            let beside = self.beside.load(Ordering::SeqCst);
            *longest = Longest { death, beside, wait };
        }
        longest.wait = longest.wait.max(wait);
    }

    /// Somebody has talked enough.
    pub(crate) fn note(&self, longest: &Longest) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        waits[longest.beside].saturating_record(longest.wait.as_micros() as u64);
    }

    pub(crate) fn in_words(&self) -> [String; 3] {
        let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let words = |beside: Beside| {
            let at = |quantile| waits[beside as usize].value_at_quantile(quantile) as f64 / 1e3;
            format!("p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms", at(0.5), at(0.99), at(1.0))
        };
        [
            format!(
                "pause of those who talk, the longest round trip of each after each death: {}",
                words(Beside::Calm)
            ),
            format!("the same beside all the bulk that the machine moves: {}", words(Beside::Bulk)),
            format!("the longest in a second without a death: {}", words(Beside::Life)),
        ]
    }
}
