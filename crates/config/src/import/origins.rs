//! Where each part of a text that was made comes from, so that what is wrong with it is told at the
//! line that somebody wrote.

use std::ops::Range;

use crate::diagnostic::Diagnostic;

/// Ranges of the text that was made, each with the range of the original that it was made from.
#[derive(Clone, Debug, Default)]
pub(super) struct Origins {
    /// In the order of their beginnings; a range that lies in another comes after it.
    pairs: Vec<(Range<usize>, Range<usize>)>,
}

impl Origins {
    /// Notes an origin; the ranges come in the order of their beginnings.
    pub(super) fn push(&mut self, made: Range<usize>, origin: Range<usize>) {
        debug_assert!(self.pairs.last().is_none_or(|(last, _)| last.start <= made.start));
        self.pairs.push((made, origin));
    }

    /// The same diagnostic, about the original. One about something that nobody wrote is about what
    /// stands before it: the table that it belongs to.
    pub(super) fn lead_back(&self, diagnostic: Diagnostic) -> Diagnostic {
        let span = diagnostic.span.as_ref().and_then(|span| self.origin(span.start));
        let related = diagnostic.related.clone();
        let related = related.and_then(|(span, label)| Some((self.origin(span.start)?, label)));
        Diagnostic { span, related, ..diagnostic }
    }

    fn origin(&self, place: usize) -> Option<Range<usize>> {
        let before = &self.pairs[..self.pairs.partition_point(|(made, _)| made.start <= place)];
        let (_, nearest) = before.last()?;
        let around = before.iter().rev().take(LOOKED_AT).find(|(made, _)| place < made.end);
        Some(around.map_or(nearest, |(_, origin)| origin).clone())
    }
}

/// Ranges looked at for one that holds a place: those in a list are no more, and each is on a line.
const LOOKED_AT: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the innermost range decides, and what nobody wrote belongs to what is before it. Method:
    /// places in, between and before ranges.
    #[test]
    fn places_are_led_back() {
        let mut origins = Origins::default();
        origins.push(10..20, 100..101);
        origins.push(20..40, 200..201);
        origins.push(22..30, 300..301);
        let back = |place: usize| {
            let diagnostic = Diagnostic::error("reason").at(place..place + 1);
            origins.lead_back(diagnostic).span.map(|span| span.start)
        };
        assert_eq!(
            [back(10), back(19), back(21), back(25)].map(Option::unwrap),
            [100, 100, 200, 300]
        );
        assert_eq!([back(35), back(50), back(5)], [Some(200), Some(300), None]);
        let error = Diagnostic::error("reason").at(25..26).related(10..11, "first here");
        assert_eq!(origins.lead_back(error).related, Some((100..101, "first here".into())));
        assert_eq!(origins.lead_back(Diagnostic::error("reason")).span, None);
    }
}
