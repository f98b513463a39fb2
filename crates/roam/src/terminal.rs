//! What is written for people: how wide their terminal is, whether it has colours, and text that is
//! broken between words.

use std::io::{IsTerminal, stdout};

use terminal_size::{Width, terminal_size};

use crate::results::Outcome;

/// Where nothing says how wide a line may be.
const WIDTH: u16 = 100;
/// What needs more room is not made to fit below this.
const NARROWEST: u16 = 40;

/// How to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terminal {
    /// Characters of a line.
    pub(crate) width: u16,
    pub(crate) colours: bool,
}

impl Terminal {
    /// That of standard output. `COLUMNS` and `NO_COLOR` are obeyed.
    pub(crate) fn of_output() -> Self {
        let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let measured = || terminal_size().map(|(Width(columns), _)| columns);
        let width = said.or_else(measured).unwrap_or(WIDTH).max(NARROWEST);
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { width, colours: stdout().is_terminal() && !plain }
    }

    /// In the colour that the page has for it as well, as far as a terminal has it.
    pub(crate) fn coloured(self, outcome: Outcome, text: &str) -> String {
        let code = match outcome {
            Outcome::Kept => "34",
            Outcome::Recovered => "32",
            Outcome::Lost => "31",
            Outcome::Refused => "33",
        };
        self.marked(code, text)
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.marked("1", text)
    }

    fn marked(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// The lines of a text of words that begins in this column, and so does each further line. A
    /// word that is longer than a line has one of its own.
    pub(crate) fn wrapped(self, text: &str, indent: usize) -> String {
        let mut lines = String::new();
        let mut column = indent;
        for word in text.split_whitespace() {
            let length = word.chars().count();
            if column > indent && column + 1 + length > self.width.into() {
                lines.push('\n');
                lines.extend(std::iter::repeat_n(' ', indent));
                column = indent;
            } else if !lines.is_empty() {
                lines.push(' ');
                column += 1;
            }
            lines.push_str(word);
            column += length;
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        let narrow = Terminal { width: 12, colours: false };
        assert_eq!(narrow.wrapped("one two three four", 2), "one two\n  three four");
        assert_eq!(narrow.wrapped("one two four", 5), "one two\n     four");
        assert_eq!(narrow.wrapped("a unbreakable-by-far b", 0), "a\nunbreakable-by-far\nb");
        assert_eq!(narrow.wrapped("", 2), "");
    }

    #[test]
    fn colours_are_left_out_where_there_are_none() {
        let plain = Terminal { width: 80, colours: false };
        assert_eq!(plain.coloured(Outcome::Lost, "×66"), "×66");
        let coloured = Terminal { colours: true, ..plain };
        assert_eq!(coloured.coloured(Outcome::Lost, "×66"), "\x1b[31m×66\x1b[0m");
    }
}
