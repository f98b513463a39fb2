//! Whether what was counted is what was to be expected.

use std::fmt;

use crate::results::{Expected, Outcome, Tally};

/// A count less likely than this, were the expectation true, is taken to disprove it.
pub(crate) const SIGNIFICANCE: f64 = 1e-6;

impl Tally {
    pub(crate) fn count(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Kept => &mut self.kept,
            Outcome::Recovered => &mut self.recovered,
            Outcome::Lost => &mut self.lost,
            Outcome::Refused => &mut self.refused,
        } += 1;
    }

    pub(crate) fn of(self, outcome: Outcome) -> u32 {
        match outcome {
            Outcome::Kept => self.kept,
            Outcome::Recovered => self.recovered,
            Outcome::Lost => self.lost,
            Outcome::Refused => self.refused,
        }
    }

    /// Whether every session went on.
    pub(crate) fn went_on(self) -> bool {
        self.lost + self.refused == 0
    }

    pub(crate) fn total(self) -> u32 {
        self.kept + self.recovered + self.lost + self.refused
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [Outcome::Kept, Outcome::Recovered, Outcome::Lost, Outcome::Refused];
        let some = all.into_iter().filter(|outcome| self.of(*outcome) > 0);
        let words: Vec<_> = some.map(|outcome| format!("{} {outcome}", self.of(outcome))).collect();
        f.write_str(if words.is_empty() { "nothing".into() } else { words.join(", ") }.as_str())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kept => "kept",
            Self::Recovered => "recovered",
            Self::Lost => "lost",
            Self::Refused => "refused",
        })
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All { outcome } => write!(f, "all {outcome}"),
            Self::Draw { outcome, share, otherwise, .. } => {
                write!(f, "{:.0} % {outcome} and the rest {otherwise}", share * 100.0)
            }
        }
    }
}

/// Whether a tally is as expected, and for a draw the probability of one at least as far from it.
/// An empty tally shows nothing, so it is not.
pub(crate) fn judged(tally: Tally, expected: &Expected) -> (bool, Option<f64>) {
    let total = tally.total();
    match expected {
        Expected::All { outcome } => (total > 0 && tally.of(*outcome) == total, None),
        Expected::Draw { outcome, share, otherwise, .. } => {
            let p_value = two_sided(total, tally.of(*outcome), *share);
            let only_these = tally.of(*outcome) + tally.of(*otherwise) == total;
            (total > 0 && only_these && p_value >= SIGNIFICANCE, Some(p_value))
        }
    }
}

/// The probability that of `trials` draws with probability `share` as few as `hits` succeed or as
/// many, whichever is less likely, doubled: the exact two-sided binomial test. (A crate that has it
/// has linear algebra beside it.)
///
/// # Panics
///
/// When `share` is not between 0 and 1.
pub(crate) fn two_sided(trials: u32, hits: u32, share: f64) -> f64 {
    assert!(0.0 < share && share < 1.0, "no draw: {share}");
    // Sums of logarithms, because the factors leave the range of a double.
    let mut log_factorials = vec![0.0_f64];
    for factor in 1..=trials {
        log_factorials.push(log_factorials[log_factorials.len() - 1] + f64::from(factor).ln());
    }
    let factorial = |of: u32| log_factorials[of as usize];
    let probability = |hits: u32| {
        let misses = trials - hits;
        let ways = factorial(trials) - factorial(hits) - factorial(misses);
        (ways + f64::from(hits) * share.ln() + f64::from(misses) * (1.0 - share).ln()).exp()
    };
    let as_few: f64 = (0..=hits).map(probability).sum();
    let as_many: f64 = (hits..=trials).map(probability).sum();
    (2.0 * as_few.min(as_many)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums of the distribution, by hand: 4 draws of 1/2 have 1, 4, 6, 4, 1 of 16.
    #[test]
    fn small_cases_by_hand() {
        for (hits, sixteenths) in [(0, 2), (1, 10), (2, 16), (3, 10), (4, 2)] {
            let expected = f64::from(sixteenths) / 16.0;
            assert!((two_sided(4, hits, 0.5) - expected).abs() < 1e-12, "{hits} of 4");
        }
        // 0.9^10, doubled.
        assert!((two_sided(10, 0, 0.1) - 2.0 * 0.9_f64.powi(10)).abs() < 1e-12);
    }

    /// Of 2,000 reconnects with N = 3, five standard deviations are off and four are not.
    #[test]
    fn the_bounds_of_a_point() {
        let share: f64 = 2.0 / 3.0;
        let deviation = (2000.0 * share * (1.0 - share)).sqrt();
        let hits = |deviations: f64| (2000.0 * share + deviations * deviation).round() as u32;
        for side in [-1.0, 1.0] {
            assert!(two_sided(2000, hits(side * 4.0), share) > SIGNIFICANCE);
            assert!(two_sided(2000, hits(side * 5.2), share) < SIGNIFICANCE);
        }
    }

    #[test]
    fn one_outcome_for_all_allows_no_other() {
        let expected = Expected::All { outcome: Outcome::Kept };
        assert_eq!(judged(Tally { kept: 100, ..Tally::default() }, &expected), (true, None));
        assert!(!judged(Tally { kept: 99, lost: 1, ..Tally::default() }, &expected).0);
        assert!(!judged(Tally::default(), &expected).0, "nothing was shown");
    }

    #[test]
    fn a_draw_allows_two_outcomes_in_their_shares() {
        let (outcome, otherwise) = (Outcome::Lost, Outcome::Kept);
        let expected = Expected::Draw { outcome, share: 0.5, otherwise, why: String::new() };
        assert!(judged(Tally { kept: 45, lost: 55, ..Tally::default() }, &expected).0);
        assert!(!judged(Tally { kept: 5, lost: 95, ..Tally::default() }, &expected).0);
        let refused = Tally { kept: 45, lost: 54, refused: 1, ..Tally::default() };
        assert!(!judged(refused, &expected).0);
    }
}
