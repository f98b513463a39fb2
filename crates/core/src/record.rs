//! The session region: what must outlive the engine, as integers in memory that somebody else
//! mapped. Not here: where the bytes come from, and what the numbers make a worker do.
//!
//! Records are `Cell` fields behind `&Session`, never `&mut`: through `&mut` the optimiser drops
//! stores that only a survivor would read. Journal words and counters that others read are atomics.
//! A store stands before the call into the kernel whose effect it announces, so a survivor finds
//! everything that could have happened written down; each field says which call that is.
//!
//! ```text
//! header | gauges of servers | per worker: statistics | journal, records, hot buffer, spill blocks
//! ```

use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;
use core::mem::size_of;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use zerocopy::{FromBytes, IntoBytes, KnownLayout};

use crate::kernel::{Fd, NO_FD};
use crate::limits::{BLOCK, SERVERS_MAX, SESSIONS_MAX, WORKERS_MAX};
use crate::session::{DirectionId, Phase};
use crate::stats::{ServerStats, WorkerStats};

const MAGIC: u64 = u64::from_le_bytes(*b"RINGBOLT");

/// The layout of the region. A change of any field's place or meaning raises it.
pub const LAYOUT: u32 = 1;

const PAGE: usize = 4096;

/// What the supervisor wants of the engine; it outlives an engine, so a drain goes on after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve.
    Run,
    /// Take no new sessions; end when the last has ended.
    Drain,
    /// Reset what is left and end.
    Stop,
}

/// The head of the region.
#[derive(FromBytes, IntoBytes, KnownLayout)]
#[repr(C, align(64))]
pub struct Header {
    magic: AtomicU64,
    layout: AtomicU32,
    record_size: AtomicU32,
    workers: AtomicU32,
    capacity: AtomicU32,
    /// Engines that have opened this region.
    epoch: AtomicU64,
    command: AtomicU32,
    _spare: [u32; 7],
    /// Live sessions over all workers; alone on its line, because every worker writes it.
    sessions: AtomicU64,
    _line: [u64; 7],
    /// Workers that wait for the number above to fall, one bit each.
    waiting: [AtomicU64; WORKERS_MAX / 64],
    /// Sessions lost because an engine died.
    lost: AtomicU64,
    _rest: [u64; 3],
}

impl fmt::Debug for Header {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Header").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl Header {
    /// Engines that have opened this region, this one included.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// What the supervisor wants now.
    pub fn command(&self) -> Command {
        match self.command.load(Ordering::Acquire) {
            0 => Command::Run,
            1 => Command::Drain,
            _ => Command::Stop,
        }
    }

    /// Says what the engine shall do. Only the supervisor calls this, and wakes the engine.
    pub fn order(&self, command: Command) {
        self.command.store(command as u32, Ordering::Release);
    }

    /// Live sessions over all workers.
    pub fn sessions(&self) -> u64 {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Takes a place for one more session while there are fewer than `max`.
    pub fn reserve(&self, max: u64) -> bool {
        let taken = self.sessions.fetch_add(1, Ordering::SeqCst);
        if taken >= max {
            self.sessions.fetch_sub(1, Ordering::SeqCst);
        }
        taken < max
    }

    /// Counts a session that was accepted without a reservation.
    pub fn add_session(&self) {
        self.sessions.fetch_add(1, Ordering::SeqCst);
    }

    /// Gives a place back, and calls `wake` for each worker that waits for one.
    pub fn free(&self, mut wake: impl FnMut(usize)) {
        self.sessions.fetch_sub(1, Ordering::SeqCst);
        for (word, bits) in self.waiting.iter().enumerate() {
            if bits.load(Ordering::SeqCst) == 0 {
                continue;
            }
            let mut workers = bits.swap(0, Ordering::SeqCst);
            while workers != 0 {
                wake(word * 64 + workers.trailing_zeros() as usize);
                workers &= workers - 1;
            }
        }
    }

    /// Says that a worker waits for a place. It must look once more after this, since a place may
    /// have been given back before the word was out.
    pub fn wait_for_place(&self, worker: usize) {
        self.waiting[worker / 64].fetch_or(1 << (worker % 64), Ordering::SeqCst);
    }

    /// Sessions that were lost because an engine died.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Counts sessions that ended with a dead engine. Only between two engines.
    pub fn lose(&self, sessions: u64) {
        self.lost.fetch_add(sessions, Ordering::Relaxed);
    }

    /// Sets what depends on the number of live sessions right before an engine begins.
    pub fn begin_epoch(&self, sessions: u64) {
        self.epoch.fetch_add(1, Ordering::Relaxed);
        self.sessions.store(sessions, Ordering::SeqCst);
        self.waiting.iter().for_each(|bits| bits.store(0, Ordering::SeqCst));
    }
}

/// Live sessions of one server, over all workers.
#[derive(Debug, FromBytes, IntoBytes, KnownLayout)]
#[repr(C, align(64))]
pub struct ServerGauge {
    sessions: AtomicU64,
    _rest: [u64; 7],
}

impl ServerGauge {
    /// Live sessions now.
    pub fn sessions(&self) -> u64 {
        self.sessions.load(Ordering::Relaxed)
    }

