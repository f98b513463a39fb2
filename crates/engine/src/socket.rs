//! Sockets: what is set on them, and the calls that move bytes inline. Unsafe: calls on descriptor
//! numbers that a session record holds, and on memory that other processes see too.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, RawFd};
use std::time::Duration;

use ringbolt_core::kernel::{Errno, Fd, Remote};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

/// A new socket towards a server: non-blocking, and without close-on-exec, because a live session
/// outlives an upgrade. Bound to the address `from`, if there is one.
pub(crate) fn open(
    to: &Remote,
    from: Option<IpAddr>,
    keepalive: Option<Duration>,
) -> io::Result<Fd> {
    let kind = Type::STREAM.nonblocking();
    let socket = match to {
        Remote::Inet(to) => {
            let socket = Socket::new_raw(Domain::for_address(*to), kind, Some(Protocol::TCP))?;
            prepare(&socket, keepalive)?;
            if let Some(from) = from {
                bind_source(&socket, from, *to)?;
            }
            socket
        }
        Remote::Unix(_) => {
            let socket = Socket::new_raw(Domain::UNIX, kind, None)?;
            // Since Linux 5.15 these have urgent data too, unless the kernel was built without.
            let _ = socket.set_out_of_band_inline(true);
            socket
        }
    };
    Ok(socket.into_raw_fd())
}

/// Connects to a UNIX socket. A non-blocking one never waits: a full queue is EAGAIN. Through the ring
/// that would be tried 128 times, the last time by a thread of the kernel, which takes 0.4 ms
/// (measured on Linux 6.18).
pub(crate) fn connect_now(fd: Fd, path: &str) -> io::Result<()> {
    SockRef::from(&borrow(fd)).connect(&SockAddr::unix(path)?)
}

/// Binds to an address and not to a port. The kernel chooses the port when the destination is known
/// (IP_BIND_ADDRESS_NO_PORT, Linux 4.2), so each destination has all ports of each source.
pub(crate) fn bind_source(socket: &Socket, from: IpAddr, to: SocketAddr) -> io::Result<()> {
    let on: libc::c_int = 1;
    let length = size_of_val(&on) as libc::socklen_t;
    // SAFETY: the kernel reads `length` bytes of `on`, which has as many.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            length,
        )
    };
    if answer == -1 {
        return Err(io::Error::last_os_error());
    }
    let from = match (from, to) {
        // One that is valid on a link is of the link that leads to the server.
        (IpAddr::V6(from), SocketAddr::V6(to)) if from.is_unicast_link_local() => {
            SocketAddrV6::new(from, 0, 0, to.scope_id()).into()
        }
        _ => SocketAddr::new(from, 0),
    };
    socket.bind(&from.into())
}

/// Sets what every session's socket has from birth. Accepted ones inherit it from the listener.
pub(crate) fn prepare(socket: &Socket, keepalive: Option<Duration>) -> io::Result<()> {
    // Born to reset: whatever dies, the peer never mistakes it for an end.
    socket.set_linger(Some(Duration::ZERO))?;
    // Urgent data would otherwise be skipped by reads, and stop a splice for ever.
    socket.set_out_of_band_inline(true)?;
    socket.set_tcp_nodelay(true)?;
    match keepalive {
        Some(_) => set_keepalive(socket, keepalive),
        // What a new socket has.
        None => Ok(()),
    }
}

/// Another backlog and keepalive for a socket that listens; connections accepted from now on have it.
pub(crate) fn renew(listener: Fd, backlog: u32, keepalive: Option<Duration>) -> io::Result<()> {
    let descriptor = borrow(listener);
    let socket = SockRef::from(&descriptor);
    set_keepalive(&socket, keepalive)?;
    socket.listen(backlog as i32)
}

fn set_keepalive(socket: &Socket, keepalive: Option<Duration>) -> io::Result<()> {
    let Some(idle) = keepalive else { return socket.set_keepalive(false) };
    let probes = TcpKeepalive::new()
        .with_time(at_least_a_second(idle))
        .with_interval(at_least_a_second(idle / 3))
        .with_retries(6);
    socket.set_tcp_keepalive(&probes)
}

