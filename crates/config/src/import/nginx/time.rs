//! Times as nginx writes them: numbers with units, seconds where there is none.

use std::time::Duration;

use crate::import::model::{At, Limit};
use crate::import::notes::Notes;
use crate::import::word::Word;
use crate::time::TIMEOUT;

/// A time, such as `60`, `60s`, `500ms` or `1h30m`; `None` when it is none.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut sum: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            "M" => 2_592_000_000,
            "y" => 31_536_000_000,
            // Seconds, at the end only.
            "" if after.is_empty() => 1_000,
            _ => return None,
        };
        sum = sum.checked_add(number.parse::<u64>().ok()?.checked_mul(millis)?)?;
        rest = after.trim_start_matches(' ');
    }
    (!text.is_empty()).then(|| Duration::from_millis(sum))
}

/// A timeout, within what ringbolt can count. nginx's 0 is no end.
pub(super) fn limit(words: &[Word], notes: &mut Notes) -> Option<At<Limit>> {
    let at = crate::import::word::span(words);
    let text = words.get(1).map_or("", |word| &*word.text);
    let Some(written) = parse(text) else {
        let message = format!("{text:?} is no time, so {} is not carried", words[0].text);
        notes.note(&at, message, "write a number and a unit: ms, s, m, h or d");
        return None;
    };
    if written.is_zero() {
        return Some(At::new(Limit::Off, &at));
    }
    let bounded = written.clamp(*TIMEOUT.start(), *TIMEOUT.end());
    if bounded != written {
        let [low, high] = [*TIMEOUT.start(), *TIMEOUT.end()].map(crate::time::show);
        let message =
            format!("{text} is not between {low} and {high}: carried as the nearer of them");
        notes.note(&at, message, "write a time between them");
    }
    Some(At::new(Limit::After(bounded), &at))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: every unit, sums of them, and seconds without one. Method: one time each.
    #[test]
    fn times_have_units() {
        for (text, seconds) in [
            ("60", 60),
            ("60s", 60),
            ("86400", 86_400),
            ("1h30m", 5_400),
            ("1h 30m", 5_400),
            ("1d", 86_400),
            ("0", 0),
            ("1w", 604_800),
        ] {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("500ms"), Some(Duration::from_millis(500)));
        for text in
            ["", "s", "-1", "1.5s", "1x", "60 30m", "99999999999999999999", "9999999999999y"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
