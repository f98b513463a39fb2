//! Reading a configuration file: what can go wrong before there is a text to check.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringbolt_config::{Checked, Diagnostic, Format, Machine, check, sniff};
use ringbolt_core::limits::CONFIG_BYTES_MAX;

/// A pipe's writer that writes nothing for so long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// A file and what a check of it says. `text` is empty when it could not be read.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) checked: Checked,
}

impl Configuration {
    /// Reads and checks a file.
    pub(crate) fn read(path: &Path) -> Self {
        let name = path.display().to_string();
        match text_of(path, CONFIG_BYTES_MAX, "a ringbolt.toml") {
            Ok(text) => {
                let checked = check_text(&text);
                Self { name, text, checked }
            }
            Err(diagnostic) => {
                let checked = Checked {
                    spec: None,
                    errors: vec![diagnostic],
                    warnings: Vec::new(),
                    not_available: Vec::new(),
                };
                Self { name, text: String::new(), checked }
            }
        }
    }
}

/// What this process may use.
pub(crate) fn machine() -> Machine {
    Machine { descriptors: ringbolt_engine::descriptor_limit(), cores: ringbolt_engine::cores() }
}

fn check_text(text: &str) -> Checked {
    let foreign = |product: &str| Checked {
        spec: None,
        errors: vec![
            Diagnostic::error(format!("this is a configuration of {product}"))
                .mend("reading it is not available yet; write a ringbolt.toml"),
        ],
        warnings: Vec::new(),
        not_available: Vec::new(),
    };
    match sniff(text) {
        Format::Toml | Format::Unknown => check(text, &machine()),
        Format::Haproxy => foreign("HAProxy"),
        Format::Nginx => foreign("nginx"),
    }
}

/// The text of a file, of which one byte more than `bytes_max` is read at the most; or why there is none.
/// `wanted` says what file it should be.
pub(crate) fn text_of(path: &Path, bytes_max: u64, wanted: &str) -> Result<String, Diagnostic> {
    let unreadable = |error: io::Error| {
        let mend = if error.kind() == io::ErrorKind::PermissionDenied {
            "make it readable for this user".to_owned()
        } else {
            format!("give the path of {wanted}")
        };
        Diagnostic::error(format!("the file cannot be read: {error}")).mend(mend)
    };
    // Opening a fifo would wait for somebody who writes to it.
    let without_waiting = OFlag::O_NONBLOCK.bits();
    let file = OpenOptions::new().read(true).custom_flags(without_waiting).open(path);
    let file = file.map_err(unreadable)?;
    let kind = file.metadata().map_err(unreadable)?.file_type();
    if !kind.is_file() && !kind.is_fifo() {
        let kind = if kind.is_dir() { "a directory" } else { "a device" };
        return Err(Diagnostic::error(format!("the file cannot be read: it is {kind}"))
            .mend(format!("give the path of {wanted}")));
    }
    let mut bytes = Vec::new();
    // One byte more than allowed is enough for the check to say so.
    Bounded(file).take(bytes_max + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        Diagnostic::error(format!("the file is not UTF-8: byte {place} begins no character"))
            .mend("save it as UTF-8")
    })
}

/// Reads a file, or a pipe whose writer never is silent for long.
struct Bounded(File);

impl Read for Bounded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // A fifo that was never written to reads as an end.
            Ok(0) if !self.is_over()? => {}
            done => return done,
        }
        if self.wait(SILENCE_MAX)?.is_empty() {
            let message = format!("nobody has written to it for {} s", SILENCE_MAX.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
        self.0.read(into)
    }
}

impl Bounded {
    /// Whether there is an end: a regular file always has one, a pipe when its writer has gone.
    fn is_over(&self) -> io::Result<bool> {
        Ok(self.0.metadata()?.is_file() || !self.wait(Duration::ZERO)?.is_empty())
    }

    fn wait(&self, limit: Duration) -> io::Result<PollFlags> {
        let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        let mut asked = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        poll(&mut asked, limit)?;
        Ok(asked[0].revents().unwrap_or(PollFlags::empty()))
    }
}
