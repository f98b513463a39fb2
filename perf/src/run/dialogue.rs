//! A process of this program that says something: lines of JSON on its standard output; it ends when
//! its standard input does.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;

/// How long it may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// One such process.
#[derive(Debug)]
pub(crate) struct Dialogue {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Dialogue {
    /// Starts this program with other arguments, on the core that this process has.
    pub(crate) fn start(arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = channel();
        // It ends with the process, whose end of the pipe is the only one.
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, input, lines })
    }

    /// What it says next, which is to be within `patience`.
    pub(crate) fn next<T: DeserializeOwned>(&self, patience: Duration) -> Result<T> {
        self.next_within(patience)?.with_context(|| format!("it says nothing for {patience:?}"))
    }

    /// What it says next, if it does so within `time`.
    pub(crate) fn next_within<T: DeserializeOwned>(&self, time: Duration) -> Result<Option<T>> {
        match self.lines.recv_timeout(time) {
            Ok(line) => serde_json::from_str(&line).with_context(|| format!("it says `{line}`")),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => bail!("it ended without a word"),
        }
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it end in order, and waits for that.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.input.take();
        // The lines end with the process.
        match self.lines.recv_timeout(PATIENCE) {
            Err(RecvTimeoutError::Disconnected) => {}
            Err(RecvTimeoutError::Timeout) => bail!("it does not end within {PATIENCE:?}"),
            Ok(line) => bail!("it says `{line}` when all is said"),
        }
        let status = self.child.wait()?;
        if !status.success() {
            bail!("it ended with {status}");
        }
        Ok(())
    }
}

impl Drop for Dialogue {
    /// Both fail only when it is over, as it is after [`Dialogue::finish`].
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
