//! `ringbolt convert`: an haproxy.cfg or nginx.conf as a ringbolt.toml.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::Path;
use std::process::ExitCode;

use ringbolt_config::pictures;

use crate::file::{Configuration, line};

/// Prints what carries what can be carried, and a line for each thing that is not; 0 when there is
/// such a text, 1 when there is none.
pub(crate) fn convert(path: &Path) -> ExitCode {
    let configuration = Configuration::read(path);
    let (source, checked) = (configuration.source(), &configuration.checked);
    for note in &checked.warnings {
        eprintln!("{}", line(&source, note));
    }
    // What is wrong with the text that was made is to be mended in it, and no reason to withhold it.
    eprint!("{}", pictures(&source, &checked.errors, stderr().is_terminal()));
    if configuration.product.is_none() {
        if checked.spec.is_some() {
            eprintln!("{}: this is a ringbolt.toml already", configuration.name);
        }
        return ExitCode::from(1);
    }
    if configuration.toml.is_empty() {
        return ExitCode::from(1);
    }
    match stdout().write_all(configuration.toml.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringbolt: the text cannot be written: {error}");
            ExitCode::from(1)
        }
    }
}
