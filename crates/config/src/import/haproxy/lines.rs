//! An haproxy.cfg as lines of words: quotes, escapes, variables, comments, lines that go on.
//!
//! The rules are those of sections 2.2 and 2.3 of HAProxy's configuration manual: nothing is special
//! within '…', variables and escapes are within "…". A backslash at the end of a line joins it with the
//! next: HAProxy itself has no lines that go on and refuses such a file (its issue 2740), so nothing
//! else can be meant.

use std::ops::Range;

use ringbolt_core::limits::{
    IMPORT_LINE_WORDS_MAX, IMPORT_VARIABLE_BYTES_MAX, IMPORT_WORD_BYTES_MAX, IMPORT_WORDS_MAX,
};

use super::environment::Environment;
use crate::import::notes::Notes;
use crate::import::scan::Scanner;
use crate::import::word::Word;

/// The lines of a file that have words, one after the other.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    scanner: Scanner<'t>,
    words_left: usize,
    variable_bytes_left: usize,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let scanner = Scanner::new(text.strip_prefix('\u{feff}').unwrap_or(text), bom(text));
        let (words_left, variable_bytes_left) = (IMPORT_WORDS_MAX, IMPORT_VARIABLE_BYTES_MAX);
        Self { scanner, words_left, variable_bytes_left }
    }

    /// The next line that has words, with the variables as they are now; `None` at the end, or when
    /// an error was noted after which nothing can be read.
    pub(super) fn next(
        &mut self,
        environment: &Environment<'_>,
        notes: &mut Notes,
    ) -> Option<Vec<Word>> {
        while !self.scanner.is_at_end() {
            let mut line = Vec::new();
            while self.word_begins() {
                self.word(&mut line, environment, notes)?;
                if line.len() > IMPORT_LINE_WORDS_MAX {
                    let at = line[0].at.clone();
                    let message = format!("the line has more than {IMPORT_LINE_WORDS_MAX} words");
                    notes.error(Some(&at), message, "write it as several lines");
                    return None;
                }
            }
            if let Some(first) = line.first() {
                let Some(left) = self.words_left.checked_sub(line.len()) else {
                    let message = format!("the file has more than {IMPORT_WORDS_MAX} words");
                    notes.error(Some(&first.at), message, "split it over several instances");
                    return None;
                };
                self.words_left = left;
                return Some(line);
            }
        }
        None
    }

    /// Skips what separates words; false when the line has ended, with its end taken.
    fn word_begins(&mut self) -> bool {
        loop {
            self.scanner.while_is(|c| matches!(c, ' ' | '\t' | '\r'));
            if joined(&mut self.scanner) {
                continue;
            }
            if self.scanner.one(&['#']).is_some() {
                self.scanner.till(&['\n']);
            }
            return !(self.scanner.is_at_end() || self.scanner.one(&['\n']).is_some());
        }
    }

    /// Reads one word, or several if a list of them is a variable's value.
    fn word(
        &mut self,
        line: &mut Vec<Word>,
        environment: &Environment<'_>,
        notes: &mut Notes,
    ) -> Option<()> {
        let start = self.scanner.place();
        let mut text = String::new();
        loop {
            text.push_str(self.scanner.till(&[' ', '\t', '\r', '\n', '\\', '\'', '"', '#']));
            if joined(&mut self.scanner) {
                continue;
            }
            let place = self.scanner.place();
            match self.scanner.one(&['\\', '\'', '"']) {
                Some('\\') => escaped(&mut self.scanner, false, &mut text),
                Some('\'') => self.strong(&mut text, place, notes)?,
                Some(_) => self.weak(&mut text, line, start, environment, notes)?,
                None => break,
            }
        }
        let at = start..self.scanner.place();
        if text.len() > IMPORT_WORD_BYTES_MAX {
            let message = format!("a word has more than {IMPORT_WORD_BYTES_MAX} bytes");
            notes.error(Some(&at), message, "write a shorter one");
            return None;
        }
        line.push(Word { text, at });
        Some(())
    }

    /// The rest of '…', in which nothing is special.
    fn strong(&mut self, text: &mut String, start: usize, notes: &mut Notes) -> Option<()> {
        loop {
            text.push_str(self.scanner.till(&['\'', '\n', '\\']));
            if joined(&mut self.scanner) {
                continue;
            }
            match self.scanner.one(&['\'', '\\']) {
                Some('\'') => return Some(()),
                Some(other) => text.push(other),
                None => return unclosed(start, "'", notes),
            }
        }
    }

    /// The rest of "…", in which variables and escapes are special.
    fn weak(
        &mut self,
        text: &mut String,
        line: &mut Vec<Word>,
        start: usize,
        environment: &Environment<'_>,
        notes: &mut Notes,
    ) -> Option<()> {
        let quote = self.scanner.place() - 1;
        loop {
            text.push_str(self.scanner.till(&['"', '\n', '\\', '$']));
            if joined(&mut self.scanner) {
                continue;
            }
            let place = self.scanner.place();
            match self.scanner.one(&['"', '\\', '$']) {
                Some('"') => return Some(()),
                Some('\\') => escaped(&mut self.scanner, true, text),
                Some(_) => {
                    let variable = self.variable(place, notes)?;
                    let value = self.value(&variable, place, environment, notes)?;
                    if variable.list {
                        for (index, part) in value.split_whitespace().enumerate() {
                            if index > 0 {
                                let at = start..self.scanner.place();
                                line.push(Word { text: std::mem::take(text), at });
                            }
                            text.push_str(part);
                        }
                    } else {
                        text.push_str(&value);
                    }
                }
                None => return unclosed(quote, "\"", notes),
            }
        }
    }

    /// What follows a `$`: NAME, {NAME}, {NAME-default} or {NAME[*]}.
    fn variable(&mut self, start: usize, notes: &mut Notes) -> Option<Variable> {
        let braces = self.scanner.one(&['{']).is_some();
        let pseudo = braces && self.scanner.one(&['.']).is_some();
        let name = self.scanner.while_is(|c| c.is_ascii_alphanumeric() || c == '_').to_owned();
        let list = braces && self.scanner.literal("[*]");
        let default = (braces && self.scanner.one(&['-']).is_some())
            .then(|| self.scanner.till(&['}', '"', '\n']).to_owned());
        let good = !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && !pseudo;
        if good && (!braces || self.scanner.one(&['}']).is_some()) {
            return Some(Variable { name, list, default });
        }
        let place = self.scanner.place().max(start + 1);
        let mend = "write $NAME or ${NAME}, or \\$ for the character itself";
        notes.error(Some(&(start..place)), "this names no environment variable", mend);
        None
    }

    fn value(
        &mut self,
        variable: &Variable,
        start: usize,
        environment: &Environment<'_>,
        notes: &mut Notes,
    ) -> Option<String> {
        let at = start..self.scanner.place();
        let name = &variable.name;
        let value = environment.variable(name).or_else(|| variable.default.clone());
        let value = value.unwrap_or_else(|| {
            let message = format!("the environment has no {name}, so this is empty, as in HAProxy");
            notes.note(&at, message, "set it where ringbolt is started, or write the value itself");
            String::new()
        });
        let Some(left) = self.variable_bytes_left.checked_sub(value.len()) else {
            let message = format!("variables add more than {IMPORT_VARIABLE_BYTES_MAX} bytes");
            notes.error(Some(&at), message, format!("give {name} a shorter value"));
            return None;
        };
        self.variable_bytes_left = left;
        if value.contains(['\0', '\n']) {
            let message = format!("{name} has a line break or a NUL in it");
            notes.error(Some(&at), message, "give it a value that fits on a line");
            return None;
        }
        Some(value)
    }
}

