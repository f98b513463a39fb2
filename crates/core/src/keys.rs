//! Live sessions by listener and key, for the limit that a listener sets to one key's: exact over all
//! workers, without a lock, in a table of fixed size.
//!
//! An open-addressed table. A key is looked for from its *home*, the slot that its hash names, as far as
//! the home's *reach*, which only grows. What always holds:
//! - A key has one live slot at most. It enters by a compare-and-swap of its home's `entering` word,
//!   which counts the keys that have entered from that home; so it fails if one has since the table was
//!   searched, and then the search begins anew. The word names the slot as well: whoever finds a name
//!   there completes that entry before anything else, so nobody waits for anybody.
//! - A slot's `state` is its life and a count. A key is written only by the worker that has claimed the
//!   slot, and read as one that may be another by now: it is believed once a compare-and-swap has found
//!   the state as it was before the reading. The swap that takes the count to 0 frees the slot and
//!   begins its next life.
//!
//! A slot is held by a live session or by a worker that is about to enter a key, and there are more slots
//! than those, so one is always free. (Deletion is what makes open addressing hard; after Purcell and
//! Harris, "Non-blocking hashtables with open addressing", 2005, with one word for each home instead of
//! their bounds and states for each slot.)

use core::hash::Hasher;
use core::mem::size_of;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use siphasher::sip::SipHasher13;
use zerocopy::{FromBytes, IntoBytes, KnownLayout};

use crate::key::Key;
use crate::limits::WORKERS_MAX;

/// A slot of the table. All zero: free.
#[derive(Debug, Default, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
pub struct KeySlot {
    /// Of the keys whose home this is: how many have entered (high half), and one more than the slot
    /// of the one that is entering; 0: none is.
    entering: AtomicU64,
    /// How often this slot was freed (high half), and the live sessions of its key.
    state: AtomicU64,
    /// The farthest slot that a key whose home this is has been in, as a distance.
    reach: AtomicU32,
    listener: AtomicU32,
    key: [AtomicU64; 2],
}

/// In place of a count: some worker is writing the key.
const CLAIMED: u32 = u32::MAX;
/// A limit that is none.
pub(crate) const UNLIMITED: u32 = CLAIMED - 1;
const ONE_LIFE: u64 = 1 << 32;

/// Live sessions by listener and key.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'r> {
    slots: &'r [KeySlot],
    /// Not 0 once a key has been counted.
    used: &'r AtomicU64,
}

impl<'r> Keys<'r> {
    /// Bytes of a table for as many live sessions.
    pub(crate) const fn bytes(sessions: u32) -> usize {
        // Half of it stays free, so that searches are short.
        let slots = 2 * sessions as usize + WORKERS_MAX;
        size_of::<AtomicU64>() + slots * size_of::<KeySlot>()
    }

    /// Views as many bytes as [`Keys::bytes`] says; `None` when they are not aligned.
    pub(crate) fn view(bytes: &'r mut [u8]) -> Option<Self> {
        let (used, slots) = AtomicU64::mut_from_prefix(bytes).ok()?;
        let slots = <[KeySlot]>::mut_from_bytes(slots).ok()?;
        Some(Self { slots, used })
    }

    /// Counts one more session of a key, unless there are `max` already; `None` then. Otherwise the
    /// slot that it is to be given back at.
    pub fn take(&self, listener: u16, key: Key, max: u32) -> Option<u32> {
        if self.used.load(Ordering::Relaxed) == 0 {
            self.used.store(1, Ordering::Relaxed);
        }
        let name = Name::of(listener, key);
        let home = name.home(self.slots.len());
        let mut claimed = None;
        let place = loop {
            let before = self.complete(home);
            match self.join(home, &name, max) {
                Joined::At(place) => break Some(place),
                Joined::Full => break None,
                Joined::Absent => {}
            }
            let place = match claimed {
                Some(place) => place,
                None => self.claim(home, &name)?,
            };
            claimed = Some(place);
            let named = before.wrapping_add(1 << 32) | (place as u64 + 1);
            if swap(&self.slots[home].entering, before, named) {
                self.complete(home);
                return Some(place as u32);
            }
        };
        if let Some(place) = claimed {
            self.free(place);
        }
        place.map(|place| place as u32)
    }

    /// A session that was counted at this slot has ended.
    pub fn give_back(&self, place: u32) {
        let state = &self.slots[place as usize].state;
        let less = |state: u64| Some(if state as u32 == 1 { next_life(state) } else { state - 1 });
        let before = state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        debug_assert!(before.is_ok_and(is_live), "given back and never taken");
    }

