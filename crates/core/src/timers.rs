//! Deadlines of many slots: a hierarchical timing wheel with one entry a slot.
//!
//! Setting, moving and clearing a deadline is O(1); the wheel asks to be looked at only when
//! something may be due, so a worker with idle sessions sleeps. Six levels of 64 buckets of 1 ms,
//! 64 ms, 4.1 s, 4.4 min, 4.7 h and 12.4 days; what is due in a coarse bucket moves to a finer one
//! when its time comes. After Varghese and Lauck, "Hashed and hierarchical timing wheels", 1987.

use alloc::vec::Vec;

use crate::time::Instant;

const BITS: u32 = 6;
const BUCKETS: usize = 1 << BITS;
const LEVELS: usize = 6;
const LONGEST_MS: u64 = 1 << (BITS as usize * LEVELS - 1);
const NONE: u32 = u32::MAX;
const IDLE: u16 = u16::MAX;

#[derive(Clone, Copy, Debug)]
struct Entry {
    deadline_ms: u64,
    previous: u32,
    next: u32,
    bucket: u16,
}

/// The deadlines of a worker's slots, one each, in milliseconds.
#[derive(Debug)]
pub(crate) struct Timers {
    /// As many as slots have had a deadline; allocated at once, touched as they are needed.
    entries: Vec<Entry>,
    heads: [u32; LEVELS * BUCKETS],
    occupied: [u64; LEVELS],
    now_ms: u64,
}

impl Timers {
    /// No deadlines; the wheel stands at `now`.
    pub(crate) fn new(capacity: u32, now: Instant) -> Self {
        Self {
            entries: Vec::with_capacity(capacity as usize),
            heads: [NONE; LEVELS * BUCKETS],
            occupied: [0; LEVELS],
            now_ms: now.as_millis(),
        }
    }

    /// Sets or moves a slot's deadline. It is due in the first [`Timers::expire`] at or after it;
    /// deadlines beyond a year count as a year (2^35 ms).
    pub(crate) fn set(&mut self, slot: u32, deadline: Instant) {
        while self.entries.len() <= slot as usize {
            self.entries.push(Entry { deadline_ms: 0, previous: NONE, next: NONE, bucket: IDLE });
        }
        self.clear(slot);
        let millis = deadline.as_nanos().div_ceil(1_000_000);
        self.insert(slot, millis.clamp(self.now_ms + 1, self.now_ms + LONGEST_MS));
    }

    /// Removes a slot's deadline, if it has one.
    pub(crate) fn clear(&mut self, slot: u32) {
        let Some(&Entry { previous, next, bucket, .. }) = self.entries.get(slot as usize) else {
            return;
        };
        if bucket == IDLE {
            return;
        }
        match previous {
            NONE => self.heads[bucket as usize] = next,
            other => self.entries[other as usize].next = next,
        }
        if next != NONE {
            self.entries[next as usize].previous = previous;
        }
        if self.heads[bucket as usize] == NONE {
            self.occupied[bucket as usize / BUCKETS] &= !(1 << (bucket as usize % BUCKETS));
        }
        self.entries[slot as usize].bucket = IDLE;
    }

    /// When to look again at the latest; `None` when there are no deadlines.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next_bucket().map(|(_, start_ms)| Instant::from_millis(start_ms))
    }

    /// The next slot whose deadline has come, taken off the wheel. Call it until it says `None`.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<u32> {
        while let Some((bucket, start_ms)) = self.next_bucket() {
            if start_ms > now.as_millis() {
                break;
            }
            self.now_ms = self.now_ms.max(start_ms);
            let slot = self.heads[bucket];
            let deadline_ms = self.entries[slot as usize].deadline_ms;
            self.clear(slot);
            if deadline_ms <= self.now_ms {
                return Some(slot);
            }
            self.insert(slot, deadline_ms);
        }
        // Standing still between two buckets would be right too, but a wheel that keeps up with
        // the clock puts new deadlines into finer buckets.
        self.now_ms = self.now_ms.max(now.as_millis());
        None
    }

    /// The occupied bucket that starts first, and when. A coarse one may be first although finer
    /// ones are occupied: while its entries are being moved to those.
    fn next_bucket(&self) -> Option<(usize, u64)> {
        let first_of = |level: usize| {
            let shift = BITS as usize * level;
            let here = (self.now_ms >> shift) as usize % BUCKETS;
            let ahead = self.occupied[level].rotate_right(here as u32).trailing_zeros() as usize;
            let start = ((self.now_ms >> shift) + ahead as u64) << shift;
            (level * BUCKETS + (here + ahead) % BUCKETS, start)
        };
        let occupied = (0..LEVELS).filter(|level| self.occupied[*level] != 0);
        occupied.map(first_of).min_by_key(|(_, start)| *start)
    }

    fn insert(&mut self, slot: u32, deadline_ms: u64) {
        let differs = (deadline_ms ^ self.now_ms) | 1;
        let level = ((63 - differs.leading_zeros()) / BITS).min(LEVELS as u32 - 1) as usize;
        let index = (deadline_ms >> (BITS as usize * level)) as usize % BUCKETS;
        let bucket = level * BUCKETS + index;
        let head = self.heads[bucket];
        if head != NONE {
            self.entries[head as usize].previous = slot;
        }
        self.entries[slot as usize] =
            Entry { deadline_ms, previous: NONE, next: head, bucket: bucket as u16 };
        self.heads[bucket] = slot;
        self.occupied[level] |= 1 << index;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    // Goal: far deadlines come, and not early. Method: one deadline at a time, at level borders.
    #[test]
    fn one_deadline_is_exact() {
        for start in [0, 63, 4_095, 1_000_000_007] {
            for span in [1, 63, 64, 65, 4_096, 262_144, 3_600_000, 86_400_000] {
                let mut timers = Timers::new(1, at(start));
                timers.set(0, at(start + span));
                let mut looks = 0;
                loop {
                    let next = timers.next().expect("the deadline is still there");
                    assert!(next <= at(start + span));
                    looks += 1;
                    if let Some(slot) = timers.expire(next) {
                        assert_eq!((slot, next), (0, at(start + span)));
                        break;
                    }
                }
                assert!(looks <= LEVELS, "{looks} looks for one deadline");
                assert_eq!(timers.next(), None);
            }
        }
    }

    proptest! {
        // Goal: nothing fires early, twice or never. Method: random sets, clears and steps of the
        // clock beside a map as the model.
        #[test]
        fn agrees_with_a_map(
            start in 0u64..5_000_000,
            steps in proptest::collection::vec((0u8..3, 0u32..6, 0u64..400_000), 0..120),
        ) {
            let mut timers = Timers::new(6, at(start));
            let mut model = BTreeMap::new();
            let mut now = start;
            for (what, slot, span) in steps {
                match what {
                    0 => { timers.set(slot, at(now + span)); model.insert(slot, now + span.max(1)); }
                    1 => { timers.clear(slot); model.remove(&slot); }
                    _ => {
                        now += span;
                        while let Some(slot) = timers.expire(at(now)) {
                            let deadline = model.remove(&slot);
                            prop_assert!(deadline.is_some_and(|deadline| deadline <= now));
                        }
                        prop_assert!(model.values().all(|deadline| *deadline > now));
                    }
                }
                let first = model.values().min().map(|deadline| at(*deadline));
                prop_assert_eq!(timers.next().is_some(), first.is_some());
                prop_assert!(timers.next() <= first);
            }
        }
    }
}
