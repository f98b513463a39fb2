//! `ringbolt convert`: an haproxy.cfg or nginx.conf as a ringbolt.toml.

use std::path::Path;
use std::process::ExitCode;

use ringbolt_config::pictures;

use crate::file::{Configuration, line};
use crate::output::{answer, coloured, tell};

/// Prints what carries what can be carried, and a line for each thing that is not; 0 when there is
/// such a text, 1 when there is none.
pub(crate) fn convert(path: &Path) -> ExitCode {
    let configuration = Configuration::read(path);
    let (source, checked) = (configuration.source(), &configuration.checked);
    for note in &checked.warnings {
        tell(&format!("{}\n", line(&source, note)));
    }
    // What is wrong with the text that was made is to be mended in it, and no reason to withhold it.
    tell(&pictures(&source, &checked.errors, coloured()));
    if configuration.product.is_none() {
        if checked.spec.is_some() {
            tell(&format!("{}: this is a ringbolt.toml already\n", configuration.name));
        }
        return ExitCode::from(1);
    }
    if configuration.toml.is_empty() {
        return ExitCode::from(1);
    }
    answer(&configuration.toml, ExitCode::SUCCESS)
}
