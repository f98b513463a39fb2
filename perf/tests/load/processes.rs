//! The built binary as the tests start it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// Ends with the test.
pub(crate) struct Process {
    pub(crate) child: Child,
    lines: BufReader<ChildStdout>,
}

impl Process {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringbolt-perf"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next line that it prints.
    pub(crate) fn says(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// Ends its input, and gives its exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        drop(self.child.stdin.take());
        self.child.wait().unwrap().code()
    }

    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Servers, and where they listen: `["echo"]` and so on.
pub(crate) fn serve() -> (Process, Value) {
    let mut process = Process::start(&["serve"]);
    let addresses = process.says();
    (process, addresses)
}

/// A relay to these servers, and where it listens for each.
pub(crate) fn relay(yardstick: &str, servers: &Value) -> (Process, Value) {
    const DOORS: [&str; 4] = ["echo", "sink", "source", "frames"];
    let ends =
        DOORS.map(|door| ["--from=127.0.0.1:0".into(), format!("--to={}", text(servers, door))]);
    let ends = ends.as_flattened().iter().map(String::as_str);
    let arguments: Vec<&str> = ["relay", yardstick].into_iter().chain(ends).collect();
    let mut process = Process::start(&arguments);
    let says = process.says();
    let listening = says["listening"].as_array().unwrap();
    assert_eq!(listening.len(), DOORS.len());
    (process, DOORS.into_iter().map(str::to_owned).zip(listening.clone()).collect())
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

/// So many units of this work.
pub(crate) fn job(target: &Value, work: Value, units: u64) -> Value {
    json!({
        "target": target,
        "beside": null,
        "sources": 3,
        "work": work,
        "amount": {"units": units},
        "warm_up": {"secs": 0, "nanos": 0},
        "hlog": null,
    })
}

/// What the generator says of a job when it is measured; it still runs.
pub(crate) fn measured(job: &Value) -> (Process, Value) {
    let mut process = Process::start(&["load", &job.to_string()]);
    assert_eq!(process.says(), "measuring");
    let outcome = process.says()["measured"].clone();
    (process, outcome)
}

/// What came of a job, all of it: the generator has ended well.
pub(crate) fn outcome(job: &Value) -> Value {
    let (mut process, outcome) = measured(job);
    assert_eq!(process.end(), Some(0), "{job}");
    outcome
}

/// Of this test, in the folder that cargo gives tests.
pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}
