//! The numbers to reach, as DESIGN section 5 lists them: which figure of which scenario is held
//! against what. Data; [`crate::verdict`] judges.

use crate::figure::Figure;
use crate::product::Product;

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Row {
    /// What it is about.
    pub(crate) title: &'static str,
    /// The scenario's name.
    pub(crate) scenario: &'static str,
    /// What is read out of it.
    pub(crate) figure: Figure,
    /// What it is held against.
    pub(crate) bars: &'static [Bar],
    /// The bare relay that shows what the kernel alone takes of it.
    pub(crate) floor: Option<Product>,
}

/// What is to be reached: a ratio to a product, or a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bar {
    /// Against whom.
    pub(crate) against: Against,
    /// What must be reached; `None`: it is only shown.
    pub(crate) must: Option<f64>,
    /// What is wished for.
    pub(crate) stretch: Option<f64>,
    /// It counts only at so much, or more, of the other's bulk rate.
    pub(crate) at_bulk: Option<f64>,
}

/// What a figure of ours is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Against {
    /// The same figure of that product, in the same round.
    Product(Product),
    /// The same figure of that HAProxy if it is of this generation.
    Haproxy(Generation),
    /// Nothing: the bar is a value.
    Value,
}

/// HAProxy got costlier by the message on its way from one to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generation {
    /// 2.x, as Debian 12 has it.
    Two,
    /// 3.0 and later.
    Three,
}

impl Against {
    /// The product, if it is one.
    pub(crate) const fn product(self) -> Option<Product> {
        match self {
            Self::Product(product) => Some(product),
            Self::Haproxy(_) => Some(Product::Haproxy),
            Self::Value => None,
        }
    }
}

impl Generation {
    /// That of a version such as `2.6.12`.
    pub(crate) fn of(version: &str) -> Option<Self> {
        let major: u32 = version.split('.').next()?.parse().ok()?;
        Some(if major < 3 { Self::Two } else { Self::Three })
    }
}

/// All of them, in the order of the table.
pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "Small messages",
        scenario: "messages",
        figure: Figure::Cpu,
        bars: &[
            haproxy(Generation::Two, 0.90, 0.86),
            haproxy(Generation::Three, 0.80, 0.75),
            product(Product::Nginx, 0.95, 0.90),
        ],
        floor: Some(Product::RelayEpoll),
    },
    Row {
        title: "Connect, 64 B, close",
        scenario: "connects",
        figure: Figure::Cpu,
        bars: &[
            haproxy(Generation::Two, 0.90, 0.80),
            haproxy(Generation::Three, 0.82, 0.72),
            product(Product::Nginx, 0.88, 0.80),
        ],
        floor: Some(Product::RelayEpoll),
    },
    bulk_cost("Bulk, 8 streams up", "bulk-up"),
    bulk_cost("Bulk, 8 streams down", "bulk-down"),
    bulk_rate("Bulk rate, 1 stream up", "stream-up"),
    bulk_rate("Bulk rate, 1 stream down", "stream-down"),
    bulk_rate("Bulk rate, 8 streams up", "bulk-up"),
    bulk_rate("Bulk rate, 8 streams down", "bulk-down"),
    Row {
        title: "One connection",
        scenario: "one",
        figure: Figure::P50,
        bars: &[product(Product::Nginx, 1.00, 0.95)],
        floor: None,
    },
    Row {
        title: "Round trips beside bulk",
        scenario: "mix",
        figure: Figure::P99,
        bars: &[Bar { at_bulk: Some(0.9), ..product(Product::HaproxySplice, 0.35, 0.2) }],
        floor: None,
    },
    Row {
        title: "Idle sessions: memory",
        scenario: "idle",
        figure: Figure::Memory,
        bars: &[value(300.0, Some(200.0))],
        floor: None,
    },
    Row {
        title: "Idle sessions: kernel objects",
        scenario: "idle",
        figure: Figure::Descriptors,
        bars: &[value(2.0, None)],
        floor: None,
    },
    Row {
        title: "Sessions at 20,000 descriptors",
        scenario: "held",
        figure: Figure::Held,
        bars: &[value(9_600.0, Some(9_900.0))],
        floor: None,
    },
    Row {
        title: "Idle sessions: sleeps in 10 s",
        scenario: "idle",
        figure: Figure::WorkerSwitches,
        bars: &[value(0.0, None)],
        floor: None,
    },
];

const fn bulk_cost(title: &'static str, scenario: &'static str) -> Row {
    const BARS: &[Bar] = &[
        product(Product::Haproxy, 0.25, 0.18),
        product(Product::HaproxyAuto, 0.60, 0.45),
        product(Product::HaproxySplice, 0.90, 0.70),
        product(Product::HaproxyTuned, 1.05, 1.00),
    ];
    Row { title, scenario, figure: Figure::Cpu, bars: BARS, floor: Some(Product::RelaySplice) }
}

const fn bulk_rate(title: &'static str, scenario: &'static str) -> Row {
    const BARS: &[Bar] = &[product(Product::HaproxySplice, 1.00, 1.20)];
    Row { title, scenario, figure: Figure::Rate, bars: BARS, floor: Some(Product::RelaySplice) }
}

const fn product(product: Product, must: f64, stretch: f64) -> Bar {
    bar(Against::Product(product), must, Some(stretch))
}

const fn haproxy(generation: Generation, must: f64, stretch: f64) -> Bar {
    bar(Against::Haproxy(generation), must, Some(stretch))
}

const fn value(must: f64, stretch: Option<f64>) -> Bar {
    bar(Against::Value, must, stretch)
}

const fn bar(against: Against, must: f64, stretch: Option<f64>) -> Bar {
    Bar { against, must: Some(must), stretch, at_bulk: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::Better;
    use crate::product::Maker;
    use crate::scenario::{Mode, Scenario};

    #[test]
    fn a_full_run_has_what_every_row_needs() {
        let full = Scenario::all(Mode::Full);
        for row in ROWS {
            let scenario = full.iter().find(|one| one.name == row.scenario).expect(row.title);
            assert!(scenario.figures.contains(&row.figure), "{}", row.title);
            for product in row.bars.iter().filter_map(|bar| bar.against.product()) {
                assert!(scenario.products.contains(&product), "{}: {product:?}", row.title);
            }
            if let Some(floor) = row.floor {
                assert!(scenario.products.contains(&floor), "{}: {floor:?}", row.title);
                assert!(matches!(floor.maker(), Maker::Relay(_)), "{}", row.title);
            }
        }
    }

    #[test]
    fn what_is_wished_for_is_more_than_what_must_be() {
        for row in ROWS {
            for bar in row.bars {
                let (Some(must), Some(stretch)) = (bar.must, bar.stretch) else { continue };
                match row.figure.better() {
                    Better::Lower => assert!(stretch < must, "{}", row.title),
                    Better::Higher => assert!(stretch > must, "{}", row.title),
                }
            }
        }
    }

    #[test]
    fn generations() {
        assert_eq!(Generation::of("2.6.12"), Some(Generation::Two));
        assert_eq!(Generation::of("3.5-dev3"), Some(Generation::Three));
        assert_eq!(Generation::of("unknown"), None);
    }
}
