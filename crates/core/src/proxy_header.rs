//! PROXY headers: what a look at the beginning of a client's stream finds, and the header that is
//! put before a server's. Taking one apart needs a parser and is the engine's business.
//!
//! After "The PROXY protocol, versions 1 & 2" (proxy-protocol.txt, with HAProxy's documentation).

use core::fmt::{self, Write};
use core::net::{IpAddr, SocketAddr};

use crate::key::address_bytes;
use crate::limits::PROXY_V1_BYTES_MAX;
use crate::spec::SendProxy;

/// The two ends of a connection, as its client sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Where the client is.
    pub client: SocketAddr,
    /// What it connected to.
    pub destination: SocketAddr,
}

/// What a look at the beginning of a stream finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heading {
    /// The beginning of a header, or nothing.
    Incomplete,
    /// No header, one that contradicts itself, or one that is too long.
    Malformed,
    /// A header.
    Whole {
        /// Its bytes, at most [`crate::limits::PROXY_HEADER_BYTES_MAX`]; the stream begins after them.
        length: usize,
        /// The ends it speaks of; `None`: those of the connection that it came by.
        ends: Option<Ends>,
    },
}

/// A header to be sent.
#[derive(Clone, Copy)]
pub struct ProxyHeader {
    bytes: [u8; PROXY_V1_BYTES_MAX],
    length: usize,
}

const V2_SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const V2_LOCAL: u8 = 0x20;
const V2_PROXY: u8 = 0x21;
const V2_UNSPECIFIED: u8 = 0x00;
const V2_TCP_OVER_IPV4: u8 = 0x11;
const V2_TCP_OVER_IPV6: u8 = 0x21;

impl ProxyHeader {
    /// The header of a client's connection; `None` when none is sent.
    pub fn of(form: SendProxy, ends: Ends) -> Option<Self> {
        match form {
            SendProxy::Off => None,
            SendProxy::V1 => Some(Self::v1(ends)),
            SendProxy::V2 => Some(Self::v2(ends)),
        }
    }

    /// The header of a connection of our own, which speaks for nobody; `None` when none is sent.
    pub fn local(form: SendProxy) -> Option<Self> {
        let mut header = Self::EMPTY;
        match form {
            SendProxy::Off => return None,
            SendProxy::V1 => header.put(b"PROXY UNKNOWN\r\n"),
            SendProxy::V2 => header.put_v2_head(V2_LOCAL, V2_UNSPECIFIED, 0),
        }
        Some(header)
    }

    /// What is sent, at most 107 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    const EMPTY: Self = Self { bytes: [0; PROXY_V1_BYTES_MAX], length: 0 };

    fn v1(ends: Ends) -> Self {
        let (client, destination) = (ends.client.port(), ends.destination.port());
        let mut header = Self::EMPTY;
        let written = match of_one_family(ends) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                write!(header, "PROXY TCP4 {from} {to} {client} {destination}\r\n")
            }
            (from, to) => write!(header, "PROXY TCP6 {from} {to} {client} {destination}\r\n"),
        };
        written.expect("the longest has 104 bytes");
        header
    }

    fn v2(ends: Ends) -> Self {
        let mut header = Self::EMPTY;
        match of_one_family(ends) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                header.put_v2_head(V2_PROXY, V2_TCP_OVER_IPV4, 12);
                header.put(&from.octets());
                header.put(&to.octets());
            }
            (from, to) => {
                header.put_v2_head(V2_PROXY, V2_TCP_OVER_IPV6, 36);
                for addr in [from, to] {
                    header.put(&address_bytes(addr));
                }
            }
        }
        for addr in [ends.client, ends.destination] {
            header.put(&addr.port().to_be_bytes());
        }
        header
    }

    fn put_v2_head(&mut self, command: u8, family: u8, length: u16) {
        self.put(&V2_SIGNATURE);
        self.put(&[command, family]);
        self.put(&length.to_be_bytes());
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.length..][..bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }
}