/// A variable as it is written.
#[derive(Debug)]
struct Variable {
    name: String,
    /// Its value is words, and not a part of one.
    list: bool,
    default: Option<String>,
}

/// Bytes of a byte order mark at the beginning.
fn bom(text: &str) -> usize {
    if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 }
}

/// Takes a backslash with the end of a line after it: the line goes on.
fn joined(scanner: &mut Scanner<'_>) -> bool {
    scanner.literal("\\\n") || scanner.literal("\\\r\n")
}

/// What a backslash that was taken makes of the next character. It stays where it means nothing.
fn escaped(scanner: &mut Scanner<'_>, weak: bool, text: &mut String) {
    let escapes: &[char] =
        if weak { &['\\', '"', '\'', '$', ' ', '#'] } else { &['\\', '"', '\'', ' ', '#'] };
    if let Some(literal) = scanner.one(escapes) {
        text.push(literal);
        return;
    }
    match scanner.one(&['n', 'r', 't', 'x']) {
        Some('n') => text.push('\n'),
        Some('r') => text.push('\r'),
        Some('t') => text.push('\t'),
        Some(_) => {
            let mut ahead = scanner.clone();
            let digits: String = [ahead.any(), ahead.any()].into_iter().flatten().collect();
            // A byte that is no character of its own would make a text that is none.
            match u8::from_str_radix(&digits, 16) {
                Ok(byte) if digits.len() == 2 && byte.is_ascii() && byte != 0 => {
                    text.push(char::from(byte));
                    *scanner = ahead;
                }
                Ok(_) | Err(_) => text.push_str("\\x"),
            }
        }
        None => text.push('\\'),
    }
}

