//! Other processes as `/proc` shows them, and signals to them.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

pub use nix::sys::signal::Signal;

/// The children of a process.
pub fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()
        })
        .collect()
}

/// How many descriptors a process has open.
///
/// # Panics
///
/// When there is no such process.
pub fn descriptors(pid: u32) -> usize {
    let table = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process lives");
    table.count()
}

/// What each descriptor of a process is, as `/proc` names it: `socket:[12]`, `/memfd:…`, a path.
///
/// # Panics
///
/// When there is no such process.
pub fn descriptor_names(pid: u32) -> BTreeMap<i32, String> {
    let table = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process lives");
    let named = table.filter_map(|entry| {
        let path = entry.ok()?.path();
        // One that was closed meanwhile has no name any more.
        let name = fs::read_link(&path).ok()?.to_string_lossy().into_owned();
        Some((path.file_name()?.to_str()?.parse().ok()?, name))
    });
    named.collect()
}

/// How many pipes a process has both ends of.
///
/// # Panics
///
/// When there is no such process.
pub fn pipes(pid: u32) -> usize {
    let names = descriptor_names(pid).into_values();
    let mut ends = BTreeMap::<String, usize>::new();
    for name in names.filter(|name| name.starts_with("pipe:")) {
        *ends.entry(name).or_default() += 1;
    }
    ends.into_values().filter(|ends| *ends == 2).count()
}

/// Whether a descriptor of a process is closed when the process executes a program.
///
/// # Panics
///
/// When there is no such descriptor.
pub fn closes_on_exec(pid: u32, descriptor: i32) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/fdinfo/{descriptor}")).expect("it is open");
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).expect("proc(5)");
    let flags = i32::from_str_radix(flags.trim(), 8).expect("octal");
    flags & nix::libc::O_CLOEXEC != 0
}

/// The CPUs that each thread of a process may run on, as `/proc` writes lists: `0-1` or `1`.
pub fn affinities(pid: u32) -> Vec<String> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let allowed = threads.filter_map(|thread| {
        let status = fs::read_to_string(thread.ok()?.path().join("status")).ok()?;
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
        Some(list.trim().to_owned())
    });
    allowed.collect()
}

/// Whether a process ignores a signal.
///
/// # Panics
///
/// When there is no such process.
pub fn ignores(pid: u32, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("proc(5)");
    let mask = u64::from_str_radix(mask.trim(), 16).expect("a mask");
    mask & (1 << (signal as i32 - 1)) != 0
}

/// Whether a process is gone, or only waits for its parent to notice. One whose first thread has ended
/// and others have not still has its descriptors.
pub fn ended(pid: u32) -> bool {
    const THREADS: usize = 17; // counted as in `stat`
    let last = |fields: &[String]| matches!(fields[THREADS].as_str(), "0" | "1");
    stat(pid).is_none_or(|fields| matches!(fields[0].as_str(), "Z" | "X") && last(&fields))
}

/// Whether a process is stopped by a signal.
pub fn stopped(pid: u32) -> bool {
    stat(pid).is_some_and(|fields| fields[0] == "T")
}

/// The CPU time that a process has used, in hundredths of a second.
///
/// # Panics
///
/// When there is no such process.
pub fn cpu(pid: u32) -> u64 {
    let fields = stat(pid).expect("the process lives");
    let [user, system] = [&fields[11], &fields[12]].map(|field| field.parse::<u64>());
    user.expect("a number") + system.expect("a number")
}

/// The fields of `/proc/PID/stat` after the name, from the state on: the third of proc(5).
fn stat(pid: u32) -> Option<Vec<String>> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold some.
    let (_, rest) = line.rsplit_once(") ")?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// Sends a signal to a process that this test has started.
///
/// # Panics
///
/// When there is no such process.
pub fn kill(pid: u32, signal: Signal) {
    assert!(pid > 1, "0 would be everybody in this group");
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid"));
    nix::sys::signal::kill(pid, signal).expect("the process lives");
}

/// How many descriptors a process started here may open.
///
/// # Panics
///
/// When the kernel does not tell.
pub fn descriptor_limit() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).expect("limits can be read").1
}

/// Limits the descriptors that a process started here may open from now on.
///
/// # Panics
///
/// When `prlimit` is missing or refuses.
pub fn limit_descriptors(pid: u32, limit: u64) {
    let (pid, limit) = (format!("--pid={pid}"), format!("--nofile={limit}:"));
    let status = Command::new("prlimit").args([pid, limit]).status().expect("prlimit runs");
    assert!(status.success(), "prlimit: {status}");
}

/// Raises the limit of open descriptors to what is allowed, for this process and those it starts,
/// and switches core dumps off: some tests abort a process on purpose.
///
/// # Panics
///
/// When the kernel refuses.
pub fn raise_descriptor_limit() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("limits can be read");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("up to the hard limit is allowed");
    let (_, most) = getrlimit(Resource::RLIMIT_CORE).expect("limits can be read");
    setrlimit(Resource::RLIMIT_CORE, 0, most).expect("less is allowed");
}
