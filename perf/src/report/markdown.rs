//! The tables that README quotes, and a check that they are still the same.

use std::iter;

use super::{ROW, lines, reservations, row};
use crate::results::Run;
use crate::verdict::judge;

/// How the rows went, or, where nobody was there to be held against, what everybody took; and where
/// it was measured.
pub(crate) fn markdown(run: &Run) -> String {
    let judged = judge(run);
    let mut text = if judged.is_empty() {
        table(medians(run))
    } else {
        let rows = judged.iter().map(|one| row(run, one));
        table([ROW.map(str::to_owned).into()].into_iter().chain(rows).collect())
    };
    let machine = &run.machine;
    text += &format!(
        "\nRevision {}, {}, Linux {}, {}, {} cores. Medians, ratios pair by pair.\n",
        machine.revision,
        machine.date,
        machine.kernel,
        machine.processor,
        machine.cores.len()
    );
    for reservation in reservations(run) {
        text += &format!("{reservation}\n");
    }
    text
}

/// A line a product, and a column a scenario with what it is about.
fn medians(run: &Run) -> Vec<Vec<String>> {
    let about = run
        .scenarios
        .iter()
        .map(|scenario| format!("{}: {}", scenario.title, scenario.figures[0].title(scenario)));
    let mut rows = vec![iter::once(String::new()).chain(about).collect()];
    for entrant in &run.entrants {
        let figures = run.scenarios.iter().map(|scenario| {
            let lines = lines(run, scenario);
            let line = lines.iter().find(|line| line.product == entrant.product);
            let spread = line.and_then(|line| line.figures[0]);
            spread.map(|spread| scenario.figures[0].show(scenario, spread.median))
        });
        let figures = figures.map(Option::unwrap_or_default);
        rows.push(iter::once(entrant.product.title().into()).chain(figures).collect());
    }
    rows
}

/// The first row is the head.
fn table(rows: Vec<Vec<String>>) -> String {
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        text += &format!("| {} |\n", row.join(" | "));
        if number == 0 {
            text += &format!("|{}\n", "---|".repeat(row.len()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Begins a quotation in a document; the results folder follows.
    const OPEN: &str = "<!-- perf: ";
    /// Ends it.
    const CLOSE: &str = "<!-- /perf -->";

    /// What a document quotes: the results folder as it is written there, and the text.
    fn quotations(document: &str) -> Vec<(&Path, &str)> {
        let mut found = Vec::new();
        let mut rest = document;
        while let Some((_, from)) = rest.split_once(OPEN) {
            let Some((folder, from)) = from.split_once(" -->\n") else { break };
            let Some((quoted, after)) = from.split_once(CLOSE) else { break };
            found.push((Path::new(folder), quoted));
            rest = after;
        }
        found
    }

    #[test]
    fn what_is_quoted_is_found() {
        let text = "a\n<!-- perf: perf/results/x -->\n| 1 |\n<!-- /perf -->\nb";
        assert_eq!(quotations(text), [(Path::new("perf/results/x"), "| 1 |\n")]);
        assert_eq!(quotations("nothing"), []);
    }

    /// Goal: a number in README is that of the file it names. Method: the table is made anew from
    /// every results folder that README quotes.
    #[test]
    fn readme_quotes_what_was_measured() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
        assert_eq!(readme.matches(OPEN).count(), quotations(&readme).len(), "a marker is alone");
        for (folder, quoted) in quotations(&readme) {
            let run = Run::load(&root.join(folder)).unwrap();
            let again = format!("ringbolt-perf readme {}", folder.display());
            assert_eq!(quoted.trim(), markdown(&run).trim(), "put the output of `{again}` there");
        }
    }
}