/// The close to come shall be an end and no reset.
pub(crate) fn forgive(fd: Fd) {
    let _ = SockRef::from(&borrow(fd)).set_linger(None);
}

/// The address at the other end.
pub(crate) fn peer(fd: Fd) -> io::Result<SocketAddr> {
    let addr = SockRef::from(&borrow(fd)).peer_addr()?;
    addr.as_socket().ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))
}

/// The address at our end.
pub(crate) fn local(fd: Fd) -> io::Result<SocketAddr> {
    let addr = SockRef::from(&borrow(fd)).local_addr()?;
    addr.as_socket().ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))
}

/// Accepts a connection that waits, non-blocking and without close-on-exec.
pub(crate) fn accept(listener: Fd) -> Result<Fd, Errno> {
    checked(|| {
        // SAFETY: null addresses are allowed, and nothing else is pointed to.
        let fd = unsafe {
            libc::accept4(listener, std::ptr::null_mut(), std::ptr::null_mut(), libc::SOCK_NONBLOCK)
        };
        fd as isize
    })
    .map(|fd| fd as Fd)
}

/// Reads what is there, without waiting.
pub(crate) fn receive(fd: Fd, into: &[Cell<u8>]) -> Result<usize, Errno> {
    checked(|| {
        // SAFETY: the range is valid for its length, and `Cell` allows that somebody writes there
        // while it is borrowed. This thread is the only one of this process that uses it.
        unsafe { libc::recv(fd, into.as_ptr().cast_mut().cast(), into.len(), libc::MSG_DONTWAIT) }
    })
}

/// Looks at what is there, without waiting and without taking it.
pub(crate) fn peek(fd: Fd, into: &mut [u8]) -> Result<usize, Errno> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_PEEK;
    checked(|| {
        // SAFETY: the range is valid for its length, and borrowed for the length of the call.
        unsafe { libc::recv(fd, into.as_mut_ptr().cast(), into.len(), flags) }
    })
}

/// Writes what there is room for, without waiting and without SIGPIPE.
pub(crate) fn send(fd: Fd, from: &[Cell<u8>]) -> Result<usize, Errno> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    checked(|| {
        // SAFETY: the range is valid for its length and is only read.
        unsafe { libc::send(fd, from.as_ptr().cast(), from.len(), flags) }
    })
}

/// Sends FIN after what is queued.
pub(crate) fn shut_down(fd: Fd) -> Result<(), Errno> {
    checked(|| {
        // SAFETY: no memory is involved.
        (unsafe { libc::shutdown(fd, libc::SHUT_WR) }) as isize
    })
    .map(drop)
}

/// The local address of a connected TCP socket that does not listen; `None` for anything else.
pub(crate) fn connection_addr(fd: RawFd) -> Option<SocketAddr> {
    let descriptor = borrow(fd);
    let socket = SockRef::from(&descriptor);
    socket.peer_addr().ok()?;
    socket.local_addr().ok()?.as_socket()
}

/// Whether a descriptor is a listening socket.
pub(crate) fn is_listening(fd: RawFd) -> bool {
    SockRef::from(&borrow(fd)).is_listener().unwrap_or(false)
}

/// Runs a call until no signal interrupts it.
fn checked(mut call: impl FnMut() -> isize) -> Result<usize, Errno> {
    loop {
        let result = call();
        if result >= 0 {
            return Ok(result as usize);
        }
        match io::Error::last_os_error().raw_os_error() {
            Some(libc::EINTR) => {}
            errno => return Err(Errno(errno.unwrap_or(libc::EIO))),
        }
    }
}

pub(crate) fn borrow(fd: RawFd) -> BorrowedFd<'static> {
    // SAFETY: a number in a live record or in the supervisor's lists is an open descriptor, and
    // stays one until the record's owner submits its close. Used for the length of one call.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

fn at_least_a_second(span: Duration) -> Duration {
    span.max(Duration::from_secs(1))
}
