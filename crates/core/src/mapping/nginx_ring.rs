//! `nginx-hash-consistent`, `nginx-hash-binary-consistent`: what nginx's `hash $remote_addr consistent`
//! and `hash $binary_remote_addr consistent` do.
//!
//! A server has 160 points for each unit of weight, which the text of its address decides, as it is
//! written. A key's server is that of the point at or behind its place. Where two servers have a point
//! at one place nginx leaves the choice to the C library's sort; here the first in the file has it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::key::address_bytes;
use crate::mapping::crc32::Crc32;
use crate::mapping::remote_addr::RemoteAddr;
use crate::mapping::ring::{Point, Ring};
use crate::mapping::{Choice, Question, nginx, rendezvous};
use crate::spec::Server;

/// Points of a server for each unit of its weight.
pub(super) const POINTS_PER_WEIGHT: u32 = 160;

/// The points of a pool's servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NginxRing {
    /// The key is the bytes of the address and not its text.
    binary: bool,
    ring: Ring,
    /// For each server the first one whose address has the same text; empty while all differ.
    first_of_text: Vec<u16>,
}

impl NginxRing {
    /// Of these servers; the key is the bytes of an address or its text.
    pub fn of(binary: bool, servers: &[Server]) -> Self {
        let mut first_of_text = Vec::new();
        let mut known = BTreeMap::new();
        for (index, server) in servers.iter().enumerate() {
            first_of_text.push(*known.entry(&*server.addr.text).or_insert(index as u16));
        }
        let points = |(index, server): (usize, &Server)| {
            let base = base(&server.addr.text);
            let mut place = 0_u32;
            let next = move |_| {
                place = base.and(&place.to_le_bytes()).finish();
                Point { place, server: index as u16 }
            };
            (0..POINTS_PER_WEIGHT * u32::from(server.weight)).map(next)
        };
        let points: Vec<Point> = servers.iter().enumerate().flat_map(points).collect();
        if known.len() == servers.len() {
            first_of_text.clear();
        }
        Self { binary, ring: Ring::distinct(points), first_of_text }
    }

    /// `seed`: of `rendezvous-1`, which stands in for nginx's round robin.
    pub(super) fn choose(&self, seed: u64, asked: &Question<'_>) -> Option<Choice> {
        let hash = self.hash(asked.addr);
        let points = self.ring.points().len();
        let start = self.ring.at_or_behind(hash);
        for step in 0..(nginx::TRIES as usize).min(points) {
            let slot = (start + step) % points;
            let server = usize::from(self.ring.points()[slot].server);
            if !self.first_of_text.is_empty() && self.shares_its_text(server) {
                // One of several addresses of one name: nginx takes them in turn.
                let same = |other: usize| self.first_of_text[other] == self.first_of_text[server];
                let passed = |other: usize| !same(other) || (asked.passed)(other);
                if let Some(choice) =
                    rendezvous::choose(seed, &Question { passed: &passed, ..*asked })
                {
                    return Some(choice);
                }
            } else if asked.may_choose(server) {
                return Some(Choice { server, hash: Some(hash.into()), slot: Some(slot as u64) });
            }
        }
        rendezvous::choose(seed, asked)
    }

    fn hash(&self, addr: IpAddr) -> u32 {
        let bytes = address_bytes(addr);
        let text = RemoteAddr::of(addr);
        let key = match (self.binary, addr) {
            (false, _) => text.as_bytes(),
            (true, IpAddr::V4(_)) => &bytes[12..],
            (true, IpAddr::V6(_)) => &bytes,
        };
        Crc32::EMPTY.and(key).finish()
    }

    fn shares_its_text(&self, server: usize) -> bool {
        let first = self.first_of_text[server];
        self.first_of_text.iter().filter(|other| **other == first).count() > 1
    }

    /// Of the 2^32 hashes there are, those that each server has while all are up.
    pub fn shares(&self, servers: usize) -> Vec<u64> {
        let points = self.ring.points();
        let mut shares: Vec<u64> = (0..servers).map(|_| 0).collect();
        for (before, point) in points.iter().zip(points.iter().cycle().skip(1)) {
            let way = u64::from(point.place.wrapping_sub(before.place));
            shares[usize::from(point.server)] += if points.len() == 1 { 1 << 32 } else { way };
        }
        shares
    }

    /// The first points and their servers.
    #[cfg(test)]
    pub(super) fn first_points(&self, count: usize) -> Vec<(u32, u16)> {
        self.ring.points()[..count].iter().map(|point| (point.place, point.server)).collect()
    }
}

/// What every point of a server begins with: host, a zero byte, port.
fn base(text: &str) -> Crc32 {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let unix = text.get(..5).filter(|start| start.eq_ignore_ascii_case("unix:"));
    let (host, port) = match text.rsplit_once(':').filter(|(_, port)| is_port(port)) {
        _ if unix.is_some() => (&text[5..], ""),
        Some((host, port)) => (host, port),
        None => (text, ""),
    };
    Crc32::EMPTY.and(host.as_bytes()).and(&[0]).and(port.as_bytes())
}
