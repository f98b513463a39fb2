//! Histograms of how long things took. Each worker fills its own, which nobody else can see; the
//! control thread gets them by giving the worker empty ones in exchange. So a worker neither
//! allocates nor shares a word for them.

use std::time::Duration;

use hdrhistogram::Histogram;
use ringbolt_core::kernel::Span;

/// Longest connect that is told from a longer one, in microseconds: an hour.
const CONNECT_MAX: u64 = 3_600 * 1_000_000;
/// Longest session that is told from a longer one, in microseconds: 400 days.
const SESSION_MAX: u64 = 400 * 24 * 3_600 * 1_000_000;
/// Significant digits: a quantile is right within one percent.
const DIGITS: u8 = 2;

/// How long things took, in microseconds. A histogram takes some 30 KB, used or not.
#[derive(Clone, Debug)]
pub struct Durations {
    /// From accept to end of each session that has ended.
    pub sessions: Histogram<u64>,
    /// From the beginning of each connect attempt that succeeded to its success, by the server's
    /// gauge.
    pub connects: Vec<Histogram<u64>>,
}

impl Durations {
    /// Empty ones for so many servers.
    pub fn new(servers: usize) -> Self {
        let histogram = |most| {
            Histogram::new_with_bounds(1, most, DIGITS).expect("bounds and digits are in range")
        };
        Self {
            sessions: histogram(SESSION_MAX),
            connects: (0..servers).map(|_| histogram(CONNECT_MAX)).collect(),
        }
    }

    /// Takes in what others hold, which have as many servers, and leaves them empty.
    pub fn take_from(&mut self, other: &mut Self) {
        take(&mut self.sessions, &mut other.sessions);
        for (sum, part) in self.connects.iter_mut().zip(&mut other.connects) {
            take(sum, part);
        }
    }

    pub(crate) fn record(&mut self, what: Span, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        match what {
            Span::Session => self.sessions.saturating_record(micros),
            Span::Connect { gauge } => {
                if let Some(histogram) = self.connects.get_mut(usize::from(gauge)) {
                    histogram.saturating_record(micros);
                }
            }
        }
    }
}

/// An empty one is not looked into: its memory may never have been touched, and shall not be.
fn take(sum: &mut Histogram<u64>, part: &mut Histogram<u64>) {
    if !part.is_empty() {
        sum.add(&*part).expect("all have the same bounds");
        part.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: what is recorded is found at its place, far too long included. Method: a few spans.
    #[test]
    fn spans_are_kept() {
        let mut durations = Durations::new(2);
        durations.record(Span::Connect { gauge: 1 }, Duration::from_millis(3));
        durations.record(Span::Session, Duration::from_secs(7));
        durations.record(Span::Session, Duration::MAX);
        let mut sum = Durations::new(2);
        sum.take_from(&mut durations.clone());
        sum.take_from(&mut durations);
        assert!(durations.sessions.is_empty() && durations.connects[1].is_empty());
        assert_eq!((sum.connects[0].len(), sum.connects[1].len()), (0, 2));
        let middle = sum.connects[1].value_at_quantile(0.5);
        assert!((2_970..=3_030).contains(&middle), "{middle} µs");
        assert_eq!(sum.sessions.len(), 4);
        let longest = sum.sessions.max();
        assert!(longest >= SESSION_MAX - SESSION_MAX / 100, "{longest} µs");
    }
}
