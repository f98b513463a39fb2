//! The listening sockets: for each address one a worker, in a SO_REUSEPORT group. The supervisor
//! opens them and they live as long as it does, because closing one of a group resets what waits
//! in its queue. Of a socket that was inherited each worker has a duplicate.

use std::io;
use std::net::SocketAddr;
use std::os::fd::IntoRawFd;
use std::time::Duration;

use nix::unistd::close;
use ringbolt_core::kernel::Fd;
use ringbolt_core::spec::{Bind, Spec};
use socket2::{Domain, Protocol, Socket, Type};

use crate::holder;
use crate::inherited;
use crate::socket::{is_listening, prepare, renew};
use crate::start::{StartError, Uninheritable};

/// One worker's listening socket and the listener it belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door {
    pub(crate) socket: Fd,
    pub(crate) listener: u16,
}

/// A group of sockets on one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// As it was asked for; its port may be 0.
    pub(crate) wanted: Bind,
    /// Where it is; with the port that was free then.
    pub(crate) addr: SocketAddr,
    /// By name.
    pub(crate) listener: String,
    /// One a worker. Numbers, not owners: workers close them through the shared table.
    pub(crate) sockets: Vec<Fd>,
}

/// All listening sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listening {
    groups: Vec<Group>,
    /// What the configuration may take by number: the listening sockets that were open when the
    /// process started. They stay open, so that one that was taken out can be taken in again.
    inherited: Vec<Fd>,
}

impl Listening {
    /// What listens already.
    pub(crate) fn of(groups: Vec<Group>, inherited: Vec<Fd>) -> Self {
        Self { groups, inherited }
    }

    /// Listens on every address of the spec, once for each of `workers`. To be called before
    /// anything else of this process listens.
    pub(crate) fn open(spec: &Spec, workers: usize) -> Result<Self, StartError> {
        let inherited =
            inherited::listening_sockets().map_err(StartError::system("list of descriptors"))?;
        Self::of(Vec::new(), inherited).follow(spec, workers)
    }

    /// What listens under another spec: addresses that stay keep their sockets, new ones are opened.
    /// Those that are gone are for the workers to close, after serving what waits.
    pub(crate) fn follow(&self, spec: &Spec, workers: usize) -> Result<Self, StartError> {
        let mut left = self.groups.clone();
        let mut groups: Vec<Group> = Vec::new();
        let mut opened: Vec<Fd> = Vec::new();
        for listener in &spec.listeners {
            let wish = Wish {
                listener: &listener.name,
                workers,
                backlog: listener.backlog,
                keepalive: spec.pools[listener.pool].keepalive,
            };
            for bind in &listener.binds {
                let group = self.group(bind, &wish, &mut left, &groups).inspect_err(|_| {
                    close_all(&opened);
                })?;
                if !self.groups.iter().any(|before| before.sockets == group.sockets) {
                    opened.extend(&group.sockets);
                }
                groups.push(group);
            }
        }
        Ok(Self::of(groups, self.inherited.clone()))
    }

    /// The sockets of one address: those that listen there already, taken out of `left`, or new ones.
    fn group(
        &self,
        bind: &Bind,
        wish: &Wish<'_>,
        left: &mut Vec<Group>,
        others: &[Group],
    ) -> Result<Group, StartError> {
        if let Some(place) = left.iter().position(|group| group.wanted == *bind && group.lives()) {
            return left.swap_remove(place).renewed(wish);
        }
        let wanted = match bind {
            Bind::Address(addr) => *addr,
            Bind::Inherited(name) => return self.take_in(name, wish, others),
        };
        // Our own socket on the same port, on its way out perhaps, is no other process.
        let ours = self.groups.iter().any(|group| group.addr.port() == wanted.port());
        if wanted.port() != 0 && !ours {
            check_free(wanted)?;
        }
        Group::open(wanted, wish)
    }

    /// The sockets of an inherited one, which no other listener may have.
    fn take_in(&self, name: &str, wish: &Wish<'_>, others: &[Group]) -> Result<Group, StartError> {
        let failed = |wrong| StartError::Inherited {
            name: name.into(),
            listener: wish.listener.into(),
            wrong,
        };
        let fd = inherited::number(name, &self.inherited).map_err(failed)?;
        if let Some(other) = others.iter().find(|group| inherited::are_one(group.sockets[0], fd)) {
            return Err(failed(Uninheritable::Taken(fd, other.listener.clone())));
        }
        let (addr, sockets) = inherited::duplicates(fd, wish.workers)
            .map_err(|error| failed(Uninheritable::System(error)))?;
        let wanted = Bind::Inherited(name.into());
        let group = Group { wanted, addr, listener: wish.listener.into(), sockets };
        let sockets = group.sockets.clone();
        group.renewed(wish).inspect_err(|_| close_all(&sockets))
    }

