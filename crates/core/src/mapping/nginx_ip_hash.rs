//! `nginx-ip-hash`: what nginx's HTTP module `ip_hash` does, which its stream module lacks.
//!
//! The key is the first three bytes of an IPv4 address, all sixteen of an IPv6 one, also of a v4-mapped
//! one. Its hash has few values, so slots beyond their number are nobody's.

use core::net::IpAddr;

use crate::mapping::{Choice, Question, nginx};

/// Values that the hash has.
pub const VALUES: u32 = 6271;

pub(super) fn choose(seed: u64, asked: &Question<'_>) -> Option<Choice> {
    let (bytes, length) = match asked.addr {
        IpAddr::V4(v4) => (v4.to_ipv6_mapped().octets(), 12..15),
        IpAddr::V6(v6) => (v6.octets(), 0..16),
    };
    let key = &bytes[length];
    let mut hash = 89;
    let hashes = core::iter::repeat_with(|| {
        hash = key.iter().fold(hash, |hash, byte| (hash * 113 + u32::from(*byte)) % VALUES);
        hash
    });
    nginx::first_of(hashes, seed, asked)
}
