//! An nginx.conf as directives with their blocks, each `include` replaced by what it names.

use std::ops::Range;

use ringbolt_core::limits::{
    CONFIG_BYTES_MAX, IMPORT_DEPTH_MAX, IMPORT_FILES_MAX, IMPORT_LINE_WORDS_MAX, IMPORT_WORDS_MAX,
};

use super::tokens::{Token, Tokens};
use crate::import::Surroundings;
use crate::import::notes::Notes;
use crate::import::texts::Texts;
use crate::import::word::{Word, span};

/// A directive: its name and what follows it, and the directives within it if it is a block.
#[derive(Clone, Debug)]
pub(super) struct Directive {
    /// At least one: the name.
    pub(super) words: Vec<Word>,
    pub(super) block: Option<Vec<Self>>,
}

impl Directive {
    pub(super) fn name(&self) -> &str {
        &self.words[0].text
    }

    /// What follows the name.
    pub(super) fn arguments(&self) -> &[Word] {
        &self.words[1..]
    }

    /// The first word after the name.
    pub(super) fn value(&self) -> Option<&Word> {
        self.words.get(1)
    }

    /// Its place without its block.
    pub(super) fn at(&self) -> Range<usize> {
        span(&self.words)
    }

    /// What is in its block.
    pub(super) fn inner(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }
}

/// Reads a file and those that it includes. After an error the directives are incomplete.
pub(super) fn read(
    texts: &mut Texts,
    surroundings: &dyn Surroundings,
    notes: &mut Notes,
) -> Vec<Directive> {
    let file = texts.first();
    let mut reader = Reader {
        texts,
        surroundings,
        including: Vec::new(),
        words_left: IMPORT_WORDS_MAX,
        files_left: IMPORT_FILES_MAX,
        bytes_left: CONFIG_BYTES_MAX as usize,
    };
    reader.file(file, notes).unwrap_or_default()
}

struct Reader<'a> {
    texts: &'a mut Texts,
    surroundings: &'a dyn Surroundings,
    /// Names of the included files that are being read, the outermost first.
    including: Vec<String>,
    words_left: usize,
    files_left: usize,
    bytes_left: usize,
}

/// A block that is not closed yet: the directive that it belongs to, and what is in it so far.
struct Open {
    words: Vec<Word>,
    directives: Vec<Directive>,
}

