//! A real HAProxy with one frontend and one backend, to be asked what it calls things.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use crate::program::named;
use crate::ringbolt::Owned;
use crate::watched::row;
use crate::{Folder, Row, ask, until};

/// A running HAProxy. Dropping it ends it.
#[derive(Debug)]
pub struct Haproxy {
    _child: Owned,
    folder: Folder,
}

impl Haproxy {
    /// Starts one in TCP mode that takes no port, with a frontend `web` and a backend `echo` with a server `ws1`.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start() -> Self {
        Self::start_with("server ws1 192.0.2.1:9")
    }

    /// The same with these lines in its backend.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start_with(backend: &str) -> Self {
        let folder = Folder::new();
        let socket = folder.file("haproxy.sock");
        let web = folder.file("web.sock");
        let configuration = folder.write(
            "haproxy.cfg",
            &format!(
                "global\n stats socket {socket} mode 600 level admin\n\
                 defaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n\
                 timeout check 5s\n frontend web\n bind {web}\n default_backend echo\n\
                 backend echo\n balance source\n {backend}\n"
            ),
        );
        let mut command = Command::new(haproxy());
        command.args(["-db", "-f", &configuration]).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = Owned(command.spawn().expect("HAProxy starts"));
        until("HAProxy answers", || {
            let status = child.0.try_wait().expect("our child");
            assert!(status.is_none(), "{status:?}");
            UnixStream::connect(&socket).ok()
        });
        Self { _child: child, folder }
    }

    /// The row of `show stat` with these names.
    pub fn stat(&self, proxy: &str, server: &str) -> Row {
        row(&self.ask("show stat"), proxy, server)
    }

    /// What its runtime socket answers to a line.
    pub fn ask(&self, line: &str) -> String {
        ask(&self.folder.file("haproxy.sock"), &format!("{line}\n"))
    }
}

/// HAProxy: the one that HAPROXY names, or Debian's, which is kept out of a user's search path.
pub fn haproxy() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| named("HAPROXY", "/usr/sbin/haproxy"));
    &PROGRAM
}
