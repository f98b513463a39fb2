//! A network of a test's own: nothing in it but a loopback device, and what the test adds. Nobody
//! else sees it, and it goes with the test.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::panic::resume_unwind;
use std::process::Command;

use nix::sched::{CloneFlags, setns, unshare};

use crate::program::checked;

/// A network namespace (network_namespaces(7)). A thread is in one, and so are the threads and
/// programs that it starts; a socket stays in the one that it was opened in.
#[derive(Debug)]
pub struct Network(File);

impl Network {
    /// A new one.
    ///
    /// # Panics
    ///
    /// When networks are not allowed: see [`crate::Need::Network`].
    #[allow(clippy::new_without_default)] // it needs privileges: not something to do by default
    pub fn new() -> Self {
        on_a_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("allowed");
            ip("link set lo up");
            Self(File::open("/proc/thread-self/ns/net").expect("a kernel with /proc"))
        })
    }

    /// Does something in it, on a thread of its own.
    ///
    /// # Panics
    ///
    /// When what is done does.
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        on_a_thread(|| {
            setns(&self.0, CloneFlags::CLONE_NEWNET).expect("allowed");
            act()
        })
    }

    /// Runs `ip` in it.
    ///
    /// # Panics
    ///
    /// When that fails.
    pub fn ip(&self, arguments: &str) {
        self.inside(|| ip(arguments));
    }

    /// Ends a connection at one of its ends, as an administrator does who has had enough of it.
    ///
    /// # Panics
    ///
    /// When that fails.
    pub fn end_connection(&self, end: impl ToString, other_end: impl ToString) {
        let [end, other] = [end.to_string(), other_end.to_string()];
        let arguments = ["--kill", "--tcp", "src", &end, "dst", &other];
        self.inside(|| checked(Command::new("ss").args(arguments)));
    }

    /// Its name in arguments of `ip`.
    pub fn name(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

fn ip(arguments: &str) {
    checked(Command::new("ip").args(arguments.split(' ')));
}

fn on_a_thread<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    let acted = std::thread::scope(|scope| scope.spawn(act).join());
    acted.unwrap_or_else(|panic| resume_unwind(panic))
}