    /// One more.
    pub fn add(&self) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
    }

    /// One less.
    pub fn subtract(&self) {
        self.sessions.fetch_sub(1, Ordering::Relaxed);
    }

    /// None; only between two engines.
    pub fn clear(&self) {
        self.sessions.store(0, Ordering::Relaxed);
    }
}

/// A worker's journal: which bytes are in its hands right now.
///
/// Order in the copy path: journal with base, receive, send, the rest to the spill (bytes, then
/// offset and length), journal cleared. So after a kill at any point a survivor knows which session
/// may have bytes in the hot buffer, and of which direction.
#[derive(Debug, FromBytes, IntoBytes, KnownLayout)]
#[repr(C, align(64))]
pub struct Journal {
    in_hand: AtomicU64,
    base: AtomicU64,
    /// Slots below this have been used; a survivor looks at no others.
    used: AtomicU32,
    _pad: u32,
    _rest: [u64; 5],
}

const IN_HAND: u64 = 1 << 63;

impl Journal {
    /// Before a receive into the hot buffer: whose bytes will be in it, and how many bytes of that
    /// direction were read before them.
    pub fn take_in_hand(&self, slot: u32, direction: DirectionId, base: u64) {
        self.base.store(base, Ordering::Relaxed);
        let word = IN_HAND | (direction as u64) << 32 | u64::from(slot);
        // Release: a survivor that sees this word sees the base as well.
        self.in_hand.store(word, Ordering::Release);
    }

    /// After the bytes have been sent or spilled and that is written down.
    pub fn clear(&self) {
        self.in_hand.store(0, Ordering::Release);
    }

    /// Slot, direction and base of what is in hand.
    pub fn in_hand(&self) -> Option<(u32, DirectionId, u64)> {
        let word = self.in_hand.load(Ordering::Acquire);
        let direction =
            if word >> 32 & 1 == 0 { DirectionId::ToServer } else { DirectionId::ToClient };
        (word & IN_HAND != 0).then(|| (word as u32, direction, self.base.load(Ordering::Relaxed)))
    }

    /// Slots below this have been used.
    pub fn used(&self) -> u32 {
        self.used.load(Ordering::Acquire)
    }

    /// Before a record at or above the old mark is written.
    pub fn set_used(&self, used: u32) {
        self.used.store(used, Ordering::Release);
    }
}

