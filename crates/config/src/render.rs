//! Diagnostics for people, as pictures of the lines, and for programs, as JSON.
//!
//! It decides nothing about a configuration. Whether there is colour is the caller's to say, who
//! knows where the text goes.

use std::error::Error;
use std::fmt;
use std::ops::Range;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents,
};
use serde::Serialize;

use crate::diagnostic::{Diagnostic, Severity};
use crate::source::Source;

/// Columns that a message is wrapped at; lines of the file are never wrapped.
const WIDTH: usize = 100;

/// Bytes of the longest line that is drawn. Nobody finds a mark in a longer one, and miette counts
/// columns in 16 bits.
const LINE_MAX: usize = 2_000;

/// Every diagnostic with a picture of its line, in the order given, each followed by an empty line.
pub fn pictures(source: &Source<'_>, diagnostics: &[Diagnostic], colour: bool) -> String {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(WIDTH)
        .with_context_lines(0)
        .without_cause_chain()
        .without_syntax_highlighting();
    let mut text = String::new();
    for diagnostic in diagnostics {
        let start = text.len();
        let picture = Picture { source, diagnostic };
        if handler.render_report(&mut text, &picture).is_err() {
            // The drawing failed, which is no reason to hide the error.
            text.truncate(start);
            text.push_str(&picture.to_string());
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

/// The answer of `check --json`, one line: `{"errors":[{"file","line","column","message","help"}],
/// "warnings":[…]}` with null where there is no place or no help.
pub fn json(source: &Source<'_>, errors: &[Diagnostic], warnings: &[Diagnostic]) -> String {
    let entries = |list: &[Diagnostic]| list.iter().map(|d| Entry::of(source, d)).collect();
    let answer = Answer { errors: entries(errors), warnings: entries(warnings) };
    serde_json::to_string(&answer).expect("strings and numbers are always JSON")
}

#[derive(Serialize)]
struct Answer {
    errors: Vec<Entry>,
    warnings: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    file: String,
    line: Option<usize>,
    column: Option<usize>,
    message: String,
    help: Option<String>,
}

impl Entry {
    fn of(source: &Source<'_>, diagnostic: &Diagnostic) -> Self {
        let position = source.position(diagnostic);
        Self {
            file: source.name_of(diagnostic).to_owned(),
            line: position.map(|position| position.line),
            column: position.map(|position| position.column),
            message: diagnostic.message.clone(),
            help: diagnostic.help.clone(),
        }
    }
}

/// A diagnostic as miette wants it.
#[derive(Debug)]
struct Picture<'a> {
    source: &'a Source<'a>,
    diagnostic: &'a Diagnostic,
}

impl Picture<'_> {
    /// What is to be marked, if there is a place and its line can be drawn.
    fn mark(&self) -> Option<&Range<usize>> {
        self.diagnostic.span.as_ref().filter(|span| self.can_draw(span))
    }

    fn can_draw(&self, span: &Range<usize>) -> bool {
        self.source.excerpt(span.start, 0, 0).1.len() <= LINE_MAX
    }
}

impl fmt::Display for Picture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without a picture the place has to stand in the sentence.
        if self.mark().is_none() {
            write!(f, "{}: ", self.source.name_of(self.diagnostic))?;
            if let Some(at) = self.source.position(self.diagnostic) {
                write!(f, "line {}, column {}: ", at.line, at.column)?;
            }
        }
        f.write_str(&self.diagnostic.message)
    }
}

impl Error for Picture<'_> {}

impl miette::Diagnostic for Picture<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.diagnostic.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let main = LabeledSpan::new_primary_with_span(None, self.source.clip(self.mark()?));
        let related = self.diagnostic.related.as_ref().filter(|(span, _)| self.can_draw(span));
        let other = related.map(|(span, label)| {
            LabeledSpan::new_with_span(Some(label.clone()), self.source.clip(span))
        });
        Some(Box::new(std::iter::once(main).chain(other)))
    }
}

impl SourceCode for Source<'_> {
    /// miette's own way reads the text from its beginning for each label, which takes minutes for
    /// a large file full of errors.
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        context_lines_before: usize,
        context_lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let position = self.position_at(span.offset());
        let last = self.position_at(span.offset().saturating_add(span.len())).line;
        let after = context_lines_after + last - position.line;
        let (first, lines) = self.excerpt(span.offset(), context_lines_before, after);
        Ok(Box::new(MietteSpanContents::new_named(
            self.name_at(span.offset()).to_owned(),
            &self.shown().as_bytes()[lines.clone()],
            (lines.start, lines.len()).into(),
            first.saturating_sub(self.first_line_at(span.offset())),
            position.column - 1,
            last - position.line + 1,
        )))
    }
}
