//! What a survivor finds in the region when an engine is killed in the middle of an operation.
//!
//! Goal: every store that the next engine relies on stands before the call it announces, in a
//! release build as well, where the optimiser drops stores that nobody in the process would read.
//! Method: a child process runs a real shard on real shared memory, plays one session through every
//! kind of operation, copying and splicing, and dies by SIGKILL inside the n-th one, for every n; the
//! parent reads the region. Unsafe: fork and a shared mapping.
//!
//! It has a `main` of its own, because a process that forks must have one thread.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, ftruncate};
use ringbolt_core::adopt::Counts;
use ringbolt_core::kernel::{Errno, Fd, Kernel, NO_FD, Remote, Span};
use ringbolt_core::pipes::Pipe;
use ringbolt_core::proxy_header::{Heading, ProxyHeader};
use ringbolt_core::record::{Flags, Session};
use ringbolt_core::region::{Extent, Part, Region};
use ringbolt_core::session::{DirectionId, Phase};
use ringbolt_core::shard::Shard;
use ringbolt_core::spec::{SendProxy, Splice};
use ringbolt_core::time::Instant;
use ringbolt_core::token::Token;
use ringbolt_sim::ground::{only_place, snapshot, splicing, with_headers};
use ringbolt_sim::heading::{ends, heading};
use ringbolt_sim::kernel::{LISTENER, MemoryKernel};

const CAPACITY: u32 = 4;
const EXTENT: Extent = Extent { workers: 1, capacity: CAPACITY };
/// The client takes this many bytes until it reads, so that the answer has to be spilled.
const CLIENT_WINDOW: usize = 100;
/// What comes before the question, and the client that it names.
const HEADER_BYTES: u8 = 9;
const CLIENT: u8 = 5;
const QUESTION: &[u8] = b"what is your name?";
const ANSWER: [u8; 300] = [7; 300];

fn main() {
    let mut seen = BTreeSet::new();
    for policy in [Splice::Off, Splice::Always] {
        let mut deaths = 0;
        loop {
            let scene = Scene::new();
            let Some(death) = scene.play(policy, deaths) else { break };
            scene.examine(death);
            seen.insert(death.operation);
            deaths += 1;
        }
        println!("survivor: {deaths} deaths examined with splice {policy:?}");
    }
    // With so few places connections are taken by accept4, not by a multishot accept.
    seen.insert(Operation::Accept);
    let missed: Vec<_> = OPERATIONS.iter().filter(|it| !seen.contains(it)).collect();
    assert!(missed.is_empty(), "no kill fell into {missed:?}");
    println!("survivor: 1 passed, 0 failed");
}

/// The operations that a kill can fall into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
enum Operation {
    Accept = 1,
    Connect,
    Poll,
    Cancel,
    Close,
    Open,
    Receive,
    Send,
    ShutDown,
    SpliceIn,
    SpliceOut,
    Other,
}

const OPERATIONS: [Operation; 12] = [
    Operation::Accept,
    Operation::Connect,
    Operation::Poll,
    Operation::Cancel,
    Operation::Close,
    Operation::Open,
    Operation::Receive,
    Operation::Send,
    Operation::ShutDown,
    Operation::SpliceIn,
    Operation::SpliceOut,
    Operation::Other,
];

/// Where a kill fell: the operation and its descriptor.
#[derive(Clone, Copy, Debug)]
struct Death {
    operation: Operation,
    fd: Fd,
}

/// Memory that outlives the child: the region, and after it two words on the death.
struct Scene {
    bytes: *mut u8,
}

impl Scene {
    fn new() -> Self {
        let memory = memfd_create(c"survivor", MFdFlags::empty()).unwrap();
        let length = EXTENT.bytes() + 4096;
        ftruncate(&memory, length as i64).unwrap();
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let size = NonZeroUsize::new(length).unwrap();
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
        let start = unsafe { mmap(None, size, access, MapFlags::MAP_SHARED, &memory, 0) };
        Self { bytes: start.unwrap().as_ptr().cast() }
    }