/// One session. 128 bytes; directions and sides are indexed client first.
#[derive(FromBytes, IntoBytes, KnownLayout)]
#[repr(C, align(64))]
pub struct Session {
    generation: Cell<u32>,
    /// Written last when a session is opened and first when it is released, so that a record whose
    /// phase is not free is whole.
    ///
    /// An atomic like `spills`: the order of plain stores among themselves is the compiler's.
    phase: AtomicU32,
    /// Written before the first operation on a socket, taken out before its close is submitted: a
    /// number in a live record is this session's socket and nobody else's.
    sockets: [Cell<Fd>; 2],
    /// Read and write end of each direction's pipe, written before the first splice.
    pub pipes: [[Cell<Fd>; 2]; 2],
    /// Where the client is, as IPv6; v4-mapped when it is IPv4.
    pub client_addr: Cell<[u8; 16]>,
    /// Its port.
    pub client_port: Cell<u16>,
    /// Index of the listener it came by.
    pub listener: Cell<u16>,
    /// Index of the pool.
    pub pool: Cell<u16>,
    /// Index of the server within the pool.
    pub server: Cell<u16>,
    /// The server's gauge and statistics.
    pub gauge: Cell<u16>,
    /// Connect attempts begun; written before the connect is submitted.
    pub attempts: Cell<u8>,
    /// Leading bits of `client_addr` that make the key, so that it can be told after a reload.
    pub key_prefix: Cell<u8>,
    /// What has happened; see [`Flags`]. Written before the shutdown, and after the receive or send,
    /// that each bit speaks of.
    flags: Cell<u32>,
    /// The error taken from each side's socket; 0: none. Written before anything else is done with
    /// the session, because the socket will not tell twice.
    pub errors: [Cell<u16>; 2],
    /// Bytes of a PROXY header taken off the client's stream.
    pub header_read: Cell<u16>,
    /// Bytes of a PROXY header put before the server's stream.
    pub header_sent: Cell<u16>,
    /// When it was accepted, in nanoseconds.
    pub accepted_at: Cell<u64>,
    /// When the last byte moved, in nanoseconds.
    pub active_at: Cell<u64>,
    /// Bytes received of each direction; written after the receive.
    pub received: [Cell<u64>; 2],
    /// Offset and length (16 bits each) of what waits in each direction's spill block. Written after
    /// the bytes are in the block, and after each send from it: it may lag, never lead.
    spills: [AtomicU32; 2],
    _spare: [u64; 2],
}

const _: () = assert!(size_of::<Session>() == 128, "two cache lines");

impl fmt::Debug for Session {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Session")
            .field("generation", &self.generation)
            .field("phase", &self.phase())
            .field("sockets", &self.sockets)
            .field("flags", &self.flags)
            .field("received", &self.received)
            .field("spills", &self.spills)
            .finish_non_exhaustive()
    }
}

/// Facts about a session, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    /// The peer's FIN was read and all before it; one bit a direction, shifted by its index.
    pub const ENDED: Self = Self(1);
    /// The source of the direction is broken and all it had was read.
    pub const BROKEN: Self = Self(1 << 2);
    /// FIN was sent to the sink of the direction.
    pub const SHUT: Self = Self(1 << 4);
    /// The sink of the direction takes no more bytes.
    pub const FAILED: Self = Self(1 << 6);
    /// The client's side is MPTCP.
    pub const MPTCP: Self = Self(1 << 16);

    fn of(self, direction: DirectionId) -> u32 {
        self.0 << direction as u32
    }
}

impl Session {
    /// How often this slot has been given out; odd while it is.
    pub fn generation(&self) -> u32 {
        self.generation.get()
    }

    /// The phase; `None` when the number is no phase, which only a survivor can see.
    pub fn phase(&self) -> Option<Phase> {
        Phase::from_number(self.phase.load(Ordering::Acquire))
    }

