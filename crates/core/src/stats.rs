//! What a worker counts. Each counter has one writer, so counting is a load and a store; readers
//! on other threads see a value that was true a moment ago. They live in the session region, so a
//! crash does not set them back.

use core::sync::atomic::{AtomicU64, Ordering};

use zerocopy::{FromBytes, IntoBytes, KnownLayout};

use crate::adopt::Loss;
use crate::close::Cause;
use crate::pipes::Fallback;
use crate::shortage::Shortage;

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

    /// Back to 0; only the worker that owns the counter may.
    pub fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// The value, from any thread.
    pub fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down, and that only its own worker changes.
#[derive(Debug, Default, FromBytes, IntoBytes, KnownLayout)]
#[repr(transparent)]
pub struct Level(AtomicU64);

impl Level {
    /// Sets it; only the worker that owns it may.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
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
    /// Live sessions.
    pub sessions: Level,
    /// Connections accepted.
    pub accepted: Counter,
    /// Sessions ended.
    pub ended: Counter,
    /// Bytes copied towards servers and towards clients.
    pub copied: [Counter; 2],
    /// Bytes spliced towards servers and towards clients.
    pub spliced: [Counter; 2],
    /// Times a direction was copied although it was to be spliced, by the reason.
    pub fallbacks: [Counter; Fallback::COUNT],
    /// Connect attempts begun.
    pub connects: Counter,
    /// Connect attempts after the first of a session.
    pub retries: Counter,
    /// Times something was not to be had, by what it was.
    pub shortages: [Counter; Shortage::COUNT],
    /// Sessions that went on after their engine's death.
    pub adopted: Counter,
    /// Sessions that did not, by the reason.
    pub lost: [Counter; Loss::COUNT],
    /// Times a receiver was too slow and bytes had to be spilled.
    pub spills: Counter,
    /// Connections that were gone before they could be looked at.
    pub vanished: Counter,
    /// Completions for a slot that had been reused.
    pub stale: Counter,
    /// Cancels and closes that failed; a fault of ours.
    pub faults: Counter,
    _spare: [u64; 14 - Shortage::COUNT - Loss::COUNT],
    /// Sessions by what ended them.
    pub causes: [Counter; Cause::COUNT],
    _rest: [u64; 32 - Cause::COUNT],
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
    /// Sessions that went on to their next choice because it could not be reached.
    pub redispatched: Counter,
    /// Sessions that the client, and that the server, reset or left.
    pub aborts: [Counter; 2],
    /// Sessions that went on to their next choice because it had all it may have.
    pub full: Counter,
}

impl ServerStats {
    /// All at 0; only the worker that owns them may.
    pub fn clear(&self) {
        let Self { sessions, bytes, connect_errors, redispatched, aborts, full } = self;
        let all = bytes.iter().chain(aborts).chain([sessions, connect_errors, redispatched, full]);
        all.for_each(Counter::clear);
    }
}

/// What a worker counts for one listener.
#[derive(Debug, Default, FromBytes, IntoBytes, KnownLayout)]
#[repr(C, align(64))]
pub struct ListenerStats {
    /// Sessions that came by it.
    pub sessions: Counter,
    /// Bytes towards servers and towards clients.
    pub bytes: [Counter; 2],
    /// Connections reset because their key had all the sessions it may have.
    pub denied: Counter,
    _rest: [u64; 4],
}

impl ListenerStats {
    /// All at 0; only the worker that owns them may.
    pub fn clear(&self) {
        let Self { sessions, bytes, denied, _rest } = self;
        bytes.iter().chain([sessions, denied]).for_each(Counter::clear);
    }
}
