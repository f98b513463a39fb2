//! Address to key: which part of a client's address decides where it goes.

use core::net::{IpAddr, Ipv6Addr};

use crate::spec::KeyPrefix;

/// What is hashed: 16 bytes in network order. An IPv4 address is written as v4-mapped IPv6, so a
/// client is the same through a v4 and a dual-stack listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub [u8; 16]);

impl Key {
    /// The key of an address: its leading bits, the rest zero. A v4-mapped address is IPv4.
    pub fn of(addr: IpAddr, prefix: KeyPrefix) -> Self {
        Self::of_bits(address_bytes(addr), Self::bits(addr, prefix))
    }

    /// How many leading bits of an address, as a record keeps it, make its key.
    pub fn bits(addr: IpAddr, prefix: KeyPrefix) -> u8 {
        match addr.to_canonical() {
            IpAddr::V4(_) => 96 + prefix.v4.min(32),
            IpAddr::V6(_) => prefix.v6.min(128),
        }
    }

    /// The key of an address as a record keeps it, and of how many leading bits make it.
    pub fn of_bits(addr: [u8; 16], bits: u8) -> Self {
        let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
        Self((u128::from_be_bytes(addr) & mask).to_be_bytes())
    }

    /// The masked address, IPv4 when it is one.
    pub fn addr(self) -> IpAddr {
        IpAddr::V6(Ipv6Addr::from(self.0)).to_canonical()
    }
}

/// An address as the 16 bytes that a session record keeps.
pub fn address_bytes(addr: IpAddr) -> [u8; 16] {
    match addr {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(addr: &str, v4: u8, v6: u8) -> IpAddr {
        Key::of(addr.parse().unwrap(), KeyPrefix { v4, v6 }).addr()
    }

    // Goal: a prefix keeps exactly its bits, for both families, at every edge. Method: examples.
    #[test]
    fn prefixes_mask() {
        assert_eq!(key("192.0.2.77", 32, 64).to_string(), "192.0.2.77");
        assert_eq!(key("192.0.2.77", 24, 64).to_string(), "192.0.2.0");
        assert_eq!(key("192.0.2.77", 0, 64).to_string(), "0.0.0.0");
        assert_eq!(key("2001:db8::1:2:3:4", 32, 64).to_string(), "2001:db8::");
        assert_eq!(key("2001:db8::1:2:3:4", 32, 128).to_string(), "2001:db8::1:2:3:4");
        assert_eq!(key("2001:db8::1", 32, 0).to_string(), "::");
    }

    // Goal: a client is the same by v4 and by v4-mapped v6. Method: compare the keys.
    #[test]
    fn mapped_is_v4() {
        let prefix = KeyPrefix { v4: 24, v6: 64 };
        let plain = Key::of("192.0.2.77".parse().unwrap(), prefix);
        assert_eq!(plain, Key::of("::ffff:192.0.2.1".parse().unwrap(), prefix));
    }

    extern crate std;
    use std::string::ToString;
}