    fn region(&self) -> &'static mut [u8] {
        // SAFETY: the mapping is that long and never unmapped. Parent and child are processes with a
        // mapping each, and the parent calls this only after the child is dead.
        unsafe { std::slice::from_raw_parts_mut(self.bytes, EXTENT.bytes()) }
    }

    fn words(&self) -> &'static [AtomicU32; 2] {
        // SAFETY: the page after the region belongs to the mapping; the words are aligned.
        unsafe { &*self.bytes.add(EXTENT.bytes()).cast() }
    }

    /// Plays in a child that dies in operation number `death`; `None` when it came to the end.
    fn play(&self, policy: Splice, death: usize) -> Option<Death> {
        // SAFETY: this process has one thread, and the child ends by `exit` or by its death.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                let kernel = MemoryKernel::new();
                let mortal = Mortal { kernel, left: death, words: self.words() };
                perform(self.region(), policy, mortal);
                exit(0);
            }
            ForkResult::Parent { child } => self.death(waitpid(child, None).unwrap()),
        }
    }

    fn death(&self, status: WaitStatus) -> Option<Death> {
        if let WaitStatus::Exited(_, 0) = status {
            return None;
        }
        let killed = matches!(status, WaitStatus::Signaled(_, Signal::SIGKILL, _));
        assert!(killed, "the child ended by {status:?}");
        let [operation, fd] = self.words().each_ref().map(|it| it.load(Ordering::Acquire));
        Some(Death { operation: OPERATIONS[operation as usize - 1], fd: fd as Fd })
    }

    /// What the next engine would rely on.
    fn examine(&self, death: Death) {
        let mut region = Region::open(self.region(), EXTENT).expect("the region is whole");
        let part = Part::view(region.parts.pop().unwrap(), CAPACITY).unwrap();
        for (_, session) in part.live() {
            assert!(session.phase().is_some(), "{death:?}: a phase that is none: {session:?}");
            assert_eq!(session.generation() % 2, 1, "{death:?}: a live record of no life");
        }
        let live: Vec<(u32, &Session)> = part.live().collect();
        let names =
            |fd: Fd| live.iter().any(|(_, session)| session.descriptors().any(|it| it == fd));
        match death.operation {
            // Whatever is done with a session's socket, the record names it by then.
            Operation::Connect
            | Operation::Receive
            | Operation::Send
            | Operation::ShutDown
            | Operation::SpliceIn
            | Operation::SpliceOut => {
                assert!(names(death.fd), "{death:?}: no record names the socket: {live:?}");
            }
            Operation::Poll if death.fd != LISTENER => {
                assert!(names(death.fd), "{death:?}: no record names the socket");
            }
            // Once a close is submitted, the number may be somebody else's.
            Operation::Close => assert!(!names(death.fd), "{death:?}: a record still names it"),
            Operation::Poll
            | Operation::Accept
            | Operation::Cancel
            | Operation::Open
            | Operation::Other => {}
        }
        let side = |session: &Session| usize::from(session.socket(1) == death.fd);
        let session =
            live.iter().find(|(_, session)| session.descriptors().any(|it| it == death.fd));
        match (death.operation, session) {
            (Operation::Receive, Some((slot, session))) => {
                assert_eq!(part.journal.suspect(), Some(*slot), "{death:?}");
                if session.phase() != Some(Phase::Heading) {
                    let id = DirectionId::BOTH[side(session)];
                    let base = session.received[id as usize].get();
                    assert_eq!(part.journal.in_hand(), Some((*slot, id, base)), "{death:?}");
                } else if session.header_read.get() > 0 {
                    // The header may be gone, so what it said is written down.
                    assert_eq!(session.client_port.get(), ends(CLIENT).client.port(), "{death:?}");
                    assert_eq!(spilled(&part, *slot, DirectionId::ToServer), header(), "{death:?}");
                }
            }
            (Operation::Send, Some((slot, session))) => {
                let id = DirectionId::BOTH[1 - side(session)];
                examine_bytes(&part, *slot, session, id, death);
            }
            // A byte can be in the pipe from here on, so the record names it.
            (Operation::SpliceIn, Some((_, session))) => {
                let id = DirectionId::BOTH[side(session)];
                assert!(session.pipe(id).is_some() && session.piped(id) == 0, "{death:?}");
            }
            (Operation::SpliceOut, Some((_, session))) => {
                let id = DirectionId::BOTH[1 - side(session)];
                assert!(session.pipe(id).is_some() && session.piped(id) > 0, "{death:?}");
            }
            (Operation::ShutDown, Some((_, session))) => {
                let id = DirectionId::BOTH[1 - side(session)];
                assert!(session.is(Flags::ENDED, id) && session.is(Flags::SHUT, id), "{death:?}");
            }
            (Operation::Connect, Some((slot, session))) => {
                assert_eq!(session.phase(), Some(Phase::Connecting), "{death:?}");
                assert_eq!(session.attempts.get(), 1, "{death:?}");
                assert_ne!(session.socket(0), NO_FD, "{death:?}");
                assert_eq!(session.header_read.get(), u16::from(HEADER_BYTES), "{death:?}");
                assert_eq!(spilled(&part, *slot, DirectionId::ToServer), header(), "{death:?}");
            }
            _ => {}
        }
    }
}

