//! Sockets in memory: the smallest kernel that a shard can be run against, with peers that a test
//! plays. It keeps the rules that matter (edges, errors delivered once, unread bytes that outlive a
//! reset, resets that destroy what is queued) and judges at each call whether a promise is broken.
//!
//! A machine's [`Faults`] are off unless somebody switches them on.

mod calls;
mod faults;
mod socket;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ringbolt_core::kernel::{Errno, Fd, Kernel, Readiness, Span};
use ringbolt_core::token::{Op, Token};

pub use faults::Faults;
pub use socket::Socket;

use crate::plant::Plant;

/// How a connection ended, as its peer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// An end.
    Fin,
    /// A reset.
    Reset,
}

/// What happens when a pipe is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PipeSupply {
    /// Whenever one is asked for.
    #[default]
    Plenty,
    /// So many can be open.
    AtMost(usize),
    /// They are too small.
    Small,
}

/// A pipe by its read end; the write end is the number after it.
#[derive(Debug, Default)]
pub struct PipeModel {
    bytes: VecDeque<u8>,
    /// Ends that are still open.
    ends: usize,
}

/// A pipe of this kernel is full long before its size, as one of many small segments is.
const PIPE_FULL: usize = 50_000;

/// What a server does with a connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is there.
    Accepts,
    /// Nobody listens.
    Refuses,
    /// No answer comes. A UNIX socket cannot be silent: its queue is full.
    IsSilent,
}

/// The kernel and everything it knows.
#[derive(Debug, Default)]
pub struct MemoryKernel {
    /// Every connection that ever was.
    pub sockets: BTreeMap<Fd, Socket>,
    next_fd: Fd,
    completions: Vec<(Token, i32, bool)>,
    /// Delivered already: may come again as stale ones.
    pub delivered: Vec<(Token, i32)>,
    /// The accept or poll on the listener.
    pub accepting: Option<Token>,
    queue: VecDeque<Fd>,
    connects: Vec<(Fd, Token)>,
    /// What servers do; one that is not named accepts.
    pub answers: BTreeMap<SocketAddr, Answer>,
    /// The peer's address of each connection.
    pub peers: BTreeMap<Fd, SocketAddr>,
    /// Sockets that a FIN was sent to and whose mate was not known.
    unjudged: Vec<Fd>,
    /// Sources that have no port left.
    pub exhausted: BTreeSet<IpAddr>,
    /// Sources that the machine does not have.
    pub unknown: BTreeSet<IpAddr>,
    /// No descriptor is left for a socket towards a server.
    pub open_fails: bool,
    /// What every server takes at most, when that is little.
    pub server_window: Option<usize>,
    /// Nobody is accepted any more.
    pub listener_closed: bool,
    /// Workers that were woken.
    pub wakes: Vec<usize>,
    /// No descriptor is left for a client.
    pub accept_fails: bool,
    /// Operations that were to be cancelled.
    pub cancels: usize,
    /// Every length of time that was measured.
    pub measured: Vec<(Span, Duration)>,
    /// Every pipe that ever was, by its read end.
    pub pipes: BTreeMap<Fd, PipeModel>,
    /// How pipes are to be had.
    pub supply: PipeSupply,
    /// The kernel says that it does not splice.
    pub splice_refused: bool,
    /// Who looks on.
    pub probe: Option<Probe>,
    /// What goes wrong with the machine.
    pub faults: Faults,
    /// A mistake that somebody must notice.
    pub plant: Option<Plant>,
}

/// Looks at the region whenever the shard calls into the kernel.
pub struct Probe(pub Box<dyn Fn(Call)>);

impl std::fmt::Debug for Probe {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Probe")
    }
}

/// A call that a survivor could find half done.
#[derive(Clone, Copy, Debug)]
pub enum Call {
    /// From a socket into memory.
    Receive(Fd),
    /// From memory to a socket.
    Send,
    /// An end.
    ShutDown(Fd),
    /// From a socket, into the pipe with this read end.
    SpliceIn(Fd, Fd),
    /// To a socket, out of the pipe with this read end.
    SpliceOut(Fd, Fd),
    /// Of a socket or one end of a pipe.
    Close(Fd),
    /// To a server.
    Connect(Fd),
    /// What a socket or a pipe has counted.
    Ask,
    /// What came before has happened, and the caller does not know it yet.
    Done,
}

/// The only listener.
pub const LISTENER: Fd = 3;

/// What clients connect to.
pub const LOCAL: ([u8; 4], u16) = ([192, 0, 2, 100], 8765);

impl MemoryKernel {
    /// One without connections.
    pub fn new() -> Self {
        Self { next_fd: 10, ..Self::default() }
    }

    fn socket(&mut self, fd: Fd) -> &mut Socket {
        let socket = self.sockets.get_mut(&fd).expect("no such socket");
        assert!(socket.closed.is_none(), "{fd} is used after its close");
        socket
    }

