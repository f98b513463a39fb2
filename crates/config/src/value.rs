//! Readers of single values: each takes one TOML value and gives what it means, or why not.
//!
//! They know neither the key nor the place; `reader` adds both.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use crate::{nearest, time};

/// What is wrong with a value, and the mend.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) reason: String,
    pub(crate) mend: String,
}

impl Wrong {
    pub(crate) fn new(reason: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { reason: reason.into(), mend: mend.into() }
    }

    /// Another type was expected.
    pub(crate) fn kind(expected: &str, value: &DeValue<'_>, mend: impl Into<String>) -> Self {
        Self::new(format!("expected {expected}, found {}", kind_of(value)), mend)
    }
}

/// A value or why it is none.
pub(crate) type Read<T> = Result<T, Wrong>;

/// An integer of a range.
pub(crate) fn integer<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&DeValue<'_>) -> Read<T> {
    move |value| {
        let mend = format!("write a number from {} to {}", range.start(), range.end());
        let Some(written) = value.as_integer() else {
            return Err(Wrong::kind("a number", value, mend));
        };
        let number = u64::from_str_radix(written.as_str(), written.radix());
        number
            .ok()
            .filter(|number| range.contains(number))
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| {
                let (low, high) = (range.start(), range.end());
                let written = shorten(&written.to_string());
                Wrong::new(format!("{written} is not between {low} and {high}"), mend)
            })
    }
}

/// true or false.
pub(crate) fn boolean(value: &DeValue<'_>) -> Read<bool> {
    value
        .as_bool()
        .ok_or_else(|| Wrong::kind("true or false", value, "write true or false, without quotes"))
}

/// A string that is not empty and has no NUL, for whatever the kernel or another program reads.
pub(crate) fn string(value: &DeValue<'_>) -> Read<String> {
    let text = text(value)?;
    if text.is_empty() {
        return Err(Wrong::new("it is empty", "write at least one character, or leave it out"));
    }
    if text.contains('\0') {
        return Err(Wrong::new("it has a NUL character", "take it out"));
    }
    Ok(text.to_owned())
}

/// A name of ours: it stands in runtime commands (`pool/server`), in CSV and in labels.
pub(crate) fn name(text: &str) -> Read<()> {
    let wrong = |c: char| c.is_whitespace() || c.is_control() || "/,;\"'\\".contains(c);
    match text.chars().find(|&c| wrong(c)) {
        _ if text.is_empty() => Err(Wrong::new("a name is empty", "give it a name")),
        Some(c) => Err(Wrong::new(
            format!("a name has the character {c:?}"),
            "write it without spaces, quotes, slashes, commas and semicolons: names stand in \
             runtime commands and in CSV",
        )),
        None => Ok(()),
    }
}

/// The text of a string value, whatever it holds.
pub(crate) fn text<'v>(value: &'v DeValue<'_>) -> Read<&'v str> {
    value.as_str().ok_or_else(|| Wrong::kind("a string", value, "write it in quotes"))
}

/// One of a few words.
pub(crate) fn choice<T: Copy>(
    words: &'static [(T, &'static str)],
) -> impl Fn(&DeValue<'_>) -> Read<T> {
    move |value| {
        let known = words.iter().map(|(_, word)| *word);
        let list = || format!("write one of {}", nearest::listed(known.clone()));
        let Some(text) = value.as_str() else {
            return Err(Wrong::kind("a string", value, list()));
        };
        let chosen = words.iter().find(|(_, word)| *word == text).map(|(meaning, _)| *meaning);
        chosen.ok_or_else(|| {
            let mend = nearest::suggest(text, known.clone());
            Wrong::new(format!("{} is not known", quoted(text)), mend)
        })
    }
}

/// A time within bounds.
pub(crate) fn duration(range: RangeInclusive<Duration>) -> impl Fn(&DeValue<'_>) -> Read<Duration> {
    move |value| {
        let (low, high) = (time::show(*range.start()), time::show(*range.end()));
        let mend = format!("write a time from \"{low}\" to \"{high}\"");
        let Some(text) = value.as_str() else {
            // What is a second here is a millisecond in HAProxy: the unit is for the operator.
            let example = value.as_integer().map_or("5", |number| number.as_str());
            let mend =
                format!("write it with a unit and in quotes, e.g. \"{}s\"", shorten(example));
            return Err(Wrong::kind("a time", value, mend));
        };
        let Some(time) = time::parse(text) else {
            let reason = format!("{} is not a time", quoted(text));
            let mend = "write one number with a unit (us, ms, s, m, h, d), e.g. \"5s\"";
            return Err(Wrong::new(reason, mend));
        };
        if range.contains(&time) {
            Ok(time)
        } else {
            Err(Wrong::new(format!("\"{text}\" is not between \"{low}\" and \"{high}\""), mend))
        }
    }
}

