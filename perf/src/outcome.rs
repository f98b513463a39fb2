//! What a load generator says of a job.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A line of JSON on its standard output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Report {
    /// Every connection stands and the warm-up is over: what is counted begins now.
    Measuring,
    /// The measured part is over; connections still stand until standard input ends.
    Measured(Outcome),
    /// It cannot be done, and why.
    Failed(String),
}

/// What was done while it was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Units, as the job's work says.
    pub(crate) units: u64,
    /// Bytes of payload that arrived, both ways together.
    pub(crate) bytes: u64,
    /// How long it took.
    pub(crate) took: Duration,
    /// Of the units that have one.
    pub(crate) latency: Option<Latency>,
    /// Bytes of the bulk beside it, in a mix.
    pub(crate) beside: u64,
    /// Connections that failed: refused, reset, ended early, or a wrong answer.
    pub(crate) failures: u64,
    /// Why the first of them failed, where that is known.
    pub(crate) first_failure: Option<String>,
}

/// Times in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Latency {
    /// Half are no longer.
    pub(crate) p50: u64,
    /// 99 of 100 are no longer.
    pub(crate) p99: u64,
    /// 999 of 1,000 are no longer.
    pub(crate) p999: u64,
    /// The longest.
    pub(crate) max: u64,
}
