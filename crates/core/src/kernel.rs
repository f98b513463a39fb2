//! The one seam: what a worker asks of the kernel.
//!
//! Two kinds of operation. A *submitted* one returns at once and its completion comes later with
//! the token. An *inline* one never waits, is never interrupted, and its result is there at once. The
//! engine implements this with a ring, the tests with sockets in memory.

use alloc::string::String;
use core::cell::Cell;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use crate::adopt::Counts;
use crate::pipes::Pipe;
use crate::proxy_header::Heading;
use crate::token::Token;

/// A descriptor number. The records of live sessions hold numbers, because a number is what
/// outlives an engine: whoever holds the record holds the socket.
pub type Fd = i32;

/// "There is no descriptor here."
pub const NO_FD: Fd = -1;

/// What the kernel refused with: a positive error number of Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// Input or output failed.
    pub const IO: Self = Self(5);
    /// Nothing to read, or no room to write.
    pub const AGAIN: Self = Self(11);
    /// The system has no descriptors left.
    pub const NFILE: Self = Self(23);
    /// The process has no descriptors left.
    pub const MFILE: Self = Self(24);
    /// The peer's side is gone.
    pub const PIPE: Self = Self(32);
    /// No local port is free.
    pub const ADDR_NOT_AVAILABLE: Self = Self(99);
    /// A connection was reset.
    pub const CONNECTION_RESET: Self = Self(104);
    /// A time limit passed.
    pub const TIMED_OUT: Self = Self(110);
    /// Nobody listens there.
    pub const CONNECTION_REFUSED: Self = Self(111);
    /// An operation was cancelled.
    pub const CANCELED: Self = Self(125);
}

/// What a socket towards a server connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remote {
    /// An address and a port.
    Inet(SocketAddr),
    /// The path of a UNIX stream socket.
    Unix(String),
}

impl From<SocketAddr> for Remote {
    fn from(addr: SocketAddr) -> Self {
        Self::Inet(addr)
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(addr) => addr.fmt(out),
            Self::Unix(path) => write!(out, "unix:{path}"),
        }
    }
}

/// What a poll saw, as the bits of poll(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness(pub u32);

impl Readiness {
    /// Bytes, an end of stream or an error can be read.
    pub const IN: Self = Self(0x1);
    /// There is room to write.
    pub const OUT: Self = Self(0x4);
    /// The connection has an error.
    pub const ERROR: Self = Self(0x8);
    /// Both directions have ended, or the connection is gone.
    pub const HANG_UP: Self = Self(0x10);
    /// The peer has ended its direction.
    pub const PEER_ENDED: Self = Self(0x2000);

    /// Whether any of `bits` is set.
    pub fn any(self, bits: Self) -> bool {
        self.0 & bits.0 != 0
    }

    /// The bits of both.
    pub const fn and(self, bits: Self) -> Self {
        Self(self.0 | bits.0)
    }
}

/// A length of time that is worth a place in a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// From the beginning of the connect attempt that succeeded to its success.
    Connect {
        /// The server, by its gauge.
        gauge: u16,
    },
    /// From the accept of a connection to the end of its session.
    Session,
}

/// What a worker asks of the kernel.
///
/// Sockets are non-blocking and carry `SO_LINGER {1, 0}` from birth, so that a close is a reset
/// until [`Kernel::forgive`] was called; urgent data is inline. A UNIX socket knows no reset: its close
/// is one only while something that came in was not read.
pub trait Kernel {
    /// Submits: accept for ever. Each completion is a new connection's descriptor.
    fn accept(&mut self, listener: Fd, token: Token);

    /// Submits: connect `fd`. One completion, with the result.
    fn connect(&mut self, fd: Fd, to: SocketAddr, token: Token);

    /// Submits: tell of every change of readiness, for ever. Completions carry [`Readiness`].
    fn poll(&mut self, fd: Fd, token: Token);

    /// Submits: end the operation with this token; its last completion comes without "more".
    fn cancel(&mut self, token: Token);

