//! Latency by percentile, from the histogram logs of all rounds together.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use super::plot::{Axis, Curve, plot};
use crate::product::Product;
use crate::results::Run;
use crate::run::{HLOGS, hlog};
use crate::scenario::Scenario;

/// Where a curve ends: beyond it single units decide.
const LAST: f64 = 10_000.0;

/// A plot for a scenario, if any of its products left a log.
///
/// # Errors
/// A log that cannot be read.
pub(super) fn latency(run: &Run, scenario: &Scenario, folder: &Path) -> Result<Option<String>> {
    let mut curves = Vec::new();
    for product in &scenario.products {
        let Some(all) = histogram(run, scenario, *product, folder)? else { continue };
        let points = places(all.len())
            .map(|place| (place, all.value_at_quantile(1.0 - 1.0 / place) as f64 / 1e3));
        curves.push(Curve { product: *product, points: points.collect(), marks: false });
    }
    if curves.is_empty() {
        return Ok(None);
    }
    let names = [(2.0, "50 %"), (10.0, "90 %"), (100.0, "99 %"), (1e3, "99.9 %")];
    let names = names.into_iter().chain([(LAST, "99.99 %")]);
    let x = Axis {
        title: "so many answers take no longer".into(),
        logarithmic: true,
        range: (1.0, LAST),
        ticks: names.map(|(place, name)| (place, name.into())).collect(),
    };
    let values: Vec<f64> = curves.iter().flat_map(|one| &one.points).map(|point| point.1).collect();
    let y = Axis::of("", &values, |value| match value {
        1e6.. => format!("{} s", value / 1e6),
        1e3.. => format!("{} ms", value / 1e3),
        _ => format!("{value} µs"),
    });
    Ok(Some(plot(&scenario.title, &x, &y, &curves)))
}

/// One in so many takes longer: thirty places for each power of ten, as far as there are units.
fn places(units: u64) -> impl Iterator<Item = f64> {
    let places = (0..=120).map(|step| 10f64.powf(f64::from(step) / 30.0));
    places.take_while(move |place| *place <= LAST && *place <= units as f64)
}

/// All rounds of a product together, if there is a log of any.
fn histogram(
    run: &Run,
    scenario: &Scenario,
    product: Product,
    folder: &Path,
) -> Result<Option<Histogram<u64>>> {
    let mut all: Option<Histogram<u64>> = None;
    for one in run.of(&scenario.name, product) {
        let file = hlog(&folder.join(HLOGS), &scenario.name, product, one.round);
        if !file.exists() {
            continue;
        }
        let text = fs::read(&file)?;
        let histograms = intervals(&text).with_context(|| file.display().to_string())?;
        for histogram in histograms {
            match &mut all {
                Some(all) => all.add(histogram).map_err(|error| anyhow!("{error}"))?,
                None => all = Some(histogram),
            }
        }
    }
    Ok(all.filter(|all| !all.is_empty()))
}

fn intervals(log: &[u8]) -> Result<Vec<Histogram<u64>>> {
    let mut found = Vec::new();
    for entry in IntervalLogIterator::new(log) {
        let entry = entry.map_err(|error| anyhow!("no histogram log: {error:?}"))?;
        if let LogEntry::Interval(interval) = entry {
            let bytes = STANDARD.decode(interval.encoded_histogram())?;
            let histogram = Deserializer::new().deserialize(&mut bytes.as_slice());
            found.push(histogram.map_err(|error| anyhow!("no histogram: {error}"))?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_place_lies_beyond_the_units() {
        assert_eq!(places(100).last(), Some(100.0));
        assert_eq!(places(1).count(), 1);
        assert!((places(u64::MAX).last().unwrap() - LAST).abs() < 1e-6);
    }

    #[test]
    fn what_is_no_log_is_an_error() {
        assert!(intervals(b"nonsense").is_err());
        assert!(intervals(b"# a comment\n").unwrap().is_empty());
    }
}
