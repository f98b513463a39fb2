//! What the machine may run out of. It is never a server's fault: nothing that lives is touched, new
//! sessions wait where they are, and it passes when others end.

use crate::kernel::Errno;

/// Something that was not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// The process (RLIMIT_NOFILE) or the system has no descriptor left.
    Descriptors = 0,
    /// The kernel has no memory for a socket.
    Memory = 1,
    /// No local port is left to connect to a server from, at one of its sources.
    Ports = 2,
}

impl Shortage {
    /// Number of kinds.
    pub const COUNT: usize = 3;

    /// Every kind, with its name in metrics.
    pub const NAMES: [(Self, &'static str); Self::COUNT] =
        [(Self::Descriptors, "descriptors"), (Self::Memory, "memory"), (Self::Ports, "ports")];

    /// What an accept, or the opening of a socket, was refused for; `None`: not for a shortage.
    pub fn of(errno: Errno) -> Option<Self> {
        const NO_MEMORY: Errno = Errno(12);
        const NO_BUFFERS: Errno = Errno(105);
        match errno {
            Errno::MFILE | Errno::NFILE => Some(Self::Descriptors),
            NO_MEMORY | NO_BUFFERS => Some(Self::Memory),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: a name belongs to the kind at its place. Method: all of them.
    #[test]
    fn names_stand_at_their_place() {
        for (place, (shortage, _)) in Shortage::NAMES.iter().enumerate() {
            assert_eq!(*shortage as usize, place);
        }
    }
}
