//! What a process and its threads use, as `/proc` counts it: memory, switches, CPU time.

use std::fs;

use crate::until;

/// Looks in a row, 2 ms apart, for which a thread must not have run to count as asleep: longer than
/// a machine that is merely busy keeps one waiting that wants to run.
const LOOKS: u32 = 150;

/// The memory of a process in bytes, each shared page divided by the number of those who share it
/// (Pss in proc(5)), so that the sum over processes counts every page once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// All of it.
    pub all: u64,
    /// Of that, heap, stacks and what else no file is behind.
    pub anonymous: u64,
    /// Of that, pages of files: program and libraries.
    pub file: u64,
    /// Of that, shared memory.
    pub shared: u64,
}

impl std::ops::Add for Memory {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            all: self.all + other.all,
            anonymous: self.anonymous + other.anonymous,
            file: self.file + other.file,
            shared: self.shared + other.shared,
        }
    }
}

/// The memory of a process.
///
/// # Panics
///
/// When there is no such process, or the kernel does not tell.
pub fn memory(pid: u32) -> Memory {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("the process lives");
    let bytes = |key| 1024 * field(&text, key);
    Memory {
        all: bytes("Pss:"),
        anonymous: bytes("Pss_Anon:"),
        file: bytes("Pss_File:"),
        shared: bytes("Pss_Shmem:"),
    }
}

/// What a thread has used since it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its number, which is a process's pid for the first.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// Whether it waits for something.
    pub asleep: bool,
    /// Times that it gave its CPU up to wait.
    pub voluntary_switches: u64,
    /// Times that its CPU was taken from it.
    pub involuntary_switches: u64,
    /// Nanoseconds that it has run.
    pub cpu_ns: u64,
}

/// The threads of a process whose names begin with `name`, in the order of their names.
///
/// # Panics
///
/// When there is no such process, or the kernel does not tell.
pub fn threads(pid: u32, name: &str) -> Vec<Thread> {
    let folders = fs::read_dir(format!("/proc/{pid}/task")).expect("the process lives");
    let mut threads: Vec<Thread> = folders
        .map(|folder| {
            let folder = folder.expect("the process lives").path();
            let read = |file| fs::read_to_string(folder.join(file)).expect("the thread lives");
            let status = read("status");
            let schedstat = read("schedstat");
            let running = schedstat.split(' ').next().expect("three numbers");
            let number = folder.file_name().and_then(|name| name.to_str()?.parse().ok());
            Thread {
                number: number.expect("a number"),
                name: read("comm").trim_end().to_owned(),
                asleep: value(&status, "State:").starts_with('S'),
                voluntary_switches: field(&status, "voluntary_ctxt_switches:"),
                involuntary_switches: field(&status, "nonvoluntary_ctxt_switches:"),
                cpu_ns: running.parse().expect("a number"),
            }
        })
        .filter(|thread| thread.name.starts_with(name))
        .collect();
    threads.sort_by(|one, other| one.name.cmp(&other.name));
    threads
}

/// Waits until the workers of an engine have slept for a while without a break. One that spins
/// never does: it runs or wants to. One that wakes up a last time, for an acknowledgement, is
/// waited for.
///
/// # Panics
///
/// When they do not come to rest.
pub fn until_asleep(engine: u32) {
    let (mut before, mut looks) = (Vec::new(), 0);
    until("the workers sleep", || {
        let now = threads(engine, "worker-");
        let rested = now == before && now.iter().all(|worker| worker.asleep);
        looks = if rested { looks + 1 } else { 0 };
        before = now;
        (looks == LOOKS && !before.is_empty()).then_some(())
    });
}

/// What stands behind `key` at the start of a line.
fn value<'t>(text: &'t str, key: &str) -> &'t str {
    let value = text.lines().find_map(|line| line.strip_prefix(key));
    value.unwrap_or_else(|| panic!("no {key} in\n{text}")).trim()
}

fn field(text: &str, key: &str) -> u64 {
    let value = value(text, key).split(' ').next().expect("split gives one at least");
    value.parse().unwrap_or_else(|error| panic!("{key} {value}: {error}"))
}
