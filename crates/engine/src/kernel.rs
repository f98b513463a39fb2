//! The real kernel behind a shard: what waits goes through the worker's ring, what does not is
//! called at once on the worker's thread.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ringbolt_core::adopt::Counts;
use ringbolt_core::kernel::{Errno, Fd, Kernel, Remote, Span};
use ringbolt_core::limits::PROXY_HEADER_BYTES_MAX;
use ringbolt_core::pipes::Pipe;
use ringbolt_core::proxy_header::Heading;
use ringbolt_core::token::Token;

use crate::durations::Durations;
use crate::mailbox::Mailbox;
use crate::region::punch_hole;
use crate::ring::Submissions;
use crate::{counts, pipe, proxy, socket};

/// A worker's way to the kernel.
#[derive(Debug)]
pub(crate) struct RingKernel<'a> {
    pub(crate) ring: Submissions<'a>,
    pub(crate) mailboxes: Arc<[Mailbox]>,
    /// What was measured since they were last handed over.
    pub(crate) durations: Box<Durations>,
}

impl Kernel for RingKernel<'_> {
    fn accept(&mut self, listener: Fd, token: Token) {
        self.ring.accept(listener, token);
    }

    fn connect(&mut self, fd: Fd, to: SocketAddr, token: Token) {
        self.ring.connect(fd, to, token);
    }

    fn poll(&mut self, fd: Fd, token: Token) {
        self.ring.poll(fd, token);
    }

    fn cancel(&mut self, token: Token) {
        self.ring.cancel(token);
    }

    fn close(&mut self, fd: Fd) {
        self.ring.close(fd);
    }

    fn accept_now(&mut self, listener: Fd) -> Result<Fd, Errno> {
        socket::accept(listener)
    }

    fn peer(&mut self, fd: Fd) -> Result<SocketAddr, Errno> {
        socket::peer(fd).map_err(errno)
    }

    fn local(&mut self, fd: Fd) -> Result<SocketAddr, Errno> {
        socket::local(fd).map_err(errno)
    }

    fn heading(&mut self, fd: Fd) -> Result<Heading, Errno> {
        let mut bytes = [0; PROXY_HEADER_BYTES_MAX];
        let length = match socket::peek(fd, &mut bytes) {
            Err(Errno::AGAIN) => 0,
            looked => looked?,
        };
        Ok(proxy::parse(&bytes[..length]))
    }

    fn open(
        &mut self,
        to: &Remote,
        from: Option<IpAddr>,
        keepalive: Option<Duration>,
    ) -> Result<Fd, Errno> {
        socket::open(to, from, keepalive).map_err(errno)
    }

    fn connect_now(&mut self, fd: Fd, path: &str) -> Result<(), Errno> {
        socket::connect_now(fd, path).map_err(errno)
    }

    fn receive(&mut self, fd: Fd, into: &[Cell<u8>]) -> Result<usize, Errno> {
        socket::receive(fd, into)
    }

    fn send(&mut self, fd: Fd, from: &[Cell<u8>]) -> Result<usize, Errno> {
        socket::send(fd, from)
    }

    fn pipe(&mut self) -> Result<(Pipe, usize), Errno> {
        pipe::open()
    }

    fn splice_in(&mut self, from: Fd, pipe: Fd, most: usize) -> Result<usize, Errno> {
        pipe::splice(from, pipe, most)
    }

    fn splice_out(&mut self, pipe: Fd, to: Fd, most: usize) -> Result<usize, Errno> {
        pipe::splice(pipe, to, most)
    }

    fn shut_down(&mut self, fd: Fd) -> Result<(), Errno> {
        socket::shut_down(fd)
    }

    fn forgive(&mut self, fd: Fd) {
        socket::forgive(fd);
    }

    fn unacknowledged(&mut self, fd: Fd) -> u32 {
        counts::unacknowledged(fd)
    }

    fn fin_received(&mut self, fd: Fd) -> bool {
        counts::fin_received(fd)
    }

    fn counts(&mut self, fd: Fd) -> Option<Counts> {
        counts::counts(fd)
    }

    fn is_deserted(&mut self, fd: Fd) -> bool {
        counts::is_deserted(fd)
    }

    fn waiting_in(&mut self, pipe: Fd) -> usize {
        counts::unread(pipe) as usize
    }

    fn release(&mut self, block: &[Cell<u8>]) {
        punch_hole(block);
    }

    fn wake(&mut self, worker: usize) {
        self.mailboxes[worker].wake();
    }

    fn measure(&mut self, what: Span, took: Duration) {
        self.durations.record(what, took);
    }
}

fn errno(error: io::Error) -> Errno {
    Errno(error.raw_os_error().unwrap_or(libc::EIO))
}
