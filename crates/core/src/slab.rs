//! Which slots of a worker are free.
//!
//! The generations that make a reused slot another one live in the records, because they must
//! outlive the engine; here is only the list of free places, which is rebuilt.

use alloc::vec::Vec;

const NONE: u32 = u32::MAX;

/// The free slots of one worker. The slot freed last is taken first, so memory stays warm, and a
/// slot never used costs nothing: the list grows with the highest slot in use.
#[derive(Debug)]
pub(crate) struct Slab {
    /// As long as the highest slot ever used; allocated at once, touched as it is needed.
    next_free: Vec<u32>,
    capacity: u32,
    first_free: u32,
    live: u32,
}

impl Slab {
    /// All of `capacity` slots free.
    pub(crate) fn new(capacity: u32) -> Self {
        let next_free = Vec::with_capacity(capacity as usize);
        Self { next_free, capacity, first_free: NONE, live: 0 }
    }

    /// Of `capacity` slots, of which those below `used` have been used and are free if `is_free` says so.
    pub(crate) fn resume(capacity: u32, used: u32, is_free: impl Fn(u32) -> bool) -> Self {
        let mut slab = Self::new(capacity);
        slab.next_free.resize(used as usize, NONE);
        slab.live = used;
        (0..used).rev().filter(|slot| is_free(*slot)).for_each(|slot| slab.give(slot));
        slab
    }

    /// Takes a free slot; `None` when there is none.
    pub(crate) fn take(&mut self) -> Option<u32> {
        let slot = if self.first_free != NONE {
            let slot = self.first_free;
            self.first_free = self.next_free[slot as usize];
            slot
        } else if self.used() < self.capacity {
            self.next_free.push(NONE);
            self.used() - 1
        } else {
            return None;
        };
        self.live += 1;
        Some(slot)
    }

    /// Gives a slot back.
    pub(crate) fn give(&mut self, slot: u32) {
        assert!(slot < self.used() && self.live > 0, "a slot that was never taken is given back");
        self.next_free[slot as usize] = self.first_free;
        self.first_free = slot;
        self.live -= 1;
    }

    /// Slots below this have been used at some time.
    pub(crate) fn used(&self) -> u32 {
        self.next_free.len() as u32
    }

    /// Slots taken now.
    pub(crate) fn live(&self) -> u32 {
        self.live
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    proptest! {
        // Goal: no slot is handed out twice, none gets lost. Method: random takes and gives beside
        // a set as the model.
        #[test]
        fn agrees_with_a_set(steps in proptest::collection::vec(any::<(bool, u8)>(), 0..200)) {
            let mut slab = Slab::new(8);
            let mut taken = BTreeSet::new();
            for (take, pick) in steps {
                if take {
                    match slab.take() {
                        Some(slot) => prop_assert!(slot < 8 && taken.insert(slot)),
                        None => prop_assert_eq!(taken.len(), 8),
                    }
                } else if let Some(&slot) = taken.iter().nth(pick as usize % 8) {
                    taken.remove(&slot);
                    slab.give(slot);
                }
                prop_assert_eq!(slab.live() as usize, taken.len());
            }
        }
    }
}
