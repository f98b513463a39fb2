//! One end of a TCP connection in the hands of a test: sends, half-closes, resets, and tells
//! exactly how the other side ended.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::libc::{EPIPE, POLLRDHUP};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};

use crate::{BOUND, Pattern, sockets, until};

/// How the other side's direction came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// An orderly end of stream.
    Fin,
    /// A reset.
    Reset,
}

/// How to connect; the default is as a program would that sets nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Client {
    from: Option<IpAddr>,
    port: u16,
    receive_buffer: Option<usize>,
    segment: Option<u32>,
}

impl Client {
    /// Connects from the loopback address 127.`a`.`b`.`c`.
    pub fn from(self, [a, b, c]: [u8; 3]) -> Self {
        Self { from: Some(Ipv4Addr::new(127, a, b, c).into()), ..self }
    }

    /// Connects from this port of the address that was chosen.
    pub fn port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// Asks for a receive buffer of so many bytes, which also ends its growth.
    pub fn receive_buffer(self, bytes: usize) -> Self {
        Self { receive_buffer: Some(bytes), ..self }
    }

    /// Sends and receives segments of at most so many bytes (TCP_MAXSEG in tcp(7)).
    pub fn segment(self, bytes: u32) -> Self {
        Self { segment: Some(bytes), ..self }
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// When the connection is refused, reset, or not there within [`BOUND`].
    pub fn try_connect(self, to: SocketAddr) -> std::io::Result<Peer> {
        // Close-on-exec, as everything here: a program started meanwhile must not hold a copy.
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.segment {
            setsockopt(&socket, sockopt::TcpMaxSeg, &bytes)?;
        }
        if let Some(from) = self.from {
            socket.bind(&SocketAddr::new(from, self.port).into())?;
        }
        socket.connect_timeout(&to.into(), BOUND)?;
        Ok(Peer::new(socket.into()))
    }

    /// Connects.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub fn connect(self, to: SocketAddr) -> Peer {
        self.try_connect(to).unwrap_or_else(|error| panic!("connecting to {to}: {error}"))
    }
}

