//! The measured part of a job: which units count, and when there are no more.

use std::cell::{Cell, Ref, RefCell};
use std::io;
use std::time::Instant;

use super::tally::Tally;
use crate::job::Amount;

/// A unit that may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// When it should; latency counts from then.
    pub(super) due: Instant,
    /// Whether it counts: not in the warm-up.
    pub(super) counts: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    WarmUp,
    /// How many units may still begin; `None`: as many as can.
    Measuring(Option<u64>),
    Over,
}

/// What the tasks of a job share.
pub(super) struct Part {
    phase: Cell<Phase>,
    tally: RefCell<Tally>,
}

impl Part {
    /// In the warm-up.
    pub(super) fn new() -> Self {
        Self { phase: Cell::new(Phase::WarmUp), tally: RefCell::new(Tally::new(Instant::now())) }
    }

    /// What is measured begins.
    pub(super) fn begin(&self, amount: Amount) {
        self.tally.borrow_mut().begin(Instant::now());
        self.phase.set(Phase::Measuring(match amount {
            Amount::For(_) => None,
            Amount::Units(units) => Some(units),
        }));
    }

    /// No unit begins from now on.
    pub(super) fn end(&self) {
        self.tally.borrow_mut().end(Instant::now());
        self.phase.set(Phase::Over);
    }

    /// Lets a unit begin that is due now; `None`: there are no more.
    pub(super) fn turn(&self, due: Instant) -> Option<Turn> {
        let counts = match self.phase.get() {
            Phase::WarmUp => false,
            Phase::Measuring(None) => true,
            Phase::Measuring(Some(0)) | Phase::Over => return None,
            Phase::Measuring(Some(left)) => {
                self.phase.set(Phase::Measuring(Some(left - 1)));
                true
            }
        };
        Some(Turn { due, counts })
    }

    /// A unit was answered, and brought so many bytes both ways together.
    pub(super) fn answered(&self, turn: Turn, bytes: u64) {
        if turn.counts {
            self.tally.borrow_mut().answered(turn.due, Instant::now(), bytes);
        }
    }

    /// A connection failed; in the warm-up too, since that is no less wrong.
    pub(super) fn failed(&self, error: &io::Error) {
        let mut tally = self.tally.borrow_mut();
        tally.failures += 1;
        tally.first_failure.get_or_insert_with(|| error.to_string());
    }

    /// What was counted.
    pub(super) fn tally(&self) -> Ref<'_, Tally> {
        self.tally.borrow()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_warm_up_does_not_count() {
        let (part, now) = (Part::new(), Instant::now());
        let early = part.turn(now).unwrap();
        assert!(!early.counts);
        part.begin(Amount::Units(2));
        part.answered(early, 10);
        let counted = part.turn(now).unwrap();
        assert!(counted.counts);
        part.answered(counted, 10);
        assert_eq!((part.tally().outcome().units, part.tally().outcome().bytes), (1, 10));
    }

    #[test]
    fn units_are_as_many_as_asked_for() {
        let (part, now) = (Part::new(), Instant::now());
        part.begin(Amount::Units(3));
        assert_eq!(std::iter::from_fn(|| part.turn(now)).count(), 3);
    }

    #[test]
    fn the_end_is_the_end_and_failures_before_it_stay() {
        let (part, now) = (Part::new(), Instant::now());
        part.failed(&io::ErrorKind::TimedOut.into());
        part.begin(Amount::For(Duration::from_secs(1)));
        let turn = part.turn(now).unwrap();
        part.end();
        assert_eq!(part.turn(now), None);
        part.answered(turn, 1);
        let outcome = part.tally().outcome();
        assert_eq!((outcome.units, outcome.failures), (1, 1));
    }
}
