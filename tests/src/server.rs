//! Servers in the hands of a test: accept by hand, stop listening, or let connects hang.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU16, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, SockRef, Socket, Type};

use crate::{BOUND, Client, Peer, sockets, until};

/// A listening socket on a loopback address of its own.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
}

/// An address whose connects are refused for as long as this lives: bound, but not listening, so
/// that nobody else can take the port.
#[derive(Debug)]
pub struct ClosedPort {
    socket: Socket,
}

/// Keeps a server's accept queue full, so that the kernel drops every SYN to it.
#[derive(Debug)]
pub struct Blackhole {
    _waiting: Vec<Peer>,
}

/// A loopback address that nobody else here uses: 127.77.x.y. A connect to a closed port of
/// 127.0.0.1 could, by chance, get that very port as its own and connect to itself; from another
/// address it cannot.
pub fn fresh_address() -> Ipv4Addr {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [x, y] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    Ipv4Addr::new(127, 77, x, y)
}

impl Server {
    /// A server on a fresh address and a port from the kernel.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn listen() -> Self {
        let listener = TcpListener::bind((fresh_address(), 0)).expect("a port");
        Self { listener }
    }

    /// Gives its connections a receive buffer of so many bytes, which also ends its growth.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn receive_buffer(&self, bytes: usize) {
        SockRef::from(&self.listener).set_recv_buffer_size(bytes).expect("a live socket");
    }

    /// Its connections send and receive segments of at most so many bytes.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn segment(&self, bytes: u32) {
        setsockopt(&self.listener, sockopt::TcpMaxSeg, &bytes).expect("a live socket");
    }

    /// A server on an address of the calling thread's network, and a port from the kernel.
    ///
    /// # Panics
    ///
    /// When there is no such address.
    pub fn listen_at(address: Ipv4Addr) -> Self {
        Self { listener: TcpListener::bind((address, 0)).expect("an address of this network") }
    }

    /// Where it listens.
    ///
    /// # Panics
    ///
    /// When the kernel does not tell.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a bound socket")
    }

    /// The next connection.
    ///
    /// # Panics
    ///
    /// When none comes.
    pub fn accept(&self) -> Peer {
        accept_any(&[self]).1
    }

    /// Whether nobody has connected since the last accept.
    ///
    /// # Panics
    ///
    /// When the kernel does not tell.
    pub fn nobody(&self) -> bool {
        let mut fds = [PollFd::new(self.listener.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).expect("a live socket") == 0
    }

    /// Stops listening; connects are refused from now on. Accepted connections live on.
    ///
    /// # Panics
    ///
    /// When the kernel does not give the address again.
    pub fn close(self) -> ClosedPort {
        let address = self.address();
        drop(self.listener);
        ClosedPort::at(address)
    }

    /// From now on connects to it neither succeed nor fail. With a backlog of 0 the kernel queues
    /// one connection, and drops the SYNs of all others while that one is not accepted.
    ///
    /// # Panics
    ///
    /// When somebody is waiting to be accepted, or the kernel refuses.
    pub fn blackhole(&self) -> Blackhole {
        assert!(self.nobody(), "accept first");
        SockRef::from(&self.listener).listen(0).expect("a smaller backlog");
        let waiting = Client::default().connect(self.address());
        let address = self.address();
        until("the accept queue is full", || {
            let listening = |s: &sockets::Entry| s.local == address && s.remote.port() == 0;
            sockets::all().into_iter().find(listening).filter(|s| s.unread > 0)
        });
        Blackhole { _waiting: vec![waiting] }
    }
}

impl ClosedPort {
    /// A port from the kernel on a fresh address. A program that shares it by SO_REUSEADDR, as
    /// servers do, can still listen there: this socket never does.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    #[allow(clippy::new_without_default)] // it takes a port: not something to do by default
    pub fn new() -> Self {
        Self::at((fresh_address(), 0).into())
    }

    fn at(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("a live socket");
        // A program that is being started elsewhere holds a copy of every socket until it runs.
        until("the address is free", || socket.bind(&address.into()).ok());
        Self { socket }
    }

    /// The address that refuses.
    ///
    /// # Panics
    ///
    /// When the kernel does not tell.
    pub fn address(&self) -> SocketAddr {
        let address = self.socket.local_addr().expect("a bound socket");
        address.as_socket().expect("an IP address")
    }
}

/// The next connection to any of `servers`, and the position of the one that got it.
///
/// # Panics
///
/// When none comes.
pub fn accept_any(servers: &[&Server]) -> (usize, Peer) {
    let mut fds: Vec<PollFd<'_>> =
        servers.iter().map(|s| PollFd::new(s.listener.as_fd(), PollFlags::POLLIN)).collect();
    let bound = PollTimeout::try_from(BOUND).expect("in range");
    poll(&mut fds, bound).expect("live sockets");
    let ready = fds.iter().position(|fd| fd.any() == Some(true));
    let position = ready.expect("nobody connected");
    let (stream, _) = servers[position].listener.accept().expect("a connection");
    (position, Peer::new(stream))
}