/// Connects and waits for the reset that must follow, with no FIN and no byte before it. It may come
/// so soon that the connect itself reports it.
///
/// # Panics
///
/// When the connection is refused or does not end by a reset.
pub fn expect_reset(client: Client, to: SocketAddr) {
    match client.try_connect(to) {
        Ok(mut peer) => assert_eq!(peer.end(), End::Reset),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
}

/// Waits for so long, in which nothing may come to any of `peers`, neither a byte nor an end.
///
/// # Panics
///
/// When something comes.
pub fn silence(peers: &[Peer], span: Duration) {
    let streams = peers.iter().map(|peer| peer.stream.as_fd());
    let mut fds: Vec<_> = streams.map(|stream| PollFd::new(stream, PollFlags::POLLIN)).collect();
    let span = PollTimeout::try_from(span).expect("in range");
    assert_eq!(poll(&mut fds, span), Ok(0), "connections that heard something");
}

/// One end of a connection. Dropping it closes it: with a FIN, unless something was not read.
#[derive(Debug)]
pub struct Peer {
    stream: TcpStream,
}

impl Peer {
    /// The end that a stream is.
    ///
    /// # Panics
    ///
    /// When it is not connected.
    pub fn of(stream: TcpStream) -> Self {
        Self::new(stream)
    }

    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(BOUND)).expect("a live socket");
        stream.set_write_timeout(Some(BOUND)).expect("a live socket");
        stream.set_nodelay(true).expect("a live socket");
        Self { stream }
    }

    /// The same end once more, for another thread. It is closed when both are dropped.
    ///
    /// # Panics
    ///
    /// When no descriptor is left.
    pub fn other(&self) -> Self {
        Self { stream: self.stream.try_clone().expect("a descriptor") }
    }

    /// Its own address.
    ///
    /// # Panics
    ///
    /// When the kernel does not tell.
    pub fn local(&self) -> SocketAddr {
        self.stream.local_addr().expect("a bound socket")
    }

    /// The other side's address.
    ///
    /// # Panics
    ///
    /// When the connection is gone.
    pub fn remote(&self) -> SocketAddr {
        self.stream.peer_addr().expect("a connected socket")
    }

    /// Sends all of `bytes`.
    ///
    /// # Panics
    ///
    /// When the connection does not take them.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the connection takes the bytes");
    }

    /// Sends the bytes of a stream from `position` on, in pieces.
    ///
    /// # Panics
    ///
    /// When the connection does not take them.
    pub fn send_pattern(&mut self, pattern: Pattern, position: usize, length: usize) {
        const PIECE: usize = 256 * 1024;
        let end = position + length;
        for start in (position..end).step_by(PIECE) {
            self.send(&pattern.bytes(start, PIECE.min(end - start)));
        }
    }

    /// Lets its kernel keep only so many bytes that the other side has not acknowledged, about.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn send_buffer(&self, bytes: usize) {
        SockRef::from(&self.stream).set_send_buffer_size(bytes).expect("a live socket");
    }

    /// Sends without pauses, whatever congestion control is the machine's own. Every kernel has this.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn never_pace(&self) {
        SockRef::from(&self.stream).set_tcp_congestion(b"reno").expect("a live socket");
    }

    /// Waits until the other side's kernel has acknowledged everything: a reset discards the rest.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub fn wait_until_sent(&self) {
        let (local, remote) = (self.local(), self.remote());
        until("all is acknowledged", || {
            let ours = sockets::all().into_iter().find(|s| s.local == local && s.remote == remote);
            ours.filter(|socket| socket.unsent == 0)
        });
    }

    /// Waits until so many bytes have come that were not read, and an end behind them or none.
    ///
    /// # Panics
    ///
    /// When they do not come.
    pub fn wait_for_unread(&self, bytes: usize, fin: bool) {
        let mut room = vec![0; bytes + 1];
        let ended_flag = PollFlags::from_bits_retain(POLLRDHUP);
        until(&format!("{bytes} bytes unread, an end behind them: {fin}"), || {
            // A look at no bytes would wait for the first.
            let there = if bytes > 0 { self.stream.peek(&mut room).expect("bytes") } else { 0 };
            let mut fds = [PollFd::new(self.stream.as_fd(), ended_flag)];
            let ended = poll(&mut fds, PollTimeout::ZERO).expect("a live socket") > 0;
            (there == bytes && ended == fin).then_some(())
        });
    }

    /// Sends what the connection takes at once and says how much that was; 0 when it is full.
    ///
    /// # Panics
    ///
    /// When the connection is broken.
    pub fn send_some(&mut self, bytes: &[u8]) -> usize {
        self.stream.set_nonblocking(true).expect("a live socket");
        let sent = self.stream.write(bytes);
        self.stream.set_nonblocking(false).expect("a live socket");
        match sent {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => panic!("sending: {error}"),
        }
    }

    /// Receives what is there, up to `most` bytes, and waits for the first; nothing at the end.
    ///
    /// # Panics
    ///
    /// When nothing comes, or a reset.
    pub fn receive_some(&mut self, most: usize) -> Vec<u8> {
        let mut bytes = vec![0; most];
        let length = self.stream.read(&mut bytes).expect("bytes or an end");
        bytes.truncate(length);
        bytes
    }

    /// Receives exactly `length` bytes.
    ///
    /// # Panics
    ///
    /// When the other side ends earlier or they do not come.
    pub fn receive(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).unwrap_or_else(|e| panic!("{length} bytes: {e}"));
        bytes
    }

    /// Receives exactly `length` bytes, if the connection was not reset; itself then.
    ///
    /// # Panics
    ///
    /// When neither comes.
    pub fn receive_or_reset(mut self, length: usize) -> Option<Self> {
        match self.stream.read_exact(&mut vec![0; length]) {
            Ok(()) => Some(self),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("neither {length} bytes nor a reset: {error}"),
        }
    }

    /// Receives `length` bytes and checks that they are those of a stream from `position` on.
    ///
    /// # Panics
    ///
    /// When they are not.
    pub fn receive_pattern(&mut self, pattern: Pattern, position: usize, length: usize) {
        const PIECE: usize = 256 * 1024;
        let end = position + length;
        for start in (position..end).step_by(PIECE) {
            pattern.check(start, &self.receive(PIECE.min(end - start)));
        }
    }

    /// Receives exactly `length` bytes, or fewer and how it ended behind them.
    ///
    /// # Panics
    ///
    /// When neither comes.
    pub fn receive_until(&mut self, length: usize) -> (Vec<u8>, Option<End>) {
        let mut bytes = vec![0; length];
        let mut received = 0;
        while received < length {
            received += match self.stream.read(&mut bytes[received..]) {
                Ok(0) => {
                    bytes.truncate(received);
                    return (bytes, Some(End::Fin));
                }
                Ok(some) => some,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    bytes.truncate(received);
                    return (bytes, Some(End::Reset));
                }
                Err(error) => panic!("{received} of {length} bytes, then {error}"),
            };
        }
        (bytes, None)
    }

    /// Receives all that comes and how it ended.
    ///
    /// # Panics
    ///
    /// When the other side neither ends nor resets.
    pub fn receive_all(&mut self) -> (Vec<u8>, End) {
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes) {
            Ok(_) => (bytes, End::Fin),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => (bytes, End::Reset),
            Err(error) => panic!("after {} bytes neither FIN nor reset: {error}", bytes.len()),
        }
    }

    /// How the other side ended, which must have sent nothing more.
    ///
    /// # Panics
    ///
    /// When something comes, or it neither ends nor resets.
    pub fn end(&mut self) -> End {
        let (bytes, end) = self.receive_all();
        assert!(bytes.is_empty(), "{} bytes before the {end:?}", bytes.len());
        end
    }

    /// Waits until the connection is reset, after the other side's FIN was already received: then
    /// reading goes on saying 0 for ever, and only the socket's error tells (`tcp_reset` in the
    /// kernel: EPIPE in CLOSE_WAIT).
    ///
    /// # Panics
    ///
    /// When it is not reset.
    pub fn reset_after_fin(&self) {
        let mut fds = [PollFd::new(self.stream.as_fd(), PollFlags::empty())];
        let bound = PollTimeout::try_from(BOUND).expect("in range");
        assert_eq!(poll(&mut fds, bound), Ok(1), "neither reset nor closed");
        let error = self.stream.take_error().expect("the kernel tells");
        let error = error.expect("a reset, not two FINs");
        let broken_pipe = error.raw_os_error() == Some(EPIPE);
        assert!(broken_pipe || error.kind() == ErrorKind::ConnectionReset, "{error}");
    }

    /// Whether nothing has come so far, neither a byte nor an end.
    ///
    /// # Panics
    ///
    /// When the kernel does not tell.
    pub fn silent(&self) -> bool {
        self.silent_for(Duration::ZERO)
    }

    /// Waits so long for something to come, and says whether nothing has, neither a byte nor an
    /// end.
    ///
    /// # Panics
    ///
    /// When the kernel does not tell.
    pub fn silent_for(&self, time: Duration) -> bool {
        let mut fds = [PollFd::new(self.stream.as_fd(), PollFlags::POLLIN)];
        let time = PollTimeout::try_from(time).expect("in range");
        poll(&mut fds, time).expect("a live socket") == 0
    }

    /// Sends one byte as urgent data.
    ///
    /// # Panics
    ///
    /// When the connection does not take it.
    pub fn send_urgent(&self, byte: u8) {
        let sent = SockRef::from(&self.stream).send_out_of_band(&[byte]);
        assert_eq!(sent.expect("the connection takes the byte"), 1);
    }

    /// Sends all of `bytes`, unless the connection turns out to be broken: then gives how it ended, as
    /// far as this tells, because nothing else will tell again.
    ///
    /// # Errors
    ///
    /// A reset; a FIN when one had come before the reset (`tcp_reset` in the kernel).
    ///
    /// # Panics
    ///
    /// When the connection does not take the bytes and is not broken.
    pub fn try_send(&mut self, bytes: &[u8]) -> Result<(), End> {
        self.stream.write_all(bytes).map_err(|error| {
            let reset = error.kind() == ErrorKind::ConnectionReset;
            assert!(reset || error.kind() == ErrorKind::BrokenPipe, "sending: {error}");
            if reset { End::Reset } else { End::Fin }
        })
    }

    /// Half-closes, unless the connection is gone.
    pub fn try_finish(&self) {
        // It fails only then.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Half-closes: sends a FIN, and goes on receiving.
    ///
    /// # Panics
    ///
    /// When the connection is gone.
    pub fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).expect("a connected socket");
    }

    /// Closes with a reset; what was not sent yet is gone.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("a live socket");
    }

    /// Leaves without a word, as a machine does whose power fails: no FIN and no reset. Only who
    /// asks learns that nobody is here any more.
    ///
    /// # Panics
    ///
    /// When the kernel refuses: see [`crate::Need::Repair`].
    pub fn vanish(self) {
        setsockopt(&self.stream, sockopt::TcpRepair, &1).expect("allowed");
    }

    pub(crate) fn may_vanish() -> bool {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        setsockopt(&socket, sockopt::TcpRepair, &1).is_ok()
    }

    /// Asks whether the other side is still there after each second of silence.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn keepalive(&self) {
        let every = Duration::from_secs(1);
        let probes = TcpKeepalive::new().with_time(every).with_interval(every);
        SockRef::from(&self.stream).set_tcp_keepalive(&probes).expect("a live socket");
    }

    /// The most bytes that it sends in one segment.
    ///
    /// # Panics
    ///
    /// When the kernel does not tell.
    pub fn largest_segment(&self) -> u32 {
        getsockopt(&self.stream, sockopt::TcpMaxSeg).expect("a live socket")
    }

    /// Sends the bytes of a stream for ever, until the connection takes no more of them for good,
    /// and says why.
    ///
    /// # Panics
    ///
    /// When it waits in vain for room.
    pub fn send_until_refused(&mut self, pattern: Pattern) -> ErrorKind {
        let piece = pattern.bytes(0, 64 * 1024);
        loop {
            match self.stream.write(&piece) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("no room: {error}"),
                Err(error) => return error.kind(),
            }
        }
    }

    /// Sends `bytes`, which an echo server sends back.
    ///
    /// # Panics
    ///
    /// When what comes back is something else.
    pub fn round_trip(&mut self, bytes: &[u8]) {
        self.send(bytes);
        assert_eq!(self.receive(bytes.len()), bytes, "echo");
    }

    /// Sends a byte to the other end, `to`, of the same session and one back.
    ///
    /// # Panics
    ///
    /// When one does not arrive.
    pub fn exchange(&mut self, to: &mut Self) {
        self.send(b"?");
        assert_eq!(to.receive(1), b"?");
        to.send(b"!");
        assert_eq!(self.receive(1), b"!");
    }
}
