//! A table being read: keys are taken out one by one, and what is left at the end is unknown.
//!
//! It knows paths ("pool.echo.health") and places, and turns what the readers of `value` answer
//! into diagnostics. It does not know which keys there are: asking for one makes it known.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Findings};
use crate::nearest;
use crate::value::{self, Read, Wrong};

/// A table and where it is.
#[derive(Debug)]
pub(crate) struct Table<'t> {
    /// As it would be written in a header; empty for the document.
    path: String,
    span: Range<usize>,
    left: DeTable<'t>,
    known: Vec<&'static str>,
}

impl<'t> Table<'t> {
    /// The document itself.
    pub(crate) fn document(table: DeTable<'t>) -> Self {
        Self::new(String::new(), 0..0, table)
    }

    fn new(path: String, span: Range<usize>, left: DeTable<'t>) -> Self {
        Self { path, span, left, known: Vec::new() }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Where the table begins: its header, or the key that first names it.
    pub(crate) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Takes a key's value as it stands.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'t>>> {
        self.known.push(key);
        self.left.remove(key)
    }

    /// Takes a key and reads its value; `None` when it is not there or not good.
    pub(crate) fn read<T>(
        &mut self,
        key: &'static str,
        found: &mut Findings,
        read: impl Fn(&DeValue<'_>) -> Read<T>,
    ) -> Option<Spanned<T>> {
        let value = self.take(key)?;
        self.interpret(key, &value, found, read)
    }

    /// The same for a key that has to be there; `example` is a value for the mend.
    pub(crate) fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        found: &mut Findings,
        read: impl Fn(&DeValue<'_>) -> Read<T>,
    ) -> Option<Spanned<T>> {
        self.demand(key, example, found);
        self.read(key, found, read)
    }

    /// Takes a key whose value is a list, reads each element, and gives those that are good.
    pub(crate) fn list<T>(
        &mut self,
        key: &'static str,
        found: &mut Findings,
        read: impl Fn(&DeValue<'_>) -> Read<T>,
    ) -> Option<Vec<Spanned<T>>> {
        let value = self.take(key)?;
        let Some(elements) = value.get_ref().as_array() else {
            let mend = "write it in brackets, e.g. [\"…\"]";
            self.wrong(key, value.span(), Wrong::kind("a list", value.get_ref(), mend), found);
            return None;
        };
        let good = elements.iter().filter_map(|element| self.interpret(key, element, found, &read));
        Some(good.collect())
    }

    /// Takes a required key whose value is one element or a list with at least one.
    pub(crate) fn one_or_more<T>(
        &mut self,
        key: &'static str,
        example: &str,
        found: &mut Findings,
        read: impl Fn(&DeValue<'_>) -> Read<T>,
    ) -> Vec<Spanned<T>> {
        self.demand(key, example, found);
        let Some(value) = self.left.get(key) else { return Vec::new() };
        let Some(elements) = value.get_ref().as_array() else {
            return self.read(key, found, read).into_iter().collect();
        };
        if elements.is_empty() {
            let wrong = Wrong::new("the list is empty", format!("write [{example}]"));
            self.wrong(key, value.span(), wrong, found);
        }
        self.list(key, found, read).unwrap_or_default()
    }

    /// Takes a table within this one.
    pub(crate) fn table(&mut self, key: &'static str, found: &mut Findings) -> Option<Self> {
        let value = self.take(key)?;
        let path = self.path_of(key);
        let mend = format!("write it as a table, [{path}] or {{ … }}");
        descend(path, value, &mend, found)
    }

    /// Takes a table of tables that the operator has named, in the order of the file.
    pub(crate) fn named(
        &mut self,
        key: &'static str,
        found: &mut Findings,
    ) -> Vec<(Spanned<String>, Self)> {
        let path = self.path_of(key);
        let mend = format!("write [{path}.NAME] before each one");
        let Some(outer) = self.take(key).and_then(|value| descend(path, value, &mend, found))
        else {
            return Vec::new();
        };
        let path = outer.path;
        let mut entries: Vec<_> = outer.left.into_iter().collect();
        // The map is sorted by key, which is nobody's order.
        entries.sort_by_key(|(name, _)| name.span().start);
        let mut tables = Vec::with_capacity(entries.len());
        for (name, value) in entries {
            let path = joined(&path, name.get_ref());
            if let Err(wrong) = value::name(name.get_ref()) {
                found.push(error(&path, wrong).at(name.span()));
            }
            let name = Spanned::new(name.span(), name.into_inner().into_owned());
            if let Some(table) = descend(path, value, &mend, found) {
                tables.push((name, table));
            }
        }
        tables
    }

    /// Takes a list of tables.
    pub(crate) fn tables(&mut self, key: &'static str, found: &mut Findings) -> Vec<Self> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let path = self.path_of(key);
        let mend = format!("write [[{path}]], in two brackets, before each one");
        let Some(elements) = value.get_ref().as_array() else {
            let wrong = Wrong::kind("a list of tables", value.get_ref(), mend);
            self.wrong(key, value.span(), wrong, found);
            return Vec::new();
        };
        // Cloned, because nothing can be moved out of that array.
        let elements = elements.iter().cloned();
        elements.filter_map(|element| descend(path.clone(), element, &mend, found)).collect()
    }

    /// Ends the reading: every key that was not asked for is unknown.
    pub(crate) fn finish(self, found: &mut Findings) {
        for key in self.left.keys() {
            let word = value::quoted(key.get_ref());
            let message = match self.path.as_str() {
                "" => format!("unknown table or key {word}"),
                path => format!("unknown key {word} in {path}"),
            };
            let mend = nearest::suggest(key.get_ref(), self.known.iter().copied());
            found.push(Diagnostic::error(message).at(key.span()).mend(mend));
        }
    }

    /// Reports something about the value of a key that only its table can know.
    pub(crate) fn wrong(&self, key: &str, span: Range<usize>, wrong: Wrong, found: &mut Findings) {
        found.push(error(&self.path_of(key), wrong).at(span));
    }

    /// The path of a key in this table.
    pub(crate) fn path_of(&self, key: &str) -> String {
        joined(&self.path, key)
    }

    fn demand(&self, key: &str, example: &str, found: &mut Findings) {
        if !self.left.contains_key(key) {
            let message = format!("{} is missing", self.path_of(key));
            let mend = format!("add {key} = {example}");
            found.push(Diagnostic::error(message).at(self.span()).mend(mend));
        }
    }

    fn interpret<T>(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        found: &mut Findings,
        read: impl Fn(&DeValue<'_>) -> Read<T>,
    ) -> Option<Spanned<T>> {
        match read(value.get_ref()) {
            Ok(meaning) => Some(Spanned::new(value.span(), meaning)),
            Err(wrong) => {
                self.wrong(key, value.span(), wrong, found);
                None
            }
        }
    }
}

/// The table that a value is, or an error with this mend.
fn descend<'t>(
    path: String,
    value: Spanned<DeValue<'t>>,
    mend: &str,
    found: &mut Findings,
) -> Option<Table<'t>> {
    let span = value.span();
    if !value.get_ref().is_table() {
        found.push(error(&path, Wrong::kind("a table", value.get_ref(), mend)).at(span));
        return None;
    }
    let DeValue::Table(table) = value.into_inner() else { return None };
    Some(Table::new(path, span, table))
}

fn error(path: &str, wrong: Wrong) -> Diagnostic {
    Diagnostic::error(format!("{path}: {}", wrong.reason)).mend(wrong.mend)
}

/// A path and one more name, as TOML would write it.
pub(crate) fn joined(path: &str, name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let plain = !name.is_empty() && name.len() <= 60 && name.chars().all(bare);
    let name = if plain { name.to_owned() } else { value::quoted(name) };
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Table<'_> {
        Table::document(DeTable::parse(text).expect("the test writes TOML").into_inner())
    }

    fn messages(found: &Findings) -> Vec<&str> {
        found.errors.iter().map(|error| error.message.as_str()).collect()
    }

    /// Goal: one pass finds every wrong key and value. Method: three in one table.
    #[test]
    fn every_problem_of_a_table_is_found() {
        let mut found = Findings::default();
        let mut table = document("a = 1\nb = true\nc = []\n");
        assert!(table.read("a", &mut found, value::boolean).is_none());
        assert!(table.required("d", "true", &mut found, value::boolean).is_none());
        table.finish(&mut found);
        assert_eq!(
            messages(&found),
            [
                "a: expected true or false, found a number",
                "d is missing",
                "unknown table or key \"b\"",
                "unknown table or key \"c\"",
            ]
        );
    }

    /// Goal: names keep the order of the file and odd ones are quoted. Method: a file that is not
    /// sorted, with a table that is none and a name that is none.
    #[test]
    fn named_tables_keep_the_order_of_the_file() {
        let mut found = Findings::default();
        let mut table = document("[pool.b]\n[pool.a]\n[pool]\nc = 1\n\"d e\" = {}\n");
        let pools = table.named("pool", &mut found);
        let names: Vec<_> = pools.iter().map(|(name, _)| name.get_ref().as_str()).collect();
        assert_eq!(names, ["b", "a", "d e"]);
        assert_eq!(pools[2].1.path(), "pool.\"d e\"");
        assert_eq!(
            messages(&found),
            [
                "pool.c: expected a table, found a number",
                "pool.\"d e\": a name has the character ' '",
            ]
        );
    }

    /// Goal: a lone value, a list and an empty list are told apart. Method: each of them.
    #[test]
    fn one_or_more_wants_at_least_one() {
        let mut found = Findings::default();
        let mut table = document("a = true\nb = [true, 1]\nc = []\n");
        let mut count = |key| table.one_or_more(key, "true", &mut found, value::boolean).len();
        assert_eq!([count("a"), count("b"), count("c"), count("d")], [1, 1, 0, 0]);
        assert_eq!(
            messages(&found),
            ["b: expected true or false, found a number", "c: the list is empty", "d is missing",]
        );
    }
}