    /// Live sessions of all keys.
    pub fn sessions(&self) -> u64 {
        let counts = self.slots.iter().map(|slot| slot.state.load(Ordering::SeqCst));
        counts.filter(|state| is_live(*state)).map(|state| u64::from(state as u32)).sum()
    }

    /// No session is counted; only between two engines.
    pub(crate) fn clear(&self) {
        // Most of the table has never been touched, and a look would give it memory.
        if self.used.swap(0, Ordering::Relaxed) == 0 {
            return;
        }
        for KeySlot { entering, state, reach, .. } in self.slots {
            entering.store(0, Ordering::Relaxed);
            state.store(0, Ordering::Relaxed);
            reach.store(0, Ordering::Relaxed);
        }
    }

    /// Completes the entry that is under way from a home; its word then.
    fn complete(&self, home: usize) -> u64 {
        let entering = &self.slots[home].entering;
        loop {
            let word = entering.load(Ordering::SeqCst);
            let Some(place) = (word as u32).checked_sub(1) else { return word };
            let slot = &self.slots[place as usize];
            let state = slot.state.load(Ordering::SeqCst);
            // Still under way, so this was its state and not that of a later life.
            if entering.load(Ordering::SeqCst) != word {
                continue;
            }
            if state as u32 == CLAIMED {
                // Refused when another has done it.
                swap(&slot.state, state, state - u64::from(CLAIMED) + 1);
            }
            swap(entering, word, word & !u64::from(u32::MAX));
        }
    }

    /// Counts one more at the slot that has the key, if any has.
    fn join(&self, home: usize, name: &Name, max: u32) -> Joined {
        let reach = self.slots[home].reach.load(Ordering::SeqCst) as usize;
        for place in self.from(home).take(reach + 1) {
            let slot = &self.slots[place];
            loop {
                let state = slot.state.load(Ordering::SeqCst);
                if !is_live(state) || !slot.has(name) {
                    break;
                }
                let full = state as u32 >= max;
                if swap(&slot.state, state, if full { state } else { state + 1 }) {
                    return if full { Joined::Full } else { Joined::At(place) };
                }
            }
        }
        Joined::Absent
    }

    /// Takes a free slot and writes the key there. `None`: there is none, which cannot be.
    fn claim(&self, home: usize, name: &Name) -> Option<usize> {
        for (distance, place) in self.from(home).enumerate() {
            let slot = &self.slots[place];
            let state = slot.state.load(Ordering::SeqCst);
            if state as u32 == 0 && swap(&slot.state, state, state + u64::from(CLAIMED)) {
                slot.listener.store(name.listener, Ordering::Relaxed);
                slot.key
                    .iter()
                    .zip(name.key)
                    .for_each(|(to, from)| to.store(from, Ordering::Relaxed));
                self.slots[home].reach.fetch_max(distance as u32, Ordering::SeqCst);
                return Some(place);
            }
        }
        debug_assert!(false, "more keys than sessions");
        None
    }

    /// Gives up a slot that was claimed.
    fn free(&self, place: usize) {
        let state = &self.slots[place].state;
        state.store(next_life(state.load(Ordering::SeqCst)), Ordering::SeqCst);
    }

    /// Every slot once, in the order of a search.
    fn from(&self, home: usize) -> impl Iterator<Item = usize> {
        (home..self.slots.len()).chain(0..home)
    }
}

impl KeySlot {
    fn has(&self, name: &Name) -> bool {
        let key = self.key.each_ref().map(|part| part.load(Ordering::Relaxed));
        self.listener.load(Ordering::Relaxed) == name.listener && key == name.key
    }
}

/// What a search for a key came to.
enum Joined {
    At(usize),
    Full,
    Absent,
}

/// What is counted together.
struct Name {
    listener: u32,
    key: [u64; 2],
}

impl Name {
    fn of(listener: u16, key: Key) -> Self {
        let bits = u128::from_be_bytes(key.0);
        Self { listener: listener.into(), key: [(bits >> 64) as u64, bits as u64] }
    }

    fn home(&self, slots: usize) -> usize {
        let mut hasher = SipHasher13::new();
        hasher.write_u32(self.listener);
        self.key.iter().for_each(|part| hasher.write_u64(*part));
        ((u128::from(hasher.finish()) * slots as u128) >> 64) as usize
    }
}

fn is_live(state: u64) -> bool {
    !matches!(state as u32, 0 | CLAIMED)
}

fn next_life(state: u64) -> u64 {
    (state & !u64::from(u32::MAX)).wrapping_add(ONE_LIFE)
}

