//! How a process of a measurement gets along with whoever started it.

use std::io::{self, Read, Write};
use std::process::{Command, Stdio};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::gettid;
use serde::Serialize;

/// Takes all the descriptors that it may have: a soft limit is often 1,024.
///
/// # Errors
/// Those of setrlimit(2).
pub(crate) fn raise_descriptors() -> io::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}

/// Lets the calling thread run only when nobody else on its core wants to (SCHED_IDLE). Threads that
/// move bulk always want to: by their side a small message would wait milliseconds for its turn, and
/// that would be taken for the balancer's latency.
///
/// chrt(1) does it, because no safe call does.
///
/// # Errors
/// It cannot be started, or refuses.
pub(crate) fn stand_back() -> io::Result<()> {
    let mut chrt = Command::new("chrt");
    chrt.args(["--idle", "--pid", "0"]).arg(gettid().to_string());
    let done = chrt.stdin(Stdio::null()).stdout(Stdio::null()).status();
    match done {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(io::Error::other(format!("chrt --idle: {status}"))),
        Err(error) => Err(io::Error::new(error.kind(), format!("chrt, of util-linux: {error}"))),
    }
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
