//! Who would meet another server: clients under two pools, and a sample of clients where nobody has a
//! list of them. Pure; whoever asks divides the clients among cores and adds the tallies up.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::mapping::{Choice, Question, Tables};
use crate::snapshot::Pool;
use crate::spec;

/// A pool to be asked about, with everybody up unless a question says otherwise.
#[derive(Clone, Debug)]
pub struct Outlook {
    pool: Pool,
    tables: RefCell<Tables>,
}

impl Outlook {
    /// Of this pool. `seed` is its configuration's.
    pub fn of(pool: &spec::Pool, seed: u64) -> Self {
        Self { pool: Pool::alone(pool, seed), tables: RefCell::default() }
    }

    /// Whom a client meets; `None`: always the same server, because the pool keeps no affinity, or nobody.
    pub fn owner(&self, addr: IpAddr) -> Option<usize> {
        if !self.pool.mapping.is_sticky() {
            return None;
        }
        let asked = Question::of(&self.pool, addr, &self.tables);
        self.pool.mapping.choose(&asked).map(|choice| choice.server)
    }

    /// Whether all servers are treated as up because none is, while those whose place in `down` is true are
    /// down.
    pub fn fails_open(&self, down: &[bool]) -> bool {
        let servers = self.pool.servers.iter().zip(down);
        self.pool.fail_open
            && servers.filter(|(server, _)| server.weight > 0).all(|(_, down)| *down)
    }

    /// Whom a client meets, and every next choice, while the servers whose place in `down` is true are
    /// down. There is a place for each.
    pub fn choices(&self, addr: IpAddr, down: &[bool]) -> Vec<Choice> {
        let mut found: Vec<Choice> = Vec::new();
        let open = self.fails_open(down);
        let mut left: Vec<bool> = down.iter().map(|down| open || !*down).collect();
        loop {
            // The next choice is what is answered when those before are down, so they are not only passed
            // over: HAProxy's map would be made anew for each of them with every question.
            let asked = Question {
                up: &|server| left[server],
                first: found.first().map(|choice| choice.server),
                ..Question::of(&self.pool, addr, &self.tables)
            };
            let Some(choice) = self.pool.mapping.choose(&asked) else { return found };
            left[choice.server] = false;
            found.push(choice);
        }
    }
}

/// Clients counted by the server that they meet before and after a change. A server is a number below
/// the number of all servers, and the same one on both sides; nobody is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Clients counted.
    pub clients: u64,
    /// Those who meet another one.
    pub moved: u64,
    /// Clients of each server before.
    pub before: Vec<u64>,
    /// And after.
    pub after: Vec<u64>,
    /// Those who move, by where from and where to.
    pub moves: BTreeMap<(Option<u16>, Option<u16>), u64>,
}

impl Tally {
    /// Of nobody yet, with so many servers.
    pub fn new(servers: usize) -> Self {
        let none = vec![0; servers];
        Self { clients: 0, moved: 0, before: none.clone(), after: none, moves: BTreeMap::new() }
    }

    /// Counts a client.
    pub fn count(&mut self, before: Option<u16>, after: Option<u16>) {
        self.clients += 1;
        if let Some(server) = before {
            self.before[usize::from(server)] += 1;
        }
        if let Some(server) = after {
            self.after[usize::from(server)] += 1;
        }
        if before != after {
            self.moved += 1;
            *self.moves.entry((before, after)).or_insert(0) += 1;
        }
    }

    /// Takes in what another one counted.
    pub fn add(&mut self, other: &Self) {
        self.clients += other.clients;
        self.moved += other.moved;
        self.before.iter_mut().zip(&other.before).for_each(|(sum, more)| *sum += more);
        self.after.iter_mut().zip(&other.after).for_each(|(sum, more)| *sum += more);
        for (way, clients) in &other.moves {
            *self.moves.entry(*way).or_insert(0) += clients;
        }
    }

    /// Those who come to a server from elsewhere, and those who leave it.
    pub fn gained_and_lost(&self, server: u16) -> (u64, u64) {
        let (mut gained, mut lost) = (0, 0);
        for ((from, to), clients) in &self.moves {
            gained += if *to == Some(server) { *clients } else { 0 };
            lost += if *from == Some(server) { *clients } else { 0 };
        }
        (gained, lost)
    }
}

/// The client of a number in the sample of IPv4 addresses: any address, as likely as any other, and
/// always the same.
pub fn sample_v4(number: u64) -> IpAddr {
    Ipv4Addr::from_bits((mixed(number, 1) >> 32) as u32).into()
}

