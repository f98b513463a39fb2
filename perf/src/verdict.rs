//! What a run says of the numbers to reach.

use crate::figure::{Better, Figure};
use crate::product::Product;
use crate::results::{Measurement, Run};
use crate::rows::{Against, Bar, Generation, ROWS, Row};
use crate::scenario::{Mode, Scenario};
use crate::statistics::{self, Spread};

/// One row against one product or value, judged.
#[derive(Clone, Debug)]
pub(crate) struct Judged<'a> {
    /// What the row is about.
    pub(crate) title: String,
    /// What was done.
    pub(crate) scenario: &'a Scenario,
    /// What was read out of it.
    pub(crate) figure: Figure,
    /// Against whom; `None`: against a value.
    pub(crate) against: Option<Product>,
    /// Ours.
    pub(crate) ours: Spread,
    /// Theirs.
    pub(crate) theirs: Option<Spread>,
    /// What is compared with the bar: ours by theirs, pair by pair, or ours.
    pub(crate) reached: Spread,
    /// The bare relay of the row by theirs, pair by pair: the share that is the kernel's.
    pub(crate) floor: Option<Spread>,
    /// Our bulk rate by theirs, where the row asks for a part of it.
    pub(crate) at_bulk: Option<f64>,
    /// The bar.
    pub(crate) bar: Bar,
    /// What comes out.
    pub(crate) verdict: Verdict,
}

/// How a row went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// What is wished for.
    Stretch,
    /// What must be.
    Must,
    /// Not what must be, but the kernel alone does not reach that either.
    Floor,
    /// Less.
    Lost,
    /// There is no bar.
    Shown,
}

impl Verdict {
    /// In a word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Stretch => "stretch",
            Self::Must => "must",
            Self::Floor => "floor",
            Self::Lost => "lost",
            Self::Shown => "",
        }
    }
}

impl Judged<'_> {
    /// A bar as it is written: a ratio, or a value.
    pub(crate) fn show_bar(&self, bar: f64) -> String {
        match self.against {
            Some(_) => format!("{bar:.2}"),
            None => self.figure.show(self.scenario, bar),
        }
    }
}

/// Every row that the run has figures for, in the table's order; for a run against another revision
/// what every scenario is about.
pub(crate) fn judge(run: &Run) -> Vec<Judged<'_>> {
    let haproxy = run.entrants.iter().find(|one| one.product == Product::Haproxy);
    let generation = haproxy.and_then(|one| Generation::of(&one.version));
    if run.entrants.iter().any(|one| one.product == Product::Base) {
        return run.scenarios.iter().flat_map(|scenario| against_base(run, scenario)).collect();
    }
    let mut all = Vec::new();
    for row in ROWS {
        let counts = |bar: &&Bar| match bar.against {
            Against::Haproxy(wanted) => generation == Some(wanted),
            Against::Product(_) | Against::Value => true,
        };
        all.extend(row.bars.iter().filter(counts).filter_map(|bar| compare(run, row, *bar)));
    }
    all
}

/// Rows that a run had nothing for, so that no table looks whole which is not; none where nobody was
/// held against anything.
pub(crate) fn missing(run: &Run) -> Vec<&'static str> {
    let judged = judge(run);
    let against_base = judged.iter().any(|one| one.bar.must.is_none());
    if run.mode == Mode::Growth || judged.is_empty() || against_base {
        return Vec::new();
    }
    let absent = |row: &&Row| !judged.iter().any(|one| one.title == row.title);
    ROWS.iter().filter(absent).map(|row| row.title).collect()
}

fn against_base<'a>(run: &'a Run, scenario: &'a Scenario) -> Vec<Judged<'a>> {
    let bar =
        Bar { against: Against::Product(Product::Base), must: None, stretch: None, at_bulk: None };
    // The first two are what it is about, and what it must not be bought with.
    let figures = scenario.figures.iter().take(2);
    figures
        .filter_map(|figure| judged(run, scenario, *figure, &scenario.title, None, bar))
        .collect()
}

fn compare<'a>(run: &'a Run, row: &Row, bar: Bar) -> Option<Judged<'a>> {
    judged(run, run.scenario(row.scenario)?, row.figure, row.title, row.floor, bar)
}

