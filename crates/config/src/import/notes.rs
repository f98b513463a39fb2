//! What is said about a conversion: notes, which are warnings, and what makes it impossible.
//!
//! Each once, and a bounded number of them.

use std::collections::HashSet;
use std::ops::Range;

use ringbolt_core::limits::IMPORT_NOTES_MAX;

use crate::diagnostic::Diagnostic;

/// What has been said so far.
#[derive(Debug, Default)]
pub(super) struct Notes {
    errors: Vec<Diagnostic>,
    notes: Vec<Diagnostic>,
    /// Place and message of every note: a file that is included twice says everything twice.
    said: HashSet<(usize, String)>,
    /// Notes beyond the limit.
    more: usize,
}

impl Notes {
    /// What was not carried over as it was, with what to do.
    pub(super) fn note(
        &mut self,
        at: &Range<usize>,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) {
        let message = message.into();
        if !self.said.insert((at.start, message.clone())) {
            return;
        }
        if self.notes.len() < IMPORT_NOTES_MAX {
            self.notes.push(Diagnostic::warning(message).at(at.clone()).mend(mend));
        } else {
            self.more += 1;
        }
    }

    /// What nothing can be made of.
    pub(super) fn error(
        &mut self,
        at: Option<&Range<usize>>,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) {
        let error = Diagnostic::error(message).mend(mend);
        self.push_error(match at {
            Some(at) => error.at(at.clone()),
            None => error,
        });
    }

    pub(super) fn push_error(&mut self, error: Diagnostic) {
        if self.errors.len() < IMPORT_NOTES_MAX {
            self.errors.push(error);
        }
    }

    /// Whether nothing can be made of it.
    pub(super) fn is_fatal(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Errors and notes, each in the order of the files.
    pub(super) fn into_lists(self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        let Self { mut errors, mut notes, said: _, more } = self;
        for list in [&mut errors, &mut notes] {
            list.sort_by_key(|it| it.span.as_ref().map(|span| span.start));
        }
        if more > 0 {
            let message = format!("{more} more notes are not shown");
            let mend = "mend or take out what the shown ones are about, and convert again";
            notes.push(Diagnostic::warning(message).mend(mend));
        }
        (errors, notes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a note is said once and their number is bounded, which is said too. Method: the same
    /// twice, and more than the limit.
    #[test]
    fn notes_are_bounded() {
        let mut notes = Notes::default();
        for place in (0..IMPORT_NOTES_MAX + 5).rev() {
            notes.note(&(place..place), "lost", "find it");
            notes.note(&(place..place), "lost", "find it");
        }
        let (errors, notes) = notes.into_lists();
        assert_eq!((errors.len(), notes.len()), (0, IMPORT_NOTES_MAX + 1));
        assert_eq!(notes[IMPORT_NOTES_MAX].message, "5 more notes are not shown");
        assert_eq!([&notes[0].span, &notes[1].span], [&Some(5..5), &Some(6..6)]);
    }
}
