//! What was counted, and how long answers took.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::outcome::{Latency, Outcome};

/// Longer times are counted as this one: no answer takes longer than a connection may.
const LONGEST: Duration = Duration::from_secs(60);
/// Digits of a time that are kept.
const DIGITS: u8 = 3;
/// Of the histogram log.
const INTERVAL: Duration = Duration::from_secs(1);

/// Counts from the beginning of the measured part on.
pub(super) struct Tally {
    began: Instant,
    began_at: SystemTime,
    /// Latency in nanoseconds, one for each interval that has begun.
    intervals: Vec<Histogram<u64>>,
    /// The last answer, or the end if that was later.
    last: Instant,
    bytes: u64,
    /// Connections that failed.
    pub(super) failures: u64,
    /// Why the first of them did.
    pub(super) first_failure: Option<String>,
}

impl Tally {
    pub(super) fn new(began: Instant) -> Self {
        let began_at = SystemTime::now();
        Self {
            began,
            began_at,
            intervals: Vec::new(),
            last: began,
            bytes: 0,
            failures: 0,
            first_failure: None,
        }
    }

    /// Counts from now on. Failures before stay.
    pub(super) fn begin(&mut self, now: Instant) {
        let first_failure = self.first_failure.take();
        *self = Self { failures: self.failures, first_failure, ..Self::new(now) };
    }

    /// A unit that was due then is answered now.
    pub(super) fn answered(&mut self, due: Instant, now: Instant, bytes: u64) {
        let interval = (now - self.began).as_secs() as usize;
        while self.intervals.len() <= interval {
            self.intervals.push(empty());
        }
        self.intervals[interval].saturating_record((now - due).as_nanos() as u64);
        self.bytes += bytes;
        self.last = now;
    }

    /// No unit begins any more; those that did may still be answered.
    pub(super) fn end(&mut self, now: Instant) {
        self.last = now;
    }

    /// All of it together.
    pub(super) fn outcome(&self) -> Outcome {
        let mut all = empty();
        for interval in &self.intervals {
            all.add(interval).expect("all have the same bounds");
        }
        Outcome {
            units: all.len(),
            bytes: self.bytes,
            took: self.last - self.began,
            latency: (!all.is_empty()).then(|| Latency {
                p50: all.value_at_quantile(0.5),
                p99: all.value_at_quantile(0.99),
                p999: all.value_at_quantile(0.999),
                max: all.max(),
            }),
            beside: 0,
            failures: self.failures,
            first_failure: self.first_failure.clone(),
        }
    }

    /// Writes a histogram log: an interval a second, times in nanoseconds (its maxima, for people, in
    /// milliseconds), each tagged with the name of the work.
    ///
    /// # Errors
    /// Those of the file.
    pub(super) fn write_log(&self, path: &Path, tag: &str) -> io::Result<()> {
        let (mut file, mut serializer) =
            (BufWriter::new(File::create(path)?), V2DeflateSerializer::new());
        let mut log = IntervalLogWriterBuilder::new()
            .add_comment("times in nanoseconds")
            .with_start_time(self.began_at)
            .with_base_time(self.began_at)
            .with_max_value_divisor(1e6)
            .begin_log_with(&mut file, &mut serializer)?;
        for (number, interval) in self.intervals.iter().enumerate() {
            let start = INTERVAL * number as u32;
            let length = (self.last - self.began).saturating_sub(start).min(INTERVAL);
            log.write_histogram(interval, start, length, Tag::new(tag))
                .map_err(|error| io::Error::other(error.to_string()))?;
        }
        io::Write::flush(&mut file)
    }
}

fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST.as_nanos() as u64, DIGITS).expect("bounds are in range")
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// A thousand answers, one each 2 ms, that took 1 ms, 2 ms … 1 s.
    fn thousand() -> Tally {
        let began = Instant::now();
        let mut tally = Tally::new(began);
        for n in 1..=1000 {
            let due = began + ms(2 * n);
            tally.answered(due, due + ms(n), 3);
        }
        tally
    }

    #[test]
    fn quantiles_are_right_to_three_digits() {
        let outcome = thousand().outcome();
        let latency = outcome.latency.unwrap();
        for (found, wanted) in
            [(latency.p50, 500), (latency.p99, 990), (latency.p999, 999), (latency.max, 1000)]
        {
            let wanted = wanted as f64 * 1e6;
            assert!((found as f64 - wanted).abs() <= wanted / 1000.0, "{found} for {wanted}");
        }
        assert_eq!((outcome.units, outcome.bytes, outcome.took), (1000, 3000, ms(3000)));
    }

    #[test]
    fn a_time_beyond_all_bounds_is_still_counted() {
        let began = Instant::now();
        let mut tally = Tally::new(began);
        tally.answered(began, began + 2 * LONGEST, 0);
        tally.answered(began + 2 * LONGEST, began + 2 * LONGEST, 0);
        assert_eq!(tally.outcome().units, 2);
    }

    #[test]
    fn without_answers_there_is_no_latency() {
        assert_eq!(Tally::new(Instant::now()).outcome(), Outcome::default());
    }

    #[test]
    fn the_log_has_an_interval_a_second() {
        let path = std::env::temp_dir().join(format!("tally-{}.hlog", std::process::id()));
        thousand().write_log(&path, "work").unwrap();
        let log = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut found = Vec::new();
        for entry in IntervalLogIterator::new(&log) {
            let LogEntry::Interval(interval) = entry.unwrap() else { continue };
            assert_eq!(interval.tag().unwrap().as_str(), "work");
            let packed = STANDARD.decode(interval.encoded_histogram()).unwrap();
            let histogram: Histogram<u64> =
                Deserializer::new().deserialize(&mut &packed[..]).unwrap();
            found.push((interval.start_timestamp(), interval.duration(), histogram.len()));
        }
        // Answers come at 3, 6 … 3,000 ms.
        let wanted = [
            (ms(0), INTERVAL, 333),
            (ms(1000), INTERVAL, 333),
            (ms(2000), INTERVAL, 333),
            (ms(3000), ms(0), 1),
        ];
        assert_eq!(found, wanted);
    }
}
