//! The two ends of a bulk stream, cheap enough not to be what is measured: what is sent comes from
//! the page cache by sendfile(2), and what is received is thrown away in the kernel by MSG_TRUNC, with
//! a sample read and checked now and then. Either end may be the client or the server.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use nix::sys::sendfile::sendfile;
use nix::sys::socket::{MsgFlags, recv};
use socket2::Socket;

use crate::events::{Owner, Wait};
use crate::pattern::{self, PERIOD};

/// Bytes sent by one step: others have their turn after some 20 µs.
const STEP: usize = 256 * 1024;
/// Bytes from the beginning of one sample to that of the next.
const SAMPLE_EVERY: u64 = 16 * 1024 * 1024;
/// Bytes of a sample.
const SAMPLE: usize = 4096;

/// Sends the pattern as fast as it is taken.
pub(crate) struct Pour {
    pattern: Arc<File>,
    sent: u64,
}

impl Pour {
    pub(crate) fn new(pattern: Arc<File>) -> Self {
        Self { pattern, sent: 0 }
    }
}

impl Owner for Pour {
    fn step(&mut self, socket: &Socket, _: &mut [u8]) -> io::Result<Wait> {
        let start = self.sent as usize % PERIOD;
        let length = STEP.min(PERIOD - start);
        self.sent += sendfile(socket, &*self.pattern, Some(&mut (start as i64)), length)? as u64;
        Ok(Wait::Output)
    }
}

/// Receives the pattern and counts it.
pub(crate) struct Discard {
    received: u64,
    total: Arc<AtomicU64>,
}

impl Discard {
    /// Adds what it gets to `total`.
    pub(crate) fn new(total: Arc<AtomicU64>) -> Self {
        Self { received: 0, total }
    }
}

impl Owner for Discard {
    fn step(&mut self, socket: &Socket, scratch: &mut [u8]) -> io::Result<Wait> {
        let into_round = (self.received % SAMPLE_EVERY) as usize;
        let length = if into_round < SAMPLE {
            let sample = &mut scratch[..SAMPLE - into_round];
            let length = recv(socket.as_raw_fd(), sample, MsgFlags::empty())?;
            if !pattern::matches(self.received, &sample[..length]) {
                return Err(ErrorKind::InvalidData.into());
            }
            length
        } else {
            let limit = scratch.len().min(SAMPLE_EVERY as usize - into_round);
            recv(socket.as_raw_fd(), &mut scratch[..limit], MsgFlags::MSG_TRUNC)?
        };
        self.received += length as u64;
        self.total.fetch_add(length as u64, Relaxed);
        Ok(if length == 0 { Wait::Over } else { Wait::Input })
    }
}
