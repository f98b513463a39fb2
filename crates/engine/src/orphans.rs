//! What a dead engine left in the shared descriptor table. The kernel closes nothing of it, since
//! the supervisor has the same table: every descriptor without an owner would keep a peer waiting
//! for ever.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;

use nix::unistd::close;
use ringbolt_core::kernel::Fd;

use crate::accepted::Accepted;
use crate::counts::is_untouched;
use crate::socket::connection_addr;

/// Every descriptor number that is open in this process.
pub(crate) fn open_descriptors() -> io::Result<BTreeSet<Fd>> {
    let open = |fd: &Fd| fs::exists(format!("/proc/self/fd/{fd}")).unwrap_or(false);
    Ok(listed()?.into_iter().filter(open).collect())
}

/// The same, and the number of the listing's own descriptor, which is closed by now: an entry of it
/// would keep it open.
fn listed() -> io::Result<Vec<Fd>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<Fd>().ok()));
    }
    Ok(numbers)
}

/// A descriptor kept in reserve. An engine that dies with the table full leaves none for the listing
/// that a sweep begins with.
#[derive(Debug)]
pub(crate) struct Spare(Option<File>);

impl Spare {
    /// Opens it.
    pub(crate) fn open() -> io::Result<Self> {
        File::open("/dev/null").map(|file| Self(Some(file)))
    }

    /// Gives it up for the time of a sweep, after which there is room for it again.
    pub(crate) fn lend<T>(
        &mut self,
        own: &mut BTreeSet<Fd>,
        sweep: impl FnOnce(&BTreeSet<Fd>) -> T,
    ) -> T {
        if let Some(file) = self.0.take() {
            own.remove(&file.as_raw_fd());
        }
        let swept = sweep(own);
        self.0 = File::open("/dev/null").ok();
        own.extend(self.0.as_ref().map(AsRawFd::as_raw_fd));
        swept
    }
}

/// Closes every descriptor that is not the supervisor's own, not one of its listening sockets and
/// not in `named`. Connections that had been accepted and not yet looked at are kept: they are returned
/// with their listener, to be served by the next engine.
pub(crate) fn sweep(
    own: &BTreeSet<Fd>,
    named: &BTreeSet<Fd>,
    accepted: &Accepted,
) -> io::Result<Vec<(Fd, u16)>> {
    let mut waiting = Vec::new();
    // To look at each of thousands that somebody owns would make every session's pause longer, and to
    // close the one that is closed does nothing: this process has one thread.
    for fd in listed()? {
        if own.contains(&fd) || named.contains(&fd) || accepted.listens_on(fd) {
            continue;
        }
        let listener = connection_addr(fd).and_then(|local| accepted.listener_of(local));
        match listener {
            Some(listener) if is_untouched(fd) => waiting.push((fd, listener)),
            // A session's socket was born to reset, so its peer sees a reset and no end.
            _ => drop(close(fd)),
        }
    }
    Ok(waiting)
}
