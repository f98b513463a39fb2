//! The programs that take part, where they are, and what to do when one is not there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::remedy::Maker;
use crate::results;

/// A program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Program {
    Ringbolt,
    Haproxy,
    Nginx,
    Redis,
    /// Node with the packages of `parts/node`.
    Node,
    /// Python with the packages of `parts/python`.
    Python,
    /// `setpriv`, which lets programs end with this one.
    Setpriv,
}

impl Program {
    /// The program of a balancer.
    pub(crate) fn of(maker: Maker) -> Self {
        match maker {
            Maker::Ringbolt => Self::Ringbolt,
            Maker::Haproxy => Self::Haproxy,
            Maker::Nginx => Self::Nginx,
        }
    }

    /// Where it is; a bare name is looked for in the search path.
    pub(crate) fn path(self) -> PathBuf {
        match self {
            Self::Ringbolt => said("RINGBOLT_BIN").unwrap_or_else(beside_this_one),
            Self::Haproxy => said("ROAM_HAPROXY").unwrap_or_else(|| administrative("haproxy")),
            Self::Nginx => said("ROAM_NGINX").unwrap_or_else(|| administrative("nginx")),
            Self::Redis => said("ROAM_REDIS").unwrap_or_else(|| "redis-server".into()),
            Self::Node => said("ROAM_NODE").unwrap_or_else(|| "node".into()),
            Self::Python => {
                said("ROAM_PYTHON").unwrap_or_else(|| root().join(".setup/python/bin/python"))
            }
            Self::Setpriv => "setpriv".into(),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ringbolt => "ringbolt",
            Self::Haproxy => "HAProxy",
            Self::Nginx => "nginx",
            Self::Redis => "Redis",
            Self::Node => "Node with socket.io, ws and redis",
            Self::Python => "Python with websockets and redis",
            Self::Setpriv => "setpriv (util-linux)",
        }
    }

    /// What it says of its version; `None` when it does not run.
    pub(crate) fn version(self) -> Option<String> {
        let path = self.path();
        let text = match self {
            Self::Ringbolt | Self::Redis | Self::Setpriv => output(&path, &["--version"])?,
            Self::Haproxy | Self::Nginx => output(&path, &["-v"])?,
            Self::Node => {
                // Of the packages, not only of the program: it is they that are shown.
                let script = "const v = (p) => \
                              require(`./node_modules/${p}/package.json`).version; \
                              console.log(`${process.version}, socket.io ${v('socket.io')}, ws \
                              ${v('ws')}`)";
                output(&path, &["-e", script])?
            }
            Self::Python => {
                let script = "import platform, redis, websockets; print(platform.python_version() \
                              + ', websockets ' + websockets.__version__)";
                output(&path, &["-c", script])?
            }
        };
        text.lines().next().map(str::to_owned)
    }

    /// How to have it.
    pub(crate) fn mend(self) -> String {
        match self {
            Self::Ringbolt => "cargo build --release -p ringbolt, or RINGBOLT_BIN=PATH".into(),
            Self::Haproxy
            | Self::Nginx
            | Self::Redis
            | Self::Node
            | Self::Python
            | Self::Setpriv => "scripts/setup installs it".into(),
        }
    }

    /// For the results.
    pub(crate) fn described(self, version: String) -> results::Program {
        results::Program { name: self.name().to_owned(), version }
    }
}

/// The folder of the servers and clients in `language`.
pub(crate) fn parts(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("parts").join(language)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn said(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

/// The ringbolt of the release build, where this program was built, or one that is installed beside
/// it.
fn beside_this_one() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    let folder = own.parent().unwrap_or_else(|| Path::new("."));
    let all = ["../release/ringbolt", "ringbolt"].map(|path| folder.join(path));
    let [release, beside] = all;
    if release.is_file() { release } else { beside }
}

/// One that Debian keeps out of a user's search path.
fn administrative(name: &str) -> PathBuf {
    let debian = Path::new("/usr/sbin").join(name);
    if debian.is_file() { debian } else { name.into() }
}

/// What a program says on either output.
fn output(program: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).current_dir(parts("node"));
    let output = command.output().ok().filter(|output| output.status.success())?;
    let said = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    Some(String::from_utf8_lossy(&said).trim().to_owned())
}
