//! Server programs as a machine has them: nginx, redis-server, iperf3. Each is told where to
//! listen, stays in the foreground, and ends with the test.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use crate::ringbolt::Owned;
use crate::{ClosedPort, Folder, haproxy, sockets, until};

/// A server program that listens.
#[derive(Debug)]
pub struct Program {
    child: Owned,
    // Held as long as the program runs: these programs cannot take any port that is free.
    port: ClosedPort,
    folder: Folder,
}

impl Program {
    /// Starts one by the command that `command` makes of an address of its own and of an empty
    /// folder, and waits until it listens.
    ///
    /// # Panics
    ///
    /// When it ends before, or does not listen there.
    pub fn start(command: impl FnOnce(SocketAddr, &Folder) -> Command) -> Self {
        let (port, folder) = (ClosedPort::new(), Folder::new());
        let mut command = command(port.address(), &folder);
        let said = File::create(folder.file(SAID)).expect("a temporary file");
        let errors = said.try_clone().expect("a descriptor");
        command.stdin(Stdio::null()).stdout(said).stderr(errors);
        let child = Owned(command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}")));
        let mut program = Self { child, port, folder };
        until("the program listens", || {
            let status = program.child.0.try_wait().expect("our child");
            assert!(status.is_none(), "{command:?}: {status:?}");
            let listens = |s: &sockets::Entry| s.local == program.address() && s.remote.port() == 0;
            sockets::all().into_iter().find(listens)
        });
        program
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Its folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }
}

impl Drop for Program {
    /// Shows what it said when the test fails.
    fn drop(&mut self) {
        if std::thread::panicking() {
            // It is for the reader only; the failure has its own words.
            let said = fs::read_to_string(self.folder.file(SAID)).unwrap_or_default();
            eprintln!("the program at {} said:\n{said}", self.address());
        }
    }
}

const SAID: &str = "said";

/// nginx: the one that NGINX names, or Debian's, which is kept out of a user's search path.
pub fn nginx() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| named("NGINX", "/usr/sbin/nginx"));
    &PROGRAM
}

/// The program that an environment variable names, or Debian's, or what the search path has.
pub(crate) fn named(variable: &str, debian: &str) -> PathBuf {
    let debian = Path::new(debian);
    let name = debian.file_name().unwrap_or_default();
    let usual = || if debian.is_file() { debian.into() } else { PathBuf::from(name) };
    std::env::var_os(variable).filter(|named| !named.is_empty()).map_or_else(usual, PathBuf::from)
}

/// HAProxy with these sections after its defaults.
///
/// # Panics
///
/// When the file cannot be written.
pub fn run_haproxy(folder: &Folder, sections: &str) -> Command {
    let configuration = folder.write(
        "haproxy.cfg",
        &format!(
            "defaults\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n{sections}\n"
        ),
    );
    let mut command = Command::new(haproxy());
    command.args(["-db", "-f", &configuration]);
    command
}

/// nginx as one process, with these blocks.
///
/// # Panics
///
/// When the file cannot be written.
pub fn run_nginx(folder: &Folder, blocks: &str) -> Command {
    let module = "/usr/lib/nginx/modules/ngx_stream_module.so";
    let stream = if blocks.contains("stream {") && Path::new(module).is_file() {
        format!("load_module {module};")
    } else {
        String::new()
    };
    let configuration = format!(
        "{stream} daemon off; master_process off; pid pid; error_log stderr; events {{}} {blocks}"
    );
    let configuration = folder.write("nginx.conf", &configuration);
    let mut command = Command::new(nginx());
    command.args(["-e", "stderr", "-p", &folder.file(""), "-c", &configuration]);
    command
}

/// Runs a command that must succeed.
pub(crate) fn checked(command: &mut Command) {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
