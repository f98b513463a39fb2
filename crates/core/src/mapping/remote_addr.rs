//! An address as nginx writes it in `$remote_addr`, which is what its `hash` is made of. Where that is
//! not what everybody else writes stands at [`dotted`].

use core::net::{IpAddr, Ipv6Addr};

/// Bytes of the longest text, `ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff`.
const BYTES_MAX: usize = 39;

/// The text of an address.
#[derive(Clone, Copy, Debug)]
pub struct RemoteAddr {
    bytes: [u8; BYTES_MAX],
    length: usize,
}

impl RemoteAddr {
    /// Of this address. A v4-mapped one is IPv6.
    pub fn of(addr: IpAddr) -> Self {
        let mut text = Self { bytes: [0; BYTES_MAX], length: 0 };
        match addr {
            IpAddr::V4(v4) => text.push_dotted(v4.octets()),
            IpAddr::V6(v6) => text.push_v6(v6),
        }
        text
    }

    /// The text as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    fn push_v6(&mut self, addr: Ipv6Addr) {
        let groups = addr.segments();
        let (gap, gap_length) = longest_gap(&groups);
        let written = if dotted(addr, gap, gap_length) { 6 } else { 8 };
        let mut index = 0;
        while index < written {
            if gap_length > 1 && index == gap {
                self.push(if index == 0 { b"::" } else { b":" });
                index += gap_length;
                continue;
            }
            self.push_hex(groups[index]);
            if index < 7 {
                self.push(b":");
            }
            index += 1;
        }
        if written == 6 {
            let [.., a, b, c, d] = addr.octets();
            self.push_dotted([a, b, c, d]);
        }
    }

    fn push_hex(&mut self, group: u16) {
        let digits = group.checked_ilog2().map_or(1, |bit| bit / 4 + 1);
        for place in (0..digits).rev() {
            self.push(&[b"0123456789abcdef"[usize::from(group >> (4 * place) & 0xf)]]);
        }
    }

    fn push_dotted(&mut self, octets: [u8; 4]) {
        for (index, octet) in octets.into_iter().enumerate() {
            if index > 0 {
                self.push(b".");
            }
            self.push(decimal(octet, &mut [0; 3]));
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.length..][..bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }
}

/// A number in digits.
pub(super) fn decimal(number: u8, into: &mut [u8; 3]) -> &[u8] {
    *into = [b'0' + number / 100, b'0' + number / 10 % 10, b'0' + number % 10];
    let zeros = into[..2].iter().take_while(|digit| **digit == b'0').count();
    &into[zeros..]
}

/// The first of the longest runs of zeros, and its length.
fn longest_gap(groups: &[u16; 8]) -> (usize, usize) {
    let run = |from: usize| groups[from..].iter().take_while(|group| **group == 0).count();
    (0..8).fold((0, 0), |best, from| if run(from) > best.1 { (from, run(from)) } else { best })
}

/// Whether the last four bytes are written as an IPv4 address: of a v4-mapped one; of one that begins
/// with six groups of zeros and no more; and of one with seven unless its last group has a first byte
/// of 0 or a last of 1.
fn dotted(addr: Ipv6Addr, gap: usize, gap_length: usize) -> bool {
    let [.., high, low] = addr.octets();
    gap == 0
        && match gap_length {
            5 => addr.segments()[5] == 0xffff,
            6 => true,
            7 => high != 0 && low != 1,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: addresses are written as nginx writes them. Method: examples of each rule; what a real
    // nginx makes of them is shown end to end.
    #[test]
    fn as_nginx_writes_them() {
        let examples = [
            ("192.0.2.1", "192.0.2.1"),
            ("0.10.100.255", "0.10.100.255"),
            ("2001:db8::1", "2001:db8::1"),
            ("2001:db8:0:1:a:b:c:d", "2001:db8:0:1:a:b:c:d"),
            ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
            ("2001:0:0:1:1:0:0:1", "2001::1:1:0:0:1"),
            ("1:2:3:4:5:6::", "1:2:3:4:5:6::"),
            ("1::", "1::"),
            ("::", "::"),
            ("::1", "::1"),
            ("::2", "::2"),
            ("::ffff", "::0.0.255.255"),
            ("::ff01", "::ff01"),
            ("::102", "::0.0.1.2"),
            ("::1:2", "::0.1.0.2"),
            ("::1:2:3", "::1:2:3"),
            ("::192.0.2.1", "::192.0.2.1"),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
            ("::ffff:0:192.0.2.1", "::ffff:0:c000:201"),
            ("::ffff:0.0.0.0", "::ffff:0.0.0.0"),
            ("0:1::", "0:1::"),
            ("FFFF:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ];
        for (addr, text) in examples {
            assert_eq!(RemoteAddr::of(addr.parse().unwrap()).as_str(), text, "{addr}");
        }
    }

    // Goal: every address has a text that means it. Method: back and forth, through every pattern of
    // groups that are zero.
    #[test]
    fn texts_mean_their_address() {
        for pattern in 0..=255_u8 {
            for value in [1, 0x0102, 0xffff] {
                let groups =
                    core::array::from_fn(|index| if pattern >> index & 1 == 1 { value } else { 0 });
                let [a, b, c, d, e, f, g, h]: [u16; 8] = groups;
                let addr: IpAddr = Ipv6Addr::new(a, b, c, d, e, f, g, h).into();
                assert_eq!(RemoteAddr::of(addr).as_str().parse(), Ok(addr));
            }
        }
    }
}