    /// Closes what this has and `other` has not: a change that did not come to be.
    pub(crate) fn close_beyond(&self, other: &Self) {
        for group in &self.groups {
            if !other.groups.iter().any(|before| before.sockets == group.sockets) {
                close_all(&group.sockets);
            }
        }
    }

    /// The addresses, with the ports that were free where 0 was asked for.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.groups.iter().map(|group| group.addr).collect()
    }

    /// Every group.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter()
    }

    /// The listening sockets that were open when the process started.
    pub(crate) fn inherited(&self) -> &[Fd] {
        &self.inherited
    }

    /// Those of them that the configuration has taken, by the numbers under which they came.
    pub(crate) fn taken_in(&self) -> Vec<Fd> {
        let wanted = self.groups.iter().filter_map(|group| match &group.wanted {
            Bind::Inherited(name) => inherited::number(name, &self.inherited).ok(),
            Bind::Address(_) => None,
        });
        wanted.collect()
    }

    /// What a worker listens on, with the places of listeners. A drain closes sockets through the
    /// shared descriptor table, so only those that still listen count.
    pub(crate) fn doors(&self, worker: usize, place: impl Fn(&str) -> Option<u16>) -> Vec<Door> {
        let door = |group: &Group| {
            let listener = place(&group.listener)?;
            Some(Door { socket: group.sockets[worker], listener })
        };
        self.groups.iter().filter_map(door).filter(|door| is_listening(door.socket)).collect()
    }

    /// Whether a number is one of ours and still what it was.
    pub(crate) fn contains(&self, fd: Fd) -> bool {
        self.groups.iter().any(|group| group.sockets.contains(&fd)) && is_listening(fd)
    }

    /// The name of the listener whose address a connection came by.
    pub(crate) fn listener_of(&self, local: SocketAddr) -> Option<&str> {
        let exact = self.groups.iter().find(|group| group.addr == local);
        let any = || {
            self.groups.iter().find(|group| {
                group.addr.ip().is_unspecified()
                    && group.addr.port() == local.port()
                    && group.addr.is_ipv4() == local.is_ipv4()
            })
        };
        exact.or_else(any).map(|group| &*group.listener)
    }
}

/// What a listener asks of its sockets.
struct Wish<'a> {
    listener: &'a str,
    workers: usize,
    backlog: u32,
    keepalive: Option<Duration>,
}

impl Group {
    fn open(wanted: SocketAddr, wish: &Wish<'_>) -> Result<Self, StartError> {
        let failed = |error| StartError::Bind { addr: wanted, error };
        let first = listen(wanted, wish.backlog, wish.keepalive).map_err(failed)?;
        let addr = first.local_addr().map_err(failed)?.as_socket().unwrap_or(wanted);
        let mut sockets = vec![first];
        for _ in 1..wish.workers {
            sockets.push(listen(addr, wish.backlog, wish.keepalive).map_err(failed)?);
        }
        let sockets = sockets.into_iter().map(IntoRawFd::into_raw_fd).collect();
        let wanted = Bind::Address(wanted);
        Ok(Self { wanted, addr, listener: wish.listener.into(), sockets })
    }

    /// The same sockets for what is asked of them now.
    fn renewed(self, wish: &Wish<'_>) -> Result<Self, StartError> {
        for socket in &self.sockets {
            let failed = |error| StartError::Bind { addr: self.addr, error };
            renew(*socket, wish.backlog, wish.keepalive).map_err(failed)?;
        }
        Ok(Self { listener: wish.listener.into(), ..self })
    }

    /// Whether its sockets still listen.
    fn lives(&self) -> bool {
        self.sockets.iter().all(|socket| is_listening(*socket))
    }
}

/// Sockets that no worker has heard of yet; what a close says makes no difference.
fn close_all(sockets: &[Fd]) {
    for socket in sockets {
        let _ = close(*socket);
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
