//! haproxy.cfg and nginx.conf as ringbolt.toml: what Layer 4 can carry is carried, and everything else
//! is a note at its line. Nothing is dropped in silence.
//!
//! Pure like the rest: files that an `include` names and environment variables come through
//! [`Surroundings`]. What is made is text, which [`crate::check`] reads like any other, so there is one
//! meaning of a configuration and not three; findings of that check are led back to the lines that
//! the text was made from.

mod haproxy;
mod model;
mod nginx;
mod notes;
mod origins;
mod scan;
mod settle;
mod texts;
mod word;
mod write;

pub use texts::{Included, Surroundings};

use ringbolt_core::limits::CONFIG_BYTES_MAX;

use crate::diagnostic::Diagnostic;
use crate::source::{Part, Source};
use crate::{Checked, Machine, check};
use notes::Notes;
use origins::Origins;
use texts::Texts;

/// The products whose configurations are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// HAProxy, with an `haproxy.cfg`.
    Haproxy,
    /// nginx, with an `nginx.conf` or a file that one includes.
    Nginx,
}

impl Product {
    /// Its name as it writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Haproxy => "HAProxy",
            Self::Nginx => "nginx",
        }
    }
}

/// What has become of a foreign configuration.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Its text, with the texts of all files that it includes after it: what places refer to.
    pub text: String,
    /// The files that `text` is made of.
    pub parts: Vec<Part>,
    /// The ringbolt.toml that carries what can be carried; there exactly when `errors` is empty.
    pub toml: Option<String>,
    /// What makes it unusable.
    pub errors: Vec<Diagnostic>,
    /// What was not carried over, or not as it was: warnings, in the order of the files.
    pub notes: Vec<Diagnostic>,
    origins: Origins,
}

/// Reads a foreign configuration. Never panics, whatever the text; what it asks `surroundings` for is
/// bounded by [`ringbolt_core::limits`].
pub fn import(
    product: Product,
    name: &str,
    text: &str,
    surroundings: &dyn Surroundings,
) -> Imported {
    let mut notes = Notes::default();
    if text.len() as u64 > CONFIG_BYTES_MAX {
        notes.error(None, too_long(), "split it over several instances");
        return Imported::unusable(Texts::new(name, ""), notes);
    }
    let mut texts = Texts::new(name, text);
    if let Some(place) = texts.as_str().find('\0') {
        let mend = "save it as text; this is another kind of file, or a damaged one";
        notes.error(Some(&(place..place + 1)), "the file has a NUL character", mend);
        return Imported::unusable(texts, notes);
    }
    let mut wish = match product {
        Product::Haproxy => haproxy::read(&texts, surroundings, &mut notes),
        Product::Nginx => nginx::read(&mut texts, surroundings, &mut notes),
    };
    settle::settle(&mut wish, &mut notes);
    if wish.listeners.is_empty() && !notes.is_fatal() {
        let message = format!("nothing of this {} configuration can be carried", product.name());
        notes.error(
            None,
            message,
            "the notes say why, line by line; write a ringbolt.toml instead",
        );
    }
    if notes.is_fatal() {
        return Imported::unusable(texts, notes);
    }
    let (errors, notes) = notes.into_lists();
    let (text, parts) = texts.into_parts();
    let (toml, origins) = write::write(&wish, product, &Source::of_parts(name, &parts, &text));
    Imported { text, parts, toml: Some(toml), errors, notes, origins }
}

fn too_long() -> String {
    format!("the file has more than {CONFIG_BYTES_MAX} bytes")
}

impl Imported {
    fn unusable(texts: Texts, notes: Notes) -> Self {
        let (errors, notes) = notes.into_lists();
        let (text, parts) = texts.into_parts();
        Self { text, parts, toml: None, errors, notes, origins: Origins::default() }
    }

    /// What points into the original, for messages; `name` is the operator's word for the file.
    pub fn source<'s>(&'s self, name: &'s str) -> Source<'s> {
        Source::of_parts(name, &self.parts, &self.text)
    }

    /// Checks what was made like every configuration. Every place is one of the original files; the
    /// notes are among the warnings.
    pub fn check(&self, machine: &Machine) -> Checked {
        let Some(toml) = &self.toml else {
            let (errors, warnings) = (self.errors.clone(), self.notes.clone());
            return Checked { spec: None, errors, warnings, not_available: Vec::new() };
        };
        let checked = check(toml, machine);
        let back = |list: Vec<Diagnostic>| -> Vec<Diagnostic> {
            let mut list: Vec<_> = list.into_iter().map(|it| self.origins.lead_back(it)).collect();
            list.sort_by_key(place);
            list
        };
        let mut warnings = self.notes.clone();
        warnings.extend(back(checked.warnings));
        warnings.sort_by_key(place);
        Checked {
            spec: checked.spec,
            errors: back(checked.errors),
            warnings,
            not_available: back(checked.not_available),
        }
    }
}

fn place(diagnostic: &Diagnostic) -> Option<usize> {
    diagnostic.span.as_ref().map(|span| span.start)
}
