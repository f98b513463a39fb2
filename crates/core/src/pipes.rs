//! The pipes of a worker, lent to directions to splice through. Few, because a pipe is needed only
//! while bytes move or wait for a slow receiver; opened when first needed and kept.

use alloc::vec::Vec;

use crate::kernel::{Errno, Fd, Kernel};
use crate::limits::{PIPE_BYTES_LEAST, PIPES_PER_WORKER};

/// A pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pipe {
    /// Where bytes come out.
    pub read: Fd,
    /// Where they go in.
    pub write: Fd,
}

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

/// Requests that are answered as the last one was, after the system gave no usable pipe.
const PATIENCE: u32 = 64;

/// A worker's pipes.
#[derive(Debug)]
pub(crate) struct Pipes {
    /// Open, empty and not lent.
    idle: Vec<Pipe>,
    /// Open in all.
    open: usize,
    /// Why the system gave none, and how many requests it will not be asked for.
    refusal: Option<(Fallback, u32)>,
}

impl Pipes {
    /// None open yet.
    pub(crate) fn new() -> Self {
        Self { idle: Vec::with_capacity(PIPES_PER_WORKER), open: 0, refusal: None }
    }

    /// An empty pipe.
    pub(crate) fn borrow(&mut self, kernel: &mut impl Kernel) -> Result<Pipe, Fallback> {
        if let Some(pipe) = self.idle.pop() {
            return Ok(pipe);
        }
        if self.open == PIPES_PER_WORKER {
            return Err(Fallback::AllLent);
        }
        if let Some((reason, left)) = &mut self.refusal
            && *left > 0
        {
            *left -= 1;
            return Err(*reason);
        }
        let opened = self.open_one(kernel);
        self.refusal = opened.err().map(|reason| (reason, PATIENCE));
        opened
    }

    /// A pipe that another engine had lent is still in use.
    pub(crate) fn adopt(&mut self) {
        self.open += 1;
    }

    /// Takes an empty pipe back.
    pub(crate) fn give_back(&mut self, pipe: Pipe) {
        self.idle.push(pipe);
    }

    /// Closes a lent pipe that is not empty, or of which that is not known.
    pub(crate) fn discard(&mut self, kernel: &mut impl Kernel, pipe: Pipe) {
        self.open -= 1;
        close(kernel, pipe);
    }

    fn open_one(&mut self, kernel: &mut impl Kernel) -> Result<Pipe, Fallback> {
        match kernel.pipe() {
            Ok((pipe, bytes)) if bytes >= PIPE_BYTES_LEAST => {
                self.open += 1;
                Ok(pipe)
            }
            Ok((pipe, _)) => {
                close(kernel, pipe);
                Err(Fallback::SmallPipe)
            }
            Err(Errno(_)) => Err(Fallback::NoPipe),
        }
    }
}

fn close(kernel: &mut impl Kernel, pipe: Pipe) {
    kernel.close(pipe.read);
    kernel.close(pipe.write);
}
