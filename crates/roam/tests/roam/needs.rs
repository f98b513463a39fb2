//! What a test needs beside `roam`; what is missing makes it skip, loudly.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Something that may not be there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need {
    /// The binary under test in front of servers.
    Ringbolt,
    Haproxy,
    /// Node, and its packages for servers and clients.
    Node,
    /// Python, and its packages.
    Python,
    Redis,
    /// Leave to become somebody else, who can read what was built.
    OtherUser,
}

/// Whether everything is there. If not, it is said on standard error, past the capture of the test
/// runner, and in the file that `RINGBOLT_SKIPPED` names; with `RINGBOLT_REQUIRE_ALL=1` it is a
/// failure.
pub(crate) fn all_there(test: &str, needs: &[Need]) -> bool {
    let missing: Vec<_> = needs.iter().filter_map(|need| need.missing()).collect();
    if missing.is_empty() {
        return true;
    }
    let line = format!("SKIPPED roam {test}: {}\n", missing.join("; "));
    assert!(std::env::var_os("RINGBOLT_REQUIRE_ALL").is_none_or(|value| value != "1"), "{line}");
    std::io::stderr().write_all(line.as_bytes()).expect("standard error");
    if let Some(path) = std::env::var_os("RINGBOLT_SKIPPED") {
        let file = OpenOptions::new().append(true).create(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("RINGBOLT_SKIPPED");
    }
    false
}

impl Need {
    fn missing(self) -> Option<&'static str> {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (there, mend) = match self {
            Self::Ringbolt => {
                (ringbolt().is_file(), "no ringbolt: cargo build --release -p ringbolt")
            }
            Self::Haproxy => (
                Path::new("/usr/sbin/haproxy").is_file() || runs("haproxy", &["-v"]),
                "no haproxy: scripts/setup",
            ),
            Self::Node => (
                runs("node", &["--version"]) && package.join("parts/node/node_modules/ws").is_dir(),
                "no Node with its packages: scripts/setup",
            ),
            Self::Python => {
                let python = package.join("../../.setup/python/bin/python");
                let python = python.to_string_lossy();
                (
                    runs(&python, &["-c", "import websockets, redis"]),
                    "no Python with its packages: scripts/setup",
                )
            }
            Self::Redis => (runs("redis-server", &["--version"]), "no redis-server: scripts/setup"),
            Self::OtherUser => {
                let roam = env!("CARGO_BIN_EXE_roam");
                let arguments = ["--reuid=65534", "--clear-groups", roam, "list"];
                (runs("setpriv", &arguments), "no leave to run it as another user: root")
            }
        };
        (!there).then_some(mend)
    }
}

/// Where `roam` looks for it.
fn ringbolt() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_roam")).parent().expect("a folder");
    let built = folder.join("../release/ringbolt");
    std::env::var_os("RINGBOLT_BIN").map_or(built, PathBuf::from)
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
