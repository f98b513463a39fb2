//! Sessions a second: how far each counter went in the last second, and the fastest second so far.

use std::time::{Duration, Instant};

/// A number a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rate {
    /// In the last second that is over.
    pub(super) now: u64,
    /// In the fastest second since this engine began.
    pub(super) most: u64,
}

/// The rates of a list of counters.
#[derive(Debug, Default)]
pub(super) struct Rates {
    rates: Vec<Rate>,
    /// When they were last looked at, and what they said.
    before: Option<(Instant, Vec<u64>)>,
}

impl Rates {
    /// Takes note of where the counters are.
    pub(super) fn look(&mut self, now: Instant, totals: Vec<u64>) {
        self.rates.resize(totals.len(), Rate::default());
        if let Some((at, before)) = &self.before {
            let span = now.duration_since(*at);
            for (rate, (now, before)) in self.rates.iter_mut().zip(totals.iter().zip(before)) {
                rate.now = a_second(now.saturating_sub(*before), span);
                rate.most = rate.most.max(rate.now);
            }
        }
        self.before = Some((now, totals));
    }

    /// In the order of the counters.
    pub(super) fn all(&self) -> &[Rate] {
        &self.rates
    }
}

/// A look may come late, so what it sees is spread over the time that has passed.
fn a_second(count: u64, span: Duration) -> u64 {
    let micros = span.as_micros().max(1);
    u64::try_from((u128::from(count) * 1_000_000 + micros / 2) / micros).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: rates are of the last look and remember the fastest; a late look exaggerates nothing.
    // Method: four looks, the last of them after two seconds.
    #[test]
    fn rates_are_a_second() {
        let start = Instant::now();
        let mut rates = Rates::default();
        let mut look = |seconds, total| {
            rates.look(start + Duration::from_secs(seconds), vec![total]);
            rates.all()[0]
        };
        assert_eq!(look(0, 1_000), Rate { now: 0, most: 0 });
        assert_eq!(look(1, 1_010), Rate { now: 10, most: 10 });
        assert_eq!(look(2, 1_011), Rate { now: 1, most: 10 });
        assert_eq!(look(4, 1_051), Rate { now: 20, most: 20 });
    }
}
