//! Relays that do nothing but relay: what a balancer's cost is held against. All set TCP_NODELAY on
//! both sides, as the product does, and no keepalive, which costs nothing while bytes flow; they have
//! one thread, one server behind each listener, no timeouts and no limits.

mod epoll;
mod uring;

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};

use clap::ValueEnum;
use serde::Serialize;

use crate::process;
use crate::sockets::listen;

/// By which means bytes are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Yardstick {
    /// Reads and writes through the ring, with tokio-uring.
    Uring,
    /// epoll, `recv` and `send` with one buffer: the floor of small messages.
    Epoll,
    /// epoll and `splice` through pipes of 1 MiB: the floor of bulk.
    Splice,
}

/// A listener, and the server that its connections lead to.
struct Door {
    listener: TcpListener,
    to: SocketAddr,
}

/// The one line that it prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Listening {
    /// Where, in the order they were asked for; a port is the one it got if port 0 was asked for.
    listening: Vec<SocketAddr>,
}

/// Bytes of one read into memory.
const PIECE: usize = 64 * 1024;

/// Relays from the first address to the first server, and so on, until it is ended.
///
/// # Errors
/// An address without a server or the other way round; those of listening and accepting.
pub(crate) fn relay(
    yardstick: Yardstick,
    from: &[SocketAddr],
    to: &[SocketAddr],
) -> io::Result<()> {
    if from.len() != to.len() {
        let (from, to) = (from.len(), to.len());
        let text = format!("relay: {from} --from and {to} --to: every --from needs its --to");
        return Err(io::Error::new(ErrorKind::InvalidInput, text));
    }
    process::raise_descriptors()?;
    let open =
        |(from, to): (&SocketAddr, &SocketAddr)| Ok(Door { listener: listen(*from)?, to: *to });
    let doors = from.iter().zip(to).map(open).collect::<io::Result<Vec<_>>>()?;
    let addrs = doors.iter().map(|door| door.listener.local_addr());
    process::say(&Listening { listening: addrs.collect::<io::Result<_>>()? });
    match yardstick {
        Yardstick::Uring => uring::relay(doors),
        Yardstick::Epoll => epoll::relay::<epoll::Copying>(&doors),
        Yardstick::Splice => epoll::relay::<epoll::Splicing>(&doors),
    }
}
