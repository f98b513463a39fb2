//! The least that a relay by epoll(7) can do: it waits, accepts, connects, and lets a [`Passage`]
//! move what comes. By which system calls that is done is the passage's.
//!
//! Edge-triggered, so that nothing is ever registered anew.

mod copy;
mod splice;

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::{Domain, Socket, Type};

use super::Door;
use crate::sockets::begin_to_connect;

pub(super) use copy::Copying;
pub(super) use splice::Splicing;

/// Events taken at a time.
const BATCH: usize = 64;

/// What one direction of a session keeps, and how its bytes get from one socket to the other.
pub(super) trait Passage: Sized {
    /// What all directions use one after the other.
    type Shared: Default;

    /// For a new direction.
    fn new() -> io::Result<Self>;

    /// Whether something was received that the other side has not taken; while it is so, nothing
    /// more is received.
    fn owes(&self) -> bool;

    /// Receives once, and sends as much of that as the other side takes.
    fn pass(&mut self, from: &Socket, to: &Socket, shared: &mut Self::Shared)
    -> io::Result<Passed>;

    /// Sends what is owed, as much of it as the other side takes.
    fn pay(&mut self, to: &Socket) -> io::Result<()>;
}

/// What was received at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// Bytes, and there may be more of them.
    Bytes,
    /// Bytes, and the queue was empty after them; what comes later is a new edge.
    Last,
    /// Nothing: the queue was empty.
    Nothing,
    /// The end of the stream.
    End,
}

/// A client's socket and its server's.
struct Session<P> {
    sockets: [Socket; 2],
    /// From either to the other.
    passages: [P; 2],
    /// Whether either has sent its end.
    ended: [bool; 2],
}

/// Relays until accepting fails.
///
/// # Errors
/// Those of accepting.
pub(super) fn relay<P: Passage>(doors: &[Door]) -> io::Result<()> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    for (number, door) in doors.iter().enumerate() {
        door.listener.set_nonblocking(true)?;
        epoll.add(&door.listener, EpollEvent::new(EpollFlags::EPOLLIN, number as u64))?;
    }
    // A session's events have twice its number, and one more for the server's: never a listener's.
    let (mut sessions, mut next) = (HashMap::new(), doors.len() as u64);
    let mut shared = P::Shared::default();
    let mut ready = [EpollEvent::empty(); BATCH];
    loop {
        let count = match epoll.wait(&mut ready, EpollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            result => result?,
        };
        for event in &ready[..count] {
            if let Some(door) = doors.get(event.data() as usize) {
                let Some((client, _)) = would_block(door.listener.accept())? else { continue };
                // A connection that cannot be relayed is closed: its client notices.
                if let Ok(session) = Session::<P>::new(&epoll, next, client.into(), door.to) {
                    sessions.insert(next, session);
                }
                next += 1;
                continue;
            }
            let (number, side) = (event.data() / 2, (event.data() % 2) as usize);
            let Some(session) = sessions.get_mut(&number) else { continue };
            let goes_on = session.handle(side, event.events(), &mut shared);
            if !goes_on.unwrap_or(false) {
                sessions.remove(&number);
            }
        }
    }
}

impl<P: Passage> Session<P> {
    /// Connects to the server, without waiting for it.
    fn new(epoll: &Epoll, number: u64, client: Socket, to: SocketAddr) -> io::Result<Self> {
        let passages = [P::new()?, P::new()?];
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
        Ok(Self { sockets, passages, ended: [false; 2] })
    }

    /// Does what this side is ready for; whether the session goes on.
    fn handle(
        &mut self,
        side: usize,
        ready: EpollFlags,
        shared: &mut P::Shared,
    ) -> io::Result<bool> {
        let other = 1 - side;
        if ready.contains(EpollFlags::EPOLLOUT) && self.passages[other].owes() {
            self.passages[other].pay(&self.sockets[side])?;
            self.pass_on(other, true, shared)?;
        }
        let ends = EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
        if ready.intersects(EpollFlags::EPOLLIN | ends) {
            self.pass_on(side, ready.intersects(ends), shared)?;
        }
        Ok(self.ended != [true; 2])
    }

    /// Passes on what comes from this side. `to_the_end`: the end may be behind an empty queue.
    fn pass_on(&mut self, side: usize, to_the_end: bool, shared: &mut P::Shared) -> io::Result<()> {
        let (from, to) = (&self.sockets[side], &self.sockets[1 - side]);
        let passage = &mut self.passages[side];
        while !passage.owes() && !self.ended[side] {
            match passage.pass(from, to, shared)? {
                Passed::Bytes => {}
                Passed::Last if to_the_end => {}
                Passed::Last | Passed::Nothing => break,
                Passed::End => {
                    to.shutdown(Shutdown::Write)?;
                    self.ended[side] = true;
                }
            }
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
