//! What must outlive the engine of one session and of one worker's hands: the record and the
//! journal. Where they lie is `region`'s business.
//!
//! Records are `Cell` fields behind `&Session`, never `&mut`: through `&mut` the optimiser drops
//! stores that only a survivor would read. Journal words are atomics.
//! A store stands before the call into the kernel whose effect it announces, so a survivor finds
//! everything that could have happened written down; each field says which call that is.

use core::cell::Cell;
use core::fmt;
use core::mem::size_of;
use core::net::IpAddr;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use zerocopy::{FromBytes, IntoBytes, KnownLayout};

use crate::kernel::{Fd, NO_FD};
use crate::limits::BLOCK;
use crate::pipes::Pipe;
use crate::session::{DirectionId, Phase};

/// A worker's journal: whose turn it is, and which bytes are in its hands right now.
///
/// Order in the copy path: journal with base, receive, send, the rest to the spill (bytes, then
/// offset and length), journal without bytes. So after a kill at any point a survivor knows which
/// session may have bytes in the hot buffer, and of which direction; and after a crash, over which
/// session it was.
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
const LOOKED_AT: u64 = 1 << 62;

impl Journal {
    /// Before a receive into the hot buffer: whose bytes will be in it, and how many bytes of that
    /// direction were read before them.
    pub fn take_in_hand(&self, slot: u32, direction: DirectionId, base: u64) {
        // Release, here too: not before the word that ended the turn with the bytes before.
        self.base.store(base, Ordering::Release);
        let word = IN_HAND | (direction as u64) << 32 | u64::from(slot);
        // Release: a survivor that sees this word sees the base as well.
        self.in_hand.store(word, Ordering::Release);
    }

    /// Before anything is done with a session that might end this engine, and after bytes of it were in
    /// hand and have been sent or spilled and that is written down.
    pub fn look_at(&self, slot: u32) {
        self.in_hand.store(LOOKED_AT | u64::from(slot), Ordering::Release);
    }

    /// The slot of the session that was at work on.
    pub fn suspect(&self) -> Option<u32> {
        let word = self.in_hand.load(Ordering::Acquire);
        (word & (IN_HAND | LOOKED_AT) != 0).then_some(word as u32)
    }

    /// After that: nobody's turn.
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
    /// Read and write end of each direction's pipe, written before the first splice and taken out
    /// before it is lent to another or its close is submitted. The read end is written last and taken
    /// out first, so a pipe that is named is named whole.
    pipes: [[AtomicI32; 2]; 2],
    /// Where the client is, as IPv6; v4-mapped when it is IPv4. [`Session::client`] tells those from clients
    /// that came with a v4-mapped address.
    pub client_addr: Cell<[u8; 16]>,
    /// Its port.
    pub client_port: Cell<u16>,
    /// Place of the listener it came by.
    pub listener: Cell<u16>,
    /// Place of the pool.
    pub pool: Cell<u16>,
    /// Place of the server.
    pub server: Cell<u16>,
    /// Place of the source that its server's side is bound to, and 1; 0: none.
    source: Cell<u16>,
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
    /// Bytes of a PROXY header taken off the client's stream; written, with the client that the header
    /// names, before they are taken, so the kernel's count says whether they were.
    pub header_read: Cell<u16>,
    /// Bytes of a PROXY header put before the server's stream; written before they wait in their
    /// place, and so before the connect.
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
    /// Bytes in each direction's pipe; written after each splice. A survivor asks the pipe.
    piped: [Cell<u32>; 2],
    /// Where its key is counted, and 1; 0: nowhere. Written when the count is, and by whoever counts anew.
    key_place: Cell<u32>,
    _spare: u32,
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
    /// What waits for the sink of the direction is a PROXY header, in the slot's place for one and not in
    /// the spill block. Only towards a server.
    pub const HEADER: Self = Self(1 << 8);
    /// The client's side is MPTCP.
    pub const MPTCP: Self = Self(1 << 16);
    /// The server's side is a UNIX socket, of which the kernel keeps no counts.
    pub const UNIX: Self = Self(1 << 17);
    /// It has a place in its server's gauge.
    pub const AT_SERVER: Self = Self(1 << 18);
    /// It is counted among its key's sessions.
    pub const KEYED: Self = Self(1 << 19);
    /// A spill block of its has memory. Written before bytes are put there, and after the memory was given
    /// back.
    pub const SPILLED: Self = Self(1 << 21);
    /// The client's address came as v4-mapped IPv6, which the mappings of other products tell from IPv4.
    pub const MAPPED: Self = Self(1 << 20);

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

