//! Points on a ring, each with its server: what consistent hashing looks its answer up in. Where the
//! points come from and which of them is a key's is each mapping's own.

use alloc::sync::Arc;
use alloc::vec::Vec;

/// Points in the order of the ring. Made once; a copy shares them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ring(Arc<[Point]>);

/// A place on the ring and the server that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Point {
    pub(super) place: u32,
    pub(super) server: u16,
}

impl Ring {
    /// Of these points. Of equal places the one of the server that stands first in the file comes first.
    pub(super) fn of(points: Vec<Point>) -> Self {
        let mut points = points;
        points.sort_unstable();
        Self(points.into())
    }

    /// The same with one point at each place, the first.
    pub(super) fn distinct(points: Vec<Point>) -> Self {
        let mut points = points;
        points.sort_unstable();
        points.dedup_by_key(|point| point.place);
        Self(points.into())
    }

    pub(super) fn points(&self) -> &[Point] {
        &self.0
    }

    /// Index of the first point at or behind a place; the number of points when there is none.
    pub(super) fn at_or_behind(&self, place: u32) -> usize {
        self.0.partition_point(|point| point.place < place)
    }

    /// Every point once with its index, from one on and around.
    pub(super) fn onwards(&self, from: usize) -> impl Iterator<Item = (usize, Point)> + '_ {
        (from..self.0.len()).chain(0..from.min(self.0.len())).map(|index| (index, self.0[index]))
    }

    /// Every point once with its index, from the one before this and around backwards.
    pub(super) fn backwards(&self, before: usize) -> impl Iterator<Item = (usize, Point)> + '_ {
        let before = before.min(self.0.len());
        let around = (0..before).rev().chain((before..self.0.len()).rev());
        around.map(|index| (index, self.0[index]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    // Goal: a ring has a beginning for every place, and no end. Method: three points, looked for from
    // each of them and from between.
    #[test]
    fn a_ring_goes_around() {
        let point = |place, server| Point { place, server };
        let ring = Ring::of(vec![point(30, 0), point(10, 2), point(20, 1), point(20, 0)]);
        let onwards = |place| ring.onwards(ring.at_or_behind(place)).map(|(_, it)| it.server);
        let backwards = |place| ring.backwards(ring.at_or_behind(place)).map(|(_, it)| it.server);
        assert_eq!(onwards(0).collect::<Vec<_>>(), [2, 0, 1, 0]);
        assert_eq!(onwards(20).collect::<Vec<_>>(), [0, 1, 0, 2]);
        assert_eq!(onwards(31).collect::<Vec<_>>(), [2, 0, 1, 0]);
        assert_eq!(backwards(0).collect::<Vec<_>>(), [0, 1, 0, 2]);
        assert_eq!(backwards(20).collect::<Vec<_>>(), [2, 0, 1, 0]);
        assert_eq!(backwards(31).collect::<Vec<_>>(), [0, 1, 0, 2]);
        let distinct = Ring::distinct(ring.points().to_vec());
        assert_eq!(distinct.points(), [point(10, 2), point(20, 0), point(30, 0)]);
    }
}
