//! How far a run is: a bar on a terminal, and a line for each group of cells elsewhere.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write, stderr};

use terminal_size::{Width, terminal_size_of};

/// Cells of the bar.
const WIDTH: usize = 24;

/// How far it is.
#[derive(Debug)]
pub(crate) struct Progress {
    whole: usize,
    done: usize,
    bar: bool,
    begun: BTreeSet<String>,
}

impl Progress {
    /// Of a run of so many parts.
    pub(crate) fn new(whole: usize) -> Self {
        Self { whole, done: 0, bar: stderr().is_terminal(), begun: BTreeSet::new() }
    }

    /// A part begins, of a group of parts.
    pub(crate) fn begins(&mut self, group: &str, part: &str) {
        if self.bar {
            // Beginning of the line; what is left of the old one is erased. A line that is broken
            // would not be written over.
            let line = format!("{} {group}: {part}", bar(self.done, self.whole));
            let width =
                terminal_size_of(stderr()).map_or(usize::MAX, |(Width(width), _)| width.into());
            eprint!("\r{}\x1b[K", cut(&line, width));
            let _ = stderr().flush();
        } else if self.begun.insert(group.to_owned()) {
            eprintln!("{:>3} % {group}", self.done * 100 / self.whole.max(1));
        }
    }

    /// A part is over.
    pub(crate) fn done(&mut self) {
        self.done += 1;
    }

    /// It is over.
    pub(crate) fn end(&self) {
        if self.bar {
            eprint!("\r\x1b[K");
        }
    }
}

fn bar(done: usize, whole: usize) -> String {
    let full = (WIDTH * done / whole.max(1)).min(WIDTH);
    format!("[{}{}]", "#".repeat(full), "·".repeat(WIDTH - full))
}

/// What a line of `width` characters has room for, without its last.
fn cut(line: &str, width: usize) -> &str {
    let end = line.char_indices().nth(width.saturating_sub(1));
    end.map_or(line, |(end, _)| &line[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_its_share() {
        assert_eq!(bar(0, 10).matches('#').count(), 0);
        assert_eq!(bar(5, 10).matches('#').count(), WIDTH / 2);
        assert_eq!(bar(11, 10), format!("[{}]", "#".repeat(WIDTH)));
    }

    #[test]
    fn a_line_stays_one() {
        assert_eq!(cut("[··] law", 8), "[··] la");
        assert_eq!(cut("[··] law", 9), "[··] law");
        assert_eq!(cut("[··] law", usize::MAX), "[··] law");
    }
}
