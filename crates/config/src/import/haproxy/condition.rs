//! `.if`, `.elif`, `.else` and `.endif`: which lines of an haproxy.cfg hold.
//!
//! Conditions about the environment are judged as HAProxy does. Those about HAProxy itself, its version
//! or how it was built, have no answer here: one of today is supposed, and it is said.

use std::ops::Range;

use ringbolt_core::limits::IMPORT_DEPTH_MAX;

use super::environment::Environment;
use crate::import::notes::Notes;
use crate::import::word::{Word, shown, span};

/// The blocks that a line lies in.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    blocks: Vec<Block>,
    /// There were too many, which is an error: no more is read.
    lost: bool,
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
        if self.lost {
            return false;
        }
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
            *self = Self { lost: true, ..Self::default() };
            return;
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

/// Whether a condition holds.
fn judge(
    condition: &[Word],
    at: &Range<usize>,
    environment: &Environment<'_>,
    notes: &mut Notes,
) -> bool {
    let words: Vec<&str> = condition.iter().map(|word| word.text.as_str()).collect();
    let whole = words.join(" ");
    let mut judge = Judge { rest: &whole, environment, supposed: Vec::new() };
    let holds = judge.any(0).filter(|_| judge.rest.trim_start().is_empty());
    for (call, holds) in judge.supposed {
        let call: String =
            call.chars().take(CALL_CHARS_SHOWN).filter(|c| !c.is_control()).collect();
        let message = format!(
            "the condition {call} is about HAProxy itself: taken as {holds}, as of one of today"
        );
        notes.note(at, message, "if another is meant, write the lines that hold without it");
    }
    holds.unwrap_or_else(|| {
        let message = format!("the condition {} is for HAProxy to judge", shown(condition));
        notes.error(Some(at), message, "write the lines that hold, without the condition");
        false
    })
}

const CALL_CHARS_SHOWN: usize = 60;

/// A condition of which the front has been judged: `&&` before `||`, any number of `!`, parentheses,
/// and of single ones `defined(NAME)`, `streq(A,B)`, `strneq(A,B)`, `strstr(A,B)`, a number, and
/// nothing, which is false. What is about HAProxy itself is supposed.
struct Judge<'c, 'e, 's> {
    rest: &'c str,
    environment: &'e Environment<'s>,
    /// What was supposed, and to be what.
    supposed: Vec<(&'c str, bool)>,
}

impl<'c> Judge<'c, '_, '_> {
    /// `None`, here and below, when it cannot be judged.
    fn any(&mut self, depth: usize) -> Option<bool> {
        let mut holds = self.all(depth)?;
        while self.takes("||") {
            holds |= self.all(depth)?;
        }
        Some(holds)
    }

    fn all(&mut self, depth: usize) -> Option<bool> {
        let mut holds = self.one(depth)?;
        while self.takes("&&") {
            holds &= self.one(depth)?;
        }
        Some(holds)
    }

    fn one(&mut self, depth: usize) -> Option<bool> {
        let mut negated = false;
        while self.takes("!") {
            negated = !negated;
        }
        let holds = if self.takes("(") {
            let holds = (depth < IMPORT_DEPTH_MAX).then(|| self.any(depth + 1))??;
            self.takes(")").then_some(holds)?
        } else {
            self.single()?
        };
        Some(holds != negated)
    }

    fn single(&mut self) -> Option<bool> {
        self.rest = self.rest.trim_start();
        let name_end = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+'));
        let end = self.rest.find(name_end).unwrap_or(self.rest.len());
        let (name, after) = self.rest.split_at(end);
        let Some(after) = after.strip_prefix('(') else {
            self.rest = after;
            return if name.is_empty() {
                Some(false)
            } else {
                Some(name.parse::<i64>().ok()? != 0)
            };
        };
        let (arguments, after) = after.split_once(')')?;
        let call = &self.rest[..name.len() + arguments.len() + 2];
        self.rest = after;
        let (one, other) = arguments.split_once(',').unwrap_or((arguments, ""));
        match name {
            _ if arguments.contains('(') => None,
            "defined" => Some(self.environment.variable(arguments.trim()).is_some()),
            "streq" => Some(one == other),
            "strneq" => Some(one != other),
            "strstr" => Some(one.contains(other)),
            "feature"
            | "enabled"
            | "version_atleast"
            | "openssl_version_atleast"
            | "awslc_api_atleast"
            | "ssllib_name_startswith" => Some(self.suppose(call, true)),
            "version_before" | "openssl_version_before" | "awslc_api_before" => {
                Some(self.suppose(call, false))
            }
            _ => None,
        }
    }

    fn suppose(&mut self, call: &'c str, holds: bool) -> bool {
        self.supposed.push((call, holds));
        holds
    }

    fn takes(&mut self, text: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
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
            ("defined(SET) && !defined(UNSET)", true),
            ("defined(UNSET) || defined(SET) && 0", false),
            ("(defined(UNSET) || defined(SET)) && 1", true),
            ("!(1 && 0)", true),
            ("version_atleast(2.4)", true),
            ("version_before(2.4)", false),
            ("feature(OPENSSL) && !enabled(SPLICE)", false),
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
            ".if nonsense(2.4)\na\n.endif",
            ".if feature(OPENSSL) && x\n.endif",
            ".if (1\n.endif",
            ".if 1 1\n.endif",
            ".if streq(a,(b))\n.endif",
            ".if 1",
            ".endif",
            ".else",
            ".alert no",
        ] {
            assert_eq!(read(text).1, 1, "{text:?}");
        }
        assert_eq!(read(".if 0\n.if feature(X)\n.endif\n.alert no\n.endif").1, 0);
        let deep = ".if 1\n".repeat(IMPORT_DEPTH_MAX + 1);
        assert_eq!(read(&deep).1, 1);
        let deep = format!(".if {}1", "(".repeat(IMPORT_DEPTH_MAX + 2));
        assert!(read(&deep).1 > 0);
        // A mebibyte of them ended after ten seconds.
        assert_eq!(read(&".if 1\n".repeat(200_000)).1, 1);
    }
}
