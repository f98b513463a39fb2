//! A PROXY header, taken apart. `ppp` reads addresses; what it is lax about is decided here before it
//! sees a byte: where a header ends, so that half of one is never taken for a wrong one, and whether
//! its checksum holds.
//!
//! Sections are those of "The PROXY protocol, versions 1 & 2" (proxy-protocol.txt).
#![forbid(unsafe_code)]

use std::ops::Range;

use ppp::v1::{self, Addresses as TextAddresses};
use ppp::v2::{self, Addresses, Protocol, Type};
use ringbolt_core::limits::{PROXY_HEADER_BYTES_MAX, PROXY_V1_BYTES_MAX};
use ringbolt_core::proxy_header::{Ends, Heading};

/// What the beginning of a stream is. Whatever the answer is, it depends on no byte after the header.
pub fn parse(input: &[u8]) -> Heading {
    if begins_like(input, v2::PROTOCOL_PREFIX) {
        binary(input)
    } else if begins_like(input, TEXT_PREFIX) {
        text(input)
    } else {
        Heading::Malformed
    }
}

const TEXT_PREFIX: &[u8] = b"PROXY ";
/// Of which nothing is read but its end (section 2.1).
const TEXT_UNKNOWN: &[u8] = b"PROXY UNKNOWN";
const LINE_END: &[u8] = b"\r\n";

/// Bytes before the addresses of a binary header; its length is that of the rest (section 2.2).
const BINARY_HEAD: usize = 16;
const COMMAND: usize = 12;
const LENGTH: Range<usize> = 14..16;
const VERSION_2_LOCAL: u8 = 0x20;

/// Whether `input` begins with `prefix`, as far as it goes.
fn begins_like(input: &[u8], prefix: &[u8]) -> bool {
    input.iter().zip(prefix).all(|(byte, expected)| byte == expected)
}

fn text(input: &[u8]) -> Heading {
    let longest = &input[..input.len().min(PROXY_V1_BYTES_MAX)];
    let Some(end) = longest.windows(LINE_END.len()).position(|bytes| bytes == LINE_END) else {
        let full = longest.len() == PROXY_V1_BYTES_MAX;
        return if full { Heading::Malformed } else { Heading::Incomplete };
    };
    let length = end + LINE_END.len();
    let line = &input[..length];
    if let Some([b' ' | b'\r', ..]) = line.strip_prefix(TEXT_UNKNOWN) {
        return Heading::Whole { length, ends: None };
    }
    // A sign is part of a number for the parser, and of none for the specification.
    if line.contains(&b'+') {
        return Heading::Malformed;
    }
    match v1::Header::try_from(line).map(|header| header.addresses) {
        Ok(TextAddresses::Tcp4(it)) => Heading::Whole { length, ends: Some(ends_v4(it)) },
        Ok(TextAddresses::Tcp6(it)) => Heading::Whole { length, ends: Some(ends_v6(it)) },
        Ok(TextAddresses::Unknown) | Err(_) => Heading::Malformed,
    }
}

fn binary(input: &[u8]) -> Heading {
    let Some(&[high, low]) = input.get(LENGTH) else { return Heading::Incomplete };
    let length = BINARY_HEAD + usize::from(u16::from_be_bytes([high, low]));
    if length > PROXY_HEADER_BYTES_MAX {
        return Heading::Malformed;
    }
    let local = input[COMMAND] == VERSION_2_LOCAL;
    match v2::Header::try_from(input) {
        _ if local && input.len() < length => Heading::Incomplete,
        // All of the rest is to be left out of account.
        _ if local => Heading::Whole { length, ends: None },
        Ok(header) if !extensions_hold(&header) => Heading::Malformed,
        Ok(header) => Heading::Whole { length, ends: stream_ends(&header) },
        Err(v2::ParseError::Incomplete(_) | v2::ParseError::Partial(..)) => Heading::Incomplete,
        Err(_) => Heading::Malformed,
    }
}

/// The ends of a TCP connection; all others are unknown to a balancer of TCP.
fn stream_ends(header: &v2::Header<'_>) -> Option<Ends> {
    match header.addresses {
        _ if header.protocol != Protocol::Stream => None,
        Addresses::IPv4(it) => Some(ends_v4(it)),
        Addresses::IPv6(it) => Some(ends_v6(it)),
        Addresses::Unspecified | Addresses::Unix(_) => None,
    }
}

fn ends_v4(it: v2::IPv4) -> Ends {
    Ends {
        client: (it.source_address, it.source_port).into(),
        destination: (it.destination_address, it.destination_port).into(),
    }
}