    fn create(&mut self, window: usize, peer: SocketAddr) -> Fd {
        let fd = self.next_fd;
        self.next_fd += 1;
        self.sockets.insert(fd, Socket { window, ..Socket::default() });
        self.peers.insert(fd, peer);
        fd
    }

    /// A client connects.
    pub fn client(&mut self, from: SocketAddr, window: usize) -> Fd {
        let fd = self.create(window, from);
        if self.listener_closed {
            self.socket(fd).closed = Some(End::Reset); // refused
            return fd;
        }
        let last = |it: &(Token, i32, bool)| it.0.op == Op::Accept && !it.2;
        match self.accepting {
            Some(token) if token.op == Op::Accept => self.completions.push((token, fd, true)),
            // An accept that is cancelled takes whoever comes before it has ended.
            None if let Some(place) = self.completions.iter().position(last)
                && self.faults.strikes(self.faults.late) =>
            {
                let token = self.completions[place].0;
                self.completions.insert(place, (token, fd, true));
            }
            Some(token) => {
                self.queue.push_back(fd);
                self.completions.push((token, Readiness::IN.0 as i32, true));
            }
            None => self.queue.push_back(fd),
        }
        fd
    }

    /// The peer sends bytes, the first of them as urgent data or not.
    pub fn peer_sends(&mut self, fd: Fd, bytes: &[u8], urgent: bool) {
        let Some(socket) = self.sockets.get_mut(&fd) else { return };
        if socket.peer_fin || socket.peer_reset || socket.closed.is_some() {
            return;
        }
        if urgent {
            socket.urgent = Some(socket.sent_by_peer.len());
        }
        socket.sent_by_peer.extend_from_slice(bytes);
        self.edge(fd);
    }

    /// The peer ends its direction.
    pub fn peer_ends(&mut self, fd: Fd) {
        let Some(socket) = self.sockets.get_mut(&fd) else { return };
        if !socket.peer_reset && !socket.peer_fin && socket.closed.is_none() {
            socket.peer_fin = true;
            self.edge(fd);
        }
    }

    /// The peer breaks the connection.
    pub fn peer_resets(&mut self, fd: Fd) {
        let Some(socket) = self.sockets.get_mut(&fd) else { return };
        if !socket.peer_reset && socket.closed.is_none() {
            socket.peer_reset = true;
            self.edge(fd);
        }
    }

    /// The peer takes up to `most` bytes.
    pub fn peer_takes(&mut self, fd: Fd, most: usize) {
        let Some(socket) = self.sockets.get_mut(&fd) else { return };
        if socket.peer_reset {
            return;
        }
        socket.taken += most.min(socket.written.len() - socket.taken);
        if socket.closed.is_none() && socket.no_space && socket.room() > 0 {
            socket.no_space = false;
            self.edge(fd);
        }
    }

    /// Descriptors are left, or not any more.
    pub fn descriptors(&mut self, left: bool) {
        (self.accept_fails, self.open_fails) = (!left, !left);
    }

    /// The kernel gives every silent connect up.
    pub fn connects_time_out(&mut self) {
        for (_, token) in core::mem::take(&mut self.connects) {
            self.completions.push((token, -Errno::TIMED_OUT.0, false));
        }
    }

    /// One of the completions that wait; those of one operation stay in order.
    pub fn completion(&mut self, pick: usize) -> Option<(Token, i32, bool)> {
        if self.completions.is_empty() {
            return None;
        }
        let token = self.completions[pick % self.completions.len()].0;
        let first = self.completions.iter().position(|(other, ..)| *other == token)?;
        let completion = self.completions.remove(first);
        self.delivered.push((completion.0, completion.1));
        Some(completion)
    }

    /// Whether a completion waits.
    pub fn has_completions(&self) -> bool {
        !self.completions.is_empty()
    }

