//! What processes and cores have taken, as `/proc` counts it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nix::unistd::{SysconfVar, sysconf};

use crate::results::{Held, Spent};

/// Everything that has run so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    /// By number, which no two threads have at a time.
    threads: BTreeMap<u32, Thread>,
    /// Busy time of cores.
    cores_ns: [u64; 2],
}

/// What a thread has taken since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Thread {
    name: String,
    cpu_ns: u64,
    voluntary: u64,
    involuntary: u64,
}

impl Taken {
    /// What the threads of these processes and these cores have taken up to now.
    pub(crate) fn now(family: &[u32], cores: [usize; 2]) -> Result<Self> {
        let mut threads = BTreeMap::new();
        for pid in family {
            // A thread that ends meanwhile takes what it took with it; those of a product that is
            // measured do not, except kernel workers that had nothing to do.
            let all = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            for folder in all.map(|thread| thread.path()) {
                let number = folder.file_name().and_then(|name| name.to_str()?.parse().ok());
                if let (Some(number), Some(thread)) = (number, thread(&folder)) {
                    threads.insert(number, thread);
                }
            }
        }
        let stat = read("/proc/stat")?;
        let tick_ns = 1_000_000_000 / setting(SysconfVar::CLK_TCK)?;
        let busy = |core| busy_ticks(&stat, core).context("/proc/stat tells nothing of a core");
        let [first, second] = cores;
        Ok(Self { threads, cores_ns: [busy(first)? * tick_ns, busy(second)? * tick_ns] })
    }

    /// What was taken since `earlier`; `workers` is what the names of threads begin with that move
    /// bytes.
    pub(crate) fn since(&self, earlier: &Self, workers: &str) -> (Spent, [u64; 2]) {
        let mut spent = Spent::default();
        let none = Thread::default();
        for (number, thread) in &self.threads {
            let before = earlier.threads.get(number).unwrap_or(&none);
            let voluntary = thread.voluntary - before.voluntary;
            spent.cpu_ns += thread.cpu_ns - before.cpu_ns;
            spent.voluntary += voluntary;
            spent.involuntary += thread.involuntary - before.involuntary;
            if thread.name.starts_with(workers) {
                spent.voluntary_of_workers += voluntary;
            }
        }
        let cores = [0, 1].map(|core| self.cores_ns[core] - earlier.cores_ns[core]);
        (spent, cores)
    }
}

fn thread(folder: &Path) -> Option<Thread> {
    let read = |file| fs::read_to_string(folder.join(file)).ok();
    let status = read("status")?;
    Some(Thread {
        name: read("comm")?.trim_end().into(),
        cpu_ns: read("schedstat")?.split(' ').next()?.parse().ok()?,
        voluntary: field(&status, "voluntary_ctxt_switches:")?,
        involuntary: field(&status, "nonvoluntary_ctxt_switches:")?,
    })
}

/// What there is now, of what [`Held`] counts the growth of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stock {
    memory: u64,
    kernel: u64,
    descriptors: u64,
    pipes: u64,
    server_descriptors: u64,
}

impl Stock {
    /// What these processes have, and the servers.
    pub(crate) fn now(family: &[u32], servers: u32) -> Result<Self> {
        let mut stock = Self { kernel: kernel_memory()?, ..Self::default() };
        for pid in family {
            let rollup = read(format!("/proc/{pid}/smaps_rollup"))?;
            stock.memory += 1024 * field(&rollup, "Pss:").context("smaps_rollup has no Pss")?;
            let (descriptors, pipes) = descriptors(*pid)?;
            // Processes may share a table, as Ringbolt's do; the others have few.
            stock.descriptors = stock.descriptors.max(descriptors);
            stock.pipes = stock.pipes.max(pipes);
        }
        stock.server_descriptors = descriptors(servers)?.0;
        Ok(stock)
    }

    /// What there is more of than `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Held {
        let more = |now: u64, then: u64| now.cast_signed() - then.cast_signed();
        Held {
            memory: more(self.memory, earlier.memory),
            kernel: more(self.kernel, earlier.kernel),
            descriptors: more(self.descriptors, earlier.descriptors),
            pipes: more(self.pipes, earlier.pipes),
            connections: more(self.server_descriptors, earlier.server_descriptors),
        }
    }
}