fn ends_v6(it: v2::IPv6) -> Ends {
    Ends {
        client: (it.source_address, it.source_port).into(),
        destination: (it.destination_address, it.destination_port).into(),
    }
}

/// Whether what follows the addresses is a list of extensions, and the checksum among them, if there
/// is one, that of the header (section 2.2.3).
fn extensions_hold(header: &v2::Header<'_>) -> bool {
    const EXTENSION_HEAD: usize = 3;
    let mut next = header.len() - header.tlv_bytes().len();
    header.tlvs().all(|extension| {
        let Ok(extension) = extension else { return false };
        let value = next + EXTENSION_HEAD..next + EXTENSION_HEAD + extension.value.len();
        next = value.end;
        extension.kind != Type::CRC32C as u8 || checksum_holds(header.as_bytes(), value)
    })
}

/// Whether the bytes at `place` are the checksum of all the bytes with zeros there.
fn checksum_holds(header: &[u8], place: Range<usize>) -> bool {
    let with_zeros = header.iter().enumerate();
    let with_zeros = with_zeros.map(|(at, byte)| if place.contains(&at) { 0 } else { *byte });
    header[place.clone()] == crc32c(with_zeros).to_be_bytes()
}

/// CRC-32C, bit by bit (RFC 4960, appendix B, in its reflected form): headers are short and rare.
fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    const CASTAGNOLI: u32 = 0x82f6_3b78;
    let shifted = |crc: u32, _| crc >> 1 ^ (CASTAGNOLI & (crc & 1).wrapping_neg());
    !bytes.fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(byte), shifted))
}

#[cfg(test)]
mod tests {
    use ringbolt_core::proxy_header::ProxyHeader;
    use ringbolt_core::spec::SendProxy;

    use super::*;

    fn whole(length: usize, client: &str, destination: &str) -> Heading {
        let [client, destination] = [client, destination].map(|it| it.parse().expect("an address"));
        Heading::Whole { length, ends: Some(Ends { client, destination }) }
    }