/// What another reader takes, or "off".
pub(crate) fn or_off<T>(
    read: impl Fn(&DeValue<'_>) -> Read<T>,
) -> impl Fn(&DeValue<'_>) -> Read<Option<T>> {
    move |value| {
        if value.as_str() == Some("off") {
            return Ok(None);
        }
        read(value).map(Some).map_err(|wrong| {
            let mend = format!("{}, or \"off\"", wrong.mend);
            Wrong { mend, ..wrong }
        })
    }
}

/// A text in quotes, cut when it is long, with everything unprintable escaped.
pub(crate) fn quoted(text: &str) -> String {
    format!("{:?}", shorten(text))
}

fn shorten(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or a time of day",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(text: &str, read: impl Fn(&DeValue<'_>) -> Read<T>) -> Result<T, String> {
        let value = DeValue::parse(text).expect("the test writes TOML");
        read(value.get_ref()).map_err(|wrong| format!("{}; {}", wrong.reason, wrong.mend))
    }

    /// Goal: ranges hold at both ends, whatever the radix and the size. Method: values around them.
    #[test]
    fn integers_keep_their_range() {
        let weight = || integer::<u16>(0..=65_535);
        assert_eq!(read("0", weight()), Ok(0));
        assert_eq!(read("0xffff", weight()), Ok(65_535));
        assert_eq!(read("1_000", weight()), Ok(1_000));
        let message = "65536 is not between 0 and 65535; write a number from 0 to 65535";
        assert_eq!(read("65536", weight()), Err(message.to_owned()));
        assert!(read("-1", weight()).is_err());
        assert!(read("99999999999999999999999999999999999999999999", weight()).is_err());
        assert!(read("1.0", weight()).unwrap_err().contains("a number with a fraction"));
        assert!(read("\"1\"", weight()).unwrap_err().contains("expected a number, found a string"));
        assert!(read("1979-05-27", weight()).is_err());
        assert_eq!(
            read("9223372036854775807", integer::<u64>(0..=i64::MAX as u64)),
            Ok(i64::MAX as u64)
        );
        assert!(read("9223372036854775808", integer::<u64>(0..=i64::MAX as u64)).is_err());
    }

    /// Goal: a bare number is told its unit, zero is told "off". Method: the messages.
    #[test]
    fn times_tell_the_mend() {
        let idle = || or_off(duration(time::TIMEOUT));
        assert_eq!(read("\"off\"", idle()), Ok(None));
        assert_eq!(read("\"1h\"", idle()), Ok(Some(Duration::from_secs(3_600))));
        assert!(read("5", idle()).unwrap_err().contains("e.g. \"5s\""));
        assert!(read("\"0s\"", idle()).unwrap_err().ends_with("or \"off\""));
        let connect = || duration(time::TIMEOUT);
        let zero =
            "\"0s\" is not between \"1ms\" and \"365d\"; write a time from \"1ms\" to \"365d\"";
        assert_eq!(read("\"0s\"", connect()), Err(zero.to_owned()));
        assert!(read("\"off\"", connect()).unwrap_err().contains("is not a time"));
        assert!(read("\"999d\"", connect()).is_err());
    }

    /// Goal: names that commands could not name are refused. Method: one bad character each.
    #[test]
    fn names_can_stand_in_commands() {
        for good in ["ws1", "10.0.0.1:80", "[::1]:80", "größe", "a-b_c.d"] {
            assert!(name(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a/b", "a,b", "a;b", "a\"b", "a\\b", "a\n", "\0", "a\u{a0}b"] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }

    /// Goal: a message stays short and printable. Method: a long text and an escape.
    #[test]
    fn quoted_texts_are_short_and_printable() {
        assert_eq!(quoted("a\u{1b}\"").as_str(), r#""a\u{1b}\"""#);
        assert!(quoted(&"é".repeat(1_000)).chars().count() < 70);
    }
}
