//! What a test does on a machine that lacks what it needs: it is skipped loudly, by name.

use std::fs::File;
use std::io::Write;

/// Says what is missing; it is an error where nothing may be.
pub(crate) fn skip(what: &str) {
    let line = format!("perf: {what}");
    assert!(std::env::var_os("RINGBOLT_REQUIRE_ALL").is_none(), "{line}");
    eprintln!("SKIPPED {line}");
    // scripts/test shows at its end what is in there.
    if let Some(file) = std::env::var_os("RINGBOLT_SKIPPED") {
        let mut file = File::options().append(true).open(file).unwrap();
        writeln!(file, "{line}").unwrap();
    }
}
