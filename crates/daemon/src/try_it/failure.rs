//! Why there is no demo, or no more of it. What a client of the demo meets is no failure: it is
//! what the table shows.

use std::fmt;
use std::io;
use std::process::ExitStatus;

/// Ends the demo.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The system refused something.
    System { what: &'static str, error: io::Error },
    /// The balancer ended before it was ready; what it said is the reason.
    NotStarted { status: ExitStatus, said: String },
    /// The balancer is there and does not become ready.
    NeverReady { said: String },
    /// The balancer ended while it should have served; the table has what it said.
    Ended { status: ExitStatus },
    /// `--once` was not done in time.
    NeverDone,
    /// A signal came before `--once` was done.
    Interrupted,
}

impl Failure {
    /// For `map_err`.
    pub(crate) fn system(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self::System { what, error }
    }

    /// What cannot start is 3, as with `run`, whose own code is passed on.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::System { .. } | Self::NeverReady { .. } => 3,
            Self::NotStarted { status, .. } => match status.code() {
                Some(code @ 1..=255) => code as u8,
                Some(_) | None => 3,
            },
            Self::Ended { .. } | Self::NeverDone | Self::Interrupted => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { what, error } => {
                writeln!(out, "ringbolt: cannot start: {what}: {error}")
            }
            // It speaks for itself, as after `ringbolt run`.
            Self::NotStarted { said, .. } if !said.is_empty() => {
                write!(out, "{said}")?;
                if said.contains("in use") {
                    writeln!(out, "ringbolt: `ringbolt try --port 0` takes a free port")?;
                }
                Ok(())
            }
            Self::NotStarted { status, .. } => {
                writeln!(out, "ringbolt: cannot start: the balancer ended: {status}")
            }
            Self::NeverReady { said } => {
                write!(out, "{said}")?;
                writeln!(out, "ringbolt: cannot start: the balancer does not become ready")
            }
            Self::Ended { status } => writeln!(out, "ringbolt: the balancer ended: {status}"),
            Self::NeverDone => writeln!(out, "ringbolt: the demo clients do not come to an end"),
            Self::Interrupted => writeln!(out, "ringbolt: interrupted"),
        }
    }
}
