//! A number of live sessions over all workers, and the places that a limit on it leaves: taken before a
//! session begins, given back once when it has ended. No worker passes a limit, and one that waits for
//! a place is woken by whoever gives one back.

use core::mem::size_of;
use core::sync::atomic::{AtomicU64, Ordering};

use zerocopy::{FromBytes, IntoBytes, KnownLayout};

use crate::limits::WORKERS_MAX;

/// Live sessions over all workers, and the most there ever were. Every worker writes it, so it is
/// alone on its cache line.
#[derive(Debug, Default, FromBytes, IntoBytes, KnownLayout)]
#[repr(C, align(64))]
pub struct SessionGauge {
    sessions: AtomicU64,
    most: AtomicU64,
    /// Workers that wait for a place, one bit each.
    waiting: [AtomicU64; WORKERS_MAX / 64],
    _rest: [u64; 2],
}

const _: () = assert!(size_of::<SessionGauge>() == 64, "one cache line");

impl SessionGauge {
    /// Live sessions now.
    pub fn sessions(&self) -> u64 {
        self.sessions.load(Ordering::SeqCst)
    }

    /// The most live sessions so far.
    pub fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }

    /// Sessions that there is room for below `max`.
    pub fn room(&self, max: u64) -> u64 {
        max.saturating_sub(self.sessions())
    }

    /// One more, whatever the limit.
    pub fn add(&self) {
        self.raise_most(self.sessions.fetch_add(1, Ordering::SeqCst) + 1);
    }

    /// One more if there are fewer than `max`; whether there were.
    pub fn take(&self, max: u64) -> bool {
        // Not fetch_add and back: a place that is taken only for that moment would be missing to
        // another worker, which nobody would wake.
        let below = |sessions| (sessions < max).then_some(sessions + 1);
        let taken = self.sessions.fetch_update(Ordering::SeqCst, Ordering::SeqCst, below);
        taken.is_ok_and(|before| {
            self.raise_most(before + 1);
            true
        })
    }

    /// The same; when there is no place, `worker` is woken once one is given back.
    pub fn take_or_wait(&self, max: u64, worker: usize) -> bool {
        self.take(max) || {
            self.waiting[worker / 64].fetch_or(1 << (worker % 64), Ordering::SeqCst);
            // One may have been given back before the word was out.
            self.take(max)
        }
    }

    /// One less, where nobody waits for a place.
    pub fn subtract(&self) {
        self.sessions.fetch_sub(1, Ordering::SeqCst);
    }

    /// One less; calls `wake` for each worker that waits for a place.
    pub fn give_back(&self, mut wake: impl FnMut(usize)) {
        self.subtract();
        for (word, bits) in self.waiting.iter().enumerate() {
            if bits.load(Ordering::SeqCst) == 0 {
                continue;
            }
            let mut workers = bits.swap(0, Ordering::SeqCst);
            while workers != 0 {
                wake(word * 64 + workers.trailing_zeros() as usize);
                workers &= workers - 1;
            }
        }
    }

    /// So many sessions, and nobody waits; only between two engines.
    pub fn restart(&self, sessions: u64) {
        self.sessions.store(sessions, Ordering::SeqCst);
        self.waiting.iter().for_each(|bits| bits.store(0, Ordering::SeqCst));
    }

    fn raise_most(&self, sessions: u64) {
        if sessions > self.most() {
            self.most.fetch_max(sessions, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::sync::mpsc::{Sender, channel};
    use std::thread;
    use std::time::Duration;
    use std::vec::Vec;

    // Goal: a limit is never passed, and no place given back is lost on those who wait. Method: threads
    // that find every place taken and sleep until they are woken; then each takes places and gives
    // them back, and sleeps whenever there is none. One that nobody wakes waits in vain.
    #[test]
    fn places_are_neither_too_many_nor_lost() {
        const MAX: u64 = 3;
        const THREADS: usize = 8;
        let gauge = SessionGauge::default();
        (0..MAX).for_each(|_| assert!(gauge.take(MAX)));
        let (bells, sleepers): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| channel::<()>()).unzip();
        let wake = |bells: &[Sender<()>], worker: usize| {
            let _ = bells[worker].send(()); // one who has left needs no waking
        };
        thread::scope(|scope| {
            for (worker, bell) in sleepers.into_iter().enumerate() {
                let (gauge, bells) = (&gauge, bells.clone());
                scope.spawn(move || {
                    for _ in 0..2_000 {
                        while !gauge.take_or_wait(MAX, worker) {
                            bell.recv_timeout(Duration::from_secs(30)).expect("it is woken");
                        }
                        assert!(gauge.sessions() <= MAX);
                        gauge.give_back(|worker| wake(&bells, worker));
                    }
                });
            }
            (0..MAX).for_each(|_| gauge.give_back(|worker| wake(&bells, worker)));
        });
        assert_eq!((gauge.sessions(), gauge.most()), (0, MAX));
    }
}