impl Reader<'_> {
    /// Reads one file; `None` after an error that leaves nothing to go on with.
    fn file(&mut self, file: Range<usize>, notes: &mut Notes) -> Option<Vec<Directive>> {
        let Some(left) = self.bytes_left.checked_sub(file.len()) else {
            let message =
                format!("with what is included there are more than {CONFIG_BYTES_MAX} bytes");
            notes.error(Some(&(file.start..file.start)), message, "include less, or split it");
            return None;
        };
        self.bytes_left = left;
        // Including grows the text that this one lies in.
        let text = self.texts.as_str()[file.clone()].to_owned();
        let mut tokens = Tokens::new(&text, file.start);
        let mut open: Vec<Open> = Vec::new();
        let mut directives: Vec<Directive> = Vec::new();
        let mut words: Vec<Word> = Vec::new();
        while let Some(token) = tokens.next(notes) {
            match token {
                Token::Word(word) => {
                    self.count(&word, words.len(), notes)?;
                    words.push(word);
                }
                Token::End(place) => {
                    let words = named(std::mem::take(&mut words), place, ";", notes)?;
                    if words[0].text == "include" {
                        directives.extend(self.include(&words, notes)?);
                    } else {
                        directives.push(Directive { words, block: None });
                    }
                }
                Token::Open(place) => {
                    let words = named(std::mem::take(&mut words), place, "{", notes)?;
                    if open.len() >= IMPORT_DEPTH_MAX {
                        let message =
                            format!("more than {IMPORT_DEPTH_MAX} blocks lie in one another");
                        notes.error(Some(&span(&words)), message, "nest less deeply");
                        return None;
                    }
                    if !words[0].text.ends_with("_by_lua_block") {
                        open.push(Open { words, directives: std::mem::take(&mut directives) });
                        continue;
                    }
                    // Another language, of which only the end matters.
                    if !tokens.skip_lua() {
                        let message = "this block is not closed";
                        notes.error(Some(&words[0].at), message, "write its }");
                        return None;
                    }
                    directives.push(Directive { words, block: Some(Vec::new()) });
                }
                Token::Close(place) => {
                    let at = place..place + 1;
                    let Some(outer) = open.pop().filter(|_| words.is_empty()) else {
                        notes.error(
                            Some(&at),
                            "this } closes nothing",
                            "take it out, or write a ; before it",
                        );
                        return None;
                    };
                    let Open { words, directives: before } = outer;
                    let block = Some(std::mem::replace(&mut directives, before));
                    directives.push(Directive { words, block });
                }
            }
        }
        if notes.is_fatal() {
            return None;
        }
        let left = words.first().or_else(|| open.last().and_then(|open| open.words.first()));
        if let Some(first) = left {
            let what =
                if words.is_empty() { "block is not closed" } else { "directive has no end" };
            let mend = if words.is_empty() { "write its }" } else { "write its ;" };
            let at = if tokens.place() > first.at.start { first.at.clone() } else { 0..0 };
            notes.error(Some(&at), format!("this {what}"), mend);
            return None;
        }
        Some(directives)
    }

    fn count(&mut self, word: &Word, before: usize, notes: &mut Notes) -> Option<()> {
        let left = self.words_left.checked_sub(1);
        if before < IMPORT_LINE_WORDS_MAX
            && let Some(left) = left
        {
            self.words_left = left;
            return Some(());
        }
        let message = match left {
            Some(_) => format!("the directive has more than {IMPORT_LINE_WORDS_MAX} words"),
            None => format!("there are more than {IMPORT_WORDS_MAX} words"),
        };
        notes.error(Some(&word.at), message, "split it over several instances");
        None
    }

    /// What the files hold that an `include` names.
    fn include(&mut self, words: &[Word], notes: &mut Notes) -> Option<Vec<Directive>> {
        let at = span(words);
        let [_, pattern] = words else {
            notes.error(Some(&at), "include has one path or pattern", "write include PATH;");
            return None;
        };
        if self.including.len() >= IMPORT_DEPTH_MAX {
            let message = format!("more than {IMPORT_DEPTH_MAX} files include one another");
            notes.error(Some(&at), message, "include less deeply");
            return None;
        }
        let files = match self.surroundings.include(&pattern.text, self.files_left + 1) {
            Ok(files) => files,
            Err(error) if is_of_no_matter(&pattern.text) => {
                let message = format!("include {} is left out: {}", pattern.text, error.message);
                notes.note(&at, message, "nothing to do: what such files hold is not carried");
                return Some(Vec::new());
            }
            Err(error) => {
                notes.push_error(error.at(at));
                return None;
            }
        };
        let mut directives = Vec::new();
        for file in files {
            let Some(left) = self.files_left.checked_sub(1) else {
                let message = format!("more than {IMPORT_FILES_MAX} files are included");
                notes.error(Some(&at), message, "include less, or split it");
                return None;
            };
            self.files_left = left;
            if self.including.contains(&file.name) {
                let message = format!("include loop: {} includes itself", file.name);
                notes.error(Some(&at), message, "take this include out");
                return None;
            }
            if file.text.contains('\0') {
                let message = format!("include {}: it has a NUL character", file.name);
                notes.error(Some(&at), message, "save it as text, or take this include out");
                return None;
            }
            self.including.push(file.name.clone());
            let Some(range) = self.texts.add(file) else {
                let message =
                    format!("with this include there are more than {CONFIG_BYTES_MAX} bytes");
                notes.error(Some(&at), message, "include less, or split it");
                return None;
            };
            directives.extend(self.file(range, notes)?);
            self.including.pop();
        }
        Some(directives)
    }
}

/// Whether a file is one of those that come with nginx and have nothing that could be carried.
fn is_of_no_matter(pattern: &str) -> bool {
    let name = pattern.rsplit('/').next().unwrap_or(pattern);
    name == "mime.types" || name == "fastcgi.conf" || name.ends_with("_params")
}

