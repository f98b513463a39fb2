//! `.if`, `.elif`, `.else` and `.endif`: which lines of an haproxy.cfg hold.
//!
//! Conditions about the environment are judged as HAProxy does. Those about HAProxy itself, its version
//! or how it was built, have no answer here and are errors.

use std::ops::Range;

use ringbolt_core::limits::IMPORT_DEPTH_MAX;

use super::environment::Environment;
use crate::import::notes::Notes;
use crate::import::word::{Word, shown, span};

/// The blocks that a line lies in.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    blocks: Vec<Block>,
}

#[derive(Debug)]
struct Block {
    at: Range<usize>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// These lines hold.
    Holds,
    /// No branch has held yet.
    NotYet,
    /// A branch has held, or the block as a whole does not.
    Over,
}

impl Conditions {
    /// Whether a line is to be read: it lies where every branch holds, and is no condition itself.
    pub(super) fn admits(
        &mut self,
        words: &[Word],
        environment: &Environment<'_>,
        notes: &mut Notes,
    ) -> bool {
        let Some((keyword, condition)) = words.split_first() else { return false };
        let at = span(words);
        match keyword.text.as_str() {
            ".if" => self.open(at, condition, environment, notes),
            ".elif" | ".else" | ".endif" => {
                let Some(block) = self.blocks.pop() else {
                    let message = format!("{} without an .if", keyword.text);
                    notes.error(Some(&at), message, "take it out, or write the .if");
                    return false;
                };
                if keyword.text != ".endif" {
                    self.go_on(block, &keyword.text, condition, environment, notes);
                }
            }
            ".alert" if self.all_hold() => {
                let message = format!("the file itself refuses: {}", shown(condition));
                notes.error(Some(&at), message, "do what it says");
            }
            ".notice" | ".warning" | ".diag" if self.all_hold() => {
                let message = format!("the file itself says: {}", shown(condition));
                notes.note(&at, message, "nothing needs to be done for ringbolt");
            }
            keyword if keyword.starts_with('.') => {
                if self.all_hold() {
                    let message = format!("{keyword} is not known");
                    notes.note(&at, message, "take it out");
                }
            }
            _ => return self.all_hold(),
        }
        false
    }

    /// Reports a block that is still open at the end.
    pub(super) fn finish(&self, notes: &mut Notes) {
        if let Some(block) = self.blocks.last() {
            notes.error(Some(&block.at), "this .if has no .endif", "write it after its last line");
        }
    }

    fn all_hold(&self) -> bool {
        self.blocks.iter().all(|block| block.state == State::Holds)
    }

    fn open(
        &mut self,
        at: Range<usize>,
        condition: &[Word],
        environment: &Environment<'_>,
        notes: &mut Notes,
    ) {
        if self.blocks.len() >= IMPORT_DEPTH_MAX {
            let message = format!("more than {IMPORT_DEPTH_MAX} .if lie in one another");
            notes.error(Some(&at), message, "write the lines that hold");
        }
        let state = match self.all_hold() {
            false => State::Over,
            true if judge(condition, &at, environment, notes) => State::Holds,
            true => State::NotYet,
        };
        self.blocks.push(Block { at, state });
    }

    fn go_on(
        &mut self,
        block: Block,
        keyword: &str,
        condition: &[Word],
        environment: &Environment<'_>,
        notes: &mut Notes,
    ) {
        let Block { at, state } = block;
        let state = match state {
            State::Holds | State::Over => State::Over,
            State::NotYet if keyword == ".else" || judge(condition, &at, environment, notes) => {
                State::Holds
            }
            State::NotYet => State::NotYet,
        };
        self.blocks.push(Block { at, state });
    }
}

