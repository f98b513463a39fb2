//! How other threads speak to a worker: a queue, and an eventfd that the worker's ring reads.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use crossbeam::queue::SegQueue;
use nix::sys::eventfd::{EfdFlags, EventFd};

use ringbolt_core::roster::Fresh;
use ringbolt_core::snapshot::Snapshot;

use crate::durations::Durations;
use crate::listen::Door;

/// What a worker is told.
pub(crate) enum Order {
    /// Take no new sessions; end when the last has ended.
    Drain,
    /// Reset what is left and end.
    Stop,
    /// Go on under another configuration.
    Renew(Box<Renewal>),
    /// Go on with these empty histograms and hand over those filled so far.
    HandOver {
        /// The empty ones.
        empty: Box<Durations>,
        /// Takes those filled so far; called on the worker, so it must not wait.
        reply: Reply,
    },
}

/// What a worker goes on with.
pub(crate) struct Renewal {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) doors: Vec<Door>,
    pub(crate) fresh: Arc<Fresh>,
    /// Told when the worker has taken it; dropped by one that has ended.
    pub(crate) taken: Sender<()>,
}

/// Takes what a worker has measured.
pub(crate) type Reply = Box<dyn FnOnce(Box<Durations>) + Send>;

impl fmt::Debug for Order {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Drain => "Drain",
            Self::Stop => "Stop",
            Self::Renew(_) => "Renew",
            Self::HandOver { .. } => "HandOver",
        })
    }
}

/// A worker's letter box.
#[derive(Debug)]
pub(crate) struct Mailbox {
    orders: SegQueue<Order>,
    event: EventFd,
    /// The worker has ended and takes no more orders.
    closed: AtomicBool,
    /// What it had measured by then.
    last: SegQueue<Box<Durations>>,
}

impl Mailbox {
    pub(crate) fn new() -> io::Result<Self> {
        // Blocking, because the ring waits in a read of it; a write blocks only at 2^64 - 2.
        let event = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC)?;
        let closed = AtomicBool::new(false);
        Ok(Self { orders: SegQueue::new(), event, closed, last: SegQueue::new() })
    }

    /// Hands an order over and wakes the worker.
    pub(crate) fn send(&self, order: Order) {
        self.orders.push(order);
        self.wake();
    }

    /// Hands another configuration over; an ended worker has no use for it.
    pub(crate) fn renew(&self, renewal: Box<Renewal>) {
        self.send(Order::Renew(renewal));
        if self.closed.load(Ordering::SeqCst) {
            self.answer_the_rest();
        }
    }

    /// Asks the worker for what it has measured. It answers even if it has ended: once with what it
    /// left, afterwards with nothing.
    pub(crate) fn hand_over(&self, empty: Box<Durations>, reply: Reply) {
        self.send(Order::HandOver { empty, reply });
        if self.closed.load(Ordering::SeqCst) {
            self.answer_the_rest();
        }
    }

    /// The worker's last word: it takes no more orders, and this is what it has measured.
    pub(crate) fn close(&self, last: Box<Durations>) {
        self.last.push(last);
        self.closed.store(true, Ordering::SeqCst);
        self.answer_the_rest();
    }

    /// For orders that came after the worker's last look. Whoever asks may run this at the same
    /// time as the worker that ends; each order is taken once.
    fn answer_the_rest(&self) {
        while let Some(order) = self.take() {
            if let Order::HandOver { empty, reply } = order {
                reply(self.last.pop().unwrap_or(empty));
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    use ringbolt_core::kernel::Span;

    // Goal: a worker that ends loses nothing of what it measured, and whoever asks is answered,
    // before its end and after. Method: one question on either side of it, and one more.
    #[test]
    fn ended_workers_answer() {
        let mailbox = Mailbox::new().unwrap();
        let (sender, answers) = mpsc::channel();
        let ask = || {
            let sender = sender.clone();
            let reply = move |durations: Box<Durations>| sender.send(durations).unwrap();
            mailbox.hand_over(Box::<Durations>::default(), Box::new(reply));
        };
        ask();
        assert!(answers.try_recv().is_err(), "nobody has taken the order");
        let mut measured = Box::<Durations>::default();
        measured.record(Span::Session, Duration::from_secs(1));
        mailbox.close(measured);
        ask();
        ask();
        let counts: Vec<u64> = answers.try_iter().map(|it| it.sessions.len()).collect();
        assert_eq!(counts, [1, 0, 0]);
    }
}
