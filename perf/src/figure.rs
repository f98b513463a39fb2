//! What is read out of a measurement, and how it is written.

use serde::{Deserialize, Serialize};

use crate::job::Work;
use crate::results::Measurement;
use crate::scenario::Scenario;

/// One kind of figure. That of bulk is by the byte: nanoseconds for a byte are seconds for a
/// gigabyte (10^9 bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Figure {
    /// Nanoseconds of CPU of all threads of the product, for a unit.
    Cpu,
    /// Nanoseconds for which the product's core was busy, for a unit.
    CoreCpu,
    /// Units in a second.
    Rate,
    /// Nanoseconds that half of the units take at most.
    P50,
    /// That 99 of 100 take at most.
    P99,
    /// That 999 of 1,000 take at most.
    P999,
    /// That the longest takes.
    Max,
    /// Bytes in a second of the bulk beside it.
    Beside,
    /// Bytes of user memory for a session.
    Memory,
    /// Bytes of kernel memory of the whole machine for a session: those of its two ends, too.
    Kernel,
    /// Descriptors for a session.
    Descriptors,
    /// Ends of pipes for a session.
    Pipes,
    /// Times in the measured part that a thread which moves bytes went to sleep, and so was woken.
    WorkerSwitches,
    /// Connections that came through.
    Held,
}

/// Which of two values is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    /// The smaller.
    Lower,
    /// The greater.
    Higher,
}

impl Figure {
    /// Its value in a measurement; `None` where it has none.
    pub(crate) fn of(self, one: &Measurement) -> Option<f64> {
        let Measurement { outcome, spent, held, .. } = one;
        let each = |value: u64| (outcome.units > 0).then(|| value as f64 / outcome.units as f64);
        let second = |value: u64| Some(value as f64 / outcome.took.as_secs_f64());
        let latency = outcome.latency.as_ref();
        let session = |value: i64| {
            let connections = held.connections;
            (spent.is_some() && connections > 0).then(|| value as f64 / connections as f64)
        };
        match self {
            Self::Cpu => each(spent.as_ref()?.cpu_ns),
            Self::CoreCpu => each(spent.as_ref().map(|_| one.cores_ns[0])?),
            Self::Rate => second(outcome.units),
            Self::P50 => Some(latency?.p50 as f64),
            Self::P99 => Some(latency?.p99 as f64),
            Self::P999 => Some(latency?.p999 as f64),
            Self::Max => Some(latency?.max as f64),
            Self::Beside => second(outcome.beside),
            Self::Memory => session(held.memory),
            Self::Kernel => {
                (held.connections > 0).then(|| held.kernel as f64 / held.connections as f64)
            }
            Self::Descriptors => session(held.descriptors),
            Self::Pipes => session(held.pipes),
            Self::WorkerSwitches => Some(spent.as_ref()?.voluntary_of_workers as f64),
            Self::Held => Some(held.connections as f64),
        }
    }

    /// Which way it is better.
    pub(crate) const fn better(self) -> Better {
        match self {
            Self::Rate | Self::Beside | Self::Held => Better::Higher,
            Self::Cpu | Self::CoreCpu | Self::P50 | Self::P99 | Self::P999 | Self::Max => {
                Better::Lower
            }
            Self::Memory | Self::Kernel | Self::Descriptors | Self::Pipes => Better::Lower,
            Self::WorkerSwitches => Better::Lower,
        }
    }

    /// What it is called in a scenario.
    pub(crate) fn title(self, scenario: &Scenario) -> String {
        let unit = match scenario.work {
            Work::PingPong { .. } | Work::Mix { .. } => "round trip",
            Work::Connects { .. } => "connection",
            Work::Bulk { .. } => "GB",
            Work::Idle { .. } => "session",
            Work::WebSocketLike { .. } => "frame",
        };
        match self {
            Self::Cpu => format!("CPU a {unit}"),
            Self::CoreCpu => format!("core busy, a {unit}"),
            Self::Rate => "rate".into(),
            Self::P50 => "p50".into(),
            Self::P99 => "p99".into(),
            Self::P999 => "p99.9".into(),
            Self::Max => "longest".into(),
            Self::Beside => "bulk beside it".into(),
            Self::Memory => "user memory a session".into(),
            Self::Kernel => "kernel memory a session".into(),
            Self::Descriptors => "descriptors a session".into(),
            Self::Pipes => "pipe ends a session".into(),
            Self::WorkerSwitches => "times a worker slept".into(),
            Self::Held => "sessions held".into(),
        }
    }

    /// A value as it is written, with its unit.
    pub(crate) fn show(self, scenario: &Scenario, value: f64) -> String {
        let bulk = matches!(scenario.work, Work::Bulk { .. });
        match self {
            Self::Cpu | Self::CoreCpu if bulk => format!("{value:.3} s"),
            Self::Rate if bulk => rate(value),
            Self::Beside => rate(value),
            Self::Cpu | Self::CoreCpu | Self::P50 | Self::P99 | Self::P999 | Self::Max => {
                time(value)
            }
            Self::Rate => format!("{}/s", whole(value)),
            Self::Memory | Self::Kernel => format!("{} B", whole(value)),
            Self::Descriptors | Self::Pipes => format!("{value:.2}"),
            Self::WorkerSwitches | Self::Held => whole(value),
        }
    }
}

fn rate(bytes: f64) -> String {
    format!("{:.2} GB/s", bytes / 1e9)
}

/// Nanoseconds with three digits that count.
fn time(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds {
        ..1e6 => (nanoseconds / 1e3, "µs"),
        ..1e9 => (nanoseconds / 1e6, "ms"),
        _ => (nanoseconds / 1e9, "s"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

/// A whole number, its thousands set apart.
pub(crate) fn whole(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::from(if value <= -0.5 { "-" } else { "" });
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_unit_that_suits_them() {
        assert_eq!(time(123.0), "0.12 µs");
        assert_eq!(time(12_345.0), "12.3 µs");
        assert_eq!(time(412_345.0), "412 µs");
        assert_eq!(time(4_100_000.0), "4.10 ms");
        assert_eq!(time(2.5e9), "2.50 s");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(whole(0.0), "0");
        assert_eq!(whole(999.4), "999");
        assert_eq!(whole(1_000.0), "1,000");
        assert_eq!(whole(-1_234_567.0), "-1,234,567");
        assert_eq!(whole(-0.2), "0");
    }
}