fn judged<'a>(
    run: &'a Run,
    scenario: &'a Scenario,
    figure: Figure,
    title: &str,
    floor: Option<Product>,
    bar: Bar,
) -> Option<Judged<'a>> {
    let rounds = |product, figure| rounds(run.of(&scenario.name, product), figure);
    let ours = rounds(Product::Ringbolt, figure);
    let against = bar.against.product();
    let theirs = against.map(|product| rounds(product, figure));
    let reached = match &theirs {
        Some(theirs) => statistics::ratios(&ours, theirs),
        None => ours.iter().map(|(_, value)| *value).collect(),
    };
    let floor = theirs
        .as_ref()
        .zip(floor)
        .and_then(|(theirs, relay)| Spread::of(statistics::ratios(&rounds(relay, figure), theirs)));
    let at_bulk = against.filter(|_| bar.at_bulk.is_some()).and_then(|product| {
        let rate = |product| rounds(product, Figure::Beside);
        let ratios = statistics::ratios(&rate(Product::Ringbolt), &rate(product));
        Some(Spread::of(ratios)?.median)
    });
    let reached = Spread::of(reached)?;
    Some(Judged {
        title: title.into(),
        scenario,
        figure,
        against,
        ours: Spread::of(ours.into_iter().map(|(_, value)| value))?,
        theirs: theirs.and_then(|theirs| Spread::of(theirs.into_iter().map(|(_, value)| value))),
        verdict: verdict(figure.better(), reached.median, bar, floor, at_bulk),
        reached,
        floor,
        at_bulk,
        bar,
    })
}

/// The figure of every round that has it.
pub(crate) fn rounds<'a>(
    measurements: impl Iterator<Item = &'a Measurement>,
    figure: Figure,
) -> Vec<(u32, f64)> {
    measurements.filter_map(|one| Some((one.round, figure.of(one)?))).collect()
}

fn verdict(
    better: Better,
    reached: f64,
    bar: Bar,
    floor: Option<Spread>,
    at_bulk: Option<f64>,
) -> Verdict {
    let passes = |value: f64, bar: f64| match better {
        Better::Lower => value <= bar,
        Better::Higher => value >= bar,
    };
    let Some(must) = bar.must else { return Verdict::Shown };
    if bar.at_bulk.is_some_and(|wanted| at_bulk.is_none_or(|rate| rate < wanted)) {
        return Verdict::Lost;
    }
    if bar.stretch.is_some_and(|stretch| passes(reached, stretch)) {
        Verdict::Stretch
    } else if passes(reached, must) {
        Verdict::Must
    } else if floor.is_some_and(|floor| !passes(floor.median, must)) {
        Verdict::Floor
    } else {
        Verdict::Lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAR: Bar =
        Bar { against: Against::Value, must: Some(0.9), stretch: Some(0.8), at_bulk: None };

    fn of(reached: f64, floor: Option<f64>) -> Verdict {
        verdict(Better::Lower, reached, BAR, floor.and_then(|floor| Spread::of([floor])), None)
    }

    #[test]
    fn bars_are_reached_when_they_are_met() {
        assert_eq!(of(0.8, None), Verdict::Stretch);
        assert_eq!(of(0.81, None), Verdict::Must);
        assert_eq!(of(0.9, None), Verdict::Must);
        assert_eq!(of(0.91, None), Verdict::Lost);
        let rate = Bar { must: Some(1.0), stretch: Some(1.2), ..BAR };
        assert_eq!(verdict(Better::Higher, 1.1, rate, None, None), Verdict::Must);
        assert_eq!(verdict(Better::Higher, 0.99, rate, None, None), Verdict::Lost);
    }

    #[test]
    fn the_floor_excuses_only_where_it_misses_the_bar() {
        assert_eq!(of(0.95, Some(0.92)), Verdict::Floor);
        assert_eq!(of(0.95, Some(0.89)), Verdict::Lost);
        assert_eq!(of(0.85, Some(0.92)), Verdict::Must);
        let bar = Bar { must: Some(1.0), stretch: Some(1.2), ..BAR };
        let rate =
            |reached, floor| verdict(Better::Higher, reached, bar, Spread::of([floor]), None);
        assert_eq!(rate(0.9, 0.95), Verdict::Floor);
        assert_eq!(rate(0.9, 1.05), Verdict::Lost);
        assert_eq!(rate(1.1, 0.95), Verdict::Must);
    }

    #[test]
    fn a_latency_bought_with_bulk_does_not_count() {
        let bar = Bar { at_bulk: Some(0.9), ..BAR };
        assert_eq!(verdict(Better::Lower, 0.1, bar, None, Some(0.95)), Verdict::Stretch);
        assert_eq!(verdict(Better::Lower, 0.1, bar, None, Some(0.85)), Verdict::Lost);
        assert_eq!(verdict(Better::Lower, 0.1, bar, None, None), Verdict::Lost);
    }
}
