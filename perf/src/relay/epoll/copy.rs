//! Bytes pass through memory: for a message that fits, one `recv` and one `send`.
//!
//! A read that does not fill the buffer emptied the queue; so no `recv` is made only to be told
//! that there is nothing.

use std::io::{self, Read, Write};

use socket2::Socket;

use super::super::PIECE;
use super::{Passage, Passed, would_block};

/// What was received and the other side has not taken.
pub(in super::super) struct Copying {
    owed: Vec<u8>,
}

/// Where every read goes.
pub(in super::super) struct Buffer(Box<[u8; PIECE]>);

impl Default for Buffer {
    fn default() -> Self {
        Self(Box::new([0; PIECE]))
    }
}

impl Passage for Copying {
    type Shared = Buffer;

    fn new() -> io::Result<Self> {
        Ok(Self { owed: Vec::new() })
    }

    fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    fn pass(
        &mut self,
        mut from: &Socket,
        mut to: &Socket,
        Buffer(buffer): &mut Buffer,
    ) -> io::Result<Passed> {
        let Some(length) = would_block(from.read(&mut buffer[..]))? else {
            return Ok(Passed::Nothing);
        };
        if length == 0 {
            return Ok(Passed::End);
        }
        let taken = would_block(to.write(&buffer[..length]))?.unwrap_or(0);
        self.owed.extend_from_slice(&buffer[taken..length]);
        Ok(if length < PIECE { Passed::Last } else { Passed::Bytes })
    }

    fn pay(&mut self, mut to: &Socket) -> io::Result<()> {
        while self.owes() {
            let Some(taken) = would_block(to.write(&self.owed))? else { break };
            self.owed.drain(..taken);
        }
        Ok(())
    }
}