/// Whether a condition holds: `defined(NAME)`, `streq(A,B)`, `strneq(A,B)`, `strstr(A,B)`, a number,
/// nothing (false), each with any number of `!` before it.
fn judge(
    condition: &[Word],
    at: &Range<usize>,
    environment: &Environment<'_>,
    notes: &mut Notes,
) -> bool {
    let words: Vec<&str> = condition.iter().map(|word| word.text.as_str()).collect();
    let whole = words.join(" ");
    let plain = whole.trim_start_matches(['!', ' ']);
    let negated = whole[..whole.len() - plain.len()].matches('!').count() % 2 == 1;
    let call = plain.strip_suffix(')').and_then(|call| call.split_once('('));
    // Several conditions in one are not taken apart.
    let call =
        call.map(
            |(name, arguments)| {
                if arguments.contains(['(', ')']) { ("", arguments) } else { (name, arguments) }
            },
        );
    let pair = |arguments: &str| {
        let (one, other) = arguments.split_once(',').unwrap_or((arguments, ""));
        (one.to_owned(), other.to_owned())
    };
    let holds = match call {
        Some(("defined", name)) => Some(environment.variable(name.trim()).is_some()),
        Some(("streq", arguments)) => Some(pair(arguments)).map(|(one, other)| one == other),
        Some(("strneq", arguments)) => Some(pair(arguments)).map(|(one, other)| one != other),
        Some(("strstr", arguments)) => {
            Some(pair(arguments)).map(|(one, other)| one.contains(&other))
        }
        Some(_) => None,
        None if plain.is_empty() => Some(false),
        None => plain.parse::<i64>().ok().map(|number| number != 0),
    };
    holds.map(|holds| holds != negated).unwrap_or_else(|| {
        let message = format!("the condition {} is for HAProxy to judge", shown(condition));
        notes.error(Some(at), message, "write the lines that hold, without the condition");
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostic;
    use crate::import::haproxy::lines::Lines;
    use crate::import::{Included, Surroundings};

    struct Fixed;

    impl Surroundings for Fixed {
        fn variable(&self, name: &str) -> Option<String> {
            (name == "SET").then(|| "yes".into())
        }

        fn include(&self, _: &str, _: usize) -> Result<Vec<Included>, Diagnostic> {
            Ok(Vec::new())
        }
    }

    fn read(text: &str) -> (Vec<String>, usize) {
        let environment = Environment::new(&Fixed);
        let (mut notes, mut lines) = (Notes::default(), Lines::new(text));
        let mut conditions = Conditions::default();
        let mut admitted = Vec::new();
        while let Some(line) = lines.next(&environment, &mut notes) {
            if conditions.admits(&line, &environment, &mut notes) {
                admitted.push(line[0].text.clone());
            }
        }
        conditions.finish(&mut notes);
        (admitted, notes.into_lists().0.len())
    }

    /// Goal: the lines that hold are read and no others. Method: each condition, in each branch.
    #[test]
    fn lines_that_hold_are_read() {
        for (condition, holds) in [
            ("defined(SET)", true),
            ("defined(UNSET)", false),
            ("!defined(UNSET)", true),
            ("! ! 0", false),
            ("1", true),
            ("", false),
            ("streq(\"$SET\",yes)", true),
            ("strneq(\"$SET\",yes)", false),
            ("strstr(\"$SET\",es)", true),
        ] {
            let (admitted, errors) = read(&format!(".if {condition}\na\n.else\nb\n.endif\nc"));
            assert_eq!(
                (admitted, errors),
                (vec![if holds { "a" } else { "b" }.into(), "c".into()], 0)
            );
        }
        let text = ".if 0\na\n.if 1\nb\n.endif\n.elif 1\nc\n.elif 1\nd\n.else\ne\n.endif";
        assert_eq!(read(text), (vec!["c".to_owned()], 0));
    }

    /// Goal: what has no answer is an error, and only where it matters. Method: each.
    #[test]
    fn what_has_no_answer_is_told() {
        for text in [
            ".if version_atleast(2.4)\na\n.endif",
            ".if feature(OPENSSL) && 1\n.endif",
            ".if 1",
            ".endif",
            ".else",
            ".alert no",
        ] {
            assert_eq!(read(text).1, 1, "{text:?}");
        }
        assert_eq!(read(".if 0\n.if feature(X)\n.endif\n.alert no\n.endif").1, 0);
        let deep = ".if 1\n".repeat(IMPORT_DEPTH_MAX + 1);
        assert!(read(&deep).1 > 0);
    }
}