fn swap(word: &AtomicU64, from: u64, to: u64) -> bool {
    word.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::sync::Barrier;
    use std::thread;
    use std::vec;
    use std::vec::Vec;

    /// A table whose searches overlap: few slots, most of them with a key.
    struct Table {
        slots: Vec<KeySlot>,
        used: AtomicU64,
    }

    impl Table {
        fn of(slots: usize) -> Self {
            Self {
                slots: (0..slots).map(|_| KeySlot::default()).collect(),
                used: AtomicU64::new(0),
            }
        }

        fn keys(&self) -> Keys<'_> {
            Keys { slots: &self.slots, used: &self.used }
        }
    }

    fn key(number: usize) -> Key {
        Key((number as u128 * 0x1_0000_0001).to_be_bytes())
    }

    /// Numbers that look random.
    fn random(state: &mut u64) -> usize {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 8) as usize
    }

    // Goal: the table agrees with a list of counts. Method: random steps of one thread, with keys that
    // share homes, of two listeners.
    #[test]
    fn agrees_with_counts() {
        const MAX: u32 = 3;
        let table = Table::of(24);
        let keys = table.keys();
        let mut taken: Vec<Vec<u32>> = vec![Vec::new(); 16];
        let mut state = 7;
        for _ in 0..50_000 {
            let which = random(&mut state) % taken.len();
            let places = &mut taken[which];
            if random(&mut state).is_multiple_of(2) {
                let place = keys.take((which % 2) as u16, key(which / 2), MAX);
                assert_eq!(place.is_some(), places.len() < MAX as usize);
                places.extend(place);
            } else if let Some(place) = places.pop() {
                keys.give_back(place);
            }
            let sum: usize = taken.iter().map(Vec::len).sum();
            assert_eq!(keys.sessions(), sum as u64);
        }
        keys.clear();
        assert_eq!(keys.sessions(), 0);
        assert!(keys.take(0, key(0), 1).is_some() && keys.take(0, key(0), 1).is_none());
    }

    // Goal: with many threads at once each key has exactly as many sessions as it may have: a key that
    // had two slots would have more. Method: rounds in which all threads want every place of every key,
    // in orders of their own, half of them giving some back and taking others meanwhile; the places
    // that were had are counted, and after the last is given back the table is empty.
    #[test]
    fn exact_with_many_threads() {
        const THREADS: usize = 8;
        const KEYS: usize = 12;
        const MAX: u32 = 3;
        let table = Table::of(KEYS + THREADS);
        let keys = table.keys();
        let live: Vec<AtomicU32> = (0..KEYS).map(|_| AtomicU32::new(0)).collect();
        let barrier = Barrier::new(THREADS);
        // Not an assertion in a thread: the others would wait for it at the barrier.
        let wrong = AtomicU32::new(0);
        // Counted after a place was had and before it is given back: never more than the table counts.
        let take = |which: usize| {
            let place = keys.take(1, key(which), MAX)?;
            let over = live[which].fetch_add(1, Ordering::SeqCst) >= MAX;
            wrong.fetch_add(u32::from(over), Ordering::SeqCst);
            Some((which, place))
        };
        let give_back = |(which, place): (usize, u32)| {
            live[which].fetch_sub(1, Ordering::SeqCst);
            keys.give_back(place);
        };
        thread::scope(|scope| {
            for number in 0..THREADS {
                let (live, wrong, barrier) = (&live, &wrong, &barrier);
                scope.spawn(move || {
                    let mut state = number as u64 + 1;
                    for _ in 0..300 {
                        barrier.wait();
                        for _ in 0..100 {
                            let held: Vec<_> =
                                (0..4).filter_map(|_| take(random(&mut state) % KEYS)).collect();
                            held.into_iter().for_each(give_back);
                        }
                        barrier.wait();
                        let first = random(&mut state);
                        let order = (0..KEYS * MAX as usize).map(|step| (first + step) % KEYS);
                        let held: Vec<_> = order.filter_map(take).collect();
                        barrier.wait();
                        let full = live.iter().all(|live| live.load(Ordering::SeqCst) == MAX);
                        wrong.fetch_add(u32::from(!full), Ordering::SeqCst);
                        barrier.wait();
                        held.into_iter().for_each(give_back);
                    }
                });
            }
        });
        assert_eq!(wrong.into_inner(), 0, "over the limit, or places that nobody could have");
        assert_eq!(keys.sessions(), 0);
        assert!(table.slots.iter().all(|slot| slot.state.load(Ordering::SeqCst) as u32 == 0));
    }
}
