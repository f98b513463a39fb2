//! The table that README quotes, and a check that it is still the same.

use super::{ROW, reservations, row};
use crate::results::Run;
use crate::verdict::judge;

/// How the rows went, and where it was measured.
pub(crate) fn markdown(run: &Run) -> String {
    let mut text = format!("| {} |\n|{}\n", ROW.join(" | "), "---|".repeat(ROW.len()));
    for one in judge(run) {
        text += &format!("| {} |\n", row(run, &one).join(" | "));
    }
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
