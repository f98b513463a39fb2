//! A folder for configurations, sockets and logs, which goes with the program.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

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
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let doomed = path.clone();
        // Handlers, not a mask: programs that are started would inherit a mask.
        let mut interrupt = runtime.block_on(async { signal(SignalKind::interrupt()) })?;
        let mut terminate = runtime.block_on(async { signal(SignalKind::terminate()) })?;
        std::thread::spawn(move || {
            let number = runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => SignalKind::interrupt(),
                    _ = terminate.recv() => SignalKind::terminate(),
                }
            });
            // There is nobody left to tell.
            let _ = fs::remove_dir_all(doomed);
            std::process::exit(128 + number.as_raw_value());
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