    /// Submits: close. The number is free for others once this has been carried out.
    fn close(&mut self, fd: Fd);

    /// Inline: a connection that waits on `listener`, or [`Errno::AGAIN`].
    fn accept_now(&mut self, listener: Fd) -> Result<Fd, Errno>;

    /// Inline: the address at the other end.
    fn peer(&mut self, fd: Fd) -> Result<SocketAddr, Errno>;

    /// Inline: the address at our end.
    fn local(&mut self, fd: Fd) -> Result<SocketAddr, Errno>;

    /// Inline: look for a PROXY header at the beginning of what can be read, and take nothing of it.
    /// An end is no error, and no bytes are an incomplete header.
    fn heading(&mut self, fd: Fd) -> Result<Heading, Errno>;

    /// Inline: a new socket towards a server, bound to the address `from` without a port, with
    /// keepalive after `keepalive` of silence. [`Errno::ADDR_NOT_AVAILABLE`] when the machine has no such
    /// address.
    fn open(
        &mut self,
        to: &Remote,
        from: Option<IpAddr>,
        keepalive: Option<Duration>,
    ) -> Result<Fd, Errno>;

    /// Inline: connect to a UNIX socket, which is done or refused at once; [`Errno::AGAIN`] when the
    /// server's queue is full.
    fn connect_now(&mut self, fd: Fd, path: &str) -> Result<(), Errno>;

    /// Inline: read what is there. 0 is the end of stream only while no error was taken.
    fn receive(&mut self, fd: Fd, into: &[Cell<u8>]) -> Result<usize, Errno>;

    /// Inline: write what there is room for.
    fn send(&mut self, fd: Fd, from: &[Cell<u8>]) -> Result<usize, Errno>;

    /// Inline: a new pipe, as large as may be had up to [`crate::limits::PIPE_BYTES`], and the bytes
    /// it holds.
    fn pipe(&mut self) -> Result<(Pipe, usize), Errno>;

    /// Inline: move up to `most` bytes of what is there into the write end of a pipe. Neither 0 nor
    /// [`Errno::AGAIN`] is the last word on whether bytes or an end are there: a receive is.
    fn splice_in(&mut self, from: Fd, pipe: Fd, most: usize) -> Result<usize, Errno>;

    /// Inline: move up to `most` bytes out of the read end of a pipe, as far as there is room.
    fn splice_out(&mut self, pipe: Fd, to: Fd, most: usize) -> Result<usize, Errno>;

    /// Inline: send FIN after what is queued.
    fn shut_down(&mut self, fd: Fd) -> Result<(), Errno>;

    /// Inline: the close to come shall not be a reset. Only the orderly path calls this.
    fn forgive(&mut self, fd: Fd);

    /// Inline: bytes that the peer's kernel has not acknowledged, FIN included.
    fn unacknowledged(&mut self, fd: Fd) -> u32;

    /// Inline: whether the peer's FIN has been received; takes no error.
    fn fin_received(&mut self, fd: Fd) -> bool;

    /// Inline: what is counted on a TCP connection, read so that nothing moved between its parts; `None`
    /// when it is no such connection, or does not come to rest.
    fn counts(&mut self, fd: Fd) -> Option<Counts>;

    /// Inline: whether nobody is at the other end of a UNIX socket any more and no error waits in it: it may
    /// have had one, which was taken.
    fn is_deserted(&mut self, fd: Fd) -> bool;

    /// Inline: bytes that wait in a pipe.
    fn waiting_in(&mut self, pipe: Fd) -> usize;

    /// Inline: give the memory of an empty spill block back.
    fn release(&mut self, block: &[Cell<u8>]);

    /// Inline: make another worker take a turn.
    fn wake(&mut self, worker: usize);

    /// Keep a length of time. No business of the kernel's, but like all of the above it has no
    /// place in a machine without memory of its own.
    fn measure(&mut self, what: Span, took: Duration);
}
