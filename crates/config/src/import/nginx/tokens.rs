//! An nginx.conf as words, braces and semicolons.
//!
//! The rules are nginx's: a quote counts at the beginning of a word only and may span lines, a comment
//! begins where a word could, and a brace after a dollar sign belongs to a variable.

use crate::import::notes::Notes;
use crate::import::scan::Scanner;
use crate::import::word::Word;
use ringbolt_core::limits::IMPORT_WORD_BYTES_MAX;

/// A piece of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(Word),
    /// `{`, with its place.
    Open(usize),
    /// `}`, with its place.
    Close(usize),
    /// `;`, with its place.
    End(usize),
}

/// The pieces of a file, one after the other.
#[derive(Debug)]
pub(super) struct Tokens<'t> {
    scanner: Scanner<'t>,
}

impl<'t> Tokens<'t> {
    /// A file that begins at a place of the whole text.
    pub(super) fn new(text: &'t str, base: usize) -> Self {
        let mut scanner = Scanner::new(text, base);
        scanner.one(&['\u{feff}']);
        Self { scanner }
    }

    /// The place that has been reached.
    pub(super) fn place(&self) -> usize {
        self.scanner.place()
    }

    /// The next piece; `None` at the end, or when an error was noted.
    pub(super) fn next(&mut self, notes: &mut Notes) -> Option<Token> {
        loop {
            self.scanner.while_is(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
            if self.scanner.one(&['#']).is_none() {
                break;
            }
            self.scanner.till(&['\n']);
        }
        let place = self.scanner.place();
        match self.scanner.one(&['{', '}', ';', '"', '\'']) {
            Some('{') => Some(Token::Open(place)),
            Some('}') => Some(Token::Close(place)),
            Some(';') => Some(Token::End(place)),
            Some(quote) => self.quoted(quote, place, notes),
            None if self.scanner.is_at_end() => None,
            None => self.plain(place, notes),
        }
    }

    /// Skips a block of Lua of which the brace has been taken; false when it has no end. Braces count
    /// where they are code, and not in strings and comments.
    pub(super) fn skip_lua(&mut self) -> bool {
        let mut depth = 1;
        while depth > 0 {
            self.scanner.till(&['{', '}', '"', '\'', '-', '[']);
            match self.scanner.any() {
                Some('{') => depth += 1,
                Some('}') => depth -= 1,
                Some('-') => {
                    let comment = self.scanner.one(&['-']).is_some();
                    if comment && !(self.scanner.one(&['[']).is_some() && self.long_bracket()) {
                        self.scanner.till(&['\n']);
                    }
                }
                Some('[') => drop(self.long_bracket()),
                Some(quote) => self.lua_string(quote),
                None => return false,
            }
        }
        true
    }

    fn lua_string(&mut self, quote: char) {
        loop {
            self.scanner.till(&[quote, '\\', '\n']);
            if self.scanner.any() != Some('\\') {
                return;
            }
            self.scanner.any();
        }
    }

    /// Skips `[[ … ]]` or `[=[ … ]=]` of which the first bracket has been taken; false when it is none.
    fn long_bracket(&mut self) -> bool {
        let mut ahead = self.scanner.clone();
        let level = ahead.while_is(|c| c == '=');
        if ahead.one(&['[']).is_none() {
            return false;
        }
        let end = format!("]{level}]");
        while !ahead.is_at_end() && !ahead.literal(&end) {
            ahead.any();
            ahead.till(&[']']);
        }
        self.scanner = ahead;
        true
    }

    fn quoted(&mut self, quote: char, start: usize, notes: &mut Notes) -> Option<Token> {
        let mut text = String::new();
        loop {
            text.push_str(self.scanner.till(&[quote, '\\']));
            match self.scanner.any() {
                Some('\\') => self.escaped(&mut text),
                Some(_) => break,
                None => {
                    let mend = "close it, or write a backslash before it";
                    notes.error(
                        Some(&(start..start + 1)),
                        format!("the quote {quote} is not closed"),
                        mend,
                    );
                    return None;
                }
            }
        }
        let end = self.scanner.place();
        let ends = self.scanner.is_at_end()
            || self.scanner.next_is(&[' ', '\t', '\r', '\n', ';', '{', ')']);
        if !ends {
            let mend = "write a space after it, or the whole word in quotes";
            notes.error(Some(&(start..end)), "a word goes on after its closing quote", mend);
            return None;
        }
        self.word(text, start, notes)
    }

    fn plain(&mut self, start: usize, notes: &mut Notes) -> Option<Token> {
        let mut text = String::new();
        loop {
            text.push_str(self.scanner.till(&[' ', '\t', '\r', '\n', ';', '{', '\\', '$']));
            if self.scanner.literal("${") {
                text.push_str("${");
                continue;
            }
            match self.scanner.one(&['\\', '$']) {
                Some('\\') => self.escaped(&mut text),
                Some(other) => text.push(other),
                None => return self.word(text, start, notes),
            }
        }
    }

    /// What a backslash that was taken makes of the next character. It stays where it means nothing.
    fn escaped(&mut self, text: &mut String) {
        match self.scanner.any() {
            Some(literal @ ('"' | '\'' | '\\')) => text.push(literal),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some(other) => text.extend(['\\', other]),
            None => text.push('\\'),
        }
    }

    fn word(&self, text: String, start: usize, notes: &mut Notes) -> Option<Token> {
        let at = start..self.scanner.place();
        if text.len() > IMPORT_WORD_BYTES_MAX {
            let message = format!("a word has more than {IMPORT_WORD_BYTES_MAX} bytes");
            notes.error(Some(&at), message, "write a shorter one; nginx takes 4096 bytes");
            return None;
        }
        Some(Token::Word(Word { text, at }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> (Vec<String>, Vec<String>) {
        let mut notes = Notes::default();
        let mut tokens = Tokens::new(text, 0);
        let mut all = Vec::new();
        while let Some(token) = tokens.next(&mut notes) {
            all.push(match token {
                Token::Word(word) => {
                    assert!(word.at.start < word.at.end && word.at.end <= text.len());
                    word.text
                }
                Token::Open(_) => "<{>".into(),
                Token::Close(_) => "<}>".into(),
                Token::End(_) => "<;>".into(),
            });
        }
        (all, notes.into_lists().0.into_iter().map(|error| error.message).collect())
    }

    /// Goal: words are those of nginx. Method: each rule, by hand.
    #[test]
    fn words_are_those_of_nginx() {
        for (text, expected) in [
            ("a b;", &["a", "b", "<;>"][..]),
            ("http{server{}}", &["http", "<{>", "server", "<{>", "<}>", "<}>"]),
            ("a # b;\nc#d;", &["a", "c#d", "<;>"]),
            ("a\"b\" '#;{' \"x\ny\";", &["a\"b\"", "#;{", "x\ny", "<;>"]),
            ("set ${a}b$c{", &["set", "${a}b$c", "<{>"]),
            (r#"a "\"\\\n\.";"#, &["a", "\"\\\n\\.", "<;>"]),
            (r"a b\;c\ d;", &["a", r"b\;c\ d", "<;>"]),
            ("\u{feff}events {}", &["events", "<{>", "<}>"]),
            ("if ($a = \"b\") {", &["if", "($a", "=", "b", ")", "<{>"]),
            ("", &[]),
            ("a", &["a"]),
        ] {
            assert_eq!(
                tokens(text),
                (expected.iter().map(|it| (*it).to_owned()).collect(), vec![]),
                "{text}"
            );
        }
    }

    /// Goal: a block of Lua ends where Lua says. Method: braces that are no code, in each form; `after`
    /// follows the end.
    #[test]
    fn lua_ends_where_it_ends() {
        for lua in [
            "}",
            "a = { b = {} } }",
            "a = '}' .. \"}\\\"}\" }",
            "-- it's }\n }",
            "--[[ }\n } ]] }",
            "--[==[ }]]\n } ]==] }",
            "a = [[ } ]] b = [=[ }]] ]=] c = t[u[1]] - 1 }",
            "--[ }\n}",
        ] {
            let text = format!("{lua} after;");
            let mut tokens = Tokens::new(&text, 0);
            assert!(tokens.skip_lua(), "{lua}");
            let next = tokens.next(&mut Notes::default());
            assert!(
                matches!(&next, Some(Token::Word(word)) if word.text == "after"),
                "{lua}: {next:?}"
            );
        }
        for lua in ["", "{ }", "\"", "--[[ } ", "a = '}", "[[", "\\"] {
            assert!(!Tokens::new(lua, 0).skip_lua(), "{lua}");
        }
    }

    /// Goal: what is no word is an error. Method: an open quote, a word after one, a word too long.
    #[test]
    fn what_is_no_word_is_told() {
        for (text, said) in [
            ("a \"b", "not closed"),
            ("a 'b'c;", "closing quote"),
            (&"x".repeat(IMPORT_WORD_BYTES_MAX + 1), "more than"),
        ] {
            let (_, errors) = tokens(text);
            assert!(errors[0].contains(said), "{errors:?}");
        }
    }
}
