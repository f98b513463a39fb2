//! `rendezvous-1`: weighted rendezvous hashing.
//!
//! Every server has a cost for every key, which depends on nothing else; the least cost wins. So
//! removing or masking a server moves that server's keys and no other, adding one takes its share
//! and nothing more, and a changed weight moves only the difference. After Thaler and Ravishankar,
//! "Using name-based mappings to increase hit rates", 1998, with the logarithmic weights of
//! Schindelhauer and Schomaker, "Weighted distributed hash tables", 2005.
//!
//! The definition, which never changes under this name:
//! - name hash: SipHash-1-3 with key (0, 0) over the server's name as UTF-8;
//! - h: SipHash-1-3 with key (seed, 0) over the 16 bytes of the key, then the name hash as 8
//!   little-endian bytes;
//! - cost: [`negative_log2`] of h, over the weight; compared by cross-multiplication;
//! - order: servers that are no backups before backups, then cost, then name.

use core::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::key::Key;
use crate::mapping::{Choice, Question};
use crate::snapshot::Server;

/// Hash of a server's name, computed once for a configuration.
pub fn name_hash(name: &str) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0, 0);
    hasher.write(name.as_bytes());
    hasher.finish()
}

/// The hash of a key for one server.
pub fn hash(seed: u64, key: Key, name_hash: u64) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(seed, 0);
    hasher.write(&key.0);
    hasher.write(&name_hash.to_le_bytes());
    hasher.finish()
}

/// The best server in the order of the key.
pub(super) fn choose(seed: u64, asked: &Question<'_>) -> Option<Choice> {
    asked
        .candidates()
        .map(|index| (Rank::of(seed, asked.key, &asked.servers[index]), index))
        .reduce(|best, other| if other.0.precedes(&best.0) { other } else { best })
        .map(|(rank, server)| Choice { server, hash: Some(rank.hash), slot: None })
}

/// A server's place in the order of a key.
struct Rank<'a> {
    hash: u64,
    backup: bool,
    cost: u64,
    weight: u32,
    name: &'a str,
}

impl<'a> Rank<'a> {
    fn of(seed: u64, key: Key, server: &'a Server) -> Self {
        let hash = hash(seed, key, server.name_hash);
        let cost = negative_log2(hash);
        Self { hash, backup: server.backup, cost, weight: server.weight, name: &server.name }
    }

    fn precedes(&self, other: &Self) -> bool {
        let mine = u128::from(self.cost) * u128::from(other.weight);
        let theirs = u128::from(other.cost) * u128::from(self.weight);
        (self.backup, mine, self.name) < (other.backup, theirs, other.name)
    }
}

/// -log2((hash + 1) / 2^64) with 48 fraction bits, at most 64.0; the error is below 2^-30.
///
/// The number is 2^n · m with m in [1, 2). The table gives the logarithm of the largest
/// c = 1 + i/256 that is not above m, and three terms of the series give log2(m/c), where
/// m/c - 1 is below 2^-8. All in integers, so every machine has the same result.
pub fn negative_log2(hash: u64) -> u64 {
    let Some(number) = hash.checked_add(1) else { return 0 };
    let exponent = 63 - number.leading_zeros();
    let mantissa = number << (63 - exponent); // m · 2^63
    let index = (mantissa >> 55) as usize & 0xff;
    let above = mantissa - ((256 + index as u64) << 55); // (m - c) · 2^63
    // r = m/c - 1 with 48 fraction bits; 256/(256+i) comes from a division by a small constant.
    let r = u128::from((above >> 7) / (256 + index as u64));
    let r2 = (r * r) >> FRACTION;
    let r3 = (r2 * r) >> FRACTION;
    let series = LOG2_E_1 * r - LOG2_E_2 * r2 + LOG2_E_3 * r3;
    let fraction = LOG2_TABLE[index] + (series >> FRACTION) as u64;
    // Just below 2^64 the series may pass the border by its rounding.
    (64u64 << FRACTION).saturating_sub((u64::from(exponent) << FRACTION) + fraction)
}

const FRACTION: u32 = 48;

// log2(e), log2(e)/2 and log2(e)/3 with 48 fraction bits.
const LOG2_E_1: u128 = 406_082_553_034_799;
const LOG2_E_2: u128 = LOG2_E_1 / 2;
const LOG2_E_3: u128 = LOG2_E_1 / 3;

