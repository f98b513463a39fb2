//! Times as HAProxy writes them: a number and a unit, milliseconds where there is none.

use std::time::Duration;

use crate::import::model::{At, Limit};
use crate::import::notes::Notes;
use crate::import::word::Word;
use crate::time::TIMEOUT;

/// A time; 0 is zero. `None` when it is none.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let micros = match unit {
        "us" => 1,
        "" | "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(micros).map(Duration::from_micros)
}

/// A timeout: 0 is none at all. What ringbolt cannot count is the nearest that it can.
pub(super) fn limit(word: &Word, notes: &mut Notes) -> Option<At<Limit>> {
    let duration = read(word, notes)?;
    let limit =
        if duration.is_zero() { Limit::Off } else { Limit::After(bounded(word, duration, notes)) };
    Some(At::new(limit, &word.at))
}

/// A time that is not 0.
pub(super) fn duration(word: &Word, notes: &mut Notes) -> Option<At<Duration>> {
    let duration = read(word, notes)?;
    Some(At::new(bounded(word, duration, notes), &word.at))
}

fn read(word: &Word, notes: &mut Notes) -> Option<Duration> {
    let duration = parse(&word.text);
    if duration.is_none() {
        let message = format!("{:?} is no time, so it is not carried", word.text);
        notes.note(&word.at, message, "write a number and a unit: us, ms, s, m, h or d");
    }
    duration
}

fn bounded(word: &Word, duration: Duration, notes: &mut Notes) -> Duration {
    let bounded = duration.clamp(*TIMEOUT.start(), *TIMEOUT.end());
    if bounded != duration {
        let (low, high) = (crate::time::show(*TIMEOUT.start()), crate::time::show(*TIMEOUT.end()));
        let message =
            format!("{} is not between {low} and {high}: carried as the nearer of them", word.text);
        notes.note(&word.at, message, "write a time between them, or 0 for none");
    }
    bounded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: every unit, and milliseconds without one. Method: one time each.
    #[test]
    fn times_have_units() {
        for (text, micros) in [
            ("7us", 7),
            ("5000", 5_000_000),
            ("5ms", 5_000),
            ("5s", 5_000_000),
            ("2m", 120_000_000),
            ("0", 0),
        ] {
            assert_eq!(parse(text), Some(Duration::from_micros(micros)), "{text}");
        }
        for text in ["", "s", "-1", "1.5s", "5sec", "99999999999999999999", "18446744073709551615d"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    /// Goal: 0 is none, and what cannot be counted is bounded and told. Method: each.
    #[test]
    fn limits_are_bounded() {
        let mut notes = Notes::default();
        let mut read = |text: &str| {
            let word = Word { text: text.into(), at: 0..1 };
            limit(&word, &mut notes).map(|limit| limit.value)
        };
        assert_eq!(read("0"), Some(Limit::Off));
        assert_eq!(read("1h"), Some(Limit::After(Duration::from_secs(3_600))));
        assert_eq!(read("9us"), Some(Limit::After(*TIMEOUT.start())));
        assert_eq!(read("1000d"), Some(Limit::After(*TIMEOUT.end())));
        assert_eq!(read("soon"), None);
        assert_eq!(notes.into_lists().1.len(), 3);
    }
}