    /// Enters a phase.
    pub fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u32, Ordering::Release);
    }

    /// The descriptor of the client's (0) or the server's (1) socket.
    pub fn socket(&self, side: usize) -> Fd {
        self.sockets[side].get()
    }

    /// Names or un-names a socket.
    pub fn set_socket(&self, side: usize, fd: Fd) {
        self.sockets[side].set(fd);
    }

    /// Whether a fact is written down for a direction.
    pub fn is(&self, flag: Flags, direction: DirectionId) -> bool {
        self.flags.get() & flag.of(direction) != 0
    }

    /// Writes a fact down for a direction.
    pub fn mark(&self, flag: Flags, direction: DirectionId) {
        self.flags.set(self.flags.get() | flag.of(direction));
    }

    /// Offset and length of what waits in a direction's spill block.
    pub fn spill(&self, direction: DirectionId) -> (usize, usize) {
        let word = self.spills[direction as usize].load(Ordering::Acquire);
        ((word & 0xffff) as usize, (word >> 16) as usize)
    }

    /// Writes down what waits in a direction's spill block.
    pub fn set_spill(&self, direction: DirectionId, offset: usize, length: usize) {
        debug_assert!(offset + length <= BLOCK);
        let word = offset as u32 | (length as u32) << 16;
        self.spills[direction as usize].store(word, Ordering::Release);
    }

    /// Begins a new life of the slot with everything else at rest. The phase stays free.
    pub fn begin(&self) {
        self.generation.set(self.generation.get().wrapping_add(1) | 1);
        self.sockets.iter().for_each(|socket| socket.set(NO_FD));
        self.pipes.iter().flatten().for_each(|pipe| pipe.set(NO_FD));
        self.attempts.set(0);
        self.flags.set(0);
        self.errors.iter().for_each(|errno| errno.set(0));
        self.header_read.set(0);
        self.header_sent.set(0);
        self.received.iter().for_each(|bytes| bytes.set(0));
        self.spills.iter().for_each(|spill| spill.store(0, Ordering::Relaxed));
    }

    /// Ends the slot's life: no completion that carries the old generation is believed any more.
    pub fn end(&self) {
        self.set_phase(Phase::Free);
        self.generation.set(self.generation.get().wrapping_add(1));
    }

    /// Every descriptor the record names.
    pub fn descriptors(&self) -> impl Iterator<Item = Fd> + '_ {
        let pipes = self.pipes.iter().flatten();
        self.sockets.iter().chain(pipes).map(Cell::get).filter(|fd| *fd != NO_FD)
    }
}

/// What one worker works on; moves into its thread as bytes and is viewed there.
#[derive(Debug)]
pub struct Part<'r> {
    /// What is in hand.
    pub journal: &'r Journal,
    /// The records, one a slot.
    pub sessions: &'r [Session],
    /// The buffer of copied reads, one block.
    pub hot: &'r [Cell<u8>],
    /// Two blocks a slot.
    spills: &'r [Cell<u8>],
}

impl<'r> Part<'r> {
    /// Views the bytes of one of [`Region::parts`], which has room for `capacity` sessions.
    pub fn view(bytes: &'r mut [u8], capacity: u32) -> Result<Self, Refused> {
        let capacity = capacity as usize;
        if bytes.len() < (Extent { workers: 1, capacity: capacity as u32 }).part() {
            return Err(Refused::TooSmall);
        }
        let (head, rest) = bytes.split_at_mut(PAGE);
        let (records, rest) = rest.split_at_mut(page_align(capacity * size_of::<Session>()));
        let (hot, spills) = rest.split_at_mut(BLOCK);
        let (journal, _) = Journal::mut_from_prefix(head).map_err(|_| Refused::TooSmall)?;
        let (sessions, _) = <[Session]>::mut_from_prefix_with_elems(records, capacity)
            .map_err(|_| Refused::TooSmall)?;
        Ok(Self {
            journal,
            sessions,
            hot: Cell::from_mut(hot).as_slice_of_cells(),
            spills: Cell::from_mut(spills).as_slice_of_cells(),
        })
    }

    /// The spill block of a direction of a slot.
    pub fn spill(&self, slot: u32, direction: DirectionId) -> &'r [Cell<u8>] {
        let block = slot as usize * 2 + direction as usize;
        &self.spills[block * BLOCK..][..BLOCK]
    }

    /// The records that are in use, with their slots.
    pub fn live(&self) -> impl Iterator<Item = (u32, &'r Session)> + '_ {
        let used = self.journal.used().min(self.sessions.len() as u32);
        (0..used)
            .map(|slot| (slot, &self.sessions[slot as usize]))
            .filter(|(_, session)| session.phase() != Some(Phase::Free))
    }
}

/// Why a region cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Fewer bytes than the layout needs, or not aligned.
    TooSmall,
    /// It is not a session region.
    Magic,
    /// It was written by a version with another layout.
    Layout(u32),
    /// It was made for another number of workers or sessions.
    Size,
}

/// How large a region is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Workers, at least 1.
    pub workers: usize,
    /// Sessions of each worker.
    pub capacity: u32,
}

impl Extent {
    /// Bytes of the whole region. Nearly all are holes until they are used.
    pub fn bytes(self) -> usize {
        HEAD + GAUGES + self.workers * (STATS + self.part())
    }

