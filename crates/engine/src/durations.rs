//! Histograms of how long things took. Each worker fills its own, which nobody else can see; the
//! control thread gets them by giving the worker empty ones in exchange. So a worker shares no word
//! for them, and allocates only when it reaches a server for the first time with a set of them.

use std::time::Duration;

use hdrhistogram::Histogram;
use ringbolt_core::kernel::Span;

/// Longest connect that is told from a longer one, in microseconds: an hour.
const CONNECT_MAX: u64 = 3_600 * 1_000_000;
/// Longest session that is told from a longer one, in microseconds: 400 days.
const SESSION_MAX: u64 = 400 * 24 * 3_600 * 1_000_000;
/// Significant digits: a quantile is right within one percent.
const DIGITS: u8 = 2;

/// How long things took, in microseconds. A histogram takes some 30 KB, so a server has one once it
/// has been reached.
#[derive(Clone, Debug)]
pub struct Durations {
    /// From accept to end of each session that has ended.
    pub sessions: Histogram<u64>,
    /// By the place of the server.
    connects: Vec<Option<Box<Histogram<u64>>>>,
}

impl Default for Durations {
    fn default() -> Self {
        Self { sessions: histogram(SESSION_MAX), connects: Vec::new() }
    }
}

impl Durations {
    /// From the beginning of each connect attempt that succeeded to its success, of the server at a
    /// place; `None` when there was none.
    pub fn connects(&self, place: u16) -> Option<&Histogram<u64>> {
        self.connects.get(usize::from(place))?.as_deref()
    }

    /// Forgets what was measured at places where nobody is any more, or somebody else.
    pub fn forget(&mut self, gone: impl Fn(u16) -> bool) {
        for (place, histogram) in (0..).zip(&mut self.connects) {
            if gone(place) {
                *histogram = None;
            }
        }
    }

    /// Takes in what others hold, and leaves them empty.
    pub fn take_from(&mut self, other: &mut Self) {
        take(&mut self.sessions, &mut other.sessions);
        for (place, part) in (0..).zip(&mut other.connects) {
            if let Some(part) = part {
                take(self.connects_at(place), part);
            }
        }
    }

    /// Keeps a length of time; one that is too long counts as the longest there is.
    pub fn record(&mut self, what: Span, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        match what {
            Span::Session => self.sessions.saturating_record(micros),
            Span::Connect { gauge } => self.connects_at(gauge).saturating_record(micros),
        }
    }

    fn connects_at(&mut self, place: u16) -> &mut Histogram<u64> {
        let place = usize::from(place);
        if self.connects.len() <= place {
            self.connects.resize_with(place + 1, || None);
        }
        self.connects[place].get_or_insert_with(|| Box::new(histogram(CONNECT_MAX)))
    }
}

fn histogram(most: u64) -> Histogram<u64> {
    Histogram::new_with_bounds(1, most, DIGITS).expect("bounds and digits are in range")
}

/// An empty one is not looked into.
fn take(sum: &mut Histogram<u64>, part: &mut Histogram<u64>) {
    if !part.is_empty() {
        sum.add(&*part).expect("all have the same bounds");
        part.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: what is recorded is found at its place, far too long included, until it is forgotten.
    // Method: a few spans.
    #[test]
    fn spans_are_kept() {
        let mut durations = Durations::default();
        durations.record(Span::Connect { gauge: 1 }, Duration::from_millis(3));
        durations.record(Span::Session, Duration::from_secs(7));
        durations.record(Span::Session, Duration::MAX);
        let mut sum = Durations::default();
        sum.take_from(&mut durations.clone());
        sum.take_from(&mut durations);
        assert!(durations.sessions.is_empty() && durations.connects(1).unwrap().is_empty());
        assert!(sum.connects(0).is_none() && sum.connects(2).is_none());
        let connects = sum.connects(1).unwrap();
        let middle = connects.value_at_quantile(0.5);
        assert!(connects.len() == 2 && (2_970..=3_030).contains(&middle), "{middle} µs");
        assert_eq!(sum.sessions.len(), 4);
        let longest = sum.sessions.max();
        assert!(longest >= SESSION_MAX - SESSION_MAX / 100, "{longest} µs");
        sum.forget(|place| place == 1);
        assert!(sum.connects(1).is_none());
    }
}
