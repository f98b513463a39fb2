//! What a test needs that may be missing on a machine, and what happens then.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Peer;
use crate::haproxy::haproxy;
use crate::process::descriptor_limit;
use crate::program::nginx;
use crate::ringbolt::binary;
use crate::say;

/// Descriptors that a process may have open where capacity is tested.
pub const DESCRIPTORS: u64 = 20_000;

/// Something outside of this package that a test needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The built binary of Ringbolt.
    Binary,
    /// Leave to open [`DESCRIPTORS`] descriptors in a process.
    Descriptors,
    /// Python with `websockets`, as `scripts/setup` installs it.
    Python,
    /// Node with `ws`, as `scripts/setup` installs it.
    Node,
    /// `strace`, allowed to trace.
    Strace,
    /// `prlimit`, which changes the limits of a running process.
    Prlimit,
    /// `setpriv`, allowed to become another user, and `perl`, which opens many pipes as that user.
    OtherUser,
    /// `script`, which runs a program on a terminal of its own.
    Script,
    /// Chromium, which runs without a window.
    Chromium,
    /// `curl`, and `cmp` to compare what it fetched.
    Curl,
    /// `nginx`, with its module for PUT.
    Nginx,
    /// `redis-server`.
    Redis,
    /// `iperf3`.
    Iperf,
    /// HAProxy.
    Haproxy,
    /// `ip` and `ss`, and leave to make a network of one's own.
    Network,
    /// Leave to let a connection vanish (TCP_REPAIR).
    Repair,
}

impl Need {
    /// What to do about it when it is missing.
    fn missing(self) -> Option<String> {
        match self {
            Self::Binary => (!binary().is_file())
                .then(|| format!("no {}: cargo build --release -p ringbolt", binary().display())),
            Self::Descriptors => (descriptor_limit() < DESCRIPTORS).then(|| {
                let limit = descriptor_limit();
                format!("{limit} descriptors a process, not {DESCRIPTORS}: ulimit -Hn, as root")
            }),
            Self::Python => (!runs(&python(), &["-c", "import websockets"]))
                .then(|| "no Python with websockets: scripts/setup".into()),
            Self::Node => (!runs(Path::new("node"), &["--version"])
                || !package().join("clients/node/node_modules/ws").is_dir())
            .then(|| "no Node with ws: scripts/setup".into()),
            Self::Strace => (!runs(Path::new("strace"), &["-o", "/dev/null", "true"]))
                .then(|| "no strace that may trace: scripts/setup".into()),
            Self::Prlimit => (!runs(Path::new("prlimit"), &["--version"]))
                .then(|| "no prlimit (util-linux): scripts/setup".into()),
            Self::OtherUser => (!runs(Path::new("setpriv"), &["--reuid=65534", "perl", "-e", "0"]))
                .then(|| "no perl under setpriv (util-linux): scripts/setup, and root".into()),
            Self::Script => (!runs(Path::new("script"), &["--version"]))
                .then(|| "no script (bsdutils): scripts/setup".into()),
            Self::Chromium => (!runs(Path::new("chromium"), &["--version"]))
                .then(|| "no chromium: scripts/setup".into()),
            Self::Curl => (!runs(Path::new("curl"), &["--version"])
                || !runs(Path::new("cmp"), &["--version"]))
            .then(|| "no curl, or no cmp (diffutils): scripts/setup".into()),
            Self::Nginx => (!runs(nginx(), &["-v"])).then(|| "no nginx: scripts/setup".into()),
            Self::Redis => (!runs(Path::new("redis-server"), &["--version"]))
                .then(|| "no redis-server: scripts/setup".into()),
            Self::Haproxy => {
                (!runs(haproxy(), &["-v"])).then(|| "no haproxy: scripts/setup".into())
            }
            Self::Network => {
                (!runs(Path::new("unshare"), &["--net", "ip", "link", "set", "lo", "up"])
                    || !runs(Path::new("ss"), &["--version"]))
                .then(|| {
                    "no ip or ss (iproute2), or no leave for networks: scripts/setup, root".into()
                })
            }
            Self::Repair => (!Peer::may_vanish())
                .then(|| "no leave to let connections vanish (CAP_NET_ADMIN): root".into()),
            Self::Iperf => (!runs(Path::new("iperf3"), &["--version"]))
                .then(|| "no iperf3: scripts/setup".into()),
        }
    }
}

/// Whether everything in `needs` is there. If not, says so on standard error, past the capture of
/// the test runner, and adds a line to the file named by `RINGBOLT_SKIPPED`, if any.
///
/// # Panics
///
/// When something is missing and `RINGBOLT_REQUIRE_ALL=1`.
pub fn all_there(test: &str, needs: &[Need]) -> bool {
    let missing: Vec<String> = needs.iter().filter_map(|need| need.missing()).collect();
    if missing.is_empty() {
        return true;
    }
    let name = std::thread::current().name().unwrap_or(test).to_owned();
    let line = format!("SKIPPED {name}: {}", missing.join("; "));
    assert!(std::env::var_os("RINGBOLT_REQUIRE_ALL").is_none_or(|value| value != "1"), "{line}");
    say(&line);
    if let Some(path) = std::env::var_os("RINGBOLT_SKIPPED") {
        let file = OpenOptions::new().append(true).create(true).open(path);
        let line = format!("{line}\n");
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("RINGBOLT_SKIPPED");
    }
    false
}

/// This package's folder.
pub(crate) fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Python that has `websockets`.
pub(crate) fn python() -> PathBuf {
    package().join("../.setup/python/bin/python")
}

fn runs(program: &Path, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
