//! Times as they are written ("5s") and the bounds that they have.
//!
//! One number and one unit: "90s", not "1m30s". A bare number is never a time, because HAProxy
//! reads it as milliseconds and nginx as seconds.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Every timeout: a worker's clock counts milliseconds, and what shall last a year is "off".
pub(crate) const TIMEOUT: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(365 * 86_400);

/// Between two probes: ten a second and server, or once a day.
pub(crate) const PROBE_INTERVAL: RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_secs(86_400);

/// TCP_KEEPIDLE, tcp(7): the kernel takes whole seconds up to MAX_TCP_KEEPIDLE.
pub(crate) const KEEPALIVE: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(32_767);

/// Units by their length in microseconds, the longest first.
const UNITS: [(&str, u64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

/// Reads a number with a unit; `None` for anything else and for what exceeds 2^64 microseconds.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, length) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*length).map(Duration::from_micros)
}

/// Writes a time with the longest unit that needs no fraction.
pub(crate) fn show(time: Duration) -> String {
    let micros = time.as_micros();
    if micros == 0 {
        return "0s".to_owned();
    }
    let exact = |length: u64| micros.is_multiple_of(u128::from(length));
    let (unit, length) = UNITS.into_iter().find(|(_, length)| exact(*length)).unwrap_or(("us", 1));
    format!("{}{unit}", micros / u128::from(length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Goal: every unit counts what it says. Method: one time each, by hand.
    #[test]
    fn units_are_read() {
        let times = [
            ("7us", Duration::from_micros(7)),
            ("250ms", Duration::from_millis(250)),
            ("5s", Duration::from_secs(5)),
            ("2m", Duration::from_secs(120)),
            ("1h", Duration::from_secs(3_600)),
            ("1d", Duration::from_secs(86_400)),
            ("0s", Duration::ZERO),
        ];
        for (text, time) in times {
            assert_eq!(parse(text), Some(time));
            assert_eq!(show(time), text);
        }
    }

    /// Goal: nothing else is taken for a time. Method: what people write elsewhere.
    #[test]
    fn what_is_no_time_is_refused() {
        let wrong =
            ["", "5", "s", "5 s", " 5s", "-5s", "+5s", "1.5s", "5sec", "1m30s", "5S", "off", "٣s"];
        for text in wrong {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(parse("99999999999999999999s"), None);
        assert_eq!(parse("18446744073709551615d"), None);
    }

    proptest! {
        /// Goal: what a message shows can be written back. Method: any number of microseconds.
        #[test]
        fn a_shown_time_reads_as_itself(micros: u64) {
            let time = Duration::from_micros(micros);
            prop_assert_eq!(parse(&show(time)), Some(time));
        }
    }
}
