//! How sessions lie on the servers when many clients share an address, or stand in a row: what
//! stickiness costs in balance.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, Result};

use crate::address::Addresses;
use crate::balancer::{Balancer, Place};
use crate::judge::{SIGNIFICANCE, two_sided};
use crate::play;
use crate::remedy::{Mapping, Product};
use crate::results::Skew;
use crate::servers::Servers;
use crate::site::Site;
use crate::story::Story;
use crate::visit::met;

/// Who shows an office, and who a stride.
const OFFICE: [Product; 8] = [
    Product::HaproxyInTurn,
    Product::Ringbolt { v4: 32 },
    Product::HaproxySource,
    Product::HaproxyConsistent,
    Product::NginxIpHash,
    Product::Ringbolt { v4: 24 },
    Product::HaproxyMask,
    Product::HaproxyCookie,
];
const STRIDE: [Product; 3] =
    [Product::HaproxySource, Product::HaproxyConsistent, Product::Ringbolt { v4: 32 }];

/// People in the office, and as many elsewhere, each with an address of their own.
const PEOPLE: usize = 500;
/// Customers in a row, each with the next /30, and servers, which are as many as a /30 has
/// addresses.
const CUSTOMERS: u32 = 400;
const STEP: u32 = 4;

/// Who shows a story; none for a story that is not about skew.
pub(crate) fn shown_by(story: Story) -> &'static [Product] {
    match story {
        Story::Office => &OFFICE,
        Story::Stride => &STRIDE,
        Story::SameAddress
        | Story::DhcpRenewal
        | Story::WifiLte
        | Story::CarrierNat
        | Story::Ipv6Privacy
        | Story::HappyEyeballs
        | Story::ServerAdded
        | Story::ServerDrained
        | Story::ServerLost => &[],
    }
}

/// Counts where the clients of a story are.
pub(crate) fn measured(
    story: Story,
    product: Product,
    seed: u64,
    site: &Site,
    servers: &mut Servers<'_>,
) -> Result<Skew> {
    let mut addresses = Addresses::new(seed, &format!("skew {}", story.name()));
    let (count, clients, title) = if story == Story::Stride {
        let title = format!("{CUSTOMERS} customers, {STEP} addresses apart, {STEP} servers");
        (STEP as usize, customers(&mut addresses), title)
    } else {
        let title = format!("{PEOPLE} people behind one address, {PEOPLE} with one of their own");
        (play::SERVERS.into(), people(&mut addresses), title)
    };
    let places = servers.first(count)?;
    let balancer = Balancer::start(product, &places, site)?;
    let clients: Vec<_> =
        addresses.shuffled(clients).into_iter().map(|ip| (ip, balancer.facing(ip))).collect();
    let sessions_by_server = counted(&places, &met(clients)?)?;
    let (expected, as_expected) = judged(story, product, &sessions_by_server);
    Ok(Skew {
        story: story.name().to_owned(),
        balancer: product.title().to_owned(),
        title,
        sessions_by_server,
        expected: expected.to_owned(),
        as_expected,
    })
}

impl Skew {
    /// The share of the fullest server.
    pub(crate) fn largest_share(&self) -> f64 {
        let most = self.sessions_by_server.iter().max().copied().unwrap_or_default();
        f64::from(most) / f64::from(self.sessions_by_server.iter().sum::<u32>())
    }
}

fn people(addresses: &mut Addresses) -> Vec<IpAddr> {
    let office = addresses.v4();
    let everybody = (0..PEOPLE).flat_map(|_| [office, addresses.v4()]);
    everybody.map(IpAddr::from).collect()
}

fn customers(addresses: &mut Addresses) -> Vec<IpAddr> {
    let first = addresses.v4().to_bits() & !0xff;
    // Within 127.0.0.0/8, also where the first is close to its end.
    let row = (0..CUSTOMERS).map(|number| Ipv4Addr::from_bits(first + 1 + STEP * number));
    row.map(IpAddr::from).collect()
}

fn counted(places: &[Place], met: &[String]) -> Result<Vec<u32>> {
    let mut sessions = vec![0; places.len()];
    for name in met {
        let index = places.iter().position(|place| place.name == *name);
        sessions[index.with_context(|| format!("no server is called {name}"))?] += 1;
    }
    Ok(sessions)
}

fn judged(story: Story, product: Product, sessions: &[u32]) -> (&'static str, bool) {
    let total: u32 = sessions.iter().sum();
    let most = sessions.iter().max().copied().unwrap_or_default();
    let least = sessions.iter().min().copied().unwrap_or_default();
    if story == Story::Stride {
        return match product {
            Product::HaproxySource => ("one server has all", most == total),
            Product::Ringbolt { .. } => {
                let share = 1.0 / sessions.len() as f64;
                let even = |count: &u32| two_sided(total, *count, share) >= SIGNIFICANCE;
                ("every server has its share", sessions.iter().all(even))
            }
            Product::HaproxyInTurn
            | Product::HaproxyConsistent
            | Product::HaproxyMask
            | Product::HaproxyCookie
            | Product::NginxIpHash => ("every server has some", least > 0),
        };
    }
    match product.mapping() {
        // Every new session is one of a client without a cookie.
        Mapping::InTurn | Mapping::Named => ("all servers have as many", most - least <= 1),
        Mapping::Minimal | Mapping::Modulo | Mapping::ModuloOfAll => {
            ("the office is on one server", most as usize >= PEOPLE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn customers_share_a_remainder_and_no_address() {
        for seed in 0..50 {
            let row = customers(&mut Addresses::new(seed, "row"));
            let IpAddr::V4(first) = row[0] else { panic!("IPv4") };
            for (number, address) in row.iter().enumerate() {
                let IpAddr::V4(address) = address else { panic!("IPv4") };
                assert!(address.is_loopback());
                assert_eq!(address.to_bits() - first.to_bits(), STEP * number as u32);
            }
        }
    }

    #[test]
    fn what_is_uneven_is_found() {
        let ringbolt = Product::Ringbolt { v4: 32 };
        assert!(judged(Story::Stride, ringbolt, &[90, 110, 95, 105]).1);
        assert!(!judged(Story::Stride, ringbolt, &[200, 200, 0, 0]).1);
        assert!(judged(Story::Stride, Product::HaproxySource, &[0, 400, 0, 0]).1);
        assert!(!judged(Story::Stride, Product::HaproxySource, &[1, 399, 0, 0]).1);
        assert!(judged(Story::Office, Product::HaproxyInTurn, &[334, 333, 333]).1);
        assert!(!judged(Story::Office, Product::HaproxyInTurn, &[340, 330, 330]).1);
        assert!(!judged(Story::Office, ringbolt, &[334, 333, 333]).1);
    }
}
