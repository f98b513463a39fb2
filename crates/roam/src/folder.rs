//! A folder for configurations, sockets and logs, which goes with the program.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};

/// A temporary folder. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// A new one, of which there is one in a process.
    ///
    /// A signal that ends this program removes it too. What was started ends by itself, because its input
    /// ends, or because it was asked to be told of our end.
    pub(crate) fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("ringbolt-roam-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        let mut signals = SigSet::empty();
        signals.extend([Signal::SIGINT, Signal::SIGTERM]);
        // Threads that are started from now on block them too, so that only the one below gets them.
        signals.thread_block()?;
        let doomed = path.clone();
        std::thread::spawn(move || {
            if let Ok(signal) = signals.wait() {
                // There is nobody left to tell.
                let _ = fs::remove_dir_all(doomed);
                std::process::exit(128 + signal as i32);
            }
        });
        Ok(Self(path))
    }

    /// The path of a file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file in it.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.file(name);
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left then is temporary by its place.
        let _ = fs::remove_dir_all(&self.0);
    }
}
