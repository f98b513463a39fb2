//! What is done with every product, and for how long: the jobs behind the rows of [`crate::rows`],
//! a few more that say how a product behaves, and the series of `--growth`.

use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::figure::Figure;
use crate::job::{Way, Work};
use crate::product::Product::{self, *};

mod growth;

/// Connections that are held where memory, descriptors and switches are counted.
pub(crate) const IDLE: u32 = 5_000;
/// Connections that are asked of a product to see how many it holds: as many as 20,000 descriptors
/// could, at two each.
pub(crate) const MOST: u32 = 10_000;
/// Size of messages, in bytes, where nothing else is said.
const MESSAGE: u32 = 128;
/// Bulk streams at the same time.
const STREAMS: u32 = 8;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// Under five minutes: three pairs of short runs.
    Quick,
    /// Under forty minutes: every row, five pairs.
    Full,
    /// Under thirty minutes: how cost grows, three pairs.
    Growth,
}

/// Something that every product does in turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scenario {
    /// Its name on the command line and in file names.
    pub(crate) name: String,
    /// Its name in tables.
    pub(crate) title: String,
    /// What the load generator does.
    pub(crate) work: Work,
    /// Servers in the balancer's pool.
    pub(crate) servers: u16,
    /// Who does it, in this order in the first round.
    pub(crate) products: Vec<Product>,
    /// What is read out of it; the first is what it is about.
    pub(crate) figures: Vec<Figure>,
    /// Rounds, in each of which every product has a turn.
    pub(crate) rounds: u32,
    /// The measured part of a turn.
    pub(crate) measured: Duration,
    /// The part before it.
    pub(crate) warm_up: Duration,
    /// The series it is a point of.
    pub(crate) point: Option<Point>,
    /// It may ask for more than a product has room for, and whoever has none is left out of it.
    pub(crate) to_the_limit: bool,
}

/// A place on the horizontal axis of a plot.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    /// Which axis.
    pub(crate) series: Series,
    /// Where.
    pub(crate) at: u32,
}

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Series {
    /// Connections with a message under way on each.
    Connections,
    /// Servers in the pool.
    Servers,
    /// Bytes of a message.
    Size,
}

impl Scenario {
    /// All of a mode, in order.
    pub(crate) fn all(mode: Mode) -> Vec<Self> {
        match mode {
            Mode::Quick => quick(),
            Mode::Full => full(),
            Mode::Growth => growth::all(),
        }
    }

    /// Whether it is about how many connections a product holds.
    pub(crate) fn seeks_most(&self) -> bool {
        self.to_the_limit && matches!(self.work, Work::Idle { .. })
    }

    /// Whether it is one of those that a name on the command line means: itself, or the first word
    /// of its name.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.name.split('-').next() == Some(name)
    }

    /// How long all of it takes, about: starting and ending a turn is a second.
    pub(crate) fn length(&self) -> Duration {
        let turn = self.measured + self.warm_up + Duration::from_secs(1);
        turn * self.rounds * self.products.len() as u32
    }
}

/// The products that every row is about, and those whose only difference explains one.
const PEERS: [Product; 3] = [Ringbolt, Haproxy, Nginx];
const SPLICERS: [Product; 5] = [Ringbolt, Haproxy, HaproxyAuto, HaproxySplice, HaproxyTuned];

fn quick() -> Vec<Scenario> {
    let seconds = |scenario: Scenario, measured| scenario.rounds(3).seconds(measured, 0.7);
    vec![
        seconds(messages(&with(&PEERS, &[RelayEpoll])), 2.0),
        seconds(connects(&with(&PEERS, &[RelayEpoll])), 2.0),
        seconds(bulk(Way::Up, STREAMS, &with(&SPLICERS, &[RelaySplice])), 1.5),
        seconds(bulk(Way::Down, STREAMS, &with(&SPLICERS, &[RelaySplice])), 1.5),
        seconds(one(&[Ringbolt, Nginx]), 2.0),
        seconds(mix(&[Ringbolt, HaproxySplice]), 3.0),
        // Memory and descriptors do not vary; ten seconds are what the row on switches asks for.
        idle(&[Ringbolt, Haproxy]).rounds(1).seconds(10.0, 0.5),
    ]
}

fn full() -> Vec<Scenario> {
    let floor = with(&PEERS, &[Direct, RelayEpoll, RelayUring]);
    let splicers = with(&SPLICERS, &[Nginx, Nginx64k, Direct, RelaySplice]);
    let stream = [Ringbolt, HaproxySplice, Direct, RelaySplice];
    let seconds = |scenario: Scenario, measured| scenario.rounds(5).seconds(measured, 1.0);
    vec![
        seconds(messages(&floor), 4.0),
        seconds(connects(&floor), 4.0),
        seconds(bulk(Way::Up, STREAMS, &splicers), 4.0),
        seconds(bulk(Way::Down, STREAMS, &splicers), 4.0),
        seconds(bulk(Way::Up, 1, &stream), 4.0),
        seconds(bulk(Way::Down, 1, &stream), 4.0),
        seconds(one(&with(&PEERS, &[Direct, RelayEpoll])), 4.0),
        seconds(mix(&[Ringbolt, HaproxyAuto, HaproxySplice, Direct]), 6.0),
        seconds(websockets(&with(&PEERS, &[Direct])), 6.0),
        idle(&with(&PEERS, &[Direct])).rounds(5).seconds(10.0, 0.5),
        held(&[Ringbolt, Haproxy, HaproxySplice]).rounds(1).seconds(1.0, 0.5),
    ]
}

