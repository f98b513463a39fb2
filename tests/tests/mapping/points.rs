use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::case::Case;

/// The points of a ring of nginx's, to see where two servers have one. There it depends on the C library's
/// sort whom a client meets. (HAProxy's servers share none: its hash gives no two numbers one place.)
#[derive(Debug)]
pub(crate) struct SharedPoints {
    /// Servers by place; empty for mappings without such a ring.
    points: BTreeMap<u32, Vec<usize>>,
    down: Vec<usize>,
    binary: bool,
}

impl SharedPoints {
    /// Those of a pool.
    pub(crate) fn of(case: &Case) -> Self {
        let mut points: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        let ring = case.is_nginx() && case.balance.contains("consistent");
        for (index, server) in case.servers.iter().enumerate().filter(|_| ring) {
            let start = format!("{}\0{}", server.addr.ip(), server.addr.port());
            let mut place = 0_u32;
            for _ in 0..160 * server.weight {
                place = crc32(&[start.as_bytes(), &place.to_le_bytes()].concat());
                points.entry(place).or_default().push(index);
            }
        }
        Self { points, down: case.down().collect(), binary: case.balance.contains("binary") }
    }

    /// Whether one of them decides whom a client meets.
    pub(crate) fn decide(&self, client: IpAddr) -> bool {
        let key = match client {
            IpAddr::V4(v4) if self.binary => v4.octets().to_vec(),
            IpAddr::V6(v6) if self.binary => v6.octets().to_vec(),
            // nginx writes a few addresses otherwise, which leaves a few too many or too few out.
            IpAddr::V4(_) | IpAddr::V6(_) => client.to_string().into_bytes(),
        };
        for (_, servers) in self.points.range(crc32(&key)..).chain(&self.points) {
            if servers.iter().any(|server| *server != servers[0]) {
                return true;
            }
            if !self.down.contains(&servers[0]) {
                return false;
            }
        }
        false
    }
}

/// CRC-32 as in IEEE 802.3, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |rest: u32| if rest & 1 == 1 { rest >> 1 ^ 0xedb8_8320 } else { rest >> 1 };
    let byte = |rest: u32, byte: &u8| (0..8).fold(rest ^ u32::from(*byte), |rest, _| step(rest));
    !bytes.iter().fold(u32::MAX, byte)
}
