//! What a worker counts. Each counter has one writer, so counting is a load and a store; readers
//! on other threads see a value that was true a moment ago. They live in the session region, so a
//! crash does not set them back.

use core::sync::atomic::{AtomicU64, Ordering};

use zerocopy::{FromBytes, IntoBytes, KnownLayout};

use crate::close::Cause;

/// A number that only its own worker changes.
#[derive(Debug, Default, FromBytes, IntoBytes, KnownLayout)]
#[repr(transparent)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds; only the worker that owns the counter may.
    pub fn add(&self, amount: u64) {
        // Not fetch_add: there is one writer, and a locked instruction per message would cost more
        // than the counting is worth.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
    }

    /// The value, from any thread.
    pub fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a worker counts over all its sessions.
#[derive(Debug, Default, FromBytes, IntoBytes, KnownLayout)]
#[repr(C, align(64))]
pub struct WorkerStats {
    /// Connections accepted.
    pub accepted: Counter,
    /// Sessions ended.
    pub ended: Counter,
    /// Bytes copied towards servers and towards clients.
    pub copied: [Counter; 2],
    /// Connect attempts begun.
    pub connects: Counter,
    /// Connect attempts after the first of a session.
    pub retries: Counter,
    /// Times accepting paused because descriptors or memory ran out.
    pub accept_pauses: Counter,
    /// Times a receiver was too slow and bytes had to be spilled.
    pub spills: Counter,
    /// Connections that were gone before they could be looked at.
    pub vanished: Counter,
    /// Completions for a slot that had been reused.
    pub stale: Counter,
    /// Cancels and closes that failed; a fault of ours.
    pub faults: Counter,
    _spare: [u64; 5],
    /// Sessions by what ended them.
    pub causes: [Counter; Cause::COUNT],
    _rest: [u64; 16 - Cause::COUNT],
}

/// What a worker counts for one server.
#[derive(Debug, Default, FromBytes, IntoBytes, KnownLayout)]
#[repr(C, align(64))]
pub struct ServerStats {
    /// Sessions that reached it.
    pub sessions: Counter,
    /// Bytes towards the server and towards clients.
    pub bytes: [Counter; 2],
    /// Connect attempts that it or the way to it failed.
    pub connect_errors: Counter,
    /// Sessions that came because an earlier choice could not be reached.
    pub redispatched: Counter,
    _rest: [u64; 3],
}
