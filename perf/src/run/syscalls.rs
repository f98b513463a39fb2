//! System calls for a unit of work, by `strace -c`: a product does a job of so many units and one of
//! twice as many, and the difference is that of the units alone, whatever start, end and connections
//! cost. What goes through a ring is one call there, `io_uring_enter`, however much it is.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::turn::Track;
use crate::job::Work;
use crate::product::Product;
use crate::scenario::Scenario;

/// Calls of a product for one more unit; for one more megabyte where the unit is a byte.
pub(crate) fn count(
    track: &Track<'_>,
    scenario: &Scenario,
    product: Product,
    folder: &Path,
) -> Result<f64> {
    let (units, unit) = match scenario.work {
        Work::Bulk { .. } => (1_000_000_000, 1e6),
        Work::Connects { .. } => (2_000, 1.0),
        Work::PingPong { .. } | Work::Mix { .. } | Work::Idle { .. } => (10_000, 1.0),
        Work::WebSocketLike { .. } => (10_000, 1.0),
    };
    let file = folder.join("strace");
    let tracer = ["strace", "-c", "-f", "-o"].map(str::to_owned);
    let tracer = [tracer.as_slice(), &[file.display().to_string()]].concat();
    let count = |units| {
        let outcome = track.traced(scenario, product, units, &tracer)?;
        let text = fs::read_to_string(&file)?;
        let calls = total(&text).with_context(|| format!("strace says `{}`", text.trim()))?;
        anyhow::Ok((calls, outcome.units))
    };
    let (few, more) = (count(units)?, count(2 * units)?);
    fs::remove_file(&file)?;
    Ok((more.0 - few.0) / (more.1 as f64 - few.1 as f64) * unit)
}

/// The sum of the column `calls`, which the last line has before `total`, with or without errors.
fn total(summary: &str) -> Option<f64> {
    let line = summary.lines().rev().find(|line| line.ends_with(" total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_a_summary() {
        let text = "% time     seconds  usecs/call     calls    errors syscall\n\
                    ------ ----------- ----------- --------- --------- ------------------\n \
                    80.00    0.000004           1         4         1 read\n\
                    100.00    0.000005           1      1234         1 total\n";
        assert_eq!(total(text), Some(1234.0));
        assert_eq!(total("100.00    0.000005           0        12           total\n"), Some(12.0));
        assert_eq!(total(""), None);
    }
}
