//! Sockets in memory: the smallest kernel that a shard can be run against, with peers that a test
//! plays. It keeps the rules that matter (edges, errors delivered once, unread bytes that outlive a
//! reset, resets that destroy what is queued) and judges at each call whether a promise is broken.
//!
//! A machine's [`Faults`] are off unless somebody switches them on.

mod faults;
mod socket;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ringbolt_core::adopt::Counts;
use ringbolt_core::kernel::{Errno, Fd, Kernel, Readiness, Remote, Span};
use ringbolt_core::limits::PIPE_BYTES;
use ringbolt_core::pipes::Pipe;
use ringbolt_core::proxy_header::Heading;
use ringbolt_core::token::{Op, Token};

pub use faults::Faults;
pub use socket::Socket;

use crate::heading;
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

    /// The limit of every silent connect passes.
    pub fn connects_time_out(&mut self) {
        for (_, token) in core::mem::take(&mut self.connects) {
            self.completions.push((token.with(Op::ConnectTimeout), -62, false));
            self.completions.push((token, -Errno::CANCELED.0, false));
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
    /// connections that it had accepted and not looked at.
    pub fn engine_is_gone(&mut self, owned: &BTreeSet<Fd>) -> Vec<Fd> {
        self.accepting = None;
        self.connects.clear();
        self.delivered.clear();
        let accepted = |(token, fd, _): &(Token, i32, bool)| {
            (token.op == Op::Accept && *fd > 0 && !owned.contains(fd)).then_some(*fd)
        };
        let waiting: Vec<Fd> = self.completions.drain(..).filter_map(|it| accepted(&it)).collect();
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
            self.completions.push((token.with(Op::ConnectTimeout), -Errno::CANCELED.0, false));
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

impl Kernel for MemoryKernel {
    fn accept(&mut self, listener: Fd, token: Token) {
        assert_eq!(listener, LISTENER);
        assert!(self.accepting.replace(token).is_none(), "two accepts at once");
        while let Some(fd) = self.queue.pop_front() {
            self.completions.push((token, fd, true));
        }
    }

    fn connect(&mut self, fd: Fd, to: SocketAddr, _timeout: Duration, token: Token) {
        self.tell(Call::Connect(fd));
        let limit = token.with(Op::ConnectTimeout);
        let result = if self.sockets[&fd].from.is_some_and(|from| self.exhausted.contains(&from)) {
            -Errno::ADDR_NOT_AVAILABLE.0
        } else {
            match self.answers.get(&to).copied().unwrap_or(Answer::Accepts) {
                Answer::Accepts => 0,
                Answer::Refuses => -Errno::CONNECTION_REFUSED.0,
                Answer::IsSilent => return self.connects.push((fd, token)),
            }
        };
        self.completions.push((token, result, false));
        self.completions.push((limit, -Errno::CANCELED.0, false));
    }

    fn poll(&mut self, fd: Fd, token: Token) {
        if fd == LISTENER {
            assert!(self.accepting.replace(token).is_none(), "two polls at once");
            if !self.queue.is_empty() {
                self.completions.push((token, Readiness::IN.0 as i32, true));
            }
            return;
        }
        assert!(self.socket(fd).poll.replace(token).is_none(), "two polls on {fd}");
        self.edge(fd);
    }

    fn cancel(&mut self, token: Token) {
        self.cancels += 1;
        if self.faults.strikes(self.faults.late) && self.was_done(token) {
            self.completions.push((token.with(Op::Silent), -2, false));
            return;
        }
        let ended = if self.accepting == Some(token) {
            self.accepting = None;
            true
        } else if let Some(place) = self.connects.iter().position(|(_, other)| *other == token) {
            self.connects.remove(place);
            let limit = token.with(Op::ConnectTimeout);
            self.completions.push((limit, -Errno::CANCELED.0, false));
            true
        } else {
            let polled = self.sockets.values_mut().find(|socket| socket.poll == Some(token));
            polled.is_some_and(|socket| socket.poll.take().is_some())
        };
        if ended {
            self.completions.push((token, -Errno::CANCELED.0, false));
        } else {
            self.completions.push((token.with(Op::Silent), -2, false));
        }
    }

    fn close(&mut self, fd: Fd) {
        if fd == LISTENER {
            assert!(self.accepting.is_none(), "closed while an accept is in flight");
            self.listener_closed = true;
            for waiting in self.queue.split_off(0) {
                self.sockets.get_mut(&waiting).expect("it waits").closed = Some(End::Reset);
            }
            return;
        }
        self.tell(Call::Close(fd));
        if let Some(pipe) = self.pipes.get_mut(&(fd & !1)).filter(|pipe| pipe.ends > 0) {
            pipe.ends -= 1;
            return;
        }
        let socket = self.socket(fd);
        assert!(socket.poll.is_none(), "{fd} is closed while its poll is in flight");
        let clean = (socket.forgiven || socket.unix) && socket.read == socket.sent_by_peer.len();
        socket.closed = Some(if clean { End::Fin } else { End::Reset });
        if !clean && !socket.unix {
            // A reset destroys what the peer's kernel has not acknowledged.
            socket.written.truncate(socket.taken);
        }
    }

    fn accept_now(&mut self, _listener: Fd) -> Result<Fd, Errno> {
        if self.accept_fails && !self.queue.is_empty() {
            return Err(Errno::MFILE);
        }
        if !self.queue.is_empty()
            && let Some(lack) = self.descriptors_lack()
        {
            return Err(lack);
        }
        self.queue.pop_front().ok_or(Errno::AGAIN)
    }

    fn peer(&mut self, fd: Fd) -> Result<SocketAddr, Errno> {
        if self.socket(fd).peer_reset {
            return Err(Errno(107));
        }
        Ok(self.peers[&fd])
    }

    fn local(&mut self, fd: Fd) -> Result<SocketAddr, Errno> {
        self.socket(fd);
        Ok(LOCAL.into())
    }

    fn heading(&mut self, fd: Fd) -> Result<Heading, Errno> {
        self.tell(Call::Receive(fd));
        let socket = self.socket(fd);
        let unread = &socket.sent_by_peer[socket.read..];
        if unread.is_empty() && socket.peer_reset && !socket.peer_fin && !socket.error_taken {
            socket.error_taken = true;
            return Err(Errno::CONNECTION_RESET);
        }
        let found = heading::parse(unread);
        if let Heading::Whole { length, .. } = found {
            socket.heading = length;
        }
        Ok(found)
    }

    fn open(
        &mut self,
        to: &Remote,
        from: Option<IpAddr>,
        _keepalive: Option<Duration>,
    ) -> Result<Fd, Errno> {
        if self.open_fails {
            return Err(Errno::MFILE);
        }
        if let Some(lack) = self.descriptors_lack() {
            return Err(lack);
        }
        if from.is_some_and(|from| self.unknown.contains(&from)) {
            return Err(Errno::ADDR_NOT_AVAILABLE);
        }
        // Some servers take more in one go than a turn may move.
        let window = if self.next_fd % 3 == 0 { 1 << 20 } else { 40_000 };
        let fd = self.create(self.server_window.unwrap_or(window), address(to));
        let socket = self.socket(fd);
        (socket.unix, socket.from) = (matches!(to, Remote::Unix(_)), from);
        socket.active = true;
        Ok(fd)
    }

    fn connect_now(&mut self, fd: Fd, path: &str) -> Result<(), Errno> {
        self.tell(Call::Connect(fd));
        assert!(self.socket(fd).unix, "{fd} is no UNIX socket");
        let to = address(&Remote::Unix(path.into()));
        match self.answers.get(&to).copied().unwrap_or(Answer::Accepts) {
            Answer::Accepts => Ok(()),
            Answer::Refuses => Err(Errno::CONNECTION_REFUSED),
            Answer::IsSilent => Err(Errno::AGAIN),
        }
    }

    fn receive(&mut self, fd: Fd, into: &[Cell<u8>]) -> Result<usize, Errno> {
        self.tell(Call::Receive(fd));
        // Of what a look has found nothing is missing.
        let seen = self.socket(fd).read < self.socket(fd).heading;
        let most = if seen { into.len() } else { self.faults.part_of(into.len()) };
        let taken = self.socket(fd).take(&into[..most]);
        self.tell(Call::Done);
        match (taken, self.plant) {
            (Err(Errno::AGAIN), Some(Plant::FalseEnd)) => Ok(0),
            (Ok(bytes @ 2..), Some(Plant::LostByte)) => Ok(bytes - 1),
            (taken, _) => taken,
        }
    }

    fn send(&mut self, fd: Fd, from: &[Cell<u8>]) -> Result<usize, Errno> {
        let sent = self.give(fd, from);
        self.tell(Call::Done);
        sent
    }

    fn pipe(&mut self) -> Result<(Pipe, usize), Errno> {
        if let PipeSupply::AtMost(most) = self.supply
            && self.open_pipes() >= most
        {
            return Err(Errno::MFILE);
        }
        if let Some(lack) = self.descriptors_lack() {
            return Err(lack);
        }
        // An even number, so that both ends lead to the pipe.
        let read = self.next_fd + self.next_fd % 2;
        self.next_fd = read + 2;
        self.pipes.insert(read, PipeModel { ends: 2, ..PipeModel::default() });
        let size = if self.supply == PipeSupply::Small { 8 * 1024 } else { PIPE_BYTES };
        Ok((Pipe { read, write: read + 1 }, size))
    }

    fn splice_in(&mut self, from: Fd, pipe: Fd, most: usize) -> Result<usize, Errno> {
        self.tell(Call::SpliceIn(from, pipe - 1));
        if self.splice_refused {
            return Err(Errno(22));
        }
        assert!(self.pipe_at(pipe - 1).bytes.is_empty(), "a pipe with residue is filled");
        // It stops at an urgent mark and, other than a read, never passes it.
        let socket = self.socket(from);
        if socket.urgent == Some(socket.read) && !socket.unix {
            return if socket.peer_fin { Ok(0) } else { Err(Errno::AGAIN) };
        }
        let unread = socket.sent_by_peer.len() - socket.read;
        let room = self.faults.slots_for(most.min(PIPE_FULL).min(unread));
        let buffer = vec![Cell::new(0); self.faults.part_of(room)];
        let bytes = self.socket(from).take(&buffer)?;
        let spliced = buffer[..bytes].iter().map(Cell::get);
        self.pipe_at(pipe - 1).bytes.extend(spliced);
        self.tell(Call::Done);
        Ok(bytes)
    }

    fn splice_out(&mut self, pipe: Fd, to: Fd, most: usize) -> Result<usize, Errno> {
        self.tell(Call::SpliceOut(to, pipe));
        let waiting = most.min(self.pipe_at(pipe).bytes.len());
        assert!(waiting > 0, "nothing is in the pipe");
        // Now and then it takes less than there is room for, which does not mean that there is none.
        let part = self.faults.part_of(if waiting > 30_000 { waiting / 2 } else { waiting });
        let bytes: Vec<Cell<u8>> =
            self.pipe_at(pipe).bytes.iter().take(part).copied().map(Cell::new).collect();
        let sent = self.give(to, &bytes)?;
        self.pipe_at(pipe).bytes.drain(..sent);
        self.tell(Call::Done);
        Ok(sent)
    }

    fn shut_down(&mut self, fd: Fd) -> Result<(), Errno> {
        self.tell(Call::ShutDown(fd));
        self.unjudged.push(fd);
        self.judge_fins();
        let socket = self.socket(fd);
        assert!(!socket.shut || socket.unix, "two FINs");
        if socket.peer_reset && !socket.unix {
            return Err(Errno(107));
        }
        socket.shut = true;
        self.tell(Call::Done);
        Ok(())
    }

    fn forgive(&mut self, fd: Fd) {
        let socket = self.socket(fd);
        assert!(socket.shut && socket.peer_fin, "{fd} would be closed cleanly before both ended");
        socket.forgiven = true;
    }

    fn unacknowledged(&mut self, fd: Fd) -> u32 {
        let socket = self.socket(fd);
        (socket.written.len() - socket.taken) as u32
    }

    fn counts(&mut self, fd: Fd) -> Option<Counts> {
        let socket = self.sockets.get(&fd).filter(|socket| !socket.unix)?;
        Some(socket.counts())
    }

    fn waiting_in(&mut self, pipe: Fd) -> usize {
        self.pipe_at(pipe).bytes.len()
    }

    fn fin_received(&mut self, fd: Fd) -> bool {
        self.socket(fd).peer_fin
    }

    fn release(&mut self, block: &[Cell<u8>]) {
        block.iter().for_each(|byte| byte.set(0));
    }

    fn wake(&mut self, worker: usize) {
        self.wakes.push(worker);
    }

    fn measure(&mut self, what: Span, took: Duration) {
        self.measured.push((what, took));
    }
}

/// A server on a UNIX socket answers as the one whose port its path is.
fn address(remote: &Remote) -> SocketAddr {
    match remote {
        Remote::Inet(addr) => *addr,
        Remote::Unix(path) => ([192, 0, 2, 1], path[1..].parse().expect("a port")).into(),
    }
}
