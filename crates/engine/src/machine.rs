//! What this machine allows: cores and descriptors.

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

/// The numbers of the cores that this process may run on; never empty.
pub(crate) fn core_numbers() -> Vec<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
    let numbers: Vec<usize> =
        (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false)).collect();
    if numbers.is_empty() { vec![0] } else { numbers }
}

/// How many cores this process may run on; at least 1.
pub fn cores() -> u16 {
    u16::try_from(core_numbers().len()).unwrap_or(u16::MAX)
}

/// How many descriptors this process may have once it has raised its limit.
pub fn descriptor_limit() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(_, hard)| hard)
}

/// Raises the descriptor limit as far as it goes. A limit belongs to a process, not to the table
/// that processes share, so this comes before the engine is cloned.
pub(crate) fn raise_descriptor_limit() -> Result<u64, Errno> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}

/// Keeps the calling thread on one core. Where that is refused the thread runs anywhere, which is
/// slower and not wrong.
pub(crate) fn pin_to(core: usize) {
    let mut set = CpuSet::new();
    if set.set(core).is_ok() {
        let _ = sched_setaffinity(Pid::from_raw(0), &set);
    }
}

/// Makes this process receive TERM when the one that started it ends.
///
/// # Errors
/// When the kernel refuses.
pub fn end_with_parent() -> Result<(), Errno> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGTERM)
}
