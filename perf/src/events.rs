//! A loop over sockets by epoll(7): what serves, and what moves bulk, where a call that io_uring's
//! crate does not have (sendfile, MSG_TRUNC) makes the load cost little.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use socket2::Socket;

/// What a socket's owner waits for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Bytes, or an end.
    Input,
    /// Room for bytes.
    Output,
    /// Nothing: the socket is closed.
    Over,
}

/// What owns a socket.
pub(crate) trait Owner: Send {
    /// Does one bounded step, without waiting; `scratch` holds nothing before and after.
    ///
    /// # Errors
    /// `WouldBlock` leaves everything as it was; any other closes the socket.
    fn step(&mut self, socket: &Socket, scratch: &mut [u8]) -> io::Result<Wait>;
}

/// Makes the owner of an accepted connection, and says what it waits for first.
pub(crate) type Welcome = Box<dyn FnMut() -> (Box<dyn Owner>, Wait) + Send>;

/// The sockets and who owns them.
pub(crate) struct Events {
    epoll: Epoll,
    doors: Vec<(TcpListener, Welcome)>,
    sockets: HashMap<u64, (Socket, Box<dyn Owner>, Wait)>,
    /// The number of the next socket; none is used twice.
    next: u64,
    closed: Arc<AtomicU64>,
    scratch: Vec<u8>,
}

/// Sockets served by one look; the next look is then at others too.
const BATCH: usize = 64;
/// Never written as a whole: most of it costs no memory.
const SCRATCH: usize = 1024 * 1024;
/// Numbers from here on are sockets, below are doors.
const FIRST: u64 = 1 << 32;
/// Milliseconds after which a loop that is idle asks whether it should end.
const LOOK_MS: u16 = 100;

impl Events {
    /// # Errors
    /// Those of epoll_create1(2).
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            doors: Vec::new(),
            sockets: HashMap::new(),
            next: FIRST,
            closed: Arc::default(),
            scratch: vec![0; SCRATCH],
        })
    }

    /// Accepts on a listener.
    ///
    /// # Errors
    /// Those of epoll_ctl(2) and fcntl(2).
    pub(crate) fn open(&mut self, door: TcpListener, welcome: Welcome) -> io::Result<()> {
        door.set_nonblocking(true)?;
        let number = self.doors.len() as u64;
        self.epoll.add(&door, EpollEvent::new(EpollFlags::EPOLLIN, number))?;
        self.doors.push((door, welcome));
        Ok(())
    }

    /// Takes a connected socket in.
    ///
    /// # Errors
    /// Those of epoll_ctl(2) and fcntl(2).
    pub(crate) fn add(
        &mut self,
        socket: Socket,
        owner: Box<dyn Owner>,
        wait: Wait,
    ) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        self.epoll.add(&socket, event(wait, self.next))?;
        self.sockets.insert(self.next, (socket, owner, wait));
        self.next += 1;
        Ok(())
    }

    /// How many sockets the loop has closed, because they were over or had an error.
    pub(crate) fn closed(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.closed)
    }

    /// Serves until it is told to stop; the sockets stay open until the loop is dropped.
    ///
    /// # Errors
    /// Those of epoll_wait(2) and of accepting.
    pub(crate) fn run(&mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut ready = [EpollEvent::empty(); BATCH];
        while !stop.load(Relaxed) {
            let count = match self.epoll.wait(&mut ready, LOOK_MS) {
                Err(Errno::EINTR) => continue,
                result => result?,
            };
            for event in &ready[..count] {
                if event.data() < FIRST {
                    self.accept(event.data() as usize)?;
                } else {
                    self.serve(event.data())?;
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self, number: usize) -> io::Result<()> {
        let (door, welcome) = &mut self.doors[number];
        let socket = match door.accept() {
            Ok((stream, _)) => Socket::from(stream),
            // Somebody who left the queue again.
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted) =>
            {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        socket.set_tcp_nodelay(true)?;
        let (owner, wait) = welcome();
        self.add(socket, owner, wait)
    }

    fn serve(&mut self, number: u64) -> io::Result<()> {
        let Some((socket, owner, wait)) = self.sockets.get_mut(&number) else { return Ok(()) };
        let next = match owner.step(socket, &mut self.scratch) {
            Ok(next) => next,
            Err(error) if error.kind() == ErrorKind::WouldBlock => *wait,
            Err(_) => Wait::Over,
        };
        if next == Wait::Over {
            self.sockets.remove(&number);
            self.closed.fetch_add(1, Relaxed);
        } else if next != *wait {
            self.epoll.modify(&*socket, &mut event(next, number))?;
            *wait = next;
        }
        Ok(())
    }
}

fn event(wait: Wait, number: u64) -> EpollEvent {
    let flags = match wait {
        Wait::Input => EpollFlags::EPOLLIN,
        Wait::Output => EpollFlags::EPOLLOUT,
        Wait::Over => EpollFlags::empty(),
    };
    EpollEvent::new(flags, number)
}
