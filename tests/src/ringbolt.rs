//! The binary under test, run in the foreground as an operator would: its ready line, its log, its
//! supervisor and its engine.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::process::{Signal, raise_descriptor_limit};
use crate::skip::package;
use crate::{Config, Folder, children, descriptor_names, descriptors, kill, pipes, until};

/// The binary under test: `RINGBOLT_BIN`, or the workspace's release build.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("RINGBOLT_BIN") {
        return path.into();
    }
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| package().join("../target"), PathBuf::from);
    target.join("release/ringbolt")
}

/// A command of the binary under test, without standard input.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).stdin(Stdio::null());
    command
}

/// What is left of a command that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code, or what ended it instead.
    pub code: Result<i32, ExitStatus>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// Standard error as one line. Where a picture breaks its lines depends on how long the paths are.
    pub fn told(&self) -> String {
        let lines = self.stderr.lines().map(|line| line.trim_matches([' ', '│']));
        lines.collect::<Vec<_>>().join(" ")
    }
}

/// Runs a command to its end.
///
/// # Panics
///
/// When it does not start, does not end in time, or leaves somebody behind who holds its output.
pub fn finish(command: Command) -> Ended {
    finish_with(command, Stdio::null())
}

/// Runs a command with standard input to its end.
pub(crate) fn finish_with(mut command: Command, stdin: Stdio) -> Ended {
    raise_descriptor_limit();
    command.stdin(stdin);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Owned(command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}")));
    let stdout = gather(child.0.stdout.take().expect("piped"));
    let stderr = gather(child.0.stderr.take().expect("piped"));
    let status = child.wait(&format!("{command:?} ends"));
    let text = |thread: JoinHandle<String>| {
        until("its output is closed by everybody", || thread.is_finished().then_some(()));
        thread.join().expect("the reader does not panic")
    };
    Ended { code: status.code().ok_or(status), stdout: text(stdout), stderr: text(stderr) }
}

/// A running `ringbolt run`. Dropping it kills the supervisor, and so the engine.
#[derive(Debug)]
pub struct Ringbolt {
    child: Owned,
    addresses: Vec<SocketAddr>,
    base: usize,
    log: Log,
    folder: Folder,
    /// The name of its configuration file in `folder`.
    file: String,
}

impl Ringbolt {
    /// Starts it on a configuration and waits for its ready line.
    ///
    /// # Panics
    ///
    /// When it ends before, or the line does not come.
    pub fn start(config: &Config) -> Self {
        Self::start_text(&config.text())
    }

    /// The same with the configuration as text.
    ///
    /// # Panics
    ///
    /// When it ends before, or the line does not come.
    pub fn start_text(config: &str) -> Self {
        Self::start_by(Command::new(binary()), config)
    }

    /// The same by a command that runs the binary, to which `run FILE` is added: under `strace`, or
    /// in another environment. It must be the binary itself in the end, not its parent.
    ///
    /// # Panics
    ///
    /// When it ends before, or the line does not come.
    pub fn start_by(command: Command, config: &str) -> Self {
        Self::start_with(command, Stdio::null(), config)
    }

    /// The same with standard input.
    ///
    /// # Panics
    ///
    /// When it ends before, or the line does not come.
    pub fn start_with(command: Command, stdin: Stdio, config: &str) -> Self {
        let folder = Folder::new();
        folder.write("ringbolt.toml", config);
        Self::start_in(command, stdin, folder, "ringbolt.toml")
    }

    /// The same with a configuration file that lies in a folder, beside whatever it includes.
    ///
    /// # Panics
    ///
    /// When it ends before, or the line does not come.
    pub fn start_in(command: Command, stdin: Stdio, folder: Folder, file: &str) -> Self {
        Self::start_arguments(command, stdin, folder, file, &[])
    }

    /// The same with more arguments after the file.
    ///
    /// # Panics
    ///
    /// When it ends before, or the line does not come.
    pub fn start_arguments(
        mut command: Command,
        stdin: Stdio,
        folder: Folder,
        file: &str,
        arguments: &[&str],
    ) -> Self {
        raise_descriptor_limit();
        command.arg("run").arg(folder.file(file)).args(arguments);
        command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = Owned(command.spawn().expect("the binary starts"));
        let log = Log::of(child.0.stderr.take().expect("piped"));
        let addresses = until("the ready line", || {
            let ready = log.find(|line| ready_line(line).is_some());
            let status = child.0.try_wait().expect("our child");
            assert!(ready.is_some() || status.is_none(), "{status:?} before it was ready:\n{log}");
            ready.as_deref().and_then(ready_line)
        });
        let base = descriptors(child.0.id());
        println!("base: {:?}", descriptor_names(child.0.id()));
        Self { child, addresses, base, log, folder, file: file.into() }
    }

