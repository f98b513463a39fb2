//! A folder for configurations, sockets and logs, which goes with the program.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

/// How often removing is tried when somebody writes meanwhile.
const ATTEMPTS: usize = 10;

/// A temporary folder. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Folder(TempDir);

impl Folder {
    /// A new one.
    ///
    /// A signal that ends this program removes it too, which is why there should be one only. What
    /// was started ends by itself, because its input ends, or because it was asked to be told of
    /// our end.
    pub(crate) fn new() -> Result<Self> {
        let folder = TempDir::with_prefix("ringbolt-roam-").context("a temporary folder")?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let doomed = folder.path().to_owned();
        // Handlers, not a mask: programs that are started would inherit a mask.
        let mut interrupt = runtime.block_on(async { signal(SignalKind::interrupt()) })?;
        let mut hangup = runtime.block_on(async { signal(SignalKind::hangup()) })?;
        let mut terminate = runtime.block_on(async { signal(SignalKind::terminate()) })?;
        std::thread::spawn(move || {
            let number = runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => SignalKind::interrupt(),
                    // The terminal was closed.
                    _ = hangup.recv() => SignalKind::hangup(),
                    _ = terminate.recv() => SignalKind::terminate(),
                }
            });
            // Others may be about to write into it; there is nobody left to tell.
            let _ = (0..ATTEMPTS).any(|_| fs::remove_dir_all(&doomed).is_ok());
            // Below the bar. Nobody may be there to read it any more, so not by a macro, which panics.
            let _ = writeln!(std::io::stderr(), "\nroam: ended by a signal; there is no result");
            std::process::exit(128 + number.as_raw_value());
        });
        Ok(Self(folder))
    }

    /// A new one in it.
    pub(crate) fn within(&self) -> Result<Self> {
        TempDir::new_in(self.path()).map(Self).context("a temporary folder")
    }

    /// The path of a file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file in it.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.file(name);
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}