/// The bytes that a killed send had in its hands are in the region: in the hot buffer while the
/// journal says so, else in the spill block.
fn examine_bytes(part: &Part<'_>, slot: u32, session: &Session, id: DirectionId, death: Death) {
    let sent_by_peer = [QUESTION, &ANSWER][id as usize];
    let received = session.received[id as usize].get() as usize;
    if let Some((in_hand, of, base)) = part.journal.in_hand() {
        assert_eq!((in_hand, of), (slot, id), "{death:?}");
        let block: Vec<u8> = part.hot.iter().map(Cell::get).collect();
        assert!(received > base as usize, "{death:?}: the count of bytes came after the send");
        assert_eq!(block[..received - base as usize], sent_by_peer[base as usize..received]);
    } else {
        let spilled = spilled(part, slot, id);
        assert!(!spilled.is_empty(), "{death:?}: a send of nothing that is written down");
        if id == DirectionId::ToServer && received == 0 {
            assert_eq!(spilled, header(), "{death:?}");
            assert_eq!(usize::from(session.header_sent.get()), spilled.len(), "{death:?}");
        } else {
            let first = received - spilled.len();
            assert_eq!(spilled, sent_by_peer[first..received], "{death:?}");
        }
    }
}

/// What waits in a direction's spill block, or in the place for a header.
fn spilled(part: &Part<'_>, slot: u32, id: DirectionId) -> Vec<u8> {
    let (offset, length) = part.sessions[slot as usize].spill(id);
    let header = part.sessions[slot as usize].is(Flags::HEADER, id);
    let block = if header { part.header(slot) } else { part.spill(slot, id) };
    block[offset..][..length].iter().map(Cell::get).collect()
}

/// What the server gets before the question.
fn header() -> Vec<u8> {
    let header = ProxyHeader::of(SendProxy::V2, ends(CLIENT)).expect("one is sent");
    header.as_bytes().to_vec()
}

/// One session from its accept to its end, with PROXY headers from the client and to the server, and
/// with an answer that has to be spilled.
fn perform(bytes: &'static mut [u8], policy: Splice, mut kernel: Mortal) {
    let place = only_place(bytes, CAPACITY);
    let snapshot = splicing(policy, snapshot(u64::from(CAPACITY)));
    let snapshot = with_headers(&[1], SendProxy::V2, snapshot);
    let now = Instant::from_millis(1);
    let mut shard = Shard::new(place, Arc::new(snapshot), [(LISTENER, 0)], now);
    shard.turn(&mut kernel, now);
    let client = kernel.kernel.client(([198, 51, 100, 1], 9).into(), CLIENT_WINDOW);
    settle(&mut shard, &mut kernel, now);
    kernel.kernel.peer_sends(client, &heading(HEADER_BYTES, CLIENT), false);
    settle(&mut shard, &mut kernel, now);
    let server = client + 1;
    for (fd, mate) in [(client, server), (server, client)] {
        kernel.kernel.sockets.get_mut(&fd).unwrap().mate = Some(mate);
    }
    kernel.kernel.sockets.get_mut(&server).unwrap().preface = header().len();
    kernel.kernel.peer_sends(client, QUESTION, false);
    settle(&mut shard, &mut kernel, now);
    kernel.kernel.peer_sends(server, &ANSWER, false);
    settle(&mut shard, &mut kernel, now);
    for _ in 0..3 {
        kernel.kernel.peer_takes(client, CLIENT_WINDOW);
        settle(&mut shard, &mut kernel, now);
    }
    kernel.kernel.peer_ends(client);
    settle(&mut shard, &mut kernel, now);
    kernel.kernel.peer_ends(server);
    settle(&mut shard, &mut kernel, now);
    assert_eq!(shard.sessions().count(), 0, "the session came to its end");
}

fn settle(shard: &mut Shard<'_>, kernel: &mut Mortal, now: Instant) {
    while let Some((token, result, more)) = kernel.kernel.completion(0) {
        shard.complete(kernel, token, result, more, now);
        shard.turn(kernel, now);
    }
}

/// A kernel under which the process dies at an operation.
struct Mortal {
    kernel: MemoryKernel,
    left: usize,
    words: &'static [AtomicU32; 2],
}

