//! The head of the session region: what all workers and the supervisor share. Few words, all of
//! them atomic.

use core::fmt;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use zerocopy::{FromBytes, IntoBytes, KnownLayout};

use crate::gauge::SessionGauge;
use crate::time::Instant;

/// What the supervisor wants of the engine; it outlives an engine, so a drain goes on after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve.
    Run,
    /// Take no new sessions; end when the last has ended.
    Drain,
    /// Reset what is left and end.
    Stop,
}

/// The head of the region.
#[derive(FromBytes, IntoBytes, KnownLayout)]
#[repr(C, align(64))]
pub struct Header {
    pub(crate) magic: AtomicU64,
    pub(crate) layout: AtomicU32,
    pub(crate) record_size: AtomicU32,
    pub(crate) workers: AtomicU32,
    pub(crate) capacity: AtomicU32,
    /// Engines that have opened this region.
    epoch: AtomicU64,
    command: AtomicU32,
    _pad: u32,
    /// When it was first told to drain, in nanoseconds.
    drain_began: AtomicU64,
    _spare: [u32; 4],
    /// Live sessions over all workers.
    pub total: SessionGauge,
    /// Sessions lost because an engine died.
    lost: AtomicU64,
    /// Configurations accepted so far. Written when the last of them is kept, so that who starts the
    /// next engine finds it.
    accepted: AtomicU64,
    _rest: [u64; 6],
}

impl fmt::Debug for Header {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Header").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl Header {
    /// Engines that have opened this region, this one included.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// What the supervisor wants now.
    pub fn command(&self) -> Command {
        match self.command.load(Ordering::Acquire) {
            0 => Command::Run,
            1 => Command::Drain,
            _ => Command::Stop,
        }
    }

    /// Says what the engine shall do. Only the supervisor calls this, and wakes the engine.
    pub fn order(&self, command: Command) {
        self.command.store(command as u32, Ordering::Release);
    }

    /// Says that the engine shall drain, from `now` on, however many engines that takes.
    pub fn order_drain(&self, now: Instant) {
        self.drain_began.store(now.as_nanos(), Ordering::Relaxed);
        self.order(Command::Drain);
    }

    /// When it was told to drain.
    pub fn drain_began(&self) -> Instant {
        Instant::from_nanos(self.drain_began.load(Ordering::Relaxed))
    }

    /// Sessions that were lost because an engine died.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Counts sessions that ended with a dead engine. Only between two engines.
    pub fn lose(&self, sessions: u64) {
        self.lost.fetch_add(sessions, Ordering::Relaxed);
    }

    /// Configurations accepted so far.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Acquire)
    }

    /// Says that the configuration with this number is kept. Only one thread at a time.
    pub fn accept(&self, number: u64) {
        self.accepted.store(number, Ordering::Release);
    }

    /// Sets what depends on the number of live sessions right before an engine begins.
    pub fn begin_epoch(&self, sessions: u64) {
        self.epoch.fetch_add(1, Ordering::Relaxed);
        self.total.restart(sessions);
    }
}
