//! A plot of lines as inline SVG. Colours come from the page's style sheet, so that it suits light
//! and dark; names are in a legend below it, where they cannot overlap.

use std::fmt::Write;

use super::page::escape;
use crate::product::{Maker, Product};

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 270.0;
/// Room for the ticks of both axes, and above and beside the lines.
const LEFT: f64 = 58.0;
const BOTTOM: f64 = 40.0;
const TOP: f64 = 12.0;
const RIGHT: f64 = 26.0;

/// The part of an axis that a name needs.
const NAME: f64 = 0.09;

/// One of the two axes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    /// What it shows.
    pub(super) title: String,
    /// By powers of ten; from nought on where it is not.
    pub(super) logarithmic: bool,
    /// Where it begins and ends.
    pub(super) range: (f64, f64),
    /// Places with a name.
    pub(super) ticks: Vec<(f64, String)>,
}

/// The line of one product.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    /// Whose.
    pub(super) product: Product,
    /// From left to right.
    pub(super) points: Vec<(f64, f64)>,
    /// Whether each point gets a mark.
    pub(super) marks: bool,
}

impl Axis {
    /// An axis that holds these values, named by `show`; by powers of ten when they lie far apart.
    pub(super) fn of(title: &str, values: &[f64], show: impl Fn(f64) -> String) -> Self {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min).max(1e-9);
        let most = values.iter().copied().fold(least, f64::max);
        let logarithmic = most / least > 8.0;
        let (range, places) = if logarithmic {
            let (low, high) = (least.log10().floor(), most.log10().ceil());
            let powers = low as i32..=high as i32;
            ((10f64.powf(low), 10f64.powf(high)), powers.map(|power| 10f64.powi(power)).collect())
        } else {
            linear(most)
        };
        let name = |place| if place == 0.0 { "0".into() } else { show(place) };
        let ticks = places.into_iter().map(|place| (place, name(place))).collect();
        Self { title: title.into(), logarithmic, range, ticks }
    }

    /// An axis by powers that has these values as its places, from the first to the last; a name
    /// that would lie on the next one is left out.
    pub(super) fn through(title: &str, values: &[f64], show: impl Fn(f64) -> String) -> Self {
        let (first, last) = (values[0], *values.last().unwrap_or(&values[0]));
        // One place alone has an axis too.
        let range = (first, if last > first { last } else { first * 10.0 });
        let mut axis = Self { title: title.into(), logarithmic: true, range, ticks: Vec::new() };
        for value in values.iter().rev() {
            let next = axis.ticks.last().map_or(2.0, |(next, _)| axis.place(*next));
            if next - axis.place(*value) >= NAME {
                axis.ticks.push((*value, show(*value)));
            }
        }
        axis
    }

    /// Where a value lies, from 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let (low, high) = self.range;
        if self.logarithmic {
            (value.max(low) / low).ln() / (high / low).ln()
        } else {
            (value - low) / (high - low)
        }
    }
}

/// A range from nought on that holds `most`, and four to eight places in it.
fn linear(most: f64) -> ((f64, f64), Vec<f64>) {
    let power = 10f64.powf(most.log10().floor());
    let step = [0.2, 0.25, 0.5, 1.0, 2.0].map(|step| step * power);
    let step = step.into_iter().find(|step| most / step <= 6.0).unwrap_or(2.0 * power);
    let count = (most / step).ceil();
    ((0.0, count * step), (0..=count as u32).map(|place| f64::from(place) * step).collect())
}