    /// Clients that wait to be accepted.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    fn tell(&self, call: Call) {
        if let Some(Probe(look)) = &self.probe {
            look(call);
        }
    }

    /// The engine died: nothing is in flight any more, and whatever is not `owned` is closed. Returns the
    /// connections that it had accepted and not looked at, and those `left` by the one before that it had
    /// not come to.
    pub fn engine_is_gone(&mut self, owned: &BTreeSet<Fd>, left: &[Fd]) -> Vec<Fd> {
        self.accepting = None;
        self.connects.clear();
        self.delivered.clear();
        let accepted = |(token, fd, _): &(Token, i32, bool)| {
            (token.op == Op::Accept && *fd > 0 && !owned.contains(fd)).then_some(*fd)
        };
        let mut waiting: Vec<Fd> =
            self.completions.drain(..).filter_map(|it| accepted(&it)).collect();
        let untouched = |fd: &&Fd| {
            let socket = &self.sockets[*fd];
            !owned.contains(*fd) && socket.closed.is_none() && socket.mate.is_none()
        };
        waiting.extend(left.iter().filter(untouched));
        self.sockets.values_mut().for_each(|socket| socket.poll = None);
        let kept = |fd: &Fd| owned.contains(fd) || waiting.contains(fd) || self.queue.contains(fd);
        let open = self.sockets.iter().filter(|(_, socket)| socket.closed.is_none());
        let swept: Vec<Fd> = open.map(|(fd, _)| *fd).filter(|fd| !kept(fd)).collect();
        swept.into_iter().for_each(|fd| self.close(fd));
        for (read, pipe) in &mut self.pipes {
            if !owned.contains(read) {
                pipe.ends = 0;
            }
        }
        waiting
    }

    /// What is to be cancelled has its last result already; `false` if it waits on.
    fn was_done(&mut self, token: Token) -> bool {
        if let Some(place) = self.connects.iter().position(|(_, other)| *other == token) {
            self.connects.remove(place);
            self.completions.push((token, 0, false));
            return true;
        }
        let Some(socket) = self.sockets.values_mut().find(|it| it.poll == Some(token)) else {
            return false;
        };
        socket.poll = None;
        let seen = socket.readiness().0 as i32;
        self.completions.push((token, seen, false));
        true
    }

    /// The kernel ends a poll by itself, as an overflow of the completion queue does.
    pub fn poll_ends(&mut self, fd: Fd) {
        if let Some(token) = self.sockets.get_mut(&fd).and_then(|socket| socket.poll.take()) {
            self.completions.push((token, 0, false));
        }
    }

    fn edge(&mut self, fd: Fd) {
        if self.plant == Some(Plant::LostEdge) && self.completions.len() > 2 {
            return;
        }
        let Some(socket) = self.sockets.get(&fd) else { return };
        if let Some(token) = socket.poll {
            self.completions.push((token, socket.readiness().0 as i32, true));
        }
    }

    /// Writes what there is room for.
    fn give(&mut self, fd: Fd, from: &[Cell<u8>]) -> Result<usize, Errno> {
        self.tell(Call::Send);
        let scarce = self.faults.strikes(self.faults.memory);
        let most = if scarce { 0 } else { self.faults.part_of(from.len()) };
        let socket = self.socket(fd);
        assert!(!socket.shut, "{fd} is written to after its shutdown");
        if socket.peer_reset || most == from.len() {
            return socket.give(from);
        }
        let given = if most == 0 { Err(Errno::AGAIN) } else { socket.give(&from[..most]) };
        // Whoever is refused is told when there is room again.
        socket.no_space = true;
        given
    }

    /// The want of a descriptor, in the process or in the system, or of memory for one.
    fn descriptors_lack(&mut self) -> Option<Errno> {
        let lacks = [Errno::MFILE, Errno::NFILE, Errno(12), Errno(105)];
        self.faults.strikes(self.faults.descriptors).then(|| self.faults.one_of(&lacks))
    }

    /// Judges the FINs sent to sockets whose mate is known by now. A session whose server was reached
    /// at once may send one before anybody could look at it.
    pub fn judge_fins(&mut self) {
        for fd in core::mem::take(&mut self.unjudged) {
            let Some(mate) = self.sockets[&fd].mate else {
                self.unjudged.push(fd);
                continue;
            };
            let (source, socket) = (&self.sockets[&mate], &self.sockets[&fd]);
            assert!(source.peer_fin, "a FIN for {fd} that nobody sent");
            let unread = source.sent_by_peer.len() - source.read;
            assert_eq!(unread, 0, "a FIN before the last byte was read");
            let delivered = socket.stream_out() == source.stream_in();
            assert!(socket.peer_reset || delivered, "a FIN before the last byte");
        }
    }

    /// Whether every FIN was judged.
    pub fn all_judged(&self) -> bool {
        self.unjudged.is_empty()
    }

    fn pipe_at(&mut self, read: Fd) -> &mut PipeModel {
        let pipe = self.pipes.get_mut(&read).expect("no such pipe");
        assert_eq!(pipe.ends, 2, "pipe {read} is used after its close");
        pipe
    }

    /// Pipes with an open end.
    pub fn open_pipes(&self) -> usize {
        self.pipes.values().filter(|pipe| pipe.ends > 0).count()
    }

    /// Whether the pipe with this read end has an open end.
    pub fn is_open(&self, read: Fd) -> bool {
        self.pipes[&read].ends > 0
    }

    /// Pipes with something in them.
    pub fn pipes_in_use(&self) -> usize {
        self.pipes.values().filter(|pipe| pipe.ends > 0 && !pipe.bytes.is_empty()).count()
    }
}
