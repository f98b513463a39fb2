//! A socket that the balancer is started with, as a service manager does it.

use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use socket2::Socket;

use crate::ringbolt::finish_with;
use crate::{Config, Ended, Folder, Ringbolt, Watched, binary};

/// A socket to pass on, as descriptor 3.
#[derive(Debug)]
pub struct Inherited(Socket);

impl Inherited {
    /// Passes this on.
    pub fn new(socket: impl Into<OwnedFd>) -> Self {
        Self(Socket::from(socket.into()))
    }

    /// The same socket once more.
    ///
    /// # Panics
    ///
    /// When no descriptor is left.
    pub fn other(&self) -> Self {
        Self(self.0.try_clone().expect("a descriptor"))
    }

    /// Starts a balancer with it; the test has no copy any more.
    pub fn start(self, config: &Config) -> Ringbolt {
        self.start_text(&config.text())
    }

    /// The same with the configuration as text.
    pub fn start_text(self, config: &str) -> Ringbolt {
        Ringbolt::start_with(command(), self.stdin(), config)
    }

    /// Starts one that is watched.
    pub fn watched(self, config: Config) -> Watched {
        Watched::watching(Folder::new(), config, |config| self.start(&config))
    }

    /// Starts one that cannot start.
    pub fn refused(self, config: &str) -> Ended {
        let folder = Folder::new();
        let mut command = command();
        command.arg("run").arg(folder.write("ringbolt.toml", config));
        finish_with(command, self.stdin())
    }

    fn stdin(self) -> Stdio {
        Stdio::from(OwnedFd::from(self.0))
    }
}

/// A shell makes descriptor 3 of its standard input and becomes the balancer. The environment variable
/// WEB holds the number, and WORD a word.
fn command() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "exec 3<&0 0</dev/null; exec \"$0\" \"$@\""]).arg(binary());
    command.env("WEB", "3").env("WORD", "three").env("OTHER", "77");
    command
}
