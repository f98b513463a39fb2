//! The binary under `strace`: which system calls its workers make. Everything is slower then, so
//! only small loads make sense.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::{Config, Folder, Ringbolt, binary, threads, until_asleep};

/// A system call as `strace` writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// What stands in its parentheses.
    pub arguments: String,
    /// What it returned, with the error's name.
    pub result: String,
}

impl Call {
    /// What it returned as a number; nothing when it failed.
    pub fn value(&self) -> Option<u64> {
        self.result.split(' ').next()?.parse().ok()
    }

    fn of(line: &str) -> Option<Self> {
        let (call, result) = line.rsplit_once(" = ")?;
        let (name, arguments) = call.split_once('(')?;
        let arguments = arguments.trim_end().strip_suffix(')')?;
        let [name, arguments, result] = [name, arguments, result].map(str::to_owned);
        Some(Self { name, arguments, result })
    }
}

/// A running `ringbolt run` with one worker whose system calls are written down.
#[derive(Debug)]
pub struct Traced {
    /// The product. Ends before the folder goes.
    pub ringbolt: Ringbolt,
    worker: u32,
    folder: Folder,
}

impl Traced {
    /// Starts it with one worker, whatever the configuration says, and waits for its ready line.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start(config: Config) -> Self {
        let folder = Folder::new();
        let mut command = Command::new("strace");
        // As a grandchild, so that our child is the traced program itself; a file for each thread,
        // so that no call is torn apart by another thread's; no data, which could be lengthy.
        command.args(["--daemonize=grandchild", "--follow-forks", "--output-separately"]);
        command.args(["--string-limit=0", "--output", &folder.file("trace")]).arg(binary());
        let ringbolt = Ringbolt::start_by(command, &config.workers(1).text());
        let workers = threads(ringbolt.engine(), "worker-");
        Self { ringbolt, worker: workers[0].number, folder }
    }

    /// The calls that the worker has completed so far, as soon as it sleeps.
    ///
    /// # Panics
    ///
    /// When it does not come to rest.
    pub fn calls(&self) -> Vec<Call> {
        until_asleep(self.ringbolt.engine());
        let trace = self.folder.file(&format!("trace.{}", self.worker));
        let text = fs::read_to_string(trace).expect("strace writes");
        // The last line is the wait that it sleeps in.
        text.lines().filter_map(Call::of).collect()
    }

    /// The calls of the worker while `load` runs, until it sleeps again.
    ///
    /// # Panics
    ///
    /// When it does not come to rest.
    pub fn calls_during(&self, load: impl FnOnce()) -> Vec<Call> {
        let before = self.calls().len();
        load();
        let mut calls = self.calls();
        calls.drain(..before);
        println!("{:?}", Self::counted(&calls));
        calls
    }

    /// How many there are of each.
    pub fn counted(calls: &[Call]) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for call in calls {
            *counts.entry(call.name.as_str()).or_default() += 1;
        }
        counts
    }
}
