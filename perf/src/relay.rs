//! Relays that do nothing but relay: what a balancer's cost is held against.

use std::net::SocketAddr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// By which means bytes are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Yardstick {
    /// Reads and writes through the ring, with tokio-uring.
    Uring,
    /// epoll, `recv` and `send` with one buffer: the floor of the way by system calls.
    Epoll,
}

/// The one line that it prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listening {
    /// Where; the port is the one it got if port 0 was asked for.
    pub(crate) listening: SocketAddr,
}
