//! Another user, without privileges, in whose name the product can run.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::Folder;
use crate::ringbolt::Owned;

/// A user whom nobody else has: pipes are counted by user.
#[derive(Clone, Copy, Debug)]
pub struct User(u32);

impl User {
    /// One that no other run of the tests has at the same time, as far as can be.
    #[allow(clippy::new_without_default)] // another each time
    pub fn new() -> Self {
        Self(1_000_000 + std::process::id())
    }

    /// A command that runs a program as this user; its arguments are still to be added.
    pub fn command(self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={}", self.0), format!("--regid={}", self.0)]);
        command.arg("--clear-groups").arg(program);
        command
    }

    /// Makes a folder this user's own.
    pub(crate) fn take(self, folder: &Folder) {
        std::os::unix::fs::chown(folder.file(""), Some(self.0), None).expect("root may");
    }

    /// A process of this user that holds so many pipes until what is returned is dropped.
    ///
    /// # Panics
    ///
    /// When it cannot have them.
    pub fn hold_pipes(self, count: usize) -> impl Drop {
        let mut command = self.command("perl");
        let open =
            format!("for (1..{count}) {{ my ($r, $w); pipe($r, $w) or die; push @all, $r, $w }}");
        command.args(["-e", &format!("$| = 1; {open} print \"held\\n\"; <STDIN>")]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = Owned(command.spawn().expect("setpriv runs"));
        assert_eq!(first_line(&mut holder.0), "held\n");
        holder
    }
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    let output = child.stdout.take().expect("piped");
    BufReader::new(output).read_line(&mut line).expect("text");
    line
}
