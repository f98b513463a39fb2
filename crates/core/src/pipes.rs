//! Pipes that directions borrow to splice through, and why one may have to do without.

/// Why a direction that was to be spliced was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// Every pipe of the worker was lent out.
    AllLent = 0,
    /// The system gave no pipe: no descriptor or no memory.
    NoPipe = 1,
    /// The system gave a pipe that is too small to be worth it, as it does to users who have many.
    SmallPipe = 2,
    /// The kernel does not splice between these sockets.
    Refused = 3,
}

impl Fallback {
    /// Number of reasons.
    pub const COUNT: usize = 4;

    /// Every reason, with its name in metrics.
    pub const NAMES: [(Self, &'static str); Self::COUNT] = [
        (Self::AllLent, "all-lent"),
        (Self::NoPipe, "no-pipe"),
        (Self::SmallPipe, "small-pipe"),
        (Self::Refused, "refused"),
    ];
}
