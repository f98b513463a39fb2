//! How a process of a measurement gets along with whoever started it.

use std::io::{self, Read, Write};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::Serialize;

/// Takes all the descriptors that it may have: a soft limit is often 1,024.
///
/// # Errors
/// Those of setrlimit(2).
pub(crate) fn raise_descriptors() -> io::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}

/// Says something, as a line of JSON on standard output.
pub(crate) fn say<T: Serialize>(what: &T) {
    let line = serde_json::to_string(what).expect("plain data");
    let mut out = io::stdout().lock();
    // Nobody listens any more: then standard input has ended as well, and that is what ends us.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Returns when standard input has ended, which is how whoever started this process ends it, be it by
/// dying.
pub(crate) fn wait_for_end_of_input() {
    let mut input = io::stdin().lock();
    let mut line = [0; 64];
    while !matches!(input.read(&mut line), Ok(0) | Err(_)) {}
}
