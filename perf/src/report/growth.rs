//! How cost grows: one plot a series.

use clap::ValueEnum;

use super::plot::{Axis, Curve, plot};
use crate::figure::{Figure, whole};
use crate::product::Product;
use crate::results::Run;
use crate::scenario::{Point, Scenario, Series};
use crate::statistics::Spread;
use crate::verdict::rounds;

/// Plots of all series that the run has points of.
pub(super) fn growth(run: &Run) -> String {
    Series::value_variants().iter().filter_map(|series| series_plot(run, *series)).collect()
}

fn series_plot(run: &Run, series: Series) -> Option<String> {
    let point = |scenario: &'_ Scenario| scenario.point.filter(|point| point.series == series);
    let scenarios: Vec<(&Scenario, Point)> =
        run.scenarios.iter().filter_map(|one| Some((one, point(one)?))).collect();
    let (first, _) = scenarios.first()?;
    let curve = |product: &Product| {
        let point = |(scenario, point): &(&Scenario, Point)| {
            let values = rounds(run.of(&scenario.name, *product), Figure::Cpu);
            let spread = Spread::of(values.into_iter().map(|(_, value)| value))?;
            Some((f64::from(point.at), spread.median))
        };
        let points = scenarios.iter().filter_map(point).collect();
        Curve { product: *product, points, marks: true }
    };
    let curves: Vec<Curve> = first.products.iter().map(curve).collect();
    let values: Vec<f64> = curves.iter().flat_map(|one| &one.points).map(|point| point.1).collect();
    if values.is_empty() {
        return None;
    }
    let (title, along) = match series {
        Series::Connections => ("CPU a round trip, 128 B, by connections", "connections"),
        Series::Servers => ("CPU a connection, by servers in the pool", "servers"),
        Series::Size => ("CPU a round trip, 8 connections, by size of the message", "bytes"),
    };
    let at: Vec<f64> = scenarios.iter().map(|(_, point)| f64::from(point.at)).collect();
    let name = |value: f64| match value {
        1_048_576.0.. if series == Series::Size => format!("{} MiB", value / 1_048_576.0),
        1_024.0.. if series == Series::Size => format!("{} KiB", value / 1_024.0),
        _ => whole(value),
    };
    let x = Axis::through(along, &at, name);
    let y = Axis::of("", &values, |value| Figure::Cpu.show(first, value));
    Some(plot(title, &x, &y, &curves))
}
