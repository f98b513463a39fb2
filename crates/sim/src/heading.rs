//! PROXY headers of the kernel in memory: `P`, the length of the whole, the last byte of the client's
//! address or 0 for none, and anything. Real ones are the engine's business.

use std::net::SocketAddr;

use ringbolt_core::proxy_header::{Ends, Heading};

/// A header of `length` bytes, at least 3, that names this client or none.
pub fn heading(length: u8, client: u8) -> Vec<u8> {
    let mut header = vec![7; usize::from(length)];
    header[..3].copy_from_slice(&[b'P', length, client]);
    header
}

/// The ends in a header that names a client.
pub fn ends(client: u8) -> Ends {
    Ends {
        client: SocketAddr::from(([203, 0, 113, client], 1_000 + u16::from(client))),
        destination: SocketAddr::from(([192, 0, 2, 200], 443)),
    }
}

/// What stands at the beginning of these bytes.
pub fn parse(bytes: &[u8]) -> Heading {
    match bytes {
        [] | [b'P'] => Heading::Incomplete,
        [b'P', length, rest @ ..] if *length >= 3 => match rest {
            [client, ..] if bytes.len() >= usize::from(*length) => Heading::Whole {
                length: usize::from(*length),
                ends: (*client > 0).then(|| ends(*client)),
            },
            _ => Heading::Incomplete,
        },
        _ => Heading::Malformed,
    }
}
