//! Sockets as all of ours are made.

use std::io;
use std::net::{SocketAddr, TcpListener};

use nix::libc::EINPROGRESS;
use socket2::{Domain, Socket, Type};

/// Connections that may wait to be accepted: more than any load opens at a time.
const BACKLOG: i32 = 4096;

/// Listens there. A port that an earlier process left in TIME_WAIT is taken.
///
/// # Errors
/// Those of socket(2), bind(2) and listen(2), with the address.
pub(crate) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let made = || {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    made().map_err(|error: io::Error| io::Error::new(error.kind(), format!("{addr}: {error}")))
}

/// Begins to connect a socket that does not block; whether it succeeds shows when it is written to.
///
/// # Errors
/// Those of connect(2), but for the one that says that it has begun.
pub(crate) fn begin_to_connect(socket: &Socket, to: SocketAddr) -> io::Result<()> {
    match socket.connect(&to.into()) {
        Err(error) if error.raw_os_error() == Some(EINPROGRESS) => Ok(()),
        result => result,
    }
}
