//! What HAProxy's mappings of `balance source` have in common: the hash of an address, and backups. The
//! hash function that a configuration names is never used for `source`; only whether it says
//! `avalanche` counts.

use core::net::IpAddr;

use crate::mapping::{Choice, Question};

/// The address, four bytes at a time. A v4-mapped address is IPv6 here, with another hash.
pub(super) fn hash(addr: IpAddr, avalanche: bool) -> u32 {
    let folded = match addr {
        IpAddr::V4(v4) => v4.to_bits(),
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            [96, 64, 32, 0].iter().fold(0, |folded, shift| folded ^ (bits >> shift) as u32)
        }
    };
    if avalanche { full_hash(folded) } else { folded }
}

/// HAProxy's full hash: Jenkins' integer mix and an odd multiplier. No two numbers have the same.
pub(super) fn full_hash(number: u32) -> u32 {
    let mut a = number;
    a = a.wrapping_add(0x7ed5_5d16).wrapping_add(a << 12);
    a = a ^ 0xc761_c23c ^ (a >> 19);
    a = a.wrapping_add(0x1656_67b1).wrapping_add(a << 5);
    a = a.wrapping_add(0xd3a2_646c) ^ (a << 9);
    a = a.wrapping_add(0xfd70_46c5).wrapping_add(a << 3);
    a = a ^ 0xb55a_4f09 ^ (a >> 16);
    a.wrapping_mul(3_221_225_473)
}

/// The backup that serves alone while no other server is up: the first in the file, as without
/// `option allbackups`.
pub(super) fn backup(hash: u32, asked: &Question<'_>) -> Option<Choice> {
    let first = asked.candidates().find(|server| asked.servers[*server].backup);
    first.map(|server| Choice { server, hash: Some(hash.into()), slot: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: the full hash is HAProxy's. Method: values that its own code gave.
    #[test]
    fn full_hashes() {
        let known =
            [(0, 0xab4e_d927), (1, 0x3486_81b6), (4096, 0x49c2_008b), (0xc000_0201, 0x3f69_eb3d)];
        for (number, expected) in known {
            assert_eq!(full_hash(number), expected, "{number}");
        }
    }

    // Goal: all words of an IPv6 address count, and a mapped one is not its IPv4 address. Method: by
    // hand.
    #[test]
    fn addresses_are_folded() {
        let folded = |addr: &str| hash(addr.parse().unwrap(), false);
        assert_eq!(folded("192.0.2.1"), 0xc000_0201);
        assert_eq!(folded("2001:db8:1:2:3:4:5:6"), 0x2001_0db8 ^ 0x1_0002 ^ 0x3_0004 ^ 0x5_0006);
        assert_eq!(folded("::ffff:192.0.2.1"), 0xc000_0201 ^ 0xffff);
        assert_eq!(hash("192.0.2.1".parse().unwrap(), true), 0x3f69_eb3d);
    }
}
