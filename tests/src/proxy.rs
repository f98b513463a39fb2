//! PROXY headers, written and read byte by byte as their specification has them, by none of the
//! product's code.

use std::net::{IpAddr, SocketAddr};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The text form, for two addresses of one family.
pub fn v1(client: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (client.ip(), destination.ip());
    let (port, destination_port) = (client.port(), destination.port());
    format!("PROXY {family} {from} {to} {port} {destination_port}\r\n").into_bytes()
}

/// The binary form, for two addresses of one family and with these extensions.
///
/// # Panics
///
/// When the addresses are of two families.
pub fn v2(client: SocketAddr, destination: SocketAddr, extensions: &[u8]) -> Vec<u8> {
    let addresses = match (client.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => [from.octets(), to.octets()].concat(),
        (IpAddr::V6(from), IpAddr::V6(to)) => [from.octets(), to.octets()].concat(),
        ends => panic!("{ends:?} are of two families"),
    };
    let ports = [client.port().to_be_bytes(), destination.port().to_be_bytes()].concat();
    let family = if client.is_ipv4() { 0x11 } else { 0x21 };
    binary(0x21, family, &[&addresses, &ports, extensions].concat())
}

/// The binary form with any command, any family and anything after its head.
///
/// # Panics
///
/// When that is longer than its length can say.
pub fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("64 KiB at most").to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, rest].concat()
}

/// Takes a header in the text form off a stream that `receive` reads: the client and its destination,
/// or nobody.
///
/// # Panics
///
/// When it is none.
pub fn take_v1(mut receive: impl FnMut(usize) -> Vec<u8>) -> Option<(SocketAddr, SocketAddr)> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.extend(receive(1));
        assert!(line.len() <= 107, "too long: {}", line.escape_ascii());
    }
    let line = String::from_utf8(line).expect("text");
    let words: Vec<&str> = line.trim_end_matches("\r\n").split(' ').collect();
    match words[..] {
        ["PROXY", "UNKNOWN"] => None,
        ["PROXY", family, from, to, port, destination_port] => {
            let ends = [(from, port), (to, destination_port)].map(|(addr, port)| {
                let addr: IpAddr = addr.parse().expect("an address");
                assert_eq!(family, if addr.is_ipv4() { "TCP4" } else { "TCP6" }, "{line}");
                SocketAddr::new(addr, port.parse().expect("a port"))
            });
            Some((ends[0], ends[1]))
        }
        _ => panic!("{line:?}"),
    }
}

/// The same in the binary form.
///
/// # Panics
///
/// When it is none.
pub fn take_v2(mut receive: impl FnMut(usize) -> Vec<u8>) -> Option<(SocketAddr, SocketAddr)> {
    let head = receive(16);
    assert!(head.starts_with(SIGNATURE), "{}", head.escape_ascii());
    let rest = receive(usize::from(u16::from_be_bytes([head[14], head[15]])));
    let size = match head[12..14] {
        [0x20, 0x00] => return None,
        [0x21, 0x11] => 4,
        [0x21, 0x21] => 16,
        ref other => panic!("command and family {other:?}"),
    };
    assert_eq!(rest.len(), 2 * size + 4);
    let end = |which: usize| {
        let addr = &rest[which * size..][..size];
        let addr = match <[u8; 4]>::try_from(addr) {
            Ok(v4) => IpAddr::from(v4),
            Err(_) => IpAddr::from(<[u8; 16]>::try_from(addr).expect("of 16 bytes")),
        };
        let port = &rest[2 * size + 2 * which..][..2];
        SocketAddr::new(addr, u16::from_be_bytes([port[0], port[1]]))
    };
    Some((end(0), end(1)))
}