    /// Where its first listener is.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Where its listeners are, as the ready line says.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Overwrites its configuration file.
    pub fn write_configuration(&self, text: &str) {
        self.folder.write(&self.file, text);
    }

    /// The path of its configuration file.
    pub fn configuration(&self) -> String {
        self.folder.file(&self.file)
    }

    /// The folder of its configuration file.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The supervisor's pid.
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// The engine's pid.
    ///
    /// # Panics
    ///
    /// When there is none, or several.
    pub fn engine(&self) -> u32 {
        self.engine_after(0)
    }

    /// The pid of the engine that follows the one with the pid `old`.
    ///
    /// # Panics
    ///
    /// When none comes.
    pub fn engine_after(&self, old: u32) -> u32 {
        until("one engine", || match children(self.pid())[..] {
            [engine] if engine != old => Some(engine),
            _ => None,
        })
    }

    /// The descriptors that are open beyond those it had when it was ready, without the pipes that
    /// its workers keep for whoever needs one. The supervisor's and
    /// the engine's are the same.
    pub fn descriptors_beyond_base(&self) -> isize {
        let of_sessions = descriptors(self.pid()) - 2 * pipes(self.pid());
        of_sessions.cast_signed() - self.base.cast_signed()
    }

    /// Waits until it has as many descriptors as when it was ready: nothing was left behind, and
    /// nothing is missing.
    ///
    /// # Panics
    ///
    /// When they stay more or fewer.
    pub fn wait_for_base(&self) {
        self.wait_for_descriptors(0);
    }

    /// Waits until so many descriptors are open beyond base.
    ///
    /// # Panics
    ///
    /// When they stay more or fewer.
    pub fn wait_for_descriptors(&self, beyond_base: isize) {
        let mut last = 0;
        until(&format!("{beyond_base} descriptors beyond base"), || {
            let now = self.descriptors_beyond_base();
            if now != last {
                // Shown by the test runner when the test fails. Sockets of sessions are many.
                let names = descriptor_names(self.pid()).into_iter();
                let others: Vec<_> =
                    names.filter(|(_, name)| !name.starts_with("socket:")).collect();
                println!("{now} descriptors beyond base; beside sockets: {others:?}");
                last = now;
            }
            (now == beyond_base).then_some(())
        });
    }

    /// Sends a signal to the supervisor.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal);
    }

    /// Waits for its end and gives its exit code.
    ///
    /// # Panics
    ///
    /// When it does not end, or by a signal.
    pub fn exit_code(&mut self) -> i32 {
        let status = self.child.wait("ringbolt ends");
        status.code().unwrap_or_else(|| panic!("{status}:\n{}", self.log))
    }

    /// Waits for its end, however it comes.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub fn wait(&mut self) {
        self.child.wait("ringbolt ends");
    }

    /// Waits for a line on standard error that contains `text`, and gives it.
    ///
    /// # Panics
    ///
    /// When none comes.
    pub fn line_with(&self, text: &str) -> String {
        until(&format!("a line with {text:?}"), || self.log.find(|line| line.contains(text)))
    }

    /// What it has said on standard error so far.
    pub fn lines(&self) -> Vec<String> {
        self.log.lines().clone()
    }
}

impl Drop for Ringbolt {
    /// Shows what it said when the test fails; the test runner prints it then only.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("ringbolt said:\n{}", self.log);
        }
    }
}

/// The addresses of `ringbolt: ready, N listeners: ADDR…`, or nothing when it is another line.
fn ready_line(line: &str) -> Option<Vec<SocketAddr>> {
    let rest = line.strip_prefix("ringbolt: ready, ")?;
    let (_, addresses) = rest.split_once(": ")?;
    let words = addresses.split([' ', ',']).filter(|word| !word.is_empty());
    Some(words.map(|word| word.parse().expect("an address in the ready line")).collect())
}

/// A child that does not outlive its owner.
#[derive(Debug)]
pub(crate) struct Owned(pub(crate) Child);

impl Owned {
    fn wait(&mut self, what: &str) -> ExitStatus {
        until(what, || self.0.try_wait().expect("our child"))
    }
}

impl Drop for Owned {
    /// By pid, through the handle: it is ours until it is waited for. Both fail only when it has
    /// ended already.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lines of a stream, gathered by a thread while the test goes on.
#[derive(Clone, Debug)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let log = Self(Arc::default());
        let sink = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                let Ok(line) = line else { return };
                sink.lines().push(line);
            }
        });
        log
    }

    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, wanted: impl Fn(&str) -> bool) -> Option<String> {
        self.lines().iter().find(|line| wanted(line)).cloned()
    }
}

impl std::fmt::Display for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.lines().iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// Reads a stream to its end in a thread.
fn gather(mut stream: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // A broken pipe ends it as well; what was said until then is all there is.
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
