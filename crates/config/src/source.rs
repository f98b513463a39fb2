//! A text with its name and the beginnings of its lines: bytes to line and column.
//!
//! Total: every offset and every range has an answer, also beyond the end and inside a character,
//! because a diagnostic that cannot be shown would be worse than one shown beside its place.

use std::ops::Range;

use crate::diagnostic::Diagnostic;

/// A line and a column, both from 1; columns are counted in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// From 1; lines end with LF or CR LF.
    pub line: usize,
    /// From 1; a byte order mark does not count.
    pub column: usize,
}

/// A file among those that a text was put together from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name as the operator would write it.
    pub name: String,
    /// The byte of the text at which it begins: the first of a line.
    pub start: usize,
}

/// A configuration's text, ready to be pointed into. It may be that of several files, one after the
/// other: places are then told by file and line.
#[derive(Clone, Debug)]
pub struct Source<'t> {
    /// Where the files begin, and their names; the first begins at 0, so it is never empty.
    files: Vec<(usize, &'t str)>,
    text: &'t str,
    /// What a terminal may see of `text`, byte for byte at the same offsets, and a newline at the
    /// very end: the place of what is missing there.
    shown: String,
    /// Offsets at which lines begin; the first is 0, so it is never empty.
    line_starts: Vec<usize>,
}

impl<'t> Source<'t> {
    /// A text and the name of its file as the operator wrote it.
    pub fn new(name: &'t str, text: &'t str) -> Self {
        Self::with_files(vec![(0, name)], text)
    }

    /// A text that was put together from several files, in the order of their places; `name` is that
    /// of the first, also when there is no part of it.
    pub fn of_parts(name: &'t str, parts: &'t [Part], text: &'t str) -> Self {
        let others = parts.iter().filter(|part| part.start > 0);
        let files = others.map(|part| (part.start, part.name.as_str()));
        Self::with_files(std::iter::once((0, name)).chain(files).collect(), text)
    }

    fn with_files(files: Vec<(usize, &'t str)>, text: &'t str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(newline, _)| newline + 1);
        let line_starts = std::iter::once(0).chain(after_newlines).collect();
        Self { files, text, shown: harmless(text), line_starts }
    }

    /// The name of the file; of several, the first.
    pub fn name(&self) -> &'t str {
        self.files[0].1
    }

    /// The name of the file that a diagnostic is about.
    pub fn name_of(&self, diagnostic: &Diagnostic) -> &'t str {
        self.name_at(diagnostic.span.as_ref().map_or(0, |span| span.start))
    }

    pub(crate) fn name_at(&self, offset: usize) -> &'t str {
        self.file_at(offset).1
    }

    /// Where the file that holds an offset begins, and its name.
    fn file_at(&self, offset: usize) -> (usize, &'t str) {
        let after = self.files.partition_point(|(start, _)| *start <= offset);
        self.files[after.max(1) - 1]
    }

    /// The line at which the file that holds an offset begins, counted from 0.
    pub(crate) fn first_line_at(&self, offset: usize) -> usize {
        self.line_index(self.file_at(offset).0)
    }

    /// Where a diagnostic begins; `None` when it is about the file as a whole.
    pub fn position(&self, diagnostic: &Diagnostic) -> Option<Position> {
        diagnostic.span.as_ref().map(|span| self.position_at(span.start))
    }

    pub(crate) fn position_at(&self, offset: usize) -> Position {
        let offset = self.text.floor_char_boundary(offset);
        let index = self.line_index(offset);
        let start = self.line_starts[index];
        let before = self.text[start..offset].trim_start_matches(BYTE_ORDER_MARK);
        let line = index - self.first_line_at(offset) + 1;
        Position { line, column: before.chars().count() + 1 }
    }

    /// The part of a range that lies on its first line, at the boundaries of characters.
    pub(crate) fn clip(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.text.floor_char_boundary(span.start);
        let line_end = self.line(self.line_index(start)).end;
        let start = start.min(line_end);
        let end = self.text.floor_char_boundary(span.end).min(line_end);
        start..end.max(start)
    }

    /// What may be shown of the lines around an offset, and the index of the first of them.
    pub(crate) fn excerpt(
        &self,
        offset: usize,
        before: usize,
        after: usize,
    ) -> (usize, Range<usize>) {
        let index = self.line_index(offset);
        let first = index.saturating_sub(before);
        let last = index.saturating_add(after).min(self.line_starts.len() - 1);
        let end = self.line_starts.get(last + 1).map_or(self.shown.len(), |next| *next);
        (first, self.line_starts[first]..end)
    }

    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// The line that holds an offset, counted from 0.
    fn line_index(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|&start| start <= offset) - 1
    }

    /// The bytes of a line without its newline.
    fn line(&self, index: usize) -> Range<usize> {
        let start = self.line_starts[index];
        let end = self.line_starts.get(index + 1).map_or(self.text.len(), |next| next - 1);
        let line = &self.text[start..end];
        start..start + line.strip_suffix('\r').unwrap_or(line).len()
    }
}

