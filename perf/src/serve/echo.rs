//! Gives back what it gets.

use std::io::{self, ErrorKind, Read, Write};

use socket2::Socket;

use crate::events::{Owner, Wait};

/// Bytes of one receive.
const PIECE: usize = 64 * 1024;

/// One connection.
#[derive(Default)]
pub(crate) struct Echo {
    /// What the peer has not taken yet. While there is any, nothing is received.
    owed: Vec<u8>,
}

impl Owner for Echo {
    fn step(&mut self, mut socket: &Socket, scratch: &mut [u8]) -> io::Result<Wait> {
        if self.owed.is_empty() {
            let length = socket.read(&mut scratch[..PIECE])?;
            if length == 0 {
                return Ok(Wait::Over);
            }
            let taken = match socket.write(&scratch[..length]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                result => result?,
            };
            self.owed.extend_from_slice(&scratch[taken..length]);
        } else {
            let taken = socket.write(&self.owed)?;
            self.owed.drain(..taken);
        }
        Ok(if self.owed.is_empty() { Wait::Input } else { Wait::Output })
    }
}
