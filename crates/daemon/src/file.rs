//! Reading a configuration file of whichever kind: what can go wrong before there is a text to check,
//! and the files that it includes.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringbolt_config::{
    Checked, Diagnostic, Format, Included, Machine, Part, Product, Source, Surroundings, check,
    import, sniff,
};
use ringbolt_core::limits::CONFIG_BYTES_MAX;

/// What is to be read, for whom something else was named.
const CONFIGURATION: &str = "a configuration file";

/// A pipe's writer that writes nothing for so long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// How patterns match, see [`Around`].
const PATTERN_OPTIONS: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    // As glob(3) does, by which nginx finds files: `*` matches no hidden one.
    require_literal_leading_dot: true,
};

/// The kind of file that the command line names. It holds for reloads too, in the engine as well.
static ASSUMED: OnceLock<Format> = OnceLock::new();

/// Takes every file for one of this kind, whatever it looks like.
pub(crate) fn assume(format: Format) {
    // There is one command line, so it is set once.
    let _ = ASSUMED.set(format);
}

/// A file and what a check of it says.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub(crate) name: String,
    /// What findings point into: the file, followed by those that it includes. Empty when it could not
    /// be read.
    pub(crate) text: String,
    /// Where the files begin within `text`.
    parts: Vec<Part>,
    /// What is in force if it is valid: the file itself if it is a ringbolt.toml, else what was made of
    /// it. Empty when nothing could be.
    pub(crate) toml: String,
    /// Whose configuration it is, if it is not ringbolt's.
    pub(crate) product: Option<Product>,
    pub(crate) checked: Checked,
}

impl Configuration {
    /// Reads and checks a file.
    pub(crate) fn read(path: &Path) -> Self {
        let name = path.display().to_string();
        let text = match text_of(path, Fifo::Waits, CONFIG_BYTES_MAX, CONFIGURATION) {
            Ok(text) => text,
            Err(diagnostic) => return Self::unreadable(name, diagnostic),
        };
        match ASSUMED.get().copied().unwrap_or_else(|| sniff(&text)) {
            Format::Toml => Self::own(name, text),
            Format::Haproxy => Self::foreign(Product::Haproxy, name, &text, path),
            Format::Nginx => Self::foreign(Product::Nginx, name, &text, path),
            Format::Unknown => {
                let mut own = Self::own(name, text);
                if own.checked.spec.is_none() && !own.text.trim().is_empty() {
                    own.checked.errors.insert(0, no_kind());
                }
                own
            }
        }
    }

    fn unreadable(name: String, diagnostic: Diagnostic) -> Self {
        let checked = Checked {
            spec: None,
            errors: vec![diagnostic],
            warnings: Vec::new(),
            not_available: Vec::new(),
        };
        let (text, toml) = (String::new(), String::new());
        Self { name, text, parts: Vec::new(), toml, product: None, checked }
    }

    fn own(name: String, text: String) -> Self {
        let checked = check(&text, &machine());
        let toml = text.clone();
        Self { name, text, parts: Vec::new(), toml, product: None, checked }
    }

    fn foreign(product: Product, name: String, text: &str, path: &Path) -> Self {
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let imported = import(product, &name, text, &Around { folder });
        let checked = imported.check(&machine());
        let toml = imported.toml.unwrap_or_default();
        let (text, parts) = (imported.text, imported.parts);
        Self { name, text, parts, toml, product: Some(product), checked }
    }

    /// What points into the text, for messages.
    pub(crate) fn source(&self) -> Source<'_> {
        Source::of_parts(&self.name, &self.parts, &self.text)
    }
}

/// A finding in one line.
pub(crate) fn line(source: &Source<'_>, finding: &Diagnostic) -> String {
    let place = source.position(finding).map(|at| format!("{}:{}:", at.line, at.column));
    let help = finding.help.as_ref().map(|help| format!("; {help}"));
    let (place, help) = (place.unwrap_or_default(), help.unwrap_or_default());
    format!("{}:{place} {}{help}", source.name_of(finding), finding.message)
}

fn no_kind() -> Diagnostic {
    Diagnostic::error("this is no configuration of ringbolt, HAProxy or nginx that can be told")
        .mend("see whether it is the file you mean, or say what it is: --format toml|haproxy|nginx")
}

/// What lies around a file: those in its folder, and this process's environment.
#[derive(Debug)]
struct Around<'p> {
    folder: &'p Path,
}

impl Surroundings for Around<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn include(&self, pattern: &str, most: usize) -> Result<Vec<Included>, Diagnostic> {
        if !pattern.contains(['*', '?', '[']) {
            return included(&self.folder.join(pattern)).map(|file| vec![file]);
        }
        let wrong = |error: String| {
            Diagnostic::error(format!("the files of this pattern cannot be read: {error}"))
                .mend("name the files, or mend the pattern")
        };
        // Two stars are one to glob(3), and every folder below to this crate.
        let mut whole = pattern.to_owned();
        while whole.contains("**") {
            whole = whole.replace("**", "*");
        }
        if !pattern.starts_with('/') && !self.folder.as_os_str().is_empty() {
            let folder = glob::Pattern::escape(&self.folder.to_string_lossy());
            whole = format!("{folder}/{whole}");
        }
        let paths = glob::glob_with(&whole, PATTERN_OPTIONS).map_err(|e| wrong(e.to_string()))?;
        let (mut files, mut bytes) = (Vec::new(), 0);
        for path in paths.take(most) {
            let file = included(&path.map_err(|error| wrong(error.to_string()))?)?;
            bytes += file.text.len() as u64;
            files.push(file);
            // The next would not be taken any more.
            if bytes > CONFIG_BYTES_MAX {
                break;
            }
        }
        Ok(files)
    }
}

fn included(path: &Path) -> Result<Included, Diagnostic> {
    let name = path.display().to_string();
    match text_of(path, Fifo::Refused, CONFIG_BYTES_MAX, CONFIGURATION) {
        Ok(text) => Ok(Included { name, text }),
        Err(error) => {
            let message = format!("{name}: {}", error.message);
            Err(Diagnostic::error(message).mend("name a file that can be read, or take it out"))
        }
    }
}

/// What this process may use.
pub(crate) fn machine() -> Machine {
    Machine { descriptors: ringbolt_engine::descriptor_limit(), cores: ringbolt_engine::cores() }
}

/// What becomes of a fifo in the place of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fifo {
    /// It is read, for a while.
    Waits,
    /// There may be many, so none is waited for.
    Refused,
}

/// The text of a file, of which one byte more than `bytes_max` is read at the most; or why there is none.
/// `wanted` says what file it should be.
pub(crate) fn text_of(
    path: &Path,
    fifo: Fifo,
    bytes_max: u64,
    wanted: &str,
) -> Result<String, Diagnostic> {
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
    let readable = kind.is_file() || kind.is_fifo() && fifo == Fifo::Waits;
    if !readable {
        let kind = match kind {
            kind if kind.is_dir() => "a directory",
            kind if kind.is_fifo() => "a fifo",
            _ => "a device",
        };
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
