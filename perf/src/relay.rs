//! Relays that do nothing but relay: what a balancer's cost is held against. Both set TCP_NODELAY on
//! both sides, as the product does, and no keepalive, which costs nothing while bytes flow; they have
//! one thread, one listener and one server, no timeouts and no limits.

mod epoll;
mod uring;

use std::io;
use std::net::SocketAddr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::process;
use crate::sockets::listen;

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

/// Bytes of one read.
const PIECE: usize = 64 * 1024;

/// Relays until it is ended.
///
/// # Errors
/// Those of listening and accepting.
pub(crate) fn relay(yardstick: Yardstick, from: SocketAddr, to: SocketAddr) -> io::Result<()> {
    process::raise_descriptors()?;
    let listener = listen(from)?;
    process::say(&Listening { listening: listener.local_addr()? });
    match yardstick {
        Yardstick::Uring => uring::relay(listener, to),
        Yardstick::Epoll => epoll::relay(listener, to),
    }
}
