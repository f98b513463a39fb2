//! The least that a relay by epoll(7) can do: for a message that fits, one `recv` and one `send`.
//!
//! Edge-triggered, so that nothing is ever registered anew. A read that does not fill the buffer
//! emptied the queue, and what comes later is a new edge; so no `recv` is made only to be told that
//! there is nothing.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::{Domain, Socket, Type};

use super::PIECE;
use crate::sockets::begin_to_connect;

/// Events taken at a time.
const BATCH: usize = 64;
/// The listener's number; sessions have others.
const LISTENER: u64 = u64::MAX;

/// A client's socket and its server's.
struct Session {
    sockets: [Socket; 2],
    /// What was read from either and the other has not taken; while there is any, nothing is read.
    owed: [Vec<u8>; 2],
    /// Whether either has sent its end.
    ended: [bool; 2],
}

/// Relays until accepting fails.
///
/// # Errors
/// Those of accepting.
pub(super) fn relay(listener: TcpListener, to: SocketAddr) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    let (mut sessions, mut next) = (HashMap::new(), 0);
    let mut buffer = vec![0; PIECE];
    let mut ready = [EpollEvent::empty(); BATCH];
    loop {
        let count = match epoll.wait(&mut ready, EpollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            result => result?,
        };
        for event in &ready[..count] {
            if event.data() == LISTENER {
                let Some((client, _)) = would_block(listener.accept())? else { continue };
                if let Ok(session) = Session::new(&epoll, next, client.into(), to) {
                    sessions.insert(next, session);
                }
                next += 1;
                continue;
            }
            let (number, side) = (event.data() / 2, (event.data() % 2) as usize);
            let Some(session) = sessions.get_mut(&number) else { continue };
            let goes_on = session.handle(side, event.events(), &mut buffer);
            if !goes_on.unwrap_or(false) {
                sessions.remove(&number);
            }
        }
    }
}

impl Session {
    /// Connects to the server, without waiting for it.
    fn new(epoll: &Epoll, number: u64, client: Socket, to: SocketAddr) -> io::Result<Self> {
        let server = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
        let sockets = [client, server];
        for socket in &sockets {
            socket.set_nonblocking(true)?;
            socket.set_tcp_nodelay(true)?;
        }
        begin_to_connect(&sockets[1], to)?;
        let flags = EpollFlags::EPOLLIN
            | EpollFlags::EPOLLOUT
            | EpollFlags::EPOLLRDHUP
            | EpollFlags::EPOLLET;
        for (side, socket) in sockets.iter().enumerate() {
            epoll.add(socket, EpollEvent::new(flags, number * 2 + side as u64))?;
        }
        Ok(Self { sockets, owed: Default::default(), ended: [false; 2] })
    }

    /// Does what this side is ready for; whether the session goes on.
    fn handle(&mut self, side: usize, ready: EpollFlags, buffer: &mut [u8]) -> io::Result<bool> {
        let other = 1 - side;
        if ready.contains(EpollFlags::EPOLLOUT) && !self.owed[other].is_empty() {
            self.pay(other)?;
            self.pass_on(other, true, buffer)?;
        }
        let ends = EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
        if ready.intersects(EpollFlags::EPOLLIN | ends) {
            self.pass_on(side, ready.intersects(ends), buffer)?;
        }
        Ok(self.ended != [true; 2])
    }

    /// Passes on what comes from this side. `to_the_end`: a short read is not the last.
    fn pass_on(&mut self, side: usize, to_the_end: bool, buffer: &mut [u8]) -> io::Result<()> {
        let (mut from, mut to) = (&self.sockets[side], &self.sockets[1 - side]);
        while self.owed[side].is_empty() && !self.ended[side] {
            let Some(length) = would_block(from.read(buffer))? else { break };
            if length == 0 {
                to.shutdown(Shutdown::Write)?;
                self.ended[side] = true;
                break;
            }
            let taken = would_block(to.write(&buffer[..length]))?.unwrap_or(0);
            self.owed[side].extend_from_slice(&buffer[taken..length]);
            if length < buffer.len() && !to_the_end {
                break;
            }
        }
        Ok(())
    }

    /// Sends what is owed to the other side.
    fn pay(&mut self, side: usize) -> io::Result<()> {
        let mut to = &self.sockets[1 - side];
        while !self.owed[side].is_empty() {
            let Some(taken) = would_block(to.write(&self.owed[side]))? else { break };
            self.owed[side].drain(..taken);
        }
        Ok(())
    }
}

/// `None` if it would have to wait.
fn would_block<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}
