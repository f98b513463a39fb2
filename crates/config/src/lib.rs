//! Text to [`Spec`]: every error at once, each with its place, the reason and the mend; and the
//! configurations of HAProxy and nginx to such a text ([`import`]).
//!
//! Pure: the text and what the machine allows are arguments. It opens no file, asks no system call
//! and resolves no name. The same [`check`] stands behind `run`, `check`, reload and `plan`, so a
//! configuration cannot be good for one and bad for another.
#![forbid(unsafe_code)]

mod across;
mod address;
mod advice;
mod diagnostic;
mod document;
mod family;
mod format;
mod global;
mod health;
mod import;
mod listener;
mod nearest;
mod pool;
mod reader;
mod render;
mod server;
mod source;
mod time;
mod unbuilt;
mod value;

pub use diagnostic::{Diagnostic, Severity};
pub use format::{Format, sniff};
pub use import::{Imported, Included, Product, Surroundings, import};
pub use render::{json, pictures};
pub use source::{Part, Position, Source};

use diagnostic::Findings;
use ringbolt_core::limits::CONFIG_BYTES_MAX;
use ringbolt_core::spec::Spec;

/// What the machine allows; an argument, so that a check is a pure function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Open descriptors that the process can reach: the hard RLIMIT_NOFILE.
    pub descriptors: u64,
    /// Cores that the process may run on, at least 1; the default number of workers.
    pub cores: u16,
}

/// Everything that a check found out. Each list is in the order of the file.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What the text asks for; there exactly when `errors` is empty.
    pub spec: Option<Spec>,
    /// What makes the text invalid.
    pub errors: Vec<Diagnostic>,
    /// What is valid and probably not meant.
    pub warnings: Vec<Diagnostic>,
    /// Valid keys that are not built yet and whose absence would be dangerous: errors for `run`
    /// and reload, warnings ([`Diagnostic::into_warning`]) for everything that serves nobody.
    pub not_available: Vec<Diagnostic>,
}

/// Checks the text of a `ringbolt.toml`.
///
/// Never panics, whatever the text. A syntax error is reported alone, because what follows it
/// cannot be read with confidence.
pub fn check(text: &str, machine: &Machine) -> Checked {
    let mut found = Findings::default();
    let spec = if text.len() as u64 > CONFIG_BYTES_MAX {
        found.push(
            Diagnostic::error(format!("the file has more than {CONFIG_BYTES_MAX} bytes"))
                .mend("split the pools over several instances"),
        );
        None
    } else {
        document::read(text, machine, &mut found)
    };
    found.sort();
    let Findings { errors, warnings, not_available } = found;
    Checked { spec: spec.filter(|_| errors.is_empty()), errors, warnings, not_available }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: an oversized text is refused before it is parsed. Method: one byte over the limit.
    #[test]
    fn a_text_above_the_limit_is_one_error_without_a_place() {
        let text = "#".repeat(CONFIG_BYTES_MAX as usize + 1);
        let checked = check(&text, &Machine { descriptors: 20_000, cores: 2 });
        assert!(checked.spec.is_none());
        assert_eq!(checked.errors.len(), 1);
        assert_eq!(checked.errors[0].span, None);
    }
}
