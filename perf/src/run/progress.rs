//! How far a run is: a bar on a terminal, and a line for each scenario elsewhere.

use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use crate::product::Product;
use crate::scenario::Scenario;

/// Cells of the bar.
const WIDTH: usize = 24;

/// How far it is.
#[derive(Debug)]
pub(crate) struct Progress {
    whole: Duration,
    done: Duration,
    bar: bool,
}

impl Progress {
    /// Of a run that will take so long, about.
    pub(crate) fn new(whole: Duration) -> Self {
        Self { whole, done: Duration::ZERO, bar: stderr().is_terminal() }
    }

    /// A scenario begins.
    pub(crate) fn scenario(&self, scenario: &Scenario) {
        if !self.bar {
            let left = self.whole.saturating_sub(self.done);
            eprintln!("{} ({} left)", scenario.title, minutes(left));
        }
    }

    /// A turn begins.
    pub(crate) fn turn(&self, scenario: &Scenario, product: Product, round: u32) {
        if self.bar {
            let left = minutes(self.whole.saturating_sub(self.done));
            let line = format!(
                "{} {left} left  {}, round {} of {}: {}",
                bar(self.done.as_secs_f64() / self.whole.as_secs_f64()),
                scenario.name,
                round + 1,
                scenario.rounds,
                product.title()
            );
            // Beginning of the line; what is left of the old one is erased.
            eprint!("\r{line}\x1b[K");
            let _ = stderr().flush();
        }
    }

    /// A part of that length is over.
    pub(crate) fn done(&mut self, length: Duration) {
        self.done += length;
    }

    /// Something to tell, which stays.
    pub(crate) fn say(&self, text: &str) {
        eprintln!("{}{text}", if self.bar { "\r\x1b[K" } else { "" });
    }

    /// It is over.
    pub(crate) fn end(&self) {
        if self.bar {
            eprint!("\r\x1b[K");
        }
    }
}

fn bar(share: f64) -> String {
    let full = ((share * WIDTH as f64) as usize).min(WIDTH);
    format!("[{}{}]", "#".repeat(full), "·".repeat(WIDTH - full))
}

fn minutes(length: Duration) -> String {
    match length.as_secs() {
        seconds @ ..90 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_its_share() {
        assert_eq!(bar(0.0), format!("[{}]", "·".repeat(WIDTH)));
        assert_eq!(bar(0.5).matches('#').count(), WIDTH / 2);
        assert_eq!(bar(1.7), format!("[{}]", "#".repeat(WIDTH)));
    }

    #[test]
    fn minutes_are_never_too_few() {
        assert_eq!(minutes(Duration::from_secs(89)), "89 s");
        assert_eq!(minutes(Duration::from_secs(121)), "3 min");
    }
}
