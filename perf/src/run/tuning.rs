//! The best socket buffers for an HAProxy that splices: a small set is tried, and the one with which
//! a gigabyte costs least is used. It belongs to its row that nobody says we beat a bad setting.

use std::time::Duration;

use anyhow::Result;

use super::lineup::Lineup;
use super::turn::{Servers, Track};
use crate::figure::Figure;
use crate::product::Product;
use crate::results::Tuning;
use crate::scenario::Scenario;

/// What is tried, in bytes; the kernel doubles it, and what is set no longer grows.
const SIZES: [Option<u32>; 5] =
    [None, Some(128 << 10), Some(256 << 10), Some(512 << 10), Some(1 << 20)];

/// Tries them all in `scenario` and leaves the best in the line-up.
pub(crate) fn tune(
    lineup: &mut Lineup,
    servers: &Servers,
    cores: [usize; 2],
    scenario: &Scenario,
) -> Result<Vec<Tuning>> {
    let scenario = Scenario { measured: Duration::from_secs(2), ..scenario.clone() };
    let mut tried = Vec::new();
    for buffers in SIZES {
        lineup.buffers = buffers;
        let track = Track { lineup, servers, cores };
        let one = track.turn(&scenario, Product::HaproxyTuned, 0, None)?;
        tried.extend(Figure::Cpu.of(&one).map(|cost| Tuning { buffers, cost }));
    }
    lineup.buffers = best(&tried);
    Ok(tried)
}

/// The size that costs least.
pub(crate) fn best(tried: &[Tuning]) -> Option<u32> {
    tried.iter().min_by(|one, other| one.cost.total_cmp(&other.cost))?.buffers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheapest_is_the_best() {
        let tried = [(None, 0.3), (Some(1), 0.2), (Some(2), 0.4)];
        let tried = tried.map(|(buffers, cost)| Tuning { buffers, cost });
        assert_eq!(best(&tried), Some(1));
        assert_eq!(best(&tried[..1]), None);
    }
}