/// The words of a directive, of which there must be one.
fn named(words: Vec<Word>, place: usize, found: &str, notes: &mut Notes) -> Option<Vec<Word>> {
    if words.is_empty() {
        let message = format!("there is a {found} and no directive before it");
        notes.error(Some(&(place..place + 1)), message, "take it out, or write the directive");
        return None;
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostic;
    use crate::import::Included;

    struct Files(Vec<(&'static str, String)>);

    impl Surroundings for Files {
        fn variable(&self, _: &str) -> Option<String> {
            None
        }

        fn include(&self, pattern: &str, most: usize) -> Result<Vec<Included>, Diagnostic> {
            let stem = pattern.trim_end_matches('*');
            let named = self
                .0
                .iter()
                .filter(|(name, _)| *name == pattern || stem != pattern && name.starts_with(stem));
            let files: Vec<_> = named
                .map(|(name, text)| Included { name: (*name).into(), text: text.clone() })
                .take(most)
                .collect();
            if files.is_empty() && stem == pattern {
                return Err(Diagnostic::error("no such file"));
            }
            Ok(files)
        }
    }

    fn outline(directives: &[Directive]) -> String {
        let one = |directive: &Directive| {
            let words: Vec<&str> = directive.words.iter().map(|word| word.text.as_str()).collect();
            let inner = directive.block.as_ref().map(|block| format!("{{{}}}", outline(block)));
            words.join(" ") + &inner.unwrap_or_default()
        };
        directives.iter().map(one).collect::<Vec<_>>().join(";")
    }

    fn read_all(
        text: &str,
        files: Vec<(&'static str, String)>,
    ) -> (String, Vec<Diagnostic>, Texts) {
        let mut notes = Notes::default();
        let mut texts = Texts::new("nginx.conf", text);
        let directives = read(&mut texts, &Files(files), &mut notes);
        (outline(&directives), notes.into_lists().0, texts)
    }

    /// Goal: blocks and includes are where they stand. Method: nested blocks, a file that includes
    /// another, a pattern, one that matches nothing, and a file of types that is not there.
    #[test]
    fn directives_are_where_they_stand() {
        let files = vec![
            ("d/a.conf", "include in.conf;".to_owned()),
            ("d/b.conf", "b 2;".to_owned()),
            ("in.conf", "a { x; }".to_owned()),
        ];
        let text = "events {} http { include d/*; include none/*; include mime.types; \
                    x_by_lua_block { y = '}' z = {} } c 3; }";
        let (outline, errors, texts) = read_all(text, files);
        assert_eq!(errors, []);
        assert_eq!(outline, "events{};http{a{x};b 2;x_by_lua_block{};c 3}");
        assert_eq!(texts.into_parts().1.len(), 4);
    }

    /// Goal: what cannot be read is one error with a place. Method: each way to be wrong.
    #[test]
    fn what_cannot_be_read_is_told() {
        let files = || {
            vec![
                ("loop", "include other;".to_owned()),
                ("other", "include loop;".to_owned()),
                ("nul", "\0".to_owned()),
                ("open", "a {".to_owned()),
            ]
        };
        let deep_include = "include loop;";
        for (text, said) in [
            ("a { b; ", "not closed"),
            ("a", "no end"),
            ("a_by_lua_block { { }", "not closed"),
            ("a; }", "closes nothing"),
            ("a { b }", "closes nothing"),
            (";", "no directive"),
            ("{ }", "no directive"),
            ("include;", "one path"),
            ("include gone;", "no such file"),
            ("include nul;", "NUL"),
            ("include open; }", "not closed"),
            (deep_include, "include loop"),
            (&"a {".repeat(IMPORT_DEPTH_MAX + 1), "blocks"),
            (&format!("{};", "a ".repeat(IMPORT_LINE_WORDS_MAX + 1)), "words"),
            (&"a;".repeat(IMPORT_WORDS_MAX + 1), "words"),
        ] {
            let (_, errors, _) = read_all(text, files());
            assert_eq!(errors.len(), 1, "{said}");
            assert!(errors[0].message.contains(said), "{said}: {}", errors[0].message);
            assert!(errors[0].span.is_some(), "{said}");
        }
    }

    /// Goal: files that include others many times over end. Method: each of twenty includes the next
    /// twice, which is a million files.
    #[test]
    fn many_includes_end() {
        let names: Vec<&'static str> =
            (0..20).map(|n| &*Box::leak(format!("f{n}").into_boxed_str())).collect();
        let files = names.iter().enumerate().map(|(n, name)| {
            let next = names
                .get(n + 1)
                .map_or_else(|| "a;".to_owned(), |next| format!("include {next}; include {next};"));
            (*name, next)
        });
        let (_, errors, _) = read_all("include f0;", files.collect());
        assert_eq!(errors.len(), 1);
        assert!(errors[0].message.contains("files"), "{errors:?}");
    }
}