fn with(products: &[Product], more: &[Product]) -> Vec<Product> {
    [products, more].concat()
}

fn messages(products: &[Product]) -> Scenario {
    let work = Work::PingPong { connections: 64, size: MESSAGE, rate: None };
    let figures = [Figure::Cpu, Figure::Rate, Figure::P50, Figure::P99, Figure::CoreCpu];
    Scenario::new("messages", "64 connections, 128 B there and back", work, products, &figures)
}

fn connects(products: &[Product]) -> Scenario {
    let work = Work::Connects { concurrency: 16, size: 64, rate: None };
    let figures = [Figure::Cpu, Figure::Rate, Figure::P50, Figure::P99, Figure::CoreCpu];
    Scenario::new("connects", "connect, 64 B there and back, close", work, products, &figures)
}

fn bulk(way: Way, streams: u32, products: &[Product]) -> Scenario {
    let (direction, name) = match way {
        Way::Up => ("up", if streams == 1 { "stream-up" } else { "bulk-up" }),
        Way::Down => ("down", if streams == 1 { "stream-down" } else { "bulk-down" }),
    };
    let many = if streams == 1 { "one stream".into() } else { format!("{streams} streams") };
    let work = Work::Bulk { streams, way };
    let cost = [Figure::Cpu, Figure::Rate, Figure::CoreCpu];
    let rate = [Figure::Rate, Figure::Cpu, Figure::CoreCpu];
    let figures = if streams == 1 { rate } else { cost };
    Scenario::new(name, &format!("{many} {direction}"), work, products, &figures)
}

fn one(products: &[Product]) -> Scenario {
    let work = Work::PingPong { connections: 1, size: MESSAGE, rate: None };
    let figures = [Figure::P50, Figure::P99, Figure::P999, Figure::Max, Figure::Cpu];
    Scenario::new("one", "one connection, 128 B there and back", work, products, &figures)
}

fn mix(products: &[Product]) -> Scenario {
    // Open loop: a stall of the product costs all round trips that were due in it.
    let work = Work::Mix { connections: 16, size: MESSAGE, rate: Some(500.0), streams: STREAMS };
    let figures = [Figure::P99, Figure::Beside, Figure::P50, Figure::P999, Figure::Max];
    let title = "16 connections, 128 B, beside 8 streams down";
    Scenario::new("mix", title, work, products, &figures)
}

fn websockets(products: &[Product]) -> Scenario {
    let work = Work::WebSocketLike { connections: 2_000, rate: 4_000.0, burst_every: 100 };
    let figures = [Figure::Cpu, Figure::P50, Figure::P99, Figure::P999, Figure::Max];
    let title = "2,000 mostly silent connections, small frames, a few bursts";
    Scenario::new("websockets", title, work, products, &figures)
}

fn idle(products: &[Product]) -> Scenario {
    let work = Work::Idle { connections: IDLE };
    let figures = [
        Figure::Memory,
        Figure::Descriptors,
        Figure::WorkerSwitches,
        Figure::Kernel,
        Figure::Pipes,
    ];
    Scenario::new("idle", "5,000 idle sessions", work, products, &figures)
}

fn held(products: &[Product]) -> Scenario {
    let work = Work::Idle { connections: MOST };
    let title = "10,000 connections asked for, at 20,000 descriptors";
    let figures = [Figure::Held, Figure::Descriptors];
    Scenario { to_the_limit: true, ..Scenario::new("held", title, work, products, &figures) }
}

impl Scenario {
    fn new(name: &str, title: &str, work: Work, products: &[Product], figures: &[Figure]) -> Self {
        Self {
            name: name.into(),
            title: title.into(),
            work,
            servers: 1,
            products: products.into(),
            figures: figures.into(),
            rounds: 1,
            measured: Duration::ZERO,
            warm_up: Duration::ZERO,
            point: None,
            to_the_limit: false,
        }
    }

    fn rounds(self, rounds: u32) -> Self {
        Self { rounds, ..self }
    }

    fn seconds(self, measured: f64, warm_up: f64) -> Self {
        let (measured, warm_up) =
            (Duration::from_secs_f64(measured), Duration::from_secs_f64(warm_up));
        Self { measured, warm_up, ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn minutes(mode: Mode) -> f64 {
        let all = Scenario::all(mode);
        all.iter().map(Scenario::length).sum::<Duration>().as_secs_f64() / 60.0
    }

    #[test]
    fn each_mode_keeps_its_time() {
        assert!(minutes(Mode::Quick) < 5.0, "{}", minutes(Mode::Quick));
        assert!(minutes(Mode::Full) < 40.0, "{}", minutes(Mode::Full));
        assert!(minutes(Mode::Growth) < 30.0, "{}", minutes(Mode::Growth));
    }

    #[test]
    fn names_are_unique_and_rounds_are_enough() {
        for (mode, rounds) in [(Mode::Quick, 3), (Mode::Full, 5), (Mode::Growth, 3)] {
            let all = Scenario::all(mode);
            let names: BTreeSet<&str> = all.iter().map(|one| one.name.as_str()).collect();
            assert_eq!(names.len(), all.len());
            for one in all.iter().filter(|one| !matches!(one.work, Work::Idle { .. })) {
                assert!(one.rounds >= rounds, "{}", one.name);
            }
        }
    }
}
