//! Pipes to splice through. Their numbers live in the records of sessions, so like sockets they are
//! opened without close-on-exec and closed by number.

use std::os::fd::IntoRawFd;

use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice as splice2};
use nix::unistd::pipe2;
use ringbolt_core::kernel::{Errno, Fd};
use ringbolt_core::limits::PIPE_BYTES;
use ringbolt_core::pipes::Pipe;

use crate::socket::borrow;

/// A new pipe, and how many bytes it holds: what was asked for, or what the user's share of memory
/// for pipes leaves (pipe(7), pipe-user-pages-soft).
pub(crate) fn open() -> Result<(Pipe, usize), Errno> {
    let (read, write) = pipe2(OFlag::O_NONBLOCK).map_err(|errno| Errno(errno as i32))?;
    let size = fcntl(&write, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES as i32))
        .or_else(|_| fcntl(&write, FcntlArg::F_GETPIPE_SZ))
        .unwrap_or(0);
    let pipe = Pipe { read: read.into_raw_fd(), write: write.into_raw_fd() };
    Ok((pipe, usize::try_from(size).unwrap_or(0)))
}

/// Moves up to `most` bytes. One of the two is a pipe, the other a socket, which has O_NONBLOCK:
/// SPLICE_F_NONBLOCK is about the pipe only. No SPLICE_F_MORE: the end of a stream would be held
/// back for 200 ms.
pub(crate) fn splice(from: Fd, to: Fd, most: usize) -> Result<usize, Errno> {
    let flags = SpliceFFlags::SPLICE_F_NONBLOCK;
    loop {
        match splice2(borrow(from), None, borrow(to), None, most, flags) {
            Ok(bytes) => return Ok(bytes),
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(Errno(errno as i32)),
        }
    }
}