/// All descriptors of a process, and how many of them are ends of pipes.
fn descriptors(pid: u32) -> Result<(u64, u64)> {
    let folder = format!("/proc/{pid}/fd");
    let (mut all, mut pipes) = (0, 0);
    for entry in fs::read_dir(&folder).with_context(|| folder.clone())? {
        let name = fs::read_link(entry?.path()).unwrap_or_default();
        all += 1;
        pipes += u64::from(name.to_string_lossy().starts_with("pipe:"));
    }
    Ok((all, pipes))
}

/// Bytes of slab, and of what TCP has in its queues.
fn kernel_memory() -> Result<u64> {
    let slab = field(&read("/proc/meminfo")?, "Slab:").context("/proc/meminfo has no Slab")?;
    let sockets = read("/proc/net/sockstat")?;
    let pages = tcp_pages(&sockets).context("/proc/net/sockstat has no mem of TCP")?;
    Ok(slab * 1024 + pages * setting(SysconfVar::PAGE_SIZE)?)
}

fn setting(name: SysconfVar) -> Result<u64> {
    let value = sysconf(name)?.with_context(|| format!("{name:?} has no value"))?;
    Ok(value.cast_unsigned())
}

fn read(file: impl AsRef<Path>) -> Result<String> {
    let file = file.as_ref();
    fs::read_to_string(file).with_context(|| file.display().to_string())
}

/// The number behind a key that begins a line.
fn field(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

fn tcp_pages(sockstat: &str) -> Option<u64> {
    let line = sockstat.lines().find(|line| line.starts_with("TCP:"))?;
    line.split_whitespace().skip_while(|word| *word != "mem").nth(1)?.parse().ok()
}

/// user, nice, system, irq, softirq and steal of a core in proc_stat(5): all but idle and iowait;
/// guest time is in user's.
fn busy_ticks(stat: &str, core: usize) -> Option<u64> {
    let name = format!("cpu{core} ");
    let line = stat.lines().find_map(|line| line.strip_prefix(&name))?;
    let ticks: Vec<u64> = line.split_whitespace().map_while(|ticks| ticks.parse().ok()).collect();
    let &[user, nice, system, _, _, irq, softirq, steal, ..] = ticks.as_slice() else {
        return None;
    };
    Some(user + nice + system + irq + softirq + steal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_is_busy_with_all_but_waiting() {
        let stat =
            "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 0 0 0 7 7 0 0 0 0 0\ncpu1 1 2 4 99 99 8 16 32 64 0\n";
        assert_eq!(busy_ticks(stat, 1), Some(63));
        assert_eq!(busy_ticks(stat, 0), Some(0));
        assert_eq!(busy_ticks(stat, 2), None);
    }

    #[test]
    fn what_tcp_has_in_its_queues() {
        let text =
            "sockets: used 30\nTCP: inuse 2 orphan 0 tw 0 alloc 2 mem 162\nUDP: inuse 0 mem 3\n";
        assert_eq!(tcp_pages(text), Some(162));
    }

    #[test]
    fn keys_begin_a_line() {
        let status = "nonvoluntary_ctxt_switches:\t5\nvoluntary_ctxt_switches:\t7\n";
        assert_eq!(field(status, "voluntary_ctxt_switches:"), Some(7));
    }

    #[test]
    fn threads_that_began_meanwhile_count_and_others_by_what_they_added() {
        let thread = |name: &str, cpu_ns, voluntary| Thread {
            name: name.into(),
            cpu_ns,
            voluntary,
            involuntary: 0,
        };
        let before = [(1, thread("worker-0", 100, 1)), (2, thread("control", 50, 10))];
        let after = [
            (1, thread("worker-0", 130, 3)),
            (2, thread("control", 50, 20)),
            (3, thread("iou-wrk-1", 7, 0)),
        ];
        let taken = |threads: &[(u32, Thread)], cores_ns| Taken {
            threads: threads.iter().cloned().collect(),
            cores_ns,
        };
        let (spent, cores) = taken(&after, [40, 60]).since(&taken(&before, [10, 20]), "worker-");
        let wanted = Spent { cpu_ns: 37, voluntary: 12, involuntary: 0, voluntary_of_workers: 2 };
        assert_eq!((spent, cores), (wanted, [30, 40]));
    }

    #[test]
    fn this_process_has_descriptors_and_memory() {
        let own = std::process::id();
        let before = Stock::now(&[own], own).unwrap();
        let more: Vec<_> = (0..100).map(|_| std::io::pipe().unwrap()).collect();
        let held = Stock::now(&[own], own).unwrap().since(&before);
        drop(more);
        // Other tests of this process come and go with a few.
        assert!((190..220).contains(&held.pipes), "{held:?}");
        assert!(held.descriptors >= 190, "{held:?}");
    }
}
