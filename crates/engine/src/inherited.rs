//! Listening sockets that whoever started the process has passed on (`fd@`). They are taken by number,
//! as they are: bound and listening. Each worker works on a duplicate, because sockets of workers are
//! closed one by one.

use std::io;
use std::net::SocketAddr;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::fstat;
use ringbolt_core::kernel::Fd;
use socket2::{Protocol, SockRef, Type};

use crate::orphans::open_descriptors;
use crate::socket::{borrow, prepare};
use crate::start::Uninheritable;

/// Every descriptor that is a listening TCP socket.
pub(crate) fn listening_sockets() -> io::Result<Vec<Fd>> {
    Ok(open_descriptors()?.into_iter().filter(|fd| is_tcp_listener(*fd)).collect())
}

/// The number that a name stands for: itself, or what the environment variable of that name holds.
/// It is one of those that were inherited.
pub(crate) fn number(name: &str, inherited: &[Fd]) -> Result<Fd, Uninheritable> {
    let fd = match name.parse::<Fd>() {
        Ok(fd) => fd,
        Err(_) => {
            let text = std::env::var(name).map_err(|_| Uninheritable::NoVariable)?;
            let number = text.parse::<Fd>().ok().filter(|fd| *fd >= 0);
            number.ok_or(Uninheritable::NoNumber(text))?
        }
    };
    // What has that number now may be ours, and was opened since.
    if inherited.contains(&fd) && is_tcp_listener(fd) {
        Ok(fd)
    } else if is_open(fd) && !inherited.contains(&fd) {
        Err(Uninheritable::NoListener(fd))
    } else {
        Err(Uninheritable::NotInherited(fd))
    }
}

/// Whether two descriptors are the same socket.
pub(crate) fn are_one(one: Fd, other: Fd) -> bool {
    let identity = |fd| fstat(borrow(fd)).map(|file| (file.st_dev, file.st_ino));
    matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
}

/// The address of a listening socket, and duplicates of it without close-on-exec. It is made
/// non-blocking and given what accepted connections inherit, for everybody who has it.
pub(crate) fn duplicates(fd: Fd, count: usize) -> io::Result<(SocketAddr, Vec<Fd>)> {
    let descriptor = borrow(fd);
    let socket = SockRef::from(&descriptor);
    let addr = socket.local_addr()?.as_socket();
    let addr = addr.ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
    let flags = OFlag::from_bits_retain(fcntl(descriptor, FcntlArg::F_GETFL)?);
    fcntl(descriptor, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    prepare(&socket, None)?;
    let mut sockets = Vec::new();
    for _ in 0..count {
        sockets.push(fcntl(descriptor, FcntlArg::F_DUPFD(3))?);
    }
    Ok((addr, sockets))
}

fn is_tcp_listener(fd: Fd) -> bool {
    let descriptor = borrow(fd);
    let socket = SockRef::from(&descriptor);
    let is = |answer: io::Result<bool>| answer.unwrap_or(false);
    is(socket.is_listener())
        && is(socket.r#type().map(|kind| kind == Type::STREAM))
        && is(socket.protocol().map(|protocol| protocol == Some(Protocol::TCP)))
}

fn is_open(fd: Fd) -> bool {
    std::fs::exists(format!("/proc/self/fd/{fd}")).unwrap_or(false)
}