    /// The client's address as it came.
    pub fn client(&self) -> IpAddr {
        let addr = IpAddr::from(self.client_addr.get());
        if self.has(Flags::MAPPED) { addr } else { addr.to_canonical() }
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

    /// Takes a fact back.
    pub fn unmark(&self, flag: Flags, direction: DirectionId) {
        self.flags.set(self.flags.get() & !flag.of(direction));
    }

    /// Whether a fact about the whole session is written down.
    pub fn has(&self, flag: Flags) -> bool {
        self.flags.get() & flag.0 != 0
    }

    /// Whether the server's side is a UNIX socket.
    pub fn is_unix(&self) -> bool {
        self.has(Flags::UNIX)
    }

    /// Writes down whether a fact about the whole session is so. Of [`Flags::UNIX`]: before the socket
    /// is named. Of what is counted in the region: before it is counted, and after it was given back.
    pub fn note(&self, flag: Flags, is_so: bool) {
        let others = self.flags.get() & !flag.0;
        self.flags.set(if is_so { others | flag.0 } else { others });
    }

    /// Place of the source that the server's side is bound to.
    pub fn source(&self) -> Option<u16> {
        self.source.get().checked_sub(1)
    }

    /// Writes down where the server's side is bound.
    pub fn set_source(&self, place: Option<u16>) {
        self.source.set(place.map_or(0, |place| place + 1));
    }

    /// Where its key is counted.
    pub fn key_place(&self) -> Option<u32> {
        self.key_place.get().checked_sub(1)
    }

    /// Writes down where its key is counted.
    pub fn set_key_place(&self, place: Option<u32>) {
        self.key_place.set(place.map_or(0, |place| place + 1));
    }

    /// Offset and length of what waits in a direction's spill block, or in the place for a PROXY header.
    pub fn spill(&self, direction: DirectionId) -> (usize, usize) {
        let word = self.spills[direction as usize].load(Ordering::Acquire);
        ((word & 0xffff) as usize, (word >> 16) as usize)
    }

    /// Writes down what waits there.
    pub fn set_spill(&self, direction: DirectionId, offset: usize, length: usize) {
        debug_assert!(offset + length <= BLOCK);
        let word = offset as u32 | (length as u32) << 16;
        self.spills[direction as usize].store(word, Ordering::Release);
    }

    /// A direction's pipe, if it has one.
    pub fn pipe(&self, direction: DirectionId) -> Option<Pipe> {
        let [read, write] = self.ends_of_pipe(direction);
        (read != NO_FD).then_some(Pipe { read, write })
    }

    /// Names or un-names a direction's pipe.
    pub fn set_pipe(&self, direction: DirectionId, pipe: Option<Pipe>) {
        let [read, write] = &self.pipes[direction as usize];
        match pipe {
            Some(pipe) => {
                write.store(pipe.write, Ordering::Release);
                read.store(pipe.read, Ordering::Release);
            }
            None => {
                read.store(NO_FD, Ordering::Release);
                write.store(NO_FD, Ordering::Release);
            }
        }
    }

    /// The write end of a pipe whose read end is not named: an engine died while it named it or took it
    /// out. Nothing of this session is in it.
    pub fn half_a_pipe(&self, direction: DirectionId) -> Option<Fd> {
        let [read, write] = self.ends_of_pipe(direction);
        (read == NO_FD && write != NO_FD).then_some(write)
    }

    fn ends_of_pipe(&self, direction: DirectionId) -> [Fd; 2] {
        self.pipes[direction as usize].each_ref().map(|end| end.load(Ordering::Acquire))
    }

    /// Bytes in a direction's pipe.
    pub fn piped(&self, direction: DirectionId) -> usize {
        self.piped[direction as usize].get() as usize
    }

    /// Writes down how many bytes are in a direction's pipe.
    pub fn set_piped(&self, direction: DirectionId, bytes: usize) {
        self.piped[direction as usize].set(bytes as u32);
    }

    /// Begins a new life of the slot with everything else at rest. The phase stays free.
    pub fn begin(&self) {
        self.generation.set(self.generation.get().wrapping_add(1) | 1);
        self.sockets.iter().for_each(|socket| socket.set(NO_FD));
        self.pipes.iter().flatten().for_each(|end| end.store(NO_FD, Ordering::Relaxed));
        self.source.set(0);
        self.key_place.set(0);
        self.attempts.set(0);
        self.flags.set(0);
        self.errors.iter().for_each(|errno| errno.set(0));
        self.header_read.set(0);
        self.header_sent.set(0);
        self.received.iter().for_each(|bytes| bytes.set(0));
        self.spills.iter().for_each(|spill| spill.store(0, Ordering::Relaxed));
        self.piped.iter().for_each(|bytes| bytes.set(0));
    }

    /// Ends the slot's life: no completion that carries the old generation is believed any more.
    pub fn end(&self) {
        self.set_phase(Phase::Free);
        self.generation.set(self.generation.get().wrapping_add(1));
    }

    /// Every descriptor the record names.
    pub fn descriptors(&self) -> impl Iterator<Item = Fd> + '_ {
        let pipes = self.pipes.iter().flatten().map(|end| end.load(Ordering::Acquire));
        self.sockets.iter().map(Cell::get).chain(pipes).filter(|fd| *fd != NO_FD)
    }
}
