//! The texts that a foreign configuration is made of, and what is asked for beside them.
//!
//! All of them lie one after the other in one string, so that a place is a range of it whichever file
//! it is in. No file is opened here.

use std::ops::Range;

use ringbolt_core::limits::CONFIG_BYTES_MAX;

use crate::diagnostic::Diagnostic;
use crate::source::Part;

/// What a foreign configuration refers to beside its own text; an argument, so that reading one is a
/// pure function.
pub trait Surroundings {
    /// The value of an environment variable; `None` when there is none, or it is no text.
    fn variable(&self, name: &str) -> Option<String>;

    /// The files that an `include` names, `most` of them at most, in the order in which nginx reads
    /// them: a path, or a pattern with `*`, `?` and `[…]`, which may match nothing.
    ///
    /// # Errors
    ///
    /// Why the path, or one of the files, cannot be read; its place is added here.
    fn include(&self, pattern: &str, most: usize) -> Result<Vec<Included>, Diagnostic>;
}

/// A file that was included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Included {
    /// Its path, the same for the same file: by it a loop is recognised.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// The texts by their files.
#[derive(Debug)]
pub(super) struct Texts {
    text: String,
    parts: Vec<Part>,
    /// Of `parts`, in the same order: their own bytes, without the newline that may follow.
    lengths: Vec<usize>,
}

impl Texts {
    pub(super) fn new(name: &str, text: &str) -> Self {
        let part = Part { name: name.to_owned(), start: 0 };
        Self { text: text.to_owned(), parts: vec![part], lengths: vec![text.len()] }
    }

    /// Adds a file, once, and gives the bytes it has; `None` when all of them are too long together.
    pub(super) fn add(&mut self, file: Included) -> Option<Range<usize>> {
        if let Some(index) = self.parts.iter().position(|part| part.name == file.name) {
            let start = self.parts[index].start;
            return Some(start..start + self.lengths[index]);
        }
        if (self.text.len() + file.text.len() + 1) as u64 > CONFIG_BYTES_MAX {
            return None;
        }
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        let start = self.text.len();
        self.text.push_str(&file.text);
        self.parts.push(Part { name: file.name, start });
        self.lengths.push(file.text.len());
        Some(start..self.text.len())
    }

    /// The bytes of the file that everything begins with.
    pub(super) fn first(&self) -> Range<usize> {
        0..self.lengths[0]
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn into_parts(self) -> (String, Vec<Part>) {
        (self.text, self.parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> Included {
        Included { name: name.into(), text: text.into() }
    }

    /// Goal: every file has its own lines, and one that is included twice is there once. Method: texts
    /// with and without a newline at their end, and one that is too long.
    #[test]
    fn files_lie_one_after_the_other() {
        let mut texts = Texts::new("a", "one");
        assert_eq!(texts.add(file("b", "two\n")), Some(4..8));
        assert_eq!(texts.add(file("c", "three")), Some(8..13));
        assert_eq!(texts.add(file("b", "two\n")), Some(4..8));
        assert_eq!((texts.parts.len(), texts.first()), (3, 0..3));
        assert_eq!(texts.as_str(), "one\ntwo\nthree");
        assert_eq!(texts.add(file("d", &"#".repeat(CONFIG_BYTES_MAX as usize))), None);
    }
}