/// The plot with its legend.
pub(super) fn plot(title: &str, x: &Axis, y: &Axis, curves: &[Curve]) -> String {
    let across = |value| LEFT + x.place(value) * (WIDTH - LEFT - RIGHT);
    let up = |value| HEIGHT - BOTTOM - y.place(value) * (HEIGHT - BOTTOM - TOP);
    let mut text = format!(
        "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"{}\">",
        escape(title),
        escape(title)
    );
    let (right, floor) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for (value, name) in &y.ticks {
        let at = up(*value);
        let _ = write!(
            text,
            "<line class=grid x1={LEFT} x2={right} y1={at:.1} y2={at:.1} />\
             <text class=end x={:.1} y={:.1}>{}</text>",
            LEFT - 6.0,
            at + 4.0,
            escape(name)
        );
    }
    for (value, name) in &x.ticks {
        let at = across(*value);
        let _ = write!(
            text,
            "<line class=grid x1={at:.1} x2={at:.1} y1={TOP} y2={floor} />\
             <text class=middle x={at:.1} y={:.1}>{}</text>",
            floor + 15.0,
            escape(name)
        );
    }
    let _ = write!(
        text,
        "<text class=middle x={:.1} y={:.1}>{}</text>",
        f64::midpoint(LEFT, right),
        HEIGHT - 6.0,
        escape(&x.title)
    );
    for curve in curves {
        let points = curve.points.iter().map(|(x, y)| format!("{:.1},{:.1}", across(*x), up(*y)));
        let points: Vec<String> = points.collect();
        let class = class(curve.product);
        let _ = write!(text, "<polyline class=\"{class}\" points=\"{}\" />", points.join(" "));
        for (x, y) in curve.points.iter().filter(|_| curve.marks) {
            let (x, y) = (across(*x), up(*y));
            let _ = write!(text, "<circle class=\"{class}\" cx={x:.1} cy={y:.1} r=2.5 />");
        }
    }
    text += "</svg><p class=legend>";
    for curve in curves {
        let _ = write!(
            text,
            "<span><svg viewBox=\"0 0 24 8\" class=key><line class=\"{}\" x1=0 x2=24 y1=4 y2=4 />\
             </svg>{}</span> ",
            class(curve.product),
            escape(curve.product.title())
        );
    }
    text + "</p></figure>\n"
}

/// A colour a maker, a dash a setting.
fn class(product: Product) -> &'static str {
    match (product, product.maker()) {
        (Product::RingboltCopy | Product::Base, _) => "line ringbolt second",
        (Product::RingboltAlways, _) => "line ringbolt third",
        (Product::HaproxyAuto, _) => "line haproxy second",
        (Product::HaproxySplice, _) => "line haproxy third",
        (Product::HaproxyTuned, _) => "line haproxy fourth",
        (Product::Nginx64k, _) => "line nginx second",
        (Product::RelayUring, _) => "line relay second",
        (Product::RelaySplice, _) => "line relay third",
        (_, Maker::Ringbolt | Maker::Base) => "line ringbolt",
        (_, Maker::Haproxy) => "line haproxy",
        (_, Maker::Nginx) => "line nginx",
        (_, Maker::Relay(_)) => "line relay",
        (_, Maker::Nobody) => "line nobody",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_far_apart_is_shown_by_powers_of_ten() {
        let axis = Axis::of("", &[3.0, 4_000.0], |value| value.to_string());
        assert!(axis.logarithmic);
        assert_eq!(axis.range, (1.0, 10_000.0));
        assert_eq!(axis.ticks.len(), 5);
        assert_eq!(axis.place(100.0), 0.5);
    }

    #[test]
    fn no_two_names_lie_on_each_other() {
        let axis = Axis::through("", &[1.0, 100.0, 8_000.0, 10_000.0], |value| value.to_string());
        let places: Vec<f64> = axis.ticks.iter().map(|(place, _)| *place).collect();
        assert_eq!(places, [10_000.0, 100.0, 1.0]);
        assert_eq!(axis.place(100.0), 0.5);
        assert_eq!(Axis::through("", &[7.0], |value| value.to_string()).place(7.0), 0.0);
    }

    #[test]
    fn what_lies_near_begins_at_nought() {
        let axis = Axis::of("", &[13.0, 17.5], |value| value.to_string());
        assert!(!axis.logarithmic);
        assert_eq!(axis.range, (0.0, 20.0));
        assert_eq!(axis.place(10.0), 0.5);
        for most in [1.0, 1.3, 2.2, 3.6, 5.9, 7.7, 9.99, 123_456.0] {
            let ((_, high), places) = linear(most);
            assert!(high >= most && (3..=8).contains(&places.len()), "{most}: {places:?}");
        }
    }
}
