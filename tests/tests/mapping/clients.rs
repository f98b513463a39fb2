use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::net::UnixStream;

use ringbolt_script::Dice;
use ringbolt_tests::{BOUND, proxy};

/// Addresses that some program writes or reads in its own way. 255.255.255.255 is none of them: nginx takes
/// it for an error in the header and goes by the connection.
const ODD: [&str; 20] = [
    "0.0.0.1",
    "10.0.0.1",
    "127.0.0.1",
    "224.0.0.1",
    "255.255.255.254",
    "::",
    "::1",
    "::2",
    "::101",
    "::102",
    "::ff01",
    "::ffff",
    "::1:2",
    "::1:2:3",
    "::192.0.2.1",
    "::ffff:0:192.0.2.1",
    "2001:db8::1:0:0:1",
    "2001:0:0:1::1",
    "1:2:3:4:5:6:0:0",
    "fe80::1",
];

/// So many addresses: some that are odd, then of IPv4, of IPv6, and of IPv4 in the form of IPv6.
pub(crate) fn clients(count: usize, dice: &mut Dice) -> Vec<IpAddr> {
    let odd = ODD.iter().map(|text| text.parse().expect("an address"));
    let any = std::iter::repeat_with(|| {
        let v4 = Ipv4Addr::from_bits(dice.any() as u32);
        let v6 = u128::from(dice.any()) << 64 | u128::from(dice.any());
        match dice.throw(10) {
            0 => v4.to_ipv6_mapped().into(),
            // Neighbours of one site.
            1 => Ipv6Addr::from_bits(0x2001_0db8 << 96 | v6 >> 64).into(),
            2 => Ipv6Addr::from_bits(v6).into(),
            _ => v4.into(),
        }
    });
    odd.chain(any).take(count).collect()
}

/// Asks through a program's UNIX socket, as a client whose address a PROXY header names, and gives the
/// answer.
pub(crate) fn meet(socket: &str, client: IpAddr) -> String {
    let destination: SocketAddr = if client.is_ipv4() {
        ([192, 0, 2, 250], 80).into()
    } else {
        "[2001:db8::250]:80".parse().expect("an address")
    };
    let header = proxy::v1(SocketAddr::new(client, 4_711), destination);
    let mut stream = UnixStream::connect(socket).expect("the program listens");
    stream.set_read_timeout(Some(BOUND)).expect("a live socket");
    stream
        .write_all(&[&header[..], b"GET / HTTP/1.0\r\n\r\n"].concat())
        .expect("the program reads");
    let mut answer = String::new();
    // A program may reset behind its answer; what came until then is what counts.
    let _ = stream.read_to_string(&mut answer);
    answer
}
