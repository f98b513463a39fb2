//! The socket of a probe: like a session's towards its server, so that what it finds holds for those
//! too. The other end of its life is the control thread's.

use std::io;
use std::net::{IpAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::errno::Errno;
use ringbolt_core::kernel::Remote;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::socket::bind_source;

/// Begins to connect to a server, from an address if there is one. The socket is non-blocking: it has
/// connected, or failed, when it is writable. Its close is a reset, which leaves
/// nothing behind, unless its linger time is taken off.
///
/// # Errors
/// When it fails at once, as a UNIX socket does that nobody listens on.
pub fn begin_connect(to: &Remote, from: Option<IpAddr>) -> io::Result<TcpStream> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let (socket, addr) = match to {
        Remote::Inet(addr) => {
            let socket = Socket::new_raw(Domain::for_address(*addr), kind, Some(Protocol::TCP))?;
            if let Some(from) = from {
                bind_source(&socket, from, *addr)?;
            }
            (socket, (*addr).into())
        }
        Remote::Unix(path) => (Socket::new_raw(Domain::UNIX, kind, None)?, SockAddr::unix(path)?),
    };
    socket.set_linger(Some(Duration::ZERO))?;
    match socket.connect(&addr) {
        Err(error) if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) => Err(error),
        // Reading, writing and shutting down know no family, so a UNIX socket may pass for a TCP one.
        Ok(()) | Err(_) => Ok(TcpStream::from(OwnedFd::from(socket))),
    }
}
