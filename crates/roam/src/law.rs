//! The law: of clients whose key changes, (N-1)/N meet another server. Measured with thousands of
//! reconnects a point, so that a balancer that is a few per cent off would be found.

use anyhow::Result;

use crate::address::Addresses;
use crate::balancer::Balancer;
use crate::judge::{SIGNIFICANCE, two_sided};
use crate::remedy::Product;
use crate::results::Point;
use crate::servers::Servers;
use crate::site::Site;
use crate::visit::{Twice, unknown_again};

/// N.
pub(crate) const SERVERS: [u16; 4] = [2, 3, 5, 8];
/// Who must obey it.
pub(crate) const BALANCERS: [Product; 3] =
    [Product::Ringbolt { v4: 32 }, Product::HaproxySource, Product::NginxIpHash];
/// Clients of a point. All leave their /24, so that every key changes.
const RECONNECTS: u32 = 2000;

/// Measures one point.
pub(crate) fn point(
    balancer: Product,
    servers: u16,
    seed: u64,
    site: &Site,
    all: &mut Servers<'_>,
) -> Result<Point> {
    let mut addresses = Addresses::new(seed, &format!("law {servers}"));
    let places = all.first(servers.into())?;
    let running = Balancer::start(balancer, &places, site)?;
    let clients = (0..RECONNECTS).map(|_| {
        let first = addresses.v4();
        let then = addresses.elsewhere(first);
        Twice { first: first.into(), then: then.into(), to: running.facing(first.into()) }
    });
    let lost = unknown_again(clients.collect())?;
    let n = f64::from(servers);
    let expected = (n - 1.0) / n;
    let p_value = two_sided(RECONNECTS, lost, expected);
    let balancer = balancer.title().to_owned();
    Ok(Point { balancer, servers, reconnects: RECONNECTS, lost, expected, p_value })
}

impl Point {
    /// Whether it lies on the curve.
    pub(crate) fn as_expected(&self) -> bool {
        self.p_value >= SIGNIFICANCE
    }
}
