//! How other threads speak to a worker: a queue, and an eventfd that the worker's ring reads.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, RawFd};

use crossbeam::queue::SegQueue;
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::durations::Durations;

/// What a worker is told.
pub(crate) enum Order {
    /// Take no new sessions; end when the last has ended.
    Drain,
    /// Reset what is left and end.
    Stop,
    /// Go on with these empty histograms and hand over those filled so far.
    HandOver {
        /// The empty ones.
        empty: Box<Durations>,
        /// Takes those filled so far; called on the worker, so it must not wait.
        reply: Box<dyn FnOnce(Box<Durations>) + Send>,
    },
}

impl fmt::Debug for Order {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Drain => "Drain",
            Self::Stop => "Stop",
            Self::HandOver { .. } => "HandOver",
        })
    }
}

/// A worker's letter box.
#[derive(Debug)]
pub(crate) struct Mailbox {
    orders: SegQueue<Order>,
    event: EventFd,
}

impl Mailbox {
    pub(crate) fn new() -> io::Result<Self> {
        // Blocking, because the ring waits in a read of it; a write blocks only at 2^64 - 2.
        let event = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC)?;
        Ok(Self { orders: SegQueue::new(), event })
    }

    /// Hands an order over and wakes the worker.
    pub(crate) fn send(&self, order: Order) {
        self.orders.push(order);
        self.wake();
    }

    /// Makes the worker take a turn.
    pub(crate) fn wake(&self) {
        // It cannot fail: the counter cannot overflow, and the descriptor is open while we live.
        let _ = self.event.write(1);
    }

    /// The next order.
    pub(crate) fn take(&self) -> Option<Order> {
        self.orders.pop()
    }

    /// What the worker's ring reads.
    pub(crate) fn event(&self) -> RawFd {
        self.event.as_raw_fd()
    }
}
