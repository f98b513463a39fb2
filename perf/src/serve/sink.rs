//! Takes bulk, counts it over all connections, and tells the count to whoever asks. It is asked
//! through the balancer like everything else, so a job needs one address only.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use socket2::Socket;

use crate::bulk::Discard;
use crate::events::{Owner, Wait};

/// The first byte of a connection that brings bulk; it is given back, so that the sender knows that
/// the connection stands at both ends.
pub(crate) const BULK: u8 = b'b';
/// A byte for which the count of bytes is told, as 8 bytes, least first.
pub(crate) const COUNT: u8 = b'c';

/// One connection.
pub(crate) enum Sink {
    /// It has not said what it brings, or asks for the count.
    Asked(Arc<AtomicU64>),
    /// It brings bulk.
    Bulk(Discard),
}

impl Owner for Sink {
    fn step(&mut self, mut socket: &Socket, scratch: &mut [u8]) -> io::Result<Wait> {
        let total = match self {
            Self::Bulk(discard) => return discard.step(socket, scratch),
            Self::Asked(total) => total,
        };
        // Eight bytes always have room: their sender waits for them before it asks again.
        match socket.read(&mut scratch[..1])? {
            0 => return Ok(Wait::Over),
            _ if scratch[0] == COUNT => socket.write_all(&total.load(Relaxed).to_le_bytes())?,
            _ if scratch[0] == BULK => {
                socket.write_all(&[BULK])?;
                *self = Self::Bulk(Discard::new(Arc::clone(total)));
            }
            _ => return Err(ErrorKind::InvalidData.into()),
        }
        Ok(Wait::Input)
    }
}
