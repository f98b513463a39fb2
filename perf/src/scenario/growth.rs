//! How cost grows: with connections, servers and the size of messages.

use super::{Point, Scenario, Series};
use crate::figure::Figure;
use crate::job::Work;
use crate::product::Product::{self, *};

const PRODUCTS: [Product; 4] = [Ringbolt, Haproxy, HaproxySplice, Nginx];
const CONNECTIONS: [u32; 6] = [1, 10, 100, 1_000, 7_500, 9_000];
const SERVERS: [u32; 4] = [2, 16, 64, 256];
const SIZES: [u32; 8] = [64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];
/// More connections than this, and a product may have no descriptors for them.
const ROOM: u32 = 5_000;

/// All points of all series.
pub(super) fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    for at in CONNECTIONS {
        let work = Work::PingPong { connections: at, size: super::MESSAGE, rate: None };
        let title = format!("{at} connections, 128 B there and back");
        let point = point(Series::Connections, at, &title, work);
        all.push(Scenario { to_the_limit: at > ROOM, ..point });
    }
    for at in SERVERS {
        let work = Work::Connects { concurrency: 16, size: 64, rate: None };
        let title = format!("connect, 64 B there and back, close; {at} servers");
        let servers = at.try_into().expect("fewer than 65,536");
        all.push(Scenario { servers, ..point(Series::Servers, at, &title, work) });
    }
    for at in SIZES {
        let work = Work::PingPong { connections: 8, size: at, rate: None };
        let title = format!("8 connections, {at} B there and back");
        all.push(point(Series::Size, at, &title, work));
    }
    all
}

fn point(series: Series, at: u32, title: &str, work: Work) -> Scenario {
    let name = match series {
        Series::Connections => format!("connections-{at}"),
        Series::Servers => format!("servers-{at}"),
        Series::Size => format!("size-{at}"),
    };
    let figures = [Figure::Cpu, Figure::Rate, Figure::P50, Figure::P99, Figure::CoreCpu];
    let scenario = Scenario::new(&name, title, work, &PRODUCTS, &figures);
    let point = Some(Point { series, at });
    Scenario { point, ..scenario }.rounds(3).seconds(3.0, 0.7)
}
