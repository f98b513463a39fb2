//! The session region: what must outlive the engine, as integers in memory that somebody else
//! mapped, and how it is divided. Not here: where the bytes come from, and what the numbers mean.
//!
//! ```text
//! header | gauges | health | keys
//!        | per worker: statistics | journal, records, PROXY headers, hot buffer, spill blocks
//! ```

use alloc::vec::Vec;
use core::cell::Cell;
use core::mem::size_of;
use core::sync::atomic::Ordering;

use zerocopy::FromBytes;

use crate::gauge::SessionGauge;
use crate::header::Header;
use crate::health::ServerHealth;
use crate::keys::Keys;
use crate::limits::{BLOCK, NAMES_MAX, PROXY_HEADER_PLACE, SERVERS_MAX, SESSIONS_MAX, SOURCES_MAX};
use crate::record::{Journal, Session};
use crate::session::{DirectionId, Phase};
use crate::stats::{ListenerStats, ServerStats, WorkerStats};

const MAGIC: u64 = u64::from_le_bytes(*b"RINGBOLT");

/// The layout of the region. A change of any field's place or meaning raises it.
pub const LAYOUT: u32 = 9;

const PAGE: usize = 4096;

/// What one worker works on; moves into its thread as bytes and is viewed there.
#[derive(Clone, Copy, Debug)]
pub struct Part<'r> {
    /// What is in hand.
    pub journal: &'r Journal,
    /// The records, one a slot.
    pub sessions: &'r [Session],
    /// A place for a PROXY header a slot.
    headers: &'r [Cell<u8>],
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
        let (headers, rest) = rest.split_at_mut(page_align(capacity * PROXY_HEADER_PLACE));
        let (hot, spills) = rest.split_at_mut(BLOCK);
        let (journal, _) = Journal::mut_from_prefix(head).map_err(|_| Refused::TooSmall)?;
        let (sessions, _) = <[Session]>::mut_from_prefix_with_elems(records, capacity)
            .map_err(|_| Refused::TooSmall)?;
        Ok(Self {
            journal,
            sessions,
            headers: Cell::from_mut(headers).as_slice_of_cells(),
            hot: Cell::from_mut(hot).as_slice_of_cells(),
            spills: Cell::from_mut(spills).as_slice_of_cells(),
        })
    }

    /// The place of a slot in which the PROXY header for its server waits.
    pub fn header(&self, slot: u32) -> &'r [Cell<u8>] {
        &self.headers[slot as usize * PROXY_HEADER_PLACE..][..PROXY_HEADER_PLACE]
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
        HEAD + GAUGES + HEALTH + self.keys() + self.workers * (STATS + self.part())
    }

    fn keys(self) -> usize {
        page_align(Keys::bytes(self.capacity))
    }

    fn part(self) -> usize {
        PAGE + page_align(self.capacity as usize * size_of::<Session>())
            + page_align(self.capacity as usize * PROXY_HEADER_PLACE)
            + BLOCK
            + self.capacity as usize * 2 * BLOCK
    }
}

/// The region, taken apart.
#[derive(Debug)]
pub struct Region<'r> {
    /// The head.
    pub header: &'r Header,
    /// Live sessions, by what they belong to.
    pub gauges: Gauges<'r>,
    /// What is known of each server's health, at the index of its gauge.
    pub health: &'r [ServerHealth],
    /// What each worker has counted.
    pub stats: Vec<Counted<'r>>,
    /// Each worker's own bytes.
    pub parts: Vec<&'r mut [u8]>,
}

/// Live sessions over all workers, by what they belong to. Every worker writes here.
#[derive(Clone, Copy, Debug)]
pub struct Gauges<'r> {
    /// By server, at the index that the snapshot gives it over all pools.
    pub servers: &'r [SessionGauge],
    /// By listener.
    pub listeners: &'r [SessionGauge],
    /// By pool.
    pub pools: &'r [SessionGauge],
    /// By server and the address that it is connected to from.
    pub sources: &'r [SessionGauge],
    /// By listener and key, of those listeners that set a limit to that.
    pub keys: Keys<'r>,
}

impl Gauges<'_> {
    /// No session is live; only between two engines.
    pub fn clear(&self) {
        let all = self.servers.iter().chain(self.listeners).chain(self.pools).chain(self.sources);
        all.for_each(|gauge| gauge.restart(0));
        self.keys.clear();
    }
}

/// What one worker has counted; it alone writes there.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'r> {
    /// In all.
    pub worker: &'r WorkerStats,
    /// By server, at the index of its gauge.
    pub servers: &'r [ServerStats],
    /// By listener.
    pub listeners: &'r [ListenerStats],
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
        let (gauges, rest) = rest.split_at_mut(GAUGES);
        let (health, rest) = rest.split_at_mut(HEALTH);
        let health = <[ServerHealth]>::mut_from_bytes(health).map_err(|_| Refused::TooSmall)?;
        let (keys, mut rest) = rest.split_at_mut(extent.keys());
        let (keys, _) = keys.split_at_mut(Keys::bytes(extent.capacity));
        let keys = Keys::view(keys).ok_or(Refused::TooSmall)?;
        let gauges = <[SessionGauge]>::mut_from_bytes(gauges).map_err(|_| Refused::TooSmall)?;
        let (servers, names) = gauges.split_at_mut(SERVERS_MAX);
        let (listeners, names) = names.split_at_mut(NAMES_MAX);
        let (pools, sources) = names.split_at_mut(NAMES_MAX);
        let gauges = Gauges { servers, listeners, pools, sources, keys };
        let mut stats = Vec::with_capacity(extent.workers);
        let mut parts = Vec::with_capacity(extent.workers);
        for _ in 0..extent.workers {
            let (counted, after) = rest.split_at_mut(STATS);
            let (worker, names) = counted.split_at_mut(PAGE);
            let (servers, listeners) = names.split_at_mut(SERVERS_MAX * size_of::<ServerStats>());
            let (worker, _) =
                WorkerStats::mut_from_prefix(worker).map_err(|_| Refused::TooSmall)?;
            let servers =
                <[ServerStats]>::mut_from_bytes(servers).map_err(|_| Refused::TooSmall)?;
            let listeners =
                <[ListenerStats]>::mut_from_bytes(listeners).map_err(|_| Refused::TooSmall)?;
            stats.push(Counted { worker, servers, listeners });
            let (part, after) = after.split_at_mut(extent.part());
            parts.push(part);
            rest = after;
        }
        Ok(Self { header, gauges, health, stats, parts })
    }
}

const HEAD: usize = PAGE;
const GAUGES: usize = (SERVERS_MAX + 2 * NAMES_MAX + SOURCES_MAX) * size_of::<SessionGauge>();
const HEALTH: usize = SERVERS_MAX * size_of::<ServerHealth>();
const _: () = assert!(SOURCES_MAX < u16::MAX as usize, "a record holds a place and 1");
const STATS: usize =
    PAGE + SERVERS_MAX * size_of::<ServerStats>() + NAMES_MAX * size_of::<ListenerStats>();

const _: () = assert!(size_of::<Header>() <= HEAD && size_of::<WorkerStats>() <= PAGE);
const _: () = assert!(BLOCK.is_multiple_of(PAGE), "a spill block is whole pages, to punch holes");

fn page_align(bytes: usize) -> usize {
    bytes.next_multiple_of(PAGE)
}
