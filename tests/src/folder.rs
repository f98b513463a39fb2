//! A folder for a test's files that goes with the test.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A temporary folder. Dropping it removes it.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// An empty folder.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[allow(clippy::new_without_default)] // it makes a folder: not something to do by default
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringbolt-tests-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a place for temporary files");
        Self(path)
    }

    /// The path of a file in it, which need not be there.
    pub fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a temporary folder with a plain name").to_owned()
    }

    /// Writes a file and gives its path.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.file(name);
        std::fs::write(&path, text).expect("a temporary file");
        path
    }
}

impl Drop for Folder {
    /// What cannot be removed stays where temporary files are; no test fails for it.
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
