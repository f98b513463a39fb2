//! Where clients come from: addresses drawn at random, the same ones again for the same seed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::story::Story;

/// Addresses that a carrier's NAT has for each customer.
const POOL: usize = 8;

/// Where a client is at first, and where it comes back from, once or more. Each place is the
/// addresses that its connections have in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Traveller {
    pub(crate) first: Vec<IpAddr>,
    pub(crate) later: Vec<Vec<IpAddr>>,
}

/// A source of addresses. IPv4: all of 127.0.0.0/8 but what programs listen on. IPv6:
/// 2001:db8::/32, which is for examples (RFC 3849).
#[derive(Debug)]
pub(crate) struct Addresses(StdRng);

impl Addresses {
    /// Those of one purpose; each remedy has the same in a story.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        for (byte, letter) in bytes[8..].iter_mut().zip(purpose.bytes()) {
            *byte = letter;
        }
        Self(StdRng::from_seed(bytes))
    }

    /// The clients of a story.
    pub(crate) fn travellers(&mut self, story: Story, clients: usize) -> Vec<Traveller> {
        let office = IpAddr::from(self.v4());
        (0..clients).map(|_| self.traveller(story, office)).collect()
    }

    fn traveller(&mut self, story: Story, office: IpAddr) -> Traveller {
        let home = self.v4();
        let first = vec![IpAddr::from(home)];
        let (first, later) = match story {
            Story::SameAddress
            | Story::ServerAdded
            | Story::ServerDrained
            | Story::ServerLost
            | Story::Stride => (first.clone(), vec![first]),
            Story::Office => (vec![office], vec![vec![office]]),
            Story::DhcpRenewal => (first, vec![vec![self.neighbour(home).into()]]),
            Story::WifiLte => (first.clone(), vec![vec![self.elsewhere(home).into()], first]),
            Story::CarrierNat => {
                let mut pool = vec![home];
                while pool.len() < POOL {
                    let next = self.v4();
                    if pool.iter().all(|address| network(*address) != network(next)) {
                        pool.push(next);
                    }
                }
                let pool: Vec<IpAddr> = pool.into_iter().map(IpAddr::from).collect();
                (pool.clone(), vec![[&pool[1..], &pool[..1]].concat()])
            }
            Story::Ipv6Privacy => {
                let network = self.network_v6();
                let [old, new] = [self.inside(network), self.inside(network)];
                (vec![old.into()], vec![vec![new.into()]])
            }
            Story::HappyEyeballs => {
                let network = self.network_v6();
                (vec![self.inside(network).into()], vec![first])
            }
        };
        Traveller { first, later }
    }

    /// Anywhere.
    pub(crate) fn v4(&mut self) -> Ipv4Addr {
        let [second, third] = [self.0.random_range(1..=254), self.0.random()];
        Ipv4Addr::new(127, second, third, self.0.random_range(1..=254))
    }

    /// Outside of the /24 of an address.
    pub(crate) fn elsewhere(&mut self, of: Ipv4Addr) -> Ipv4Addr {
        loop {
            let address = self.v4();
            if network(address) != network(of) {
                return address;
            }
        }
    }

    /// Another one in the /24 of an address.
    fn neighbour(&mut self, of: Ipv4Addr) -> Ipv4Addr {
        let [a, b, c, last] = of.octets();
        loop {
            let other = self.0.random_range(1..=254);
            if other != last {
                return Ipv4Addr::new(a, b, c, other);
            }
        }
    }

    fn network_v6(&mut self) -> [u16; 2] {
        // Not that in which programs listen.
        [self.0.random_range(1..=u16::MAX), self.0.random()]
    }

    fn inside(&mut self, network: [u16; 2]) -> Ipv6Addr {
        let [third, fourth] = network;
        let [a, b, c, d]: [u16; 4] = self.0.random();
        Ipv6Addr::new(0x2001, 0xdb8, third, fourth, a, b, c, d)
    }

    /// One of so many.
    pub(crate) fn index(&mut self, below: usize) -> usize {
        self.0.random_range(0..below)
    }

    /// In another order.
    pub(crate) fn shuffled<T>(&mut self, mut elements: Vec<T>) -> Vec<T> {
        elements.shuffle(&mut self.0);
        elements
    }
}

fn network(address: Ipv4Addr) -> [u8; 3] {
    let [a, b, c, _] = address.octets();
    [a, b, c]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(address: IpAddr, bits: u32) -> (bool, u128) {
        match address {
            IpAddr::V4(address) => (true, u128::from(address.to_bits() >> (32 - bits))),
            IpAddr::V6(address) => (false, address.to_bits() >> (128 - bits)),
        }
    }

    fn of(story: Story) -> Vec<Traveller> {
        Addresses::new(7, story.name()).travellers(story, 300)
    }

    #[test]
    fn a_seed_makes_the_same_addresses_again() {
        assert_eq!(of(Story::WifiLte), of(Story::WifiLte));
        let other = Addresses::new(8, Story::WifiLte.name()).travellers(Story::WifiLte, 300);
        assert_ne!(of(Story::WifiLte), other);
    }

    #[test]
    fn addresses_change_as_the_story_says() {
        for client in of(Story::DhcpRenewal) {
            let [old, new] = [client.first[0], client.later[0][0]];
            assert_ne!(old, new);
            assert_eq!(prefix(old, 24), prefix(new, 24));
        }
        for client in of(Story::WifiLte) {
            assert_ne!(prefix(client.first[0], 24), prefix(client.later[0][0], 24));
            assert_eq!(client.first, client.later[1]);
        }
        for client in of(Story::Ipv6Privacy) {
            let [old, new] = [client.first[0], client.later[0][0]];
            assert_ne!(old, new);
            assert_eq!(prefix(old, 64), prefix(new, 64));
        }
        for client in of(Story::HappyEyeballs) {
            assert!(client.first[0].is_ipv6() && client.later[0][0].is_ipv4());
        }
        for client in of(Story::CarrierNat) {
            let mut networks: Vec<_> = client.first.iter().map(|a| prefix(*a, 24)).collect();
            assert_ne!(networks[0], prefix(client.later[0][0], 24));
            networks.sort_unstable();
            networks.dedup();
            assert_eq!(networks.len(), POOL);
        }
    }

    #[test]
    fn an_office_has_one_address_and_others_have_their_own() {
        let office = of(Story::Office);
        assert!(office.iter().all(|client| client.first == office[0].first));
        let homes = of(Story::SameAddress);
        assert!(homes.iter().skip(1).all(|client| client.first != homes[0].first));
        assert!(homes.iter().all(|client| client.later == [client.first.clone()]));
    }
}
