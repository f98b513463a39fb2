//! `roam`, started with a temporary folder of its own.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Longer than anything here takes on a machine that is busy.
const BOUND: Duration = Duration::from_secs(120);

/// A command that was not run yet.
pub(crate) struct Roam {
    command: Command,
    folder: TempDir,
}

/// One that runs.
pub(crate) struct Running {
    child: Child,
    folder: TempDir,
}

/// One that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) errors: String,
}

/// With these arguments.
pub(crate) fn roam(arguments: &[&str]) -> Roam {
    wrapped(&[], arguments)
}

fn wrapped(wrapper: &[&str], arguments: &[&str]) -> Roam {
    let program = env!("CARGO_BIN_EXE_roam");
    let words: Vec<&str> = wrapper.iter().chain([&program]).chain(arguments).copied().collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env("TMPDIR", folder.path()).env("COLUMNS", "200");
    // What a run does about it is tested by itself.
    command.env_remove("RINGBOLT_REQUIRE_ALL").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Roam { command, folder }
}

impl Roam {
    /// With a variable in its environment.
    pub(crate) fn with(mut self, variable: &str, value: &str) -> Self {
        self.command.env(variable, value);
        self
    }

    /// As a user who may do nothing special.
    pub(crate) fn without_root(self) -> Self {
        let arguments: Vec<_> =
            self.command.get_args().map(|word| word.to_string_lossy()).collect();
        let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        let nobody = wrapped(&["setpriv", "--reuid=65534", "--clear-groups"], &arguments);
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(nobody.folder.path(), all).expect("it is ours");
        nobody
    }

    /// Runs it to its end, which leaves its folder empty.
    pub(crate) fn ended(self) -> Ended {
        self.started().ended()
    }

    pub(crate) fn started(mut self) -> Running {
        let child = self.command.spawn().expect("roam starts");
        Running { child, folder: self.folder }
    }
}

impl Running {
    /// Waits until so many programs run that it has started, and names them.
    pub(crate) fn until_it_has_started(&self, count: usize) -> Vec<u32> {
        let mut children = Vec::new();
        until("programs run", || {
            children = self.children();
            children.len() >= count
        });
        children
    }

    /// Of all its threads.
    fn children(&self) -> Vec<u32> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it runs");
        // A thread that ends meanwhile has none.
        let lists = threads
            .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
        lists.flat_map(|list| list.split_whitespace().map(number).collect::<Vec<_>>()).collect()
    }

    /// As Ctrl-C or the end of a terminal does it, but to it alone.
    pub(crate) fn ended_by(self, signal: Signal) -> Ended {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, signal).expect("it runs");
        self.ended()
    }

    fn ended(self) -> Ended {
        let output = self.child.wait_with_output().expect("it is ours");
        let left: Vec<PathBuf> = fs::read_dir(self.folder.path())
            .expect("its folder")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        assert!(left.is_empty(), "it leaves {left:?} behind");
        let [out, errors] =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("text"));
        Ended { code: output.status.code().expect("no signal ends it"), out, errors }
    }
}

impl Ended {
    /// Waits until none of these runs any more.
    pub(crate) fn gone(&self, family: &[u32]) {
        // One that has ended and that nobody has waited for yet has no memory.
        let runs = |pid: &u32| fs::read(format!("/proc/{pid}/statm")).is_ok_and(|s| s[0] != b'0');
        until("nothing is left", || !family.iter().any(runs));
    }
}

fn number(text: &str) -> u32 {
    text.parse().expect("a pid")
}

fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + BOUND;
    while !ready() {
        assert!(Instant::now() < deadline, "not within {BOUND:?}: {what}");
        #[expect(clippy::disallowed_methods, reason = "between two questions, not instead of one")]
        std::thread::sleep(Duration::from_millis(5));
    }
}