impl Write for ProxyHeader {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.bytes.len() - self.length < text.len() {
            return Err(fmt::Error);
        }
        self.put(text.as_bytes());
        Ok(())
    }
}

impl fmt::Debug for ProxyHeader {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ProxyHeader({})", self.as_bytes().escape_ascii())
    }
}

/// Both addresses: IPv4 if both are, otherwise both IPv6, because a header has one family.
fn of_one_family(ends: Ends) -> (IpAddr, IpAddr) {
    let [from, to] = [ends.client, ends.destination].map(|addr| addr.ip().to_canonical());
    let as_v6 = |addr| match addr {
        IpAddr::V4(v4) => IpAddr::V6(v4.to_ipv6_mapped()),
        IpAddr::V6(_) => addr,
    };
    if from.is_ipv4() == to.is_ipv4() { (from, to) } else { (as_v6(from), as_v6(to)) }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::*;

    fn ends(client: &str, destination: &str) -> Ends {
        Ends { client: client.parse().unwrap(), destination: destination.parse().unwrap() }
    }

    fn v1(client: &str, destination: &str) -> String {
        let header = ProxyHeader::of(SendProxy::V1, ends(client, destination)).unwrap();
        header.as_bytes().escape_ascii().to_string()
    }

    fn v2(client: &str, destination: &str) -> Vec<u8> {
        let header = ProxyHeader::of(SendProxy::V2, ends(client, destination)).unwrap();
        assert_eq!(header.as_bytes()[..12], V2_SIGNATURE);
        header.as_bytes()[12..].to_vec()
    }

    // Goal: the text form of the specification. Method: each pair of families; a mapped address,
    // which is IPv4; port 0; the longest there is.
    #[test]
    fn text() {
        assert_eq!(
            v1("192.0.2.1:0", "198.51.100.2:443"),
            r"PROXY TCP4 192.0.2.1 198.51.100.2 0 443\r\n"
        );
        assert_eq!(
            v1("[::ffff:192.0.2.1]:7", "198.51.100.2:443"),
            r"PROXY TCP4 192.0.2.1 198.51.100.2 7 443\r\n"
        );
        assert_eq!(v1("[2001:db8::1]:7", "[::1]:443"), r"PROXY TCP6 2001:db8::1 ::1 7 443\r\n");
        assert_eq!(
            v1("192.0.2.1:7", "[2001:db8::1]:443"),
            r"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 7 443\r\n"
        );
        let longest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
        let header = ProxyHeader::of(SendProxy::V1, ends(longest, longest)).unwrap();
        assert_eq!(header.as_bytes().len(), 104, "107 has the word UNKNOWN");
    }

    // Goal: the binary form of the specification. Method: byte by byte, each pair of families.
    #[test]
    fn binary() {
        assert_eq!(
            v2("192.0.2.1:258", "[::ffff:198.51.100.2]:443"),
            [0x21, 0x11, 0, 12, 192, 0, 2, 1, 198, 51, 100, 2, 1, 2, 1, 187]
        );
        let mixed = v2("192.0.2.1:258", "[2001:db8::1]:443");
        assert_eq!(mixed[..4], [0x21, 0x21, 0, 36]);
        assert_eq!(mixed[4..20], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1]);
        assert_eq!(mixed[20..24], [0x20, 0x01, 0x0d, 0xb8]);
        assert_eq!(mixed[36..], [1, 2, 1, 187]);
    }

    // Goal: a connection of our own speaks for nobody, and nothing is sent where nothing is to be.
    // Method: each form.
    #[test]
    fn of_our_own() {
        let own = |form| ProxyHeader::local(form).map(|header| header.as_bytes().to_vec());
        assert_eq!(own(SendProxy::V1).unwrap(), b"PROXY UNKNOWN\r\n");
        assert_eq!(own(SendProxy::V2).unwrap()[12..], [0x20, 0, 0, 0]);
        assert!(own(SendProxy::Off).is_none());
        assert!(ProxyHeader::of(SendProxy::Off, ends("[::1]:1", "[::1]:2")).is_none());
    }
}
