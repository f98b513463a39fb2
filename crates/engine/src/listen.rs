//! The listening sockets: for each address one a worker, in a SO_REUSEPORT group. The supervisor
//! opens them and they live as long as it does, because closing one of a group resets what waits
//! in its queue.

use std::io;
use std::net::SocketAddr;
use std::os::fd::IntoRawFd;
use std::time::Duration;

use ringbolt_core::kernel::Fd;
use ringbolt_core::spec::{Bind, Spec};
use socket2::{Domain, Protocol, Socket, Type};

use crate::holder;
use crate::socket::{is_listening, prepare};
use crate::start::StartError;

/// One worker's listening socket and the listener it belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door {
    pub(crate) socket: Fd,
    pub(crate) listener: u16,
}

/// A group of sockets on one address.
#[derive(Debug)]
struct Group {
    addr: SocketAddr,
    listener: u16,
    /// Numbers, not owners: a drain closes them through the shared table, from the engine.
    sockets: Vec<Fd>,
}

/// All listening sockets.
#[derive(Debug)]
pub(crate) struct Listening(Vec<Group>);

impl Listening {
    /// Listens on every address of the spec, once for each of `workers`.
    pub(crate) fn open(spec: &Spec, workers: usize) -> Result<Self, StartError> {
        let mut groups = Vec::new();
        for (index, listener) in (0u16..).zip(&spec.listeners) {
            let keepalive = spec.pools[listener.pool].keepalive;
            for bind in &listener.binds {
                let addr = match bind {
                    Bind::Address(addr) => *addr,
                    Bind::Inherited(which) => {
                        return Err(StartError::NotAvailable(format!("bind \"fd@{which}\"")));
                    }
                };
                groups.push(Group::open(addr, index, workers, listener.backlog, keepalive)?);
            }
        }
        Ok(Self(groups))
    }

    /// The addresses, with the ports that were free where 0 was asked for.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|group| group.addr).collect()
    }

    /// What a worker listens on. A drain closes sockets through the shared descriptor table, so
    /// only those that still listen count.
    pub(crate) fn doors(&self, worker: usize) -> Vec<Door> {
        self.0
            .iter()
            .map(|group| Door { socket: group.sockets[worker], listener: group.listener })
            .filter(|door| is_listening(door.socket))
            .collect()
    }

    /// Whether a number is one of ours and still what it was.
    pub(crate) fn contains(&self, fd: Fd) -> bool {
        self.0.iter().any(|group| group.sockets.contains(&fd)) && is_listening(fd)
    }

    /// The listener whose address a connection came by.
    pub(crate) fn listener_of(&self, local: SocketAddr) -> Option<u16> {
        let exact = self.0.iter().find(|group| group.addr == local);
        let any = || {
            self.0.iter().find(|group| {
                group.addr.ip().is_unspecified()
                    && group.addr.port() == local.port()
                    && group.addr.is_ipv4() == local.is_ipv4()
            })
        };
        exact.or_else(any).map(|group| group.listener)
    }
}

impl Group {
    fn open(
        addr: SocketAddr,
        listener: u16,
        workers: usize,
        backlog: u32,
        keepalive: Option<Duration>,
    ) -> Result<Self, StartError> {
        if addr.port() != 0 {
            check_free(addr)?;
        }
        let failed = |error| StartError::Bind { addr, error };
        let first = listen(addr, backlog, keepalive).map_err(failed)?;
        let taken = first.local_addr().map_err(failed)?.as_socket().unwrap_or(addr);
        let mut sockets = vec![first.into_raw_fd()];
        for _ in 1..workers {
            let socket = listen(taken, backlog, keepalive).map_err(failed)?;
            sockets.push(socket.into_raw_fd());
        }
        Ok(Self { addr: taken, listener, sockets })
    }
}

/// SO_REUSEPORT would let a second instance bind the same address in silence, and take half of the
/// clients; without it the kernel refuses.
fn check_free(addr: SocketAddr) -> Result<(), StartError> {
    let bind = || -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        only_v6(&socket, addr)?;
        socket.bind(&addr.into())
    };
    bind().map_err(|error| {
        if error.kind() == io::ErrorKind::AddrInUse {
            StartError::AddressInUse { addr, holder: holder::of_port(addr) }
        } else {
            StartError::Bind { addr, error }
        }
    })
}

/// Non-blocking, without close-on-exec (an upgrade finds it by number), and with everything that
/// accepted connections shall inherit.
fn listen(addr: SocketAddr, backlog: u32, keepalive: Option<Duration>) -> io::Result<Socket> {
    let kind = Type::STREAM.nonblocking();
    let socket = Socket::new_raw(Domain::for_address(addr), kind, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    only_v6(&socket, addr)?;
    prepare(&socket, keepalive)?;
    socket.bind(&addr.into())?;
    socket.listen(backlog as i32)?;
    Ok(socket)
}

pub(crate) fn only_v6(socket: &Socket, addr: SocketAddr) -> io::Result<()> {
    if addr.is_ipv6() { socket.set_only_v6(true) } else { Ok(()) }
}
