//! One thing that an operator should know about a configuration, and the collection of them.
//!
//! Plain data. How it is drawn stands in `render`, where a line begins in `source`.

use std::ops::Range;

/// Whether a diagnostic makes a configuration invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It does.
    Error,
    /// It does not.
    Warning,
}

/// What is wrong, where, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it makes the configuration invalid.
    pub severity: Severity,
    /// The reason, one sentence without a full stop.
    pub message: String,
    /// The mend; `None` where the reason says enough.
    pub help: Option<String>,
    /// Bytes of the text that it is about; `None`: the file as a whole.
    pub span: Option<Range<usize>>,
    /// Another place that belongs to it, with what that place is ("first bound here").
    pub related: Option<(Range<usize>, String)>,
}

impl Diagnostic {
    /// An error about the file as a whole, until [`Self::at`] gives it a place.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message.into())
    }

    /// A warning about the file as a whole, until [`Self::at`] gives it a place.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message.into())
    }

    fn new(severity: Severity, message: String) -> Self {
        Self { severity, message, help: None, span: None, related: None }
    }

    /// The same, about these bytes of the text. Any range will do: what does not lie in the text
    /// is drawn at the nearest place that does.
    #[must_use]
    pub fn at(self, span: Range<usize>) -> Self {
        Self { span: Some(span), ..self }
    }

    /// The same, with a mend.
    #[must_use]
    pub fn mend(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The same, with a second place.
    #[must_use]
    pub fn related(self, span: Range<usize>, label: impl Into<String>) -> Self {
        Self { related: Some((span, label.into())), ..self }
    }

    /// The same as a warning: what `check` makes of [`crate::Checked::not_available`].
    #[must_use]
    pub fn into_warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }
}

/// What a check has found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) errors: Vec<Diagnostic>,
    pub(crate) warnings: Vec<Diagnostic>,
    pub(crate) not_available: Vec<Diagnostic>,
}

impl Findings {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        match diagnostic.severity {
            Severity::Error => self.errors.push(diagnostic),
            Severity::Warning => self.warnings.push(diagnostic),
        }
    }

    /// Into the order of the file; what has no place comes first.
    pub(crate) fn sort(&mut self) {
        for list in [&mut self.errors, &mut self.warnings, &mut self.not_available] {
            list.sort_by_key(|diagnostic| diagnostic.span.as_ref().map(|span| span.start));
        }
    }
}
