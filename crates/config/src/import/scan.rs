//! Taking a text apart from its front: the few steps that both lexers are made of, by `winnow`.
//!
//! Every step is total: what is not there is an answer, not an error, because only the lexer knows
//! what to say about it.

use winnow::combinator::opt;
use winnow::error::EmptyError;
use winnow::prelude::*;
use winnow::stream::{LocatingSlice, Location, Stream};
use winnow::token::{any, literal, one_of, take_till};

/// A text of which the front has been taken.
#[derive(Clone, Debug)]
pub(super) struct Scanner<'t> {
    rest: LocatingSlice<&'t str>,
    base: usize,
}

type Step<T> = Result<T, EmptyError>;

impl<'t> Scanner<'t> {
    /// A text that begins at a place of a larger one.
    pub(super) fn new(text: &'t str, base: usize) -> Self {
        Self { rest: LocatingSlice::new(text), base }
    }

    /// The place of what comes next, in the larger text.
    pub(super) fn place(&self) -> usize {
        self.base + self.rest.current_token_start()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.eof_offset() == 0
    }

    /// What comes before the first of these characters, or before the end.
    pub(super) fn till(&mut self, stops: &[char]) -> &'t str {
        let taken: Step<&str> =
            take_till(0.., |c: char| stops.contains(&c)).parse_next(&mut self.rest);
        taken.unwrap_or_default()
    }

    /// What comes before the first character that is not of this kind.
    pub(super) fn while_is(&mut self, kind: fn(char) -> bool) -> &'t str {
        let taken: Step<&str> = take_till(0.., |c: char| !kind(c)).parse_next(&mut self.rest);
        taken.unwrap_or_default()
    }

    /// The next character, if it is one of these.
    pub(super) fn one(&mut self, of: &[char]) -> Option<char> {
        let taken: Step<Option<char>> =
            opt(one_of(|c: char| of.contains(&c))).parse_next(&mut self.rest);
        taken.ok().flatten()
    }

    /// The next character.
    pub(super) fn any(&mut self) -> Option<char> {
        let taken: Step<Option<char>> = opt(any).parse_next(&mut self.rest);
        taken.ok().flatten()
    }

    /// Takes a text if it comes next.
    pub(super) fn literal(&mut self, text: &str) -> bool {
        let taken: Step<Option<&str>> = opt(literal(text)).parse_next(&mut self.rest);
        taken.is_ok_and(|taken| taken.is_some())
    }

    /// What comes next, without taking it.
    pub(super) fn next_is(&self, of: &[char]) -> bool {
        self.clone().one(of).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: each step takes what it says and nothing else, and places are those of the larger text.
    /// Method: one text, step by step, with wide characters.
    #[test]
    fn steps_take_what_they_say() {
        let mut scanner = Scanner::new("é b;${x}", 10);
        assert_eq!(scanner.till(&[' ', ';']), "é");
        assert_eq!(
            (scanner.place(), scanner.one(&[';']), scanner.one(&[' '])),
            (12, None, Some(' '))
        );
        assert!(!scanner.literal("bc") && scanner.literal("b") && scanner.next_is(&[';']));
        assert_eq!(scanner.any(), Some(';'));
        assert!(scanner.literal("${"));
        assert_eq!(scanner.while_is(char::is_alphanumeric), "x");
        assert_eq!((scanner.any(), scanner.any()), (Some('}'), None));
        assert!(scanner.is_at_end() && scanner.till(&[';']).is_empty());
        assert_eq!(scanner.place(), 19);
    }
}