fn unclosed(start: usize, quote: &str, notes: &mut Notes) -> Option<()> {
    let at: Range<usize> = start..start + 1;
    let message = format!("the quote {quote} is not closed on its line");
    notes.error(Some(&at), message, "close it, or write a backslash before it");
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostic;
    use crate::import::{Included, Surroundings};

    struct Fixed;

    impl Surroundings for Fixed {
        fn variable(&self, name: &str) -> Option<String> {
            match name {
                "PORT" => Some("8765".into()),
                "LIST" => Some(" a  b c ".into()),
                "BAD" => Some("a\nb".into()),
                _ => None,
            }
        }

        fn include(&self, _: &str, _: usize) -> Result<Vec<Included>, Diagnostic> {
            Ok(Vec::new())
        }
    }

    fn read(text: &str) -> (Vec<Vec<String>>, Vec<Diagnostic>, Vec<Diagnostic>) {
        let environment = Environment::new(&Fixed);
        let mut notes = Notes::default();
        let mut lines = Lines::new(text);
        let mut all = Vec::new();
        while let Some(line) = lines.next(&environment, &mut notes) {
            for word in &line {
                assert!(word.at.start < word.at.end && word.at.end <= text.len(), "{word:?}");
            }
            all.push(line.into_iter().map(|word| word.text).collect());
        }
        let (errors, notes) = notes.into_lists();
        (all, errors, notes)
    }

    fn words(text: &str) -> Vec<Vec<String>> {
        let (words, errors, _) = read(text);
        assert_eq!(errors, [], "{text:?}");
        words
    }

    /// Goal: words are those of HAProxy. Method: the examples of its manual and each escape.
    #[test]
    fn words_are_those_of_haproxy() {
        for (text, expected) in [
            ("a b\tc\r\n", &["a", "b", "c"][..]),
            ("a # b", &["a"]),
            ("a#b", &["a"]),
            (r"a\ b \# \\ \x41\x4a \z", &["a b", "#", r"\", "AJ", r"\z"]),
            (r"'%{+Q}o $PORT \n'", &[r"%{+Q}o $PORT \n"]),
            (r#""%{+Q}o \$PORT"'x y'\ z"#, &["%{+Q}o $PORTx y z"]),
            ("a \\\n  b\\\nc", &["a", "bc"]),
            ("'a\\\nb' \"c\\\r\nd\"", &["ab", "cd"]),
            (r#""a\"b" "" "#, &["a\"b", ""]),
            (r#":"$PORT" :"${PORT}" "${NO-x y}" $PORT"#, &[":8765", ":8765", "x y", "$PORT"]),
            (r#"pre"${LIST[*]}"post end"#, &["prea", "b", "cpost", "end"]),
            ("\u{feff}global", &["global"]),
            (r"Host:\ é", &["Host: é"]),
        ] {
            assert_eq!(words(text), [expected], "{text:?}");
        }
        assert_eq!(words("\n\n # x\n a\n\n b"), [["a"], ["b"]]);
        assert_eq!(words(""), Vec::<Vec<String>>::new());
    }

    /// Goal: what cannot be read is an error at its place, and what is empty is noted. Method: each.
    #[test]
    fn what_cannot_be_read_is_told() {
        for (text, place, said) in [
            ("a 'b\nc'", 2, "not closed"),
            ("a \"b\nc\"", 2, "not closed"),
            ("a \"${\"", 3, "no environment variable"),
            ("\"$ \"", 1, "no environment variable"),
            ("\"${.LINE}\"", 1, "no environment variable"),
            ("\"${1A}\"", 1, "no environment variable"),
            ("\"$BAD\"", 1, "line break"),
        ] {
            let (_, errors, _) = read(text);
            assert_eq!(errors.len(), 1, "{text:?}");
            assert_eq!(errors[0].span.as_ref().map(|span| span.start), Some(place), "{text:?}");
            assert!(errors[0].message.contains(said), "{text:?}: {}", errors[0].message);
        }
        let (words, _, notes) = read("bind \":$NOPE\"");
        assert_eq!(words, [["bind", ":"]]);
        assert!(notes[0].message.contains("NOPE"), "{notes:?}");
    }

    /// Goal: a text of words only ends. Method: one word more than a line and a file may have.
    #[test]
    fn words_are_bounded() {
        let (_, errors, _) = read(&"a ".repeat(IMPORT_LINE_WORDS_MAX + 1));
        assert!(errors[0].message.contains("words"), "{errors:?}");
        let (_, errors, _) = read(&"a\n".repeat(IMPORT_WORDS_MAX + 1));
        assert!(errors[0].message.contains("words"), "{errors:?}");
        let (_, errors, _) = read(&"a".repeat(IMPORT_WORD_BYTES_MAX + 1));
        assert!(errors[0].message.contains("bytes"), "{errors:?}");
    }
}
