//! Bytes pass through a pipe, by splice(2), without being copied to memory and back: what the
//! kernel alone takes for bulk.
//!
//! A pipe for each direction, for as long as the session lives; one that is not empty is not
//! filled. No SPLICE_F_MORE: it may hold back the last segment. A splice that brought less than it
//! might does not say why, for a pipe is also full when it has as many pieces as it has places; so
//! the queue is empty when the kernel says that there is nothing. A user other than root may have
//! no more than 64 pipes of this size (`pipe-user-pages-soft`, pipe(7)); sessions beyond that are
//! closed.

use std::io;
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::unistd::pipe2;
use socket2::Socket;

use super::{Passage, Passed, would_block};

/// Bytes that a pipe holds, and most of one splice; what `pipe-max-size` allows to everybody.
const PIPE: usize = 1024 * 1024;

/// A pipe and what is in it.
pub(in super::super) struct Splicing {
    reader: OwnedFd,
    writer: OwnedFd,
    /// Bytes that went in and have not come out.
    filled: usize,
}

impl Passage for Splicing {
    type Shared = ();

    fn new() -> io::Result<Self> {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        fcntl(&writer, FcntlArg::F_SETPIPE_SZ(PIPE as i32))?;
        Ok(Self { reader, writer, filled: 0 })
    }

    fn owes(&self) -> bool {
        self.filled > 0
    }

    fn pass(&mut self, from: &Socket, to: &Socket, (): &mut ()) -> io::Result<Passed> {
        let flags = SpliceFFlags::SPLICE_F_NONBLOCK | SpliceFFlags::SPLICE_F_MOVE;
        let received = splice(from, None, &self.writer, None, PIPE, flags);
        let Some(length) = would_block(received.map_err(Into::into))? else {
            return Ok(Passed::Nothing);
        };
        if length == 0 {
            return Ok(Passed::End);
        }
        self.filled = length;
        self.pay(to)?;
        Ok(Passed::Bytes)
    }

    /// Once: a socket that takes less than there is has no room, and says so when it has some.
    fn pay(&mut self, to: &Socket) -> io::Result<()> {
        let flags = SpliceFFlags::SPLICE_F_NONBLOCK | SpliceFFlags::SPLICE_F_MOVE;
        let sent = splice(&self.reader, None, to, None, self.filled, flags);
        self.filled -= would_block(sent.map_err(Into::into))?.unwrap_or(0);
        Ok(())
    }
}
