//! A worker's ring: operations in, completions out. Unsafe: filling the submission queue, because
//! the kernel will follow the addresses in it.

use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::time::Duration;

use io_uring::squeue::{Entry, Flags, SubmissionQueue};
use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, Submitter, opcode};
use ringbolt_core::limits::{COMPLETION_ENTRIES, SUBMISSION_ENTRIES};
use ringbolt_core::token::{Op, Token};
use socket2::SockAddr;

/// What a poll asks for; errors and hang-ups are always told.
const INTEREST: u32 = (libc::POLLIN | libc::POLLOUT) as u32 | POLLRDHUP;
const POLLRDHUP: u32 = libc::POLLRDHUP as u32;

/// Creates a ring for the calling thread, which alone may use it.
pub(crate) fn create() -> io::Result<IoUring> {
    IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_submit_all()
        .setup_cqsize(COMPLETION_ENTRIES)
        .build(SUBMISSION_ENTRIES)
}

/// How long to wait for a completion.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    /// Not at all.
    No,
    /// Until one comes, or for this long.
    AtMost(Duration),
    /// Until one comes.
    ForOne,
}

/// The submitting half of a ring.
pub(crate) struct Submissions<'a> {
    submitter: Submitter<'a>,
    queue: SubmissionQueue<'a>,
    /// Addresses of the connects that are queued; the kernel copies them when it takes the
    /// submission, so they stay until the queue has been emptied.
    connects: Vec<SockAddr>,
    /// Where the read of the mailbox's counter puts it; read by nobody. It is never freed, since the
    /// read may be in flight until the process ends.
    wake_count: &'static mut u64,
}

impl std::fmt::Debug for Submissions<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Submissions").finish_non_exhaustive()
    }
}

impl<'a> Submissions<'a> {
    pub(crate) fn new(submitter: Submitter<'a>, queue: SubmissionQueue<'a>) -> Self {
        // Room for as many connects as the queue holds, so that none is moved while it is queued.
        let connects = Vec::with_capacity(SUBMISSION_ENTRIES as usize);
        Self { submitter, queue, connects, wake_count: Box::leak(Box::new(0)) }
    }

    /// Hands everything queued to the kernel and waits.
    pub(crate) fn enter(&mut self, wait: Wait) -> io::Result<()> {
        self.queue.sync();
        let queued = self.queue.len() as u32;
        let result = match wait {
            Wait::No => self.enter_ring(queued, 0, None),
            Wait::ForOne => self.enter_ring(queued, 1, None),
            Wait::AtMost(span) => self.enter_ring(queued, 1, Some(&Timespec::from(span))),
        };
        self.queue.sync();
        if self.queue.is_empty() {
            self.connects.clear();
        }
        match result {
            Ok(()) => Ok(()),
            Err(error) => match error.raw_os_error() {
                // The time passed; a signal came; completions wait to be taken first; no memory
                // for a moment. In all of them the next turn goes on.
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
                _ => Err(error),
            },
        }
    }

    fn enter_ring(&self, queued: u32, wanted: u32, limit: Option<&Timespec>) -> io::Result<()> {
        // GETEVENTS also when nothing is waited for: with deferred task work it is what makes
        // completions appear.
        let flags = EnterFlags::GETEVENTS.bits();
        match limit {
            None => {
                // SAFETY: no argument is passed; queued entries are valid as `push` has it.
                unsafe { self.submitter.enter::<libc::sigset_t>(queued, wanted, flags, None) }
            }
            Some(limit) => {
                let arguments = SubmitArgs::new().timespec(limit);
                let flags = flags | EnterFlags::EXT_ARG.bits();
                // SAFETY: `SubmitArgs` is the structure that EXT_ARG announces, and it and the time
                // limit it points to live until the call returns.
                unsafe { self.submitter.enter(queued, wanted, flags, Some(&arguments)) }
            }
        }
        .map(drop)
    }

    pub(crate) fn accept(&mut self, listener: RawFd, token: Token) {
        // Without close-on-exec: sessions live on in an upgrade.
        let accept = opcode::AcceptMulti::new(Fd(listener)).flags(libc::SOCK_NONBLOCK);
        self.push(accept.build().user_data(token.bits()));
    }

    pub(crate) fn connect(&mut self, fd: RawFd, to: SocketAddr, token: Token) {
        self.make_room();
        assert!(self.connects.len() < self.connects.capacity(), "addresses stay where they are");
        self.connects.push(SockAddr::from(to));
        let Some(addr) = self.connects.last() else { return };
        let connect = opcode::Connect::new(Fd(fd), addr.as_ptr().cast(), addr.len());
        self.push(connect.build().user_data(token.bits()));
    }

    pub(crate) fn poll(&mut self, fd: RawFd, token: Token) {
        let poll = opcode::PollAdd::new(Fd(fd), INTEREST).multi(true);
        self.push(poll.build().user_data(token.bits()));
    }

    /// Ends an operation. Not POLL_REMOVE, which gives up on a poll whose completion is pending.
    pub(crate) fn cancel(&mut self, token: Token) {
        let cancel = opcode::AsyncCancel2::new(CancelBuilder::user_data(token.bits()));
        self.push(silent(cancel.build(), token));
    }

    pub(crate) fn close(&mut self, fd: RawFd) {
        let nobody = Token { op: Op::Silent, slot: 0, generation: 0 };
        self.push(silent(opcode::Close::new(Fd(fd)).build(), nobody));
    }

    /// Waits for the mailbox's next wake-up.
    pub(crate) fn read_event(&mut self, event: RawFd, token: Token) {
        let place = (&raw mut *self.wake_count).cast();
        let read = opcode::Read::new(Fd(event), place, size_of::<u64>() as u32);
        self.push(read.build().user_data(token.bits()));
    }

    fn push(&mut self, entry: Entry) {
        self.make_room();
        // SAFETY: what an entry points to outlives the submission: connect addresses lie in
        // `connects`, which is not grown beyond its capacity and is cleared only when the queue
        // is empty; the event's counter is never freed. Descriptors are
        // closed only after their last completion, which `shard` sees to.
        let pushed = unsafe { self.queue.push(&entry) };
        assert!(pushed.is_ok(), "room was made in the submission queue");
    }

    /// Submits early when the queue, or the list of addresses that it points to, has no room for one
    /// more.
    fn make_room(&mut self) {
        while self.queue.is_full() || self.connects.len() == self.connects.capacity() {
            self.queue.sync();
            let queued = self.queue.len() as u32;
            // SAFETY: as in `enter_ring`; nothing is waited for.
            let submitted = unsafe { self.submitter.enter::<libc::sigset_t>(queued, 0, 0, None) };
            // The kernel refuses only while it has no memory, and then some later try succeeds.
            let _ = submitted;
            self.queue.sync();
            if self.queue.is_empty() {
                self.connects.clear();
            }
        }
    }
}

/// An entry that completes only when it fails.
fn silent(entry: Entry, token: Token) -> Entry {
    entry.flags(Flags::SKIP_SUCCESS).user_data(token.with(Op::Silent).bits())
}
