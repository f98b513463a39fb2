//! The memory that outlives an engine: the session region, a memfd. Unsafe: the mapping, and giving
//! memory back to it.

use std::cell::Cell;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::slice;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap};
use nix::unistd::ftruncate;
use ringbolt_core::region::{Extent, Region};

/// The session region of this supervisor.
#[derive(Debug)]
pub(crate) struct SessionMemory {
    /// Kept open, and without close-on-exec, so that an upgrade finds it.
    memory: OwnedFd,
    /// Taken apart. While an engine lives only what is atomic is looked at here.
    pub(crate) region: Region<'static>,
}

impl SessionMemory {
    /// Creates and maps a region. Nearly all of it is holes, so its size costs address space only.
    pub(crate) fn create(extent: Extent) -> io::Result<Self> {
        let memory = memfd_create(c"ringbolt-sessions", MFdFlags::empty())?;
        ftruncate(&memory, extent.bytes() as i64)?;
        let bytes = map(&memory, extent.bytes())?;
        let region = Region::format(bytes, extent)
            .map_err(|refused| io::Error::other(format!("session region: {refused:?}")))?;
        Ok(Self { memory, region })
    }

    /// The descriptor of the memory.
    pub(crate) fn fd(&self) -> i32 {
        self.memory.as_raw_fd()
    }
}

fn map(memory: &OwnedFd, length: usize) -> io::Result<&'static mut [u8]> {
    let size = NonZeroUsize::new(length).ok_or(io::ErrorKind::InvalidInput)?;
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice touches no memory that exists.
    let start = unsafe { mmap(None, size, access, MapFlags::MAP_SHARED, memory.as_fd(), 0)? };
    // SAFETY: the mapping is `length` bytes long, page-aligned, zero-filled, and never unmapped. This
    // is the only reference made into it in this process. An engine, which is another process with a
    // copy of it, works on the parts while it lives; the supervisor views them only after it has
    // been reaped, and until then looks at atomics alone.
    Ok(unsafe { slice::from_raw_parts_mut(start.as_ptr().cast(), length) })
}

/// Gives the memory of whole pages of the region back; they read as zero afterwards.
pub(crate) fn punch_hole(pages: &[Cell<u8>]) {
    let Some(start) = std::ptr::NonNull::new(pages.as_ptr().cast_mut().cast()) else { return };
    // SAFETY: the range lies in the region (spill blocks are the only callers' argument), which is
    // mapped for ever; the bytes are `Cell`s, so nobody holds a reference that forbids a change. A
    // refusal costs memory and nothing else.
    let _ = unsafe { madvise(start, pages.len(), MmapAdvise::MADV_REMOVE) };
}
