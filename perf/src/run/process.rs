//! A process that was started for a measurement: on one core, with its output in a file, ended when
//! it is dropped.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a process may take to start to answer, or to end in order.
const PATIENCE: Duration = Duration::from_secs(10);

/// A process and those that it starts.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// It runs under strace, which is asked to end by what it traces.
    traced: bool,
}

/// `command` on a core and nowhere else, asked to end when this process does.
pub(crate) fn pinned(core: usize, command: &[String]) -> Command {
    let mut pinned = Command::new("setpriv");
    pinned.args(["--pdeathsig", "TERM", "taskset", "--cpu-list", &core.to_string()]).args(command);
    pinned
}

impl Process {
    /// Starts a product; both its outputs go to the end of `log`.
    pub(crate) fn start(mut command: Command, log: &Path, traced: bool) -> Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| log.display().to_string())?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("{command:?}"))?;
        Ok(Self { child, traced })
    }

    /// Waits until `ready` says so, and gives up when it takes too long or the process ends.
    pub(crate) fn until(&mut self, ready: impl Fn() -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended at once: {status}");
            }
            if Instant::now() > deadline {
                bail!("it does not answer within {PATIENCE:?}");
            }
            pause();
        }
        Ok(())
    }

    /// Whether it has ended by itself.
    pub(crate) fn is_over(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Its pids: itself, and all that it and its threads started.
    pub(crate) fn family(&self) -> Vec<u32> {
        let own = self.child.id();
        let all = family(own);
        if self.traced { all.into_iter().filter(|pid| *pid != own).collect() } else { all }
    }

    /// Asks it to end, and waits for that.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let Some(first) = self.family().first().copied() else { return Ok(()) };
        // By a pid that is ours until it is waited for, or whose parent strace holds it for us.
        if self.child.try_wait()?.is_none() {
            kill(Pid::from_raw(first.cast_signed()), Signal::SIGTERM)?;
        }
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("it does not end within {PATIENCE:?}");
            }
            pause();
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.stop().is_err() {
            // It had its time; both fail only when it is over.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Waits until `ready` says so; whether it did before patience ended.
pub(crate) fn wait_until(ready: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while !ready() {
        if Instant::now() > deadline {
            return false;
        }
        pause();
    }
    true
}

/// Between two questions to a process that cannot be waited for otherwise.
fn pause() {
    #[expect(clippy::disallowed_methods, reason = "between two questions, not instead of one")]
    std::thread::sleep(Duration::from_millis(2));
}

fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    // A thread or process that ends meanwhile has no children left.
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    for thread in threads {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|child| child.parse().ok());
        all.extend(children.flat_map(family));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_children_of_children_and_ends_when_asked() {
        let log = std::env::temp_dir().join(format!("ringbolt-perf-family-{}", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", "trap 'kill 0; exit 0' TERM; sh -c 'sleep 60; true' & wait"]);
        // A group of its own, for its trap.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut process = Process::start(command, &log, false).unwrap();
        let pid = process.child.id();
        process.until(|| family(pid).len() == 3).unwrap();
        assert_eq!(process.family()[0], pid);
        process.stop().unwrap();
        assert!(process.is_over().unwrap());
        fs::remove_file(log).unwrap();
    }
}
