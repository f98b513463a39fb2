//! The servers that a measurement needs.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Where they listen: the one line that `serve` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Addresses {
    /// Gives back what it gets; the first of `echoes`.
    pub(crate) echo: SocketAddr,
    /// Takes bulk and counts it.
    pub(crate) sink: SocketAddr,
    /// Sends bulk as fast as it is taken.
    pub(crate) source: SocketAddr,
    /// Answers frames, by an echo or by a burst.
    pub(crate) frames: SocketAddr,
    /// All echo servers, as many as were asked for.
    pub(crate) echoes: Vec<SocketAddr>,
}
