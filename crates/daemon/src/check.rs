//! `ringbolt check`: all errors and warnings of a configuration at once.

use std::path::Path;
use std::process::ExitCode;

use ringbolt_config::{Diagnostic, json, pictures};

use crate::file::Configuration;
use crate::output::{answer, coloured, tell};

/// Prints what is wrong; 0 when the file is valid, 1 when it is not.
pub(crate) fn check(path: &Path, as_json: bool) -> ExitCode {
    let configuration = Configuration::read(path);
    let (source, checked) = (configuration.source(), &configuration.checked);
    // What only `run` refuses is worth a warning here.
    let unbuilt = checked.not_available.iter().cloned().map(Diagnostic::into_warning);
    let warnings: Vec<Diagnostic> = checked.warnings.iter().cloned().chain(unbuilt).collect();
    let code = ExitCode::from(u8::from(!checked.errors.is_empty()));
    if as_json {
        return answer(&format!("{}\n", json(&source, &checked.errors, &warnings)), code);
    }
    tell(&pictures(&source, &checked.errors, coloured()));
    tell(&pictures(&source, &warnings, coloured()));
    let verdict = if checked.errors.is_empty() { "valid" } else { "not valid" };
    let counts = counts(checked.errors.len(), warnings.len());
    answer(&format!("{}: {verdict}{counts}\n", configuration.name), code)
}

fn counts(errors: usize, warnings: usize) -> String {
    let count = |number: usize, word: &str| match number {
        0 => None,
        1 => Some(format!("1 {word}")),
        more => Some(format!("{more} {word}s")),
    };
    let parts: Vec<String> =
        [count(errors, "error"), count(warnings, "warning")].into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}
