//! What a run found, for people: a table in the terminal, one for README, and a page with plots.

mod growth;
mod latency;
mod markdown;
mod page;
mod plot;
mod ratios;
mod terminal;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::product::Product;
use crate::results::Run;
use crate::scenario::Scenario;
use crate::statistics::Spread;
use crate::verdict::{self, Judged, rounds};

pub(crate) use markdown::markdown;
pub(crate) use terminal::terminal;

/// The page, in a results folder.
pub(crate) const PAGE: &str = "report.html";

/// Shorter turns are for trying things out.
const SHORTEST: Duration = Duration::from_secs(1);

/// Writes the page into the run's folder.
///
/// # Errors
/// Those of its files.
pub(crate) fn write(run: &Run, folder: &Path) -> Result<()> {
    let file = folder.join(PAGE);
    fs::write(&file, page::page(run, folder)?).with_context(|| file.display().to_string())
}

/// A product's figures in a scenario, as a table has them.
struct Line {
    product: Product,
    /// One for each figure of the scenario.
    figures: Vec<Option<Spread>>,
}

/// All products that have figures in a scenario, in its order.
fn lines(run: &Run, scenario: &Scenario) -> Vec<Line> {
    let line = |product: &Product| {
        let spread = |figure| {
            let values = rounds(run.of(&scenario.name, *product), figure);
            Spread::of(values.into_iter().map(|(_, value)| value))
        };
        let figures: Vec<_> = scenario.figures.iter().map(|figure| spread(*figure)).collect();
        Line { product: *product, figures }
    };
    let lines = scenario.products.iter().map(line);
    lines.filter(|line| line.figures.iter().any(Option::is_some)).collect()
}

/// What stands above [`row`].
const ROW: [&str; 9] =
    ["", "against", "ours", "theirs", "ratio (quartiles)", "floor", "must", "stretch", ""];

/// A row as every table has it; empty where there is nothing.
fn row(run: &Run, one: &Judged<'_>) -> Vec<String> {
    let show = |value| one.figure.show(one.scenario, value);
    let mut ratio = String::new();
    if one.against.is_some() {
        let Spread { median, lower, upper, .. } = one.reached;
        let _ = write!(ratio, "{median:.2} ({lower:.2}–{upper:.2})");
    }
    if let Some(rate) = one.at_bulk {
        let _ = write!(ratio, " at {rate:.2} of its bulk");
    }
    vec![
        format!("{}: {}", one.title, one.figure.title(one.scenario)),
        one.against.map(|product| run.versioned(product)).unwrap_or_default(),
        show(one.ours.median),
        one.theirs.map(|spread| show(spread.median)).unwrap_or_default(),
        ratio,
        one.floor.map(|floor| format!("{:.2}", floor.median)).unwrap_or_default(),
        one.bar.must.map(|must| one.show_bar(must)).unwrap_or_default(),
        one.bar.stretch.map(|stretch| one.show_bar(stretch)).unwrap_or_default(),
        one.verdict.word().into(),
    ]
}

/// What is not in the figures: who is not there, what broke, rows that were not measured.
fn reservations(run: &Run) -> Vec<String> {
    let mut all = Vec::new();
    if !run.complete {
        all.push("This run was broken off; what follows is a part of it.".into());
    }
    let short = |scenario: &&Scenario| scenario.measured < SHORTEST;
    if let Some(scenario) = run.scenarios.iter().find(short) {
        all.push(format!("turns of {:?} are too short to mean anything", scenario.measured));
    }
    all.extend(
        run.left_out.iter().map(|one| format!("left out: {}: {}", one.product.title(), one.why)),
    );
    all.extend(run.broken.iter().map(ToString::to_string));
    let missing = verdict::missing(run);
    if !missing.is_empty() {
        all.push(format!("not measured in this run: {}", missing.join("; ")));
    }
    all
}

/// Whether a cell of a table is a verdict.
fn is_verdict(word: &str) -> bool {
    use verdict::Verdict::{Floor, Lost, Must, Stretch};
    [Stretch, Must, Floor, Lost].iter().any(|verdict| verdict.word() == word)
}