    fn nobody(length: usize) -> Heading {
        Heading::Whole { length, ends: None }
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = (rest.len() as u16).to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[command, family], &length, rest].concat()
    }

    const TCP4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 1, 2, 1, 187];

    /// Goal: the text form, as its specification has it. Method: an example of each rule.
    #[test]
    fn text_headers() {
        let line = b"PROXY TCP4 192.0.2.1 198.51.100.2 0 443\r\n";
        assert_eq!(parse(line), whole(41, "192.0.2.1:0", "198.51.100.2:443"));
        let line = b"PROXY TCP6 2001:db8::1 ::ffff:198.51.100.2 7 65535\r\nGET /";
        assert_eq!(parse(line), whole(52, "[2001:db8::1]:7", "[::ffff:198.51.100.2]:65535"));
        assert_eq!(parse(b"PROXY UNKNOWN\r\n"), nobody(15));
        assert_eq!(parse(b"PROXY UNKNOWN a b c d e f g + \xff\r\n"), nobody(33));
        let longest = format!("PROXY UNKNOWN {}\r\n", "f".repeat(91));
        assert_eq!(parse(longest.as_bytes()), nobody(107));
        for wrong in [
            "proxy TCP4 192.0.2.1 198.51.100.2 0 443\r\n",
            "PROXY  TCP4 192.0.2.1 198.51.100.2 0 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 0 65536\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 01 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 +1 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 1 443 \r\n",
            "PROXY TCP4 ::1 198.51.100.2 1 443\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.2 1 443\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.2 1 443\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY \r\n",
            "GET / HTTP/1.1\r\n",
            &format!("PROXY UNKNOWN {}\r\n", "f".repeat(92)),
        ] {
            assert_eq!(parse(wrong.as_bytes()), Heading::Malformed, "{wrong}");
        }
    }

    /// Goal: the binary form, as its specification has it. Method: an example of each rule.
    #[test]
    fn binary_headers() {
        let stream = whole(28, "192.0.2.1:258", "198.51.100.2:443");
        assert_eq!(parse(&v2(0x21, 0x11, &TCP4)), stream);
        assert_eq!(parse(&[&v2(0x21, 0x11, &TCP4)[..], b"GET /"].concat()), stream);
        let v6 = [&[0; 15][..], &[1], &[0; 15], &[2], &[0, 7, 0, 8]].concat();
        assert_eq!(parse(&v2(0x21, 0x21, &v6)), whole(52, "[::1]:7", "[::2]:8"));
        // Datagrams, unspecified and UNIX sockets; the proxy's own connections, with whatever follows.
        assert_eq!(parse(&v2(0x21, 0x12, &TCP4)), nobody(28));
        assert_eq!(parse(&v2(0x21, 0x00, b"??")), nobody(18));
        assert_eq!(parse(&v2(0x21, 0x31, &[b'/'; 216])), nobody(232));
        assert_eq!(parse(&v2(0x20, 0x00, b"")), nobody(16));
        assert_eq!(parse(&v2(0x20, 0x77, b"?")), nobody(17));
        assert_eq!(parse(&v2(0x21, 0x11, &TCP4[1..])), Heading::Malformed);
        for (command, family) in [(0x22, 0x11), (0x11, 0x11), (0x31, 0x11), (0x21, 0x41)] {
            assert_eq!(parse(&v2(command, family, &TCP4)), Heading::Malformed);
        }
    }

    /// Goal: extensions are passed over and must be a list. Method: one that fits, the longest header,
    /// one that is cut off, one byte too many.
    #[test]
    fn extensions() {
        let with = |extensions: &[u8]| parse(&v2(0x21, 0x11, &[&TCP4, extensions].concat()));
        assert_eq!(with(&[4, 0, 1, 9]), whole(32, "192.0.2.1:258", "198.51.100.2:443"));
        assert_eq!(with(&[4, 0, 2, 9]), Heading::Malformed);
        assert_eq!(with(&[4, 0, 0, 9]), Heading::Malformed);
        let longest = PROXY_HEADER_BYTES_MAX - 28 - 3;
        let padding = |bytes: usize| {
            let head = [4, (bytes >> 8) as u8, bytes as u8];
            [&head[..], &vec![0; bytes]].concat()
        };
        assert!(matches!(with(&padding(longest)), Heading::Whole { length: 4096, .. }));
        assert_eq!(with(&padding(longest + 1)), Heading::Malformed);
    }

    /// Goal: a checksum that is there must hold. Method: the check value of the algorithm; a right
    /// one, then each byte of the header changed; one of three bytes.
    #[test]
    fn checksums() {
        assert_eq!(crc32c(b"123456789".iter().copied()), 0xe306_9283);
        let mut header = v2(0x21, 0x11, &[&TCP4[..], &[3, 0, 4, 0, 0, 0, 0]].concat());
        let checksum = crc32c(header.iter().copied()).to_be_bytes();
        header[31..].copy_from_slice(&checksum);
        assert_eq!(parse(&header), whole(35, "192.0.2.1:258", "198.51.100.2:443"));
        for place in (BINARY_HEAD..28).chain(31..35) {
            let mut changed = header.clone();
            changed[place] ^= 1;
            assert_eq!(parse(&changed), Heading::Malformed, "byte {place}");
        }
        let short = v2(0x21, 0x11, &[&TCP4[..], &[3, 0, 3, 0, 0, 0]].concat());
        assert_eq!(parse(&short), Heading::Malformed);
    }

    /// Goal: half a header is never wrong, whatever piece it is. Method: every beginning of several.
    #[test]
    fn every_beginning_is_incomplete() {
        let headers = [
            b"PROXY TCP4 192.0.2.1 198.51.100.2 80 443\r\n".to_vec(),
            b"PROXY TCP6 2001:db8::1 ::ffff:198.51.100.2 7 65535\r\n".to_vec(),
            b"PROXY UNKNOWN whatever\r\n".to_vec(),
            v2(0x21, 0x11, &[&TCP4[..], &[4, 0, 1, 9]].concat()),
            v2(0x20, 0x00, b"anything"),
        ];
        for header in headers {
            assert!(
                matches!(parse(&header), Heading::Whole { length, .. } if length == header.len())
            );
            for length in 0..header.len() {
                assert_eq!(parse(&header[..length]), Heading::Incomplete, "{length}: {header:?}");
            }
        }
    }

    /// Goal: what is sent is understood. Method: headers of the sender, both forms and families.
    #[test]
    fn sender_and_receiver_agree() {
        for (client, destination) in [
            ("192.0.2.1:1", "198.51.100.2:443"),
            ("[2001:db8::1]:1", "[2001:db8::2]:443"),
            ("[::ffff:192.0.2.1]:1", "[2001:db8::2]:443"),
        ] {
            let [client, destination] = [client, destination].map(|it| it.parse().expect("one"));
            let ends = Ends { client, destination };
            for form in [SendProxy::V1, SendProxy::V2] {
                let header = ProxyHeader::of(form, ends).expect("one is sent");
                let length = header.as_bytes().len();
                assert_eq!(parse(header.as_bytes()), Heading::Whole { length, ends: Some(ends) });
                let own = ProxyHeader::local(form).expect("one is sent");
                assert_eq!(parse(own.as_bytes()), nobody(own.as_bytes().len()));
            }
        }
    }
}
