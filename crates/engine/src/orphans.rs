//! What a dead engine left in the shared descriptor table. The kernel closes nothing of it, since
//! the supervisor has the same table: every descriptor without an owner would keep a peer waiting
//! for ever.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use nix::unistd::close;
use ringbolt_core::kernel::Fd;

use crate::listen::Listening;
use crate::socket::{connection_addr, is_listening, is_untouched};

/// Every descriptor number that is open in this process.
pub(crate) fn open_descriptors() -> io::Result<BTreeSet<Fd>> {
    let entries: Vec<_> = fs::read_dir("/proc/self/fd")?.collect::<Result<_, _>>()?;
    let numbers = entries.iter().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // The listing's own descriptor is among them and is closed by now.
    Ok(numbers.filter(|fd| fs::exists(format!("/proc/self/fd/{fd}")).unwrap_or(false)).collect())
}

/// Closes every descriptor that is not the supervisor's own, not a listening socket and not in
/// `named`. Connections that had been accepted and not yet looked at are kept: they are returned
/// with their listener, to be served by the next engine.
pub(crate) fn sweep(
    own: &BTreeSet<Fd>,
    named: &BTreeSet<Fd>,
    listening: &Listening,
) -> io::Result<Vec<(Fd, u16)>> {
    let mut waiting = Vec::new();
    for fd in open_descriptors()? {
        if own.contains(&fd) || named.contains(&fd) || is_listening(fd) {
            continue;
        }
        let listener = connection_addr(fd).and_then(|local| listening.listener_of(local));
        match listener {
            Some(listener) if is_untouched(fd) => waiting.push((fd, listener)),
            // A session's socket was born to reset, so its peer sees a reset and no end.
            _ => drop(close(fd)),
        }
    }
    Ok(waiting)
}
