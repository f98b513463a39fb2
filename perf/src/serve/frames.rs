//! Answers frames of one length, one after the other.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use nix::sys::sendfile::sendfile;
use socket2::Socket;

use crate::events::{Owner, Wait};
use crate::job::BURST;

/// Bytes of a frame.
pub(crate) const FRAME: usize = 64;
/// The first byte of a frame that is given back.
pub(crate) const ECHO: u8 = b'e';
/// The first byte of a frame that is answered by the first [`BURST`] bytes of the pattern.
pub(crate) const BURST_ASKED: u8 = b'b';

/// One connection.
pub(crate) struct Frames {
    frame: [u8; FRAME],
    received: usize,
    /// Bytes of the answer that are sent; counts only while a whole frame is received.
    sent: usize,
    pattern: Arc<File>,
}

impl Frames {
    pub(crate) fn new(pattern: Arc<File>) -> Self {
        Self { frame: [0; FRAME], received: 0, sent: 0, pattern }
    }

    /// Sends what it can of the answer; whether that was all.
    fn answer(&mut self, mut socket: &Socket) -> io::Result<bool> {
        let (length, result) = match self.frame[0] {
            ECHO => (FRAME, socket.write(&self.frame[self.sent..])),
            BURST_ASKED => {
                let length = BURST as usize;
                let mut start = self.sent as i64;
                let result = sendfile(socket, &*self.pattern, Some(&mut start), length - self.sent);
                (length, result.map_err(io::Error::from))
            }
            _ => return Err(ErrorKind::InvalidData.into()),
        };
        match result {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            sent => self.sent += sent?,
        }
        Ok(self.sent == length)
    }
}

impl Owner for Frames {
    fn step(&mut self, mut socket: &Socket, _: &mut [u8]) -> io::Result<Wait> {
        if self.received < FRAME {
            match socket.read(&mut self.frame[self.received..])? {
                0 => return Ok(Wait::Over),
                length => self.received += length,
            }
            if self.received < FRAME {
                return Ok(Wait::Input);
            }
        }
        if !self.answer(socket)? {
            return Ok(Wait::Output);
        }
        (self.received, self.sent) = (0, 0);
        Ok(Wait::Input)
    }
}