/// The same of IPv6: any global unicast address (2000::/3).
pub fn sample_v6(number: u64) -> IpAddr {
    let bits = u128::from(mixed(number, 2)) << 64 | u128::from(mixed(number, 3));
    Ipv6Addr::from_bits(bits >> 3 | 1 << 125).into()
}

/// Numbers without a pattern: SplitMix64, `stream` its seed.
fn mixed(number: u64, stream: u64) -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let seed = stream.wrapping_mul(0xd1b5_4a32_d192_ed03);
    let mut z = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(STEP));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::vectors::pool;
    use crate::spec::Balance;
    use alloc::collections::BTreeSet;

    // Goal: the sample is spread over all addresses and never changes. Method: sixteenths of the space,
    // twins, the first of each.
    #[test]
    fn samples() {
        let mut parts = [0; 16];
        let mut seen = BTreeSet::new();
        for number in 0..16_000 {
            let IpAddr::V4(v4) = sample_v4(number) else { panic!("not IPv4") };
            parts[usize::from(v4.octets()[0] >> 4)] += 1;
            seen.insert(v4);
            let IpAddr::V6(v6) = sample_v6(number) else { panic!("not IPv6") };
            assert_eq!(v6.octets()[0] >> 5, 1, "{v6}");
        }
        assert!(parts.iter().all(|part| (850..1_150).contains(part)), "{parts:?}");
        assert!(seen.len() > 15_990, "{}", seen.len());
        let (v4, v6) = FIRST;
        assert_eq!(sample_v4(0), v4.parse::<IpAddr>().unwrap());
        assert_eq!(sample_v6(0), v6.parse::<IpAddr>().unwrap());
    }

    const FIRST: (&str, &str) = ("45.15.40.199", "278b:6cd0:e973:d150:8306:61a4:6b4f:312d");

    // Goal: what moves under a change is what theory says. Method: one of three servers gone, under
    // `source` a third, under HAProxy's map two thirds; the tally's sums agree with each other.
    #[test]
    fn a_server_gone() {
        for (balance, expected) in
            [(Balance::Source, 1.0 / 3.0), (Balance::HaproxySource, 2.0 / 3.0)]
        {
            let before = Outlook::of(&pool(balance, &[1, 1, 1]), 0);
            let after = Outlook::of(&pool(balance, &[1, 1, 0]), 0);
            let mut halves = [Tally::new(3), Tally::new(3)];
            for number in 0..30_000 {
                let addr = sample_v4(number);
                let owner = |outlook: &Outlook| outlook.owner(addr).map(|index| index as u16);
                halves[number as usize % 2].count(owner(&before), owner(&after));
            }
            let [mut tally, other] = halves;
            tally.add(&other);
            assert_eq!(tally.clients, 30_000);
            let moved = tally.moved as f64 / tally.clients as f64;
            assert!((moved - expected).abs() < 0.01, "{balance:?}: {moved}");
            let both: Vec<(u64, u64)> =
                (0..3).map(|server| tally.gained_and_lost(server)).collect();
            assert_eq!(both.iter().map(|(gained, _)| gained).sum::<u64>(), tally.moved);
            for (server, (gained, lost)) in both.iter().enumerate() {
                assert_eq!(tally.before[server] + gained - lost, tally.after[server]);
            }
            assert_eq!((tally.after[2], both[2].0), (0, 0));
        }
    }

    // Goal: who is nobody's is counted too. Method: clients from and to nobody.
    #[test]
    fn nobody_is_counted() {
        let mut tally = Tally::new(1);
        for (before, after) in [(None, None), (None, Some(0)), (Some(0), None), (Some(0), Some(0))]
        {
            tally.count(before, after);
        }
        assert_eq!((tally.clients, tally.moved), (4, 2));
        assert_eq!((tally.before[0], tally.after[0]), (2, 2));
        assert_eq!(tally.gained_and_lost(0), (1, 1));
    }

    // Goal: a pool that keeps no affinity owns nobody, and its choices are all its servers. Method: in
    // turn, with one down.
    #[test]
    fn no_affinity() {
        let outlook = Outlook::of(&pool(Balance::RoundRobin, &[1, 1, 1]), 0);
        let addr = sample_v4(1);
        assert_eq!(outlook.owner(addr), None);
        let choices = outlook.choices(addr, &[false, true, false]);
        assert_eq!(choices.iter().map(|choice| choice.server).collect::<Vec<_>>(), [0, 2]);
    }
}