    fn part(self) -> usize {
        PAGE + page_align(self.capacity as usize * size_of::<Session>())
            + BLOCK
            + self.capacity as usize * 2 * BLOCK
    }
}

/// The region, taken apart.
#[derive(Debug)]
pub struct Region<'r> {
    /// The head.
    pub header: &'r Header,
    /// Live sessions of each server.
    pub gauges: &'r [ServerGauge],
    /// What each worker has counted.
    pub stats: Vec<Counted<'r>>,
    /// Each worker's own bytes.
    pub parts: Vec<&'r mut [u8]>,
}

/// What one worker has counted; it alone writes there.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'r> {
    /// In all.
    pub worker: &'r WorkerStats,
    /// By server, at the index of its gauge.
    pub servers: &'r [ServerStats],
}

impl<'r> Region<'r> {
    /// Makes a region of bytes that are all zero.
    pub fn format(bytes: &'r mut [u8], extent: Extent) -> Result<Self, Refused> {
        let region = Self::split(bytes, extent)?;
        let head = region.header;
        head.layout.store(LAYOUT, Ordering::Relaxed);
        head.record_size.store(size_of::<Session>() as u32, Ordering::Relaxed);
        head.workers.store(extent.workers as u32, Ordering::Relaxed);
        head.capacity.store(extent.capacity, Ordering::Relaxed);
        head.magic.store(MAGIC, Ordering::Release);
        Ok(region)
    }

    /// Opens a region that was formatted before, perhaps by another version.
    pub fn open(bytes: &'r mut [u8], extent: Extent) -> Result<Self, Refused> {
        let region = Self::split(bytes, extent)?;
        let head = region.header;
        let record_size = head.record_size.load(Ordering::Relaxed) as usize;
        let workers = head.workers.load(Ordering::Relaxed) as usize;
        if head.magic.load(Ordering::Acquire) != MAGIC {
            return Err(Refused::Magic);
        }
        match head.layout.load(Ordering::Relaxed) {
            LAYOUT if record_size == size_of::<Session>() => {}
            other => return Err(Refused::Layout(other)),
        }
        if workers != extent.workers || head.capacity.load(Ordering::Relaxed) != extent.capacity {
            return Err(Refused::Size);
        }
        Ok(region)
    }

    fn split(bytes: &'r mut [u8], extent: Extent) -> Result<Self, Refused> {
        let within = extent.workers > 0 && extent.capacity <= SESSIONS_MAX;
        if !within || bytes.len() < extent.bytes() {
            return Err(Refused::TooSmall);
        }
        let (head, rest) = bytes.split_at_mut(HEAD);
        let (header, _) = Header::mut_from_prefix(head).map_err(|_| Refused::TooSmall)?;
        let (gauges, mut rest) = rest.split_at_mut(GAUGES);
        let gauges = <[ServerGauge]>::mut_from_bytes(gauges).map_err(|_| Refused::TooSmall)?;
        let mut stats = Vec::with_capacity(extent.workers);
        let mut parts = Vec::with_capacity(extent.workers);
        for _ in 0..extent.workers {
            let (counted, after) = rest.split_at_mut(STATS);
            let (worker, servers) = counted.split_at_mut(PAGE);
            let (worker, _) =
                WorkerStats::mut_from_prefix(worker).map_err(|_| Refused::TooSmall)?;
            let servers =
                <[ServerStats]>::mut_from_bytes(servers).map_err(|_| Refused::TooSmall)?;
            stats.push(Counted { worker, servers });
            let (part, after) = after.split_at_mut(extent.part());
            parts.push(part);
            rest = after;
        }
        Ok(Self { header, gauges, stats, parts })
    }
}

const HEAD: usize = PAGE;
const GAUGES: usize = SERVERS_MAX * size_of::<ServerGauge>();
const STATS: usize = PAGE + SERVERS_MAX * size_of::<ServerStats>();

const _: () = assert!(size_of::<Header>() <= HEAD && size_of::<WorkerStats>() <= PAGE);
const _: () = assert!(BLOCK.is_multiple_of(PAGE), "a spill block is whole pages, to punch holes");

fn page_align(bytes: usize) -> usize {
    bytes.next_multiple_of(PAGE)
}
