//! A word of a foreign configuration: what it means once quotes and escapes are gone, and where it is.

use std::ops::Range;

use super::model::At;

/// A word and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) at: Range<usize>,
}

impl Word {
    pub(super) fn placed(&self) -> At<String> {
        At::new(self.text.clone(), &self.at)
    }
}

/// The place of words that stand beside each other; of none, the beginning of the text.
pub(super) fn span(words: &[Word]) -> Range<usize> {
    match (words.first(), words.last()) {
        (Some(first), Some(last)) => first.at.start..last.at.end.max(first.at.end),
        (Some(_) | None, Some(_) | None) => 0..0,
    }
}

/// The words with spaces between them, cut when there are many.
pub(super) fn shown(words: &[Word]) -> String {
    const SHOWN: usize = 60;
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            text.push(' ');
        }
        text.extend(word.text.chars().map(|c| if c.is_control() { '?' } else { c }).take(SHOWN));
        if text.chars().count() > SHOWN {
            let cut: String = text.chars().take(SHOWN).collect();
            return format!("{cut}…");
        }
    }
    text
}

/// A decimal number.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: words are shown whole while they are short, and printable. Method: both kinds.
    #[test]
    fn words_are_shown_short_and_printable() {
        let word = |text: &str, start| Word { text: text.into(), at: start..start + text.len() };
        let words = [word("option", 4), word("a\u{1b}b", 12)];
        assert_eq!((shown(&words).as_str(), span(&words)), ("option a?b", 4..15));
        let long = [word(&"é".repeat(100), 0), word("x", 101)];
        assert_eq!(shown(&long).chars().count(), 61);
        assert_eq!((shown(&[]).as_str(), span(&[])), ("", 0..0));
        assert_eq!(
            (number("10"), number("+1"), number(""), number("1x")),
            (Some(10), None, None, None)
        );
    }
}
