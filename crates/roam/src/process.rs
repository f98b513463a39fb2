//! Programs that were started for a story: they end when they are dropped, and when this program
//! does.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// How long anything may take that a program was asked for.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many of its last lines are told of a program that fails.
const LINES: usize = 12;

/// A program that runs.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts one; what it says goes to the end of `log`.
    pub(crate) fn start(program: &Path, arguments: &[&str], log: PathBuf) -> Result<Self> {
        Self::spawn(program, arguments, log, false)
    }

    fn spawn(program: &Path, arguments: &[&str], log: PathBuf, speaks: bool) -> Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| log.display().to_string())?;
        // It is told when the thread that started it ends, however that comes.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]).arg(program).args(arguments);
        if speaks {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
        } else {
            command.stdin(Stdio::null()).stdout(file.try_clone()?);
        }
        let child = command.stderr(file).spawn().with_context(|| format!("{command:?}"))?;
        Ok(Self { child, log })
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Its children, which it starts and ends as it likes.
    pub(crate) fn children(&self) -> Vec<u32> {
        let pid = self.child.id();
        let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        // One that is gone has none.
        list.unwrap_or_default().split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<()> {
        // The pid is ours until it has been waited for.
        if self.child.try_wait()?.is_none() {
            kill(self.pid(), signal)?;
        }
        Ok(())
    }

    /// Waits until `ready` says so; an error when it ends before, or takes too long.
    pub(crate) fn until(&mut self, what: &str, mut ready: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended ({status}) and not: {what}. It said: {}", self.said());
            }
            if Instant::now() > deadline {
                bail!("not within {PATIENCE:?}: {what}. It said: {}", self.said());
            }
            pause();
        }
        Ok(())
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("it does not end within {PATIENCE:?}. It said: {}", self.said());
            }
            pause();
        }
        Ok(())
    }

    /// Ends it as a crash would.
    pub(crate) fn crash(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// The last of what it said, in one line.
    fn said(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(LINES).collect();
        if lines.is_empty() {
            "nothing".into()
        } else {
            lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Asked first, so that it can end what it has started itself. Errors mean that it is over.
        if self.signal(Signal::SIGTERM).is_ok() && self.ended().is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A program that is told what to do by lines of JSON and answers each with one.
#[derive(Debug)]
pub(crate) struct Dialogue {
    process: Process,
    // Its end is the program's end.
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Dialogue {
    /// Starts one.
    pub(crate) fn start(program: &Path, arguments: &[&str], log: PathBuf) -> Result<Self> {
        let mut process = Process::spawn(program, arguments, log, true)?;
        let stdin = process.child.stdin.take().context("its input is a pipe")?;
        let stdout = process.child.stdout.take().context("its output is a pipe")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                // An error ends it like an end; and nobody may listen any more.
                let Ok(line) = line else { return };
                let Ok(()) = sender.send(line) else { return };
            }
        });
        Ok(Self { process, stdin, lines })
    }

    /// Its next line.
    pub(crate) fn next(&mut self) -> Result<Value> {
        let line = match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => bail!("it is silent for {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => {
                bail!("it ended. It said: {}", self.process.said())
            }
        };
        let answer: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
        if let Some(error) = answer.get("error") {
            bail!("it answers: {error}");
        }
        Ok(answer)
    }

    /// Its answer to a command.
    pub(crate) fn ask(&mut self, command: &Value) -> Result<Value> {
        let text = format!("{command}\n");
        if self.stdin.write_all(text.as_bytes()).is_err() {
            bail!("it ended. It said: {}", self.process.said());
        }
        self.next()
    }

    pub(crate) fn crash(&mut self) -> Result<()> {
        self.process.crash()
    }
}

/// Waits until `ready` says so, for as long as anything may take.
pub(crate) fn until(what: &str, mut ready: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !ready()? {
        if Instant::now() > deadline {
            bail!("not within {PATIENCE:?}: {what}");
        }
        pause();
    }
    Ok(())
}

/// Between two questions to what cannot be waited for otherwise.
fn pause() {
    #[expect(clippy::disallowed_methods, reason = "between two questions, not instead of one")]
    std::thread::sleep(Duration::from_millis(2));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("ringbolt-roam-{name}-{}", std::process::id()))
    }

    #[test]
    fn a_program_that_ends_is_told_with_its_words() {
        let log = log("words");
        let script = "echo no such thing >&2; exit 3";
        let mut process = Process::start(Path::new("sh"), &["-c", script], log.clone()).unwrap();
        let error = process.until("it listens", || false).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("no such thing"), "{error}");
        fs::remove_file(log).unwrap();
    }

    #[test]
    fn a_dialogue_has_answers_and_errors() {
        let log = log("dialogue");
        let script = r#"read a; echo '{"b": 1}'; read a; echo '{"error": "no"}'"#;
        let mut program = Dialogue::start(Path::new("sh"), &["-c", script], log.clone()).unwrap();
        assert_eq!(program.ask(&Value::Null).unwrap()["b"], 1);
        assert!(program.ask(&Value::Null).unwrap_err().to_string().contains("no"));
        assert!(program.next().unwrap_err().to_string().contains("it ended"));
        fs::remove_file(log).unwrap();
    }
}