const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text without what a terminal would obey. Offsets stay: a character of n bytes is replaced
/// by n bytes.
fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 1);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\n' | '\t' => shown.push(character),
            '\r' if characters.peek() == Some(&'\n') => shown.push(character),
            // A zero width space has the three bytes of the mark and takes no room either.
            BYTE_ORDER_MARK => shown.push('\u{200b}'),
            _ if character.is_control() || reorders(character) => {
                shown.extend(std::iter::repeat_n('?', character.len_utf8()));
            }
            _ => shown.push(character),
        }
    }
    shown.push('\n');
    shown
}

/// Whether a character changes the direction of the text around it, so that a reader would see
/// another line than the parser does.
fn reorders(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(text: &str, offset: usize) -> (usize, usize) {
        let position = Source::new("f", text).position_at(offset);
        (position.line, position.column)
    }

    /// Goal: lines and columns as an editor counts them. Method: by hand, with both newlines, wide
    /// characters and a byte order mark.
    #[test]
    fn positions_count_characters_from_one() {
        assert_eq!(position("", 0), (1, 1));
        assert_eq!(position("", 9), (1, 1));
        assert_eq!(position("a\r\nb", 3), (2, 1));
        assert_eq!(position("a\nb\n", 4), (3, 1));
        assert_eq!(position("é = ü", 5), (1, 5));
        assert_eq!(position("é", 1), (1, 1), "inside a character is at its start");
        assert_eq!(position("\u{feff}a", 3), (1, 1));
        assert_eq!(position("\u{feff}a", 0), (1, 1));
    }

    /// Goal: what is drawn stays on one line and in the text. Method: ranges that do not.
    #[test]
    fn ranges_are_clipped_to_their_first_line() {
        let source = Source::new("f", "aé\nbc");
        assert_eq!(source.clip(&(0..6)), 0..3);
        assert_eq!(source.clip(&(2..2)), 1..1);
        assert_eq!(source.clip(&(90..99)), 6..6);
        assert_eq!(source.clip(&Range { start: 5, end: 4 }), 5..5);
    }

    /// Goal: of several files in one text each has its own name and lines. Method: three of them, one
    /// empty, and offsets on both sides of where they meet.
    #[test]
    fn several_files_are_told_apart() {
        let text = "a\nb\nc\n\nd";
        let part = |name: &str, start| Part { name: name.into(), start };
        let parts = [part("f", 0), part("g", 4), part("empty", 6), part("h", 7)];
        let source = Source::of_parts("f", &parts, text);
        let place = |offset| {
            let diagnostic = Diagnostic::error("reason").at(offset..offset);
            let position = source.position(&diagnostic).expect("a place");
            (source.name_of(&diagnostic), position.line)
        };
        assert_eq!(
            [place(0), place(3), place(4), place(6)],
            [("f", 1), ("f", 2), ("g", 1), ("empty", 1)]
        );
        assert_eq!([place(7), place(99)], [("h", 1), ("h", 1)]);
        assert_eq!(source.name_of(&Diagnostic::error("reason")), "f");
    }

    /// Goal: a configuration cannot speak to the terminal. Method: an escape, a NUL and a mark that
    /// reverses text, at unchanged offsets.
    #[test]
    fn control_characters_are_not_shown() {
        let text = "a\u{1b}[1m\r\0\u{85}\u{202e}\r\nb";
        let source = Source::new("f", text);
        assert_eq!(source.shown(), "a?[1m???????\r\nb\n");
        assert_eq!(source.shown().len(), text.len() + 1);
    }
}