impl Mortal {
    fn step(&mut self, operation: Operation, fd: Fd) {
        if self.left == 0 {
            self.words[0].store(operation as u32, Ordering::Release);
            self.words[1].store(fd as u32, Ordering::Release);
            raise(Signal::SIGKILL).unwrap();
        }
        self.left -= 1;
    }
}

impl Kernel for Mortal {
    fn accept(&mut self, listener: Fd, token: Token) {
        self.step(Operation::Accept, listener);
        self.kernel.accept(listener, token);
    }

    fn connect(&mut self, fd: Fd, to: SocketAddr, token: Token) {
        self.step(Operation::Connect, fd);
        self.kernel.connect(fd, to, token);
    }

    fn poll(&mut self, fd: Fd, token: Token) {
        self.step(Operation::Poll, fd);
        self.kernel.poll(fd, token);
    }

    fn cancel(&mut self, token: Token) {
        self.step(Operation::Cancel, NO_FD);
        self.kernel.cancel(token);
    }

    fn close(&mut self, fd: Fd) {
        self.step(Operation::Close, fd);
        self.kernel.close(fd);
    }

    fn accept_now(&mut self, listener: Fd) -> Result<Fd, Errno> {
        self.step(Operation::Other, listener);
        self.kernel.accept_now(listener)
    }

    fn peer(&mut self, fd: Fd) -> Result<SocketAddr, Errno> {
        self.step(Operation::Other, fd);
        self.kernel.peer(fd)
    }

    fn local(&mut self, fd: Fd) -> Result<SocketAddr, Errno> {
        self.step(Operation::Other, fd);
        self.kernel.local(fd)
    }

    fn heading(&mut self, fd: Fd) -> Result<Heading, Errno> {
        self.step(Operation::Receive, fd);
        self.kernel.heading(fd)
    }

    fn open(
        &mut self,
        to: &Remote,
        from: Option<IpAddr>,
        keepalive: Option<Duration>,
    ) -> Result<Fd, Errno> {
        self.step(Operation::Open, NO_FD);
        self.kernel.open(to, from, keepalive)
    }

    fn connect_now(&mut self, fd: Fd, path: &str) -> Result<(), Errno> {
        self.step(Operation::Connect, fd);
        self.kernel.connect_now(fd, path)
    }

    fn receive(&mut self, fd: Fd, into: &[Cell<u8>]) -> Result<usize, Errno> {
        self.step(Operation::Receive, fd);
        self.kernel.receive(fd, into)
    }

    fn send(&mut self, fd: Fd, from: &[Cell<u8>]) -> Result<usize, Errno> {
        self.step(Operation::Send, fd);
        self.kernel.send(fd, from)
    }

    fn pipe(&mut self) -> Result<(Pipe, usize), Errno> {
        self.step(Operation::Open, NO_FD);
        self.kernel.pipe()
    }

    fn splice_in(&mut self, from: Fd, pipe: Fd, most: usize) -> Result<usize, Errno> {
        self.step(Operation::SpliceIn, from);
        self.kernel.splice_in(from, pipe, most)
    }

    fn splice_out(&mut self, pipe: Fd, to: Fd, most: usize) -> Result<usize, Errno> {
        self.step(Operation::SpliceOut, to);
        self.kernel.splice_out(pipe, to, most)
    }

    fn shut_down(&mut self, fd: Fd) -> Result<(), Errno> {
        self.step(Operation::ShutDown, fd);
        self.kernel.shut_down(fd)
    }

    fn forgive(&mut self, fd: Fd) {
        self.step(Operation::Other, fd);
        self.kernel.forgive(fd);
    }

    fn unacknowledged(&mut self, fd: Fd) -> u32 {
        self.kernel.unacknowledged(fd)
    }

    fn counts(&mut self, fd: Fd) -> Option<Counts> {
        self.kernel.counts(fd)
    }

    fn is_deserted(&mut self, fd: Fd) -> bool {
        self.kernel.is_deserted(fd)
    }

    fn waiting_in(&mut self, pipe: Fd) -> usize {
        self.kernel.waiting_in(pipe)
    }

    fn fin_received(&mut self, fd: Fd) -> bool {
        self.kernel.fin_received(fd)
    }

    fn release(&mut self, block: &[Cell<u8>]) {
        self.step(Operation::Other, NO_FD);
        self.kernel.release(block);
    }

    fn wake(&mut self, worker: usize) {
        self.kernel.wake(worker);
    }

    fn measure(&mut self, what: Span, took: Duration) {
        self.kernel.measure(what, took);
    }
}
