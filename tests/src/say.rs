//! What a test has to say although it passes: figures that it measured, that it was skipped.

use std::io::Write;

/// Writes a line to standard error, past the capture of the test runner, which would swallow an
/// `eprintln!` of a test that passes.
pub fn say(line: &str) {
    // In one write, so that no other thread's line comes between. If it fails there is nobody to
    // tell.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}