/// log2(1 + i/256) with 48 fraction bits, by squaring: a bit of the logarithm for each time the
/// number passes 2.
const LOG2_TABLE: [u64; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut number = (256 + i as u128) << 56; // 64 fraction bits
        let mut bits = 0;
        let mut logarithm = 0;
        while bits < FRACTION {
            number = square(number);
            logarithm <<= 1;
            if number >= 2 << 64 {
                number >>= 1;
                logarithm |= 1;
            }
            bits += 1;
        }
        table[i] = logarithm;
        i += 1;
    }
    table
};

/// The square of a number below 2 with 64 fraction bits, rounded down; parts of 32 bits, because
/// the full product would need 130.
const fn square(number: u128) -> u128 {
    let high = number >> 32;
    let low = number & 0xffff_ffff;
    high * high + ((2 * high * low) >> 32) + ((low * low) >> 64)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::mapping::{Mapping, Tables};
    use alloc::collections::BTreeSet;
    use alloc::format;
    use alloc::vec::Vec;
    use core::cell::RefCell;
    use core::net::{IpAddr, Ipv4Addr};
    use proptest::prelude::*;

    const MAPPING: Mapping = Mapping::Rendezvous1 { seed: 0 };

    /// The owner of a key while these are up and those are passed over.
    fn choice(
        key: Key,
        servers: &[Server],
        up: &dyn Fn(usize) -> bool,
        passed: &dyn Fn(usize) -> bool,
    ) -> Option<usize> {
        let tables = RefCell::new(Tables::default());
        let asked = Question {
            key,
            addr: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            servers,
            up,
            passed,
            first: None,
            sessions: &|_| 0,
            ticket: 0,
            tables: &tables,
        };
        MAPPING.choose(&asked).map(|choice| choice.server)
    }

    fn owner(key: Key, servers: &[Server]) -> Option<&str> {
        choice(key, servers, &|_| true, &|_| false).map(|index| &*servers[index].name)
    }

    fn order(key: Key, servers: &[Server]) -> Vec<usize> {
        let mut seen: Vec<usize> = Vec::new();
        while let Some(next) = choice(key, servers, &|_| true, &|index| seen.contains(&index)) {
            seen.push(next);
        }
        seen
    }

    fn key_of(number: u64) -> Key {
        // Any 16 bytes are a key; SplitMix64 spreads the seed over them.
        let mix = |mut z: u64| {
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        let high = mix(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Key((u128::from(high) << 64 | u128::from(mix(!high))).to_be_bytes())
    }

    fn fleet(weights: &[u32]) -> Vec<Server> {
        weights
            .iter()
            .enumerate()
            .map(|(index, weight)| Server::sample(&format!("ws{index}"), *weight))
            .collect()
    }

    // Goal: the logarithm keeps its promise of 2^-30. Method: against the standard library's
    // double, at powers of two, their neighbours, table borders and a sweep.
    #[test]
    fn logarithm_is_close() {
        let mut samples: Vec<u64> = (0..64).flat_map(|n| [1u64 << n, (1 << n) - 1]).collect();
        samples.extend((0..256).map(|i| ((256 + i) << 55) - 1));
        samples.extend((0..100_000u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        samples.extend([u64::MAX, u64::MAX - 1]);
        for hash in samples {
            // Near 2^64 a double has no digits left for hash + 1; the distance to it has.
            let below = (u64::MAX - hash) as f64 / 2f64.powi(64);
            let exact = if below < 0.5 {
                -(-below).ln_1p() / std::f64::consts::LN_2
            } else {
                64.0 - (hash as f64 + 1.0).log2()
            };
            let got = negative_log2(hash) as f64 / 2f64.powi(48);
            assert!((exact - got).abs() < 2f64.powi(-30), "{hash}: {exact} and {got}");
        }
        assert_eq!(negative_log2(0), 64 << 48);
        assert_eq!(negative_log2(u64::MAX), 0);
    }

    // Goal: shares follow the weights. Method: a million keys of a fixed seed, ten servers of
    // weight 1 to 10, each within five standard deviations.
    #[test]
    fn shares_follow_weights() {
        const KEYS: u64 = 1_000_000;
        let servers = fleet(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        let mut counts = [0u64; 10];
        for number in 0..KEYS {
            counts[choice(key_of(number), &servers, &|_| true, &|_| false).unwrap()] += 1;
        }
        for (server, count) in servers.iter().zip(counts) {
            let p = f64::from(server.weight) / 55.0;
            let allowed = 5.0 * (p * (1.0 - p) / KEYS as f64).sqrt();
            let share = count as f64 / KEYS as f64;
            assert!((share - p).abs() < allowed, "{}: {share} for {p}", server.name);
        }
    }

    proptest! {
        // Goal: the order of servers in the file does not matter. Method: reverse and rotate.
        #[test]
        fn order_of_the_file_does_not_matter(
            number: u64, weights in proptest::collection::vec(1u32..100, 1..12), by in 0usize..12,
        ) {
            let servers = fleet(&weights);
            let mut turned: Vec<Server> = servers.iter().rev().cloned().collect();
            turned.rotate_left(by % weights.len());
            let key = key_of(number);
            prop_assert_eq!(owner(key, &servers), owner(key, &turned));
        }

        // Goal: taking a server away, or masking it, moves its keys and no other, and to the next
        // choice. Method: compare the owner with and without each server.
        #[test]
        fn only_the_keys_of_a_lost_server_move(
            number: u64, weights in proptest::collection::vec(1u32..100, 2..12), pick: usize,
        ) {
            let servers = fleet(&weights);
            let key = key_of(number);
            let lost = pick % servers.len();
            let before = order(key, &servers);
            let expected = if before[0] == lost { before[1] } else { before[0] };
            let mut without = servers.clone();
            let gone = without.remove(lost);
            let down = choice(key, &servers, &|index| index != lost, &|_| false);
            prop_assert_eq!(down, Some(expected));
            let passed = choice(key, &servers, &|_| true, &|index| index == lost);
            prop_assert_eq!(passed, Some(expected));
            prop_assert_eq!(owner(key, &without), Some(&*servers[expected].name));
            prop_assert_ne!(owner(key, &without), Some(&*gone.name));
            let drained: Vec<Server> = servers.iter().enumerate().map(|(index, server)| {
                Server { weight: if index == lost { 0 } else { server.weight }, ..server.clone() }
            }).collect();
            prop_assert_eq!(owner(key, &drained), Some(&*servers[expected].name));
        }

        // Goal: an added server takes keys and moves no other. Method: compare before and after.
        #[test]
        fn an_added_server_only_takes(
            number: u64, weights in proptest::collection::vec(1u32..100, 1..12), weight in 1u32..100,
        ) {
            let servers = fleet(&weights);
            let mut more = servers.clone();
            more.push(Server::sample("new", weight));
            let key = key_of(number);
            let now = owner(key, &more);
            prop_assert!(now == Some("new") || now == owner(key, &servers));
        }

        // Goal: a raised weight only takes, a lowered one only gives. Method: compare both ways.
        #[test]
        fn a_changed_weight_moves_the_difference(
            number: u64, weights in proptest::collection::vec(1u32..100, 2..12), pick: usize,
            raise in 1u32..1_000,
        ) {
            let servers = fleet(&weights);
            let changed = pick % servers.len();
            let mut heavier = servers.clone();
            heavier[changed].weight += raise;
            let key = key_of(number);
            let (before, after) = (owner(key, &servers), owner(key, &heavier));
            prop_assert!(after == before || after == Some(&*servers[changed].name));
        }

        // Goal: every key has a full order of next choices, backups last. Method: follow it.
        #[test]
        fn next_choices_are_a_full_order(
            number: u64,
            servers in proptest::collection::vec((1u32..100, any::<bool>()), 1..12),
        ) {
            let fleet: Vec<Server> = servers.iter().enumerate().map(|(index, (weight, backup))| {
                Server { backup: *backup, ..Server::sample(&format!("ws{index}"), *weight) }
            }).collect();
            let order = order(key_of(number), &fleet);
            prop_assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), fleet.len());
            prop_assert!(order.is_sorted_by_key(|index| fleet[*index].backup));
        }
    }

    // Goal: the next choice is right although the one before has gone down, or lost its weight, since.
    // Method: after each server of an order, with and without it.
    #[test]
    fn the_choice_before_may_be_gone() {
        let servers = fleet(&[1, 2, 3, 4]);
        for number in 0..100 {
            let key = key_of(number);
            let order = order(key, &servers);
            for (tried, next) in order.iter().enumerate().skip(1) {
                let passed = |index: usize| order[..tried].contains(&index);
                let up = |index: usize| index != order[tried - 1];
                assert_eq!(choice(key, &servers, &up, &passed), Some(*next));
                let mut drained = servers.clone();
                drained[order[tried - 1]].weight = 0;
                assert_eq!(choice(key, &drained, &|_| true, &passed), Some(*next));
            }
        }
    }

    // Goal: v4 and v4-mapped v6 agree. Method: the owner of both forms of many addresses.
    #[test]
    fn mapped_addresses_agree() {
        let prefix = crate::spec::KeyPrefix { v4: 32, v6: 64 };
        let servers = fleet(&[1, 1, 1]);
        for last in 0..=255 {
            let v4 = Ipv4Addr::new(192, 0, 2, last);
            let plain = Key::of(v4.into(), prefix);
            let mapped = Key::of(v4.to_ipv6_mapped().into(), prefix);
            assert_eq!(owner(plain, &servers), owner(mapped, &servers));
        }
    }

    // Goal: a server without weight takes nobody, and with no candidates nobody is chosen.
    // Method: by hand.
    #[test]
    fn weight_zero_takes_nobody() {
        let servers = fleet(&[0, 3]);
        assert!((0..1_000).all(|number| owner(key_of(number), &servers) == Some("ws1")));
        assert_eq!(owner(key_of(1), &fleet(&[0, 0])), None);
        assert_eq!(owner(key_of(1), &[]), None);
    }

    // Goal: `rendezvous-1` never changes. Method: 20 addresses with the hash for ws1 and the whole
    // order of ws1 to ws5, weights 1 to 5, seed 0. They were computed apart from this code, in
    // another language, with SipHash written from its paper and logarithms of 50 digits.
    #[test]
    fn vectors() {
        #[rustfmt::skip]
        const VECTORS: [(&str, u64, [usize; 5]); 20] = [
        ("192.0.2.1", 0x16ba58bc282c21b1, [3, 1, 4, 2, 0]),
        ("192.0.2.2", 0x74eda4f42ee2eca8, [4, 1, 3, 2, 0]),
        ("192.0.2.3", 0x589de91e47a56ce0, [1, 4, 3, 2, 0]),
        ("192.0.2.200", 0x391f52926180b1a9, [3, 2, 1, 4, 0]),
        ("198.51.100.1", 0x4578de6cf75a84b8, [4, 3, 2, 1, 0]),
        ("198.51.100.77", 0xa48ee47f7a79e1eb, [4, 1, 3, 2, 0]),
        ("203.0.113.9", 0x2bcf165e4546661e, [1, 3, 2, 4, 0]),
        ("203.0.113.200", 0x572b70d3097d346b, [1, 3, 4, 2, 0]),
        ("10.0.0.1", 0x9f29892b577d6cbb, [3, 4, 1, 0, 2]),
        ("10.255.255.254", 0x2e93440c3a7b6162, [4, 2, 3, 1, 0]),
        ("127.0.0.1", 0x1b2809c18eeb9669, [3, 4, 2, 1, 0]),
        ("127.0.0.2", 0xb88e71b8e9a6e5dc, [4, 2, 3, 0, 1]),
        ("8.8.8.8", 0x24d5081b6f0705a9, [3, 4, 1, 2, 0]),
        ("255.255.255.255", 0x531ce48a1bf763c5, [3, 2, 4, 0, 1]),
        ("::ffff:192.0.2.1", 0x16ba58bc282c21b1, [3, 1, 4, 2, 0]),
        ("2001:db8::1", 0x7320a013b6b6a40a, [3, 4, 1, 0, 2]),
        ("2001:db8:0:1:a:b:c:d", 0x136d35399f517461, [1, 4, 3, 2, 0]),
        ("2001:db8:0:2::1", 0x90abb51b44b56d26, [3, 1, 4, 0, 2]),
        ("fe80::1", 0xcf70f581be1a3440, [1, 4, 2, 0, 3]),
        ("::1", 0x24cd5833d1536b0e, [3, 2, 4, 1, 0]),
        ];
        let servers: Vec<Server> =
            (1..=5).map(|number| Server::sample(&format!("ws{number}"), number)).collect();
        let prefix = crate::spec::KeyPrefix { v4: 32, v6: 64 };
        for (addr, first, expected) in VECTORS {
            let key = Key::of(addr.parse().unwrap(), prefix);
            assert_eq!(hash(0, key, servers[0].name_hash), first, "{addr}");
            assert_eq!(order(key, &servers), expected, "{addr}");
        }
        let key = Key::of("192.0.2.1".parse().unwrap(), prefix);
        assert_eq!(hash(12_345, key, servers[0].name_hash), 0x1d27_de8d_68a3_a058, "seeded");
    }
}
