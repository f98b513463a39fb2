//! `haproxy-source-consistent`, `-raw` and `-3.0`: HAProxy's `balance source` with `hash-type
//! consistent`.
//!
//! A server has 16 points for each unit of weight, which its id decides and nothing else. A key's server
//! is that of the nearest point, before it or behind it; of two that are equally near the one before.
//! Most other rings take the one behind. Points of servers that are not up are as if they were not there.

use alloc::vec::Vec;

use crate::mapping::ring::{Point, Ring};
use crate::mapping::{Choice, Question, haproxy};
use crate::spec::Server;

/// Points of a server for each unit of its weight.
pub(super) const POINTS_PER_WEIGHT: u32 = 16;
/// Places that an id has for its points.
const PLACES_PER_ID: u32 = 4096;

/// Which of HAProxy's rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// `hash-type consistent`, which means with `avalanche`.
    Avalanche,
    /// `hash-type consistent FUNCTION`, which means without: an address is its own place.
    Raw,
    /// As the first in 3.0 to 3.2 before its repair: points are elsewhere.
    Of30,
}

/// The points of a pool's servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HaproxyRing {
    generation: Generation,
    ring: Ring,
}

impl HaproxyRing {
    /// Of these servers; backups have no points.
    pub fn of(generation: Generation, servers: &[Server]) -> Self {
        let points = |(index, server): (usize, &Server)| {
            let first = match generation {
                Generation::Avalanche | Generation::Raw => server.id.wrapping_mul(PLACES_PER_ID),
                Generation::Of30 => haproxy::full_hash(server.id),
            };
            let point = move |number| Point {
                place: haproxy::full_hash(first.wrapping_add(number)),
                server: index as u16,
            };
            (0..POINTS_PER_WEIGHT * u32::from(server.weight)).map(point)
        };
        let active = servers.iter().enumerate().filter(|(_, server)| !server.backup);
        let points: Vec<Point> = active.flat_map(points).collect();
        Self { generation, ring: Ring::of(points) }
    }

    pub(super) fn choose(&self, asked: &Question<'_>) -> Option<Choice> {
        let avalanche = match self.generation {
            Generation::Avalanche | Generation::Of30 => true,
            Generation::Raw => false,
        };
        let hash = haproxy::hash(asked.addr, avalanche);
        let active = |server: usize| !asked.servers[server].backup && asked.may_choose(server);
        // Or every point would have to be looked at to see that nobody is left.
        if !(0..asked.servers.len()).any(active) {
            return haproxy::backup(hash, asked);
        }
        let start = self.ring.at_or_behind(hash);
        let up = |(_, point): &(usize, Point)| active(point.server.into());
        let behind = self.ring.onwards(start).find(up)?;
        let before = self.ring.backwards(start).find(up)?;
        let to_before = hash.wrapping_sub(before.1.place);
        let to_behind = behind.1.place.wrapping_sub(hash);
        let (slot, point) = if to_before <= to_behind { before } else { behind };
        let (server, slot) = (usize::from(point.server), Some(slot as u64));
        Some(Choice { server, hash: Some(hash.into()), slot })
    }

    /// Of the 2^32 hashes there are, those that each server has while all are up.
    pub fn shares(&self, servers: usize) -> Vec<u64> {
        let points = self.ring.points();
        let mut shares: Vec<u64> = (0..servers).map(|_| 0).collect();
        if let [only] = points {
            shares[usize::from(only.server)] = 1 << 32;
            return shares;
        }
        for (point, next) in points.iter().zip(points.iter().cycle().skip(1)) {
            // Half of the way to the next one is this point's, with its own place and the middle.
            let way = u64::from(next.place.wrapping_sub(point.place));
            let own = if way == 0 { 0 } else { way / 2 + 1 };
            shares[usize::from(point.server)] += own;
            shares[usize::from(next.server)] += way - own;
        }
        shares
    }

    /// The first points and their servers.
    #[cfg(test)]
    pub(super) fn first_points(&self, count: usize) -> Vec<(u32, u16)> {
        self.ring.points()[..count].iter().map(|point| (point.place, point.server)).collect()
    }
}
