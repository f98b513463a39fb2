//! Where and when a run is made.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::Pid;

use crate::results::Machine;

impl Machine {
    /// This one, now.
    pub(crate) fn here() -> Result<Self> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        let (_, descriptors) = getrlimit(Resource::RLIMIT_NOFILE)?;
        Ok(Self {
            date: said("date", &["-u", "+%Y-%m-%dT%H:%M"])?,
            kernel: kernel.trim().into(),
            processor: processor(&cpuinfo).into(),
            cores: cores()?,
            revision: said("git", &["describe", "--always", "--dirty", "--abbrev=12"])
                .unwrap_or_else(|_| "unknown".into()),
            descriptors,
        })
    }

    /// The core of the products, and the core of everything else.
    pub(crate) fn pair(&self) -> Result<[usize; 2]> {
        match self.cores.as_slice() {
            [first, second, ..] => Ok([*first, *second]),
            _ => bail!("one core: a product and its load need two, or each measures the other"),
        }
    }
}

/// Keeps this process, and what it starts, on a core.
pub(crate) fn keep_to(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

fn cores() -> Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|core| set.is_set(*core).unwrap_or(false)).collect())
}

fn processor(cpuinfo: &str) -> &str {
    let name = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    name.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown")
}

fn said(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().context(program.to_owned())?;
    if !output.status.success() {
        bail!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_processor_calls_itself() {
        assert_eq!(processor("processor\t: 0\nmodel name\t: Fast One\n"), "Fast One");
        assert_eq!(processor("processor\t: 0\n"), "unknown");
    }
}
