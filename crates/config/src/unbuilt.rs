//! Keys that CONTRACT has and this version does not act on. Each later issue deletes its lines.
//!
//! They are read and checked like all others. Here is only who is told what: where leaving the key
//! out of account would be dangerous, `run` refuses; elsewhere it is a warning.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Findings};
use crate::reader::joined;
use crate::value::quoted;

/// Which values of a key are not built.
#[derive(Clone, Copy, Debug)]
enum When {
    /// Every value.
    Written,
    /// `true`.
    True,
    /// This string.
    Is(&'static str),
}

use When::{Is, True, Written};

/// What `run` refuses, with what would happen if it did not; `*` is any name.
const DANGEROUS: &[(&str, When, &str)] = &[
    ("global.user", Written, "the engine would keep the rights it was started with"),
    ("global.group", Written, "the engine would keep the rights it was started with"),
];

/// What is only a warning: without it there is less, and nothing worse.
const WITHOUT_EFFECT: &[(&str, When)] = &[("global.log", Is("tcplog")), ("listener.*.mptcp", True)];

/// Reports every use of a key that is not built yet.
pub(crate) fn report(document: &DeTable<'_>, found: &mut Findings) {
    for &(path, when, danger) in DANGEROUS {
        for use_of_it in uses(document, path, when) {
            found.not_available.push(
                Diagnostic::error(use_of_it.message)
                    .at(use_of_it.span)
                    .mend(format!("take it out if you can do without it: {danger}")),
            );
        }
    }
    for &(path, when) in WITHOUT_EFFECT {
        for use_of_it in uses(document, path, when) {
            found.push(
                Diagnostic::warning(use_of_it.message)
                    .at(use_of_it.span)
                    .mend("it is checked and has no effect in this version"),
            );
        }
    }
}

/// A value that is not built.
struct Use {
    message: String,
    span: Range<usize>,
}

fn uses(document: &DeTable<'_>, path: &str, when: When) -> Vec<Use> {
    let mut values = Vec::new();
    walk(document, "", path, &mut values);
    let of_value =
        |(path, value): (String, _)| matching(value, when).map(|value| one_use(&path, value));
    values.into_iter().filter_map(of_value).collect()
}

fn one_use(path: &str, value: &Spanned<DeValue<'_>>) -> Use {
    let message = match value.get_ref().as_str() {
        Some(text) => format!("{path} = {} is not available yet", quoted(text)),
        None => format!("{path} is not available yet"),
    };
    Use { message, span: value.span() }
}

/// Collects the values at a pattern below a table, with their paths. Whatever does not have the
/// shape of the pattern is the business of those who read it.
fn walk<'d, 't>(
    table: &'d DeTable<'t>,
    path: &str,
    pattern: &str,
    values: &mut Vec<(String, &'d Spanned<DeValue<'t>>)>,
) {
    let (first, rest) = match pattern.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (pattern, None),
    };
    for (key, value) in table.iter().filter(|(key, _)| first == "*" || key.get_ref() == first) {
        let path = joined(path, key.get_ref());
        let Some(rest) = rest else {
            values.push((path, value));
            continue;
        };
        let elements = value.get_ref().as_array().into_iter().flat_map(|array| array.iter());
        let inner = std::iter::once(value).chain(elements);
        for table in inner.filter_map(|value| value.get_ref().as_table()) {
            walk(table, &path, rest, values);
        }
    }
}

/// The value, if it is one that is not built.
fn matching<'d, 't>(
    value: &'d Spanned<DeValue<'t>>,
    when: When,
) -> Option<&'d Spanned<DeValue<'t>>> {
    let whole = match when {
        Written => true,
        True => value.get_ref().as_bool() == Some(true),
        Is(word) => value.get_ref().as_str() == Some(word),
    };
    whole.then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(text: &str) -> (Vec<String>, Vec<String>) {
        let mut found = Findings::default();
        report(DeTable::parse(text).expect("the test writes TOML").get_ref(), &mut found);
        let messages = |list: Vec<Diagnostic>| list.into_iter().map(|d| d.message).collect();
        (messages(found.not_available), messages(found.warnings))
    }

    /// Goal: every line of both tables is reached. Method: a text that uses all of them.
    #[test]
    fn every_unbuilt_key_is_reported() {
        let (refused, warned) = reported(
            "[global]\nuser = \"u\"\ngroup = \"g\"\n\
             log = \"tcplog\"\n\
             [listener.l]\nbind = [\"[::]:1\", \"fd@3\"]\nmptcp = true\n\
             [[pool.h.server]]\naddr = \"unix:/a\"\nsource = [\"::1\"]\n",
        );
        assert_eq!(refused.len(), DANGEROUS.len(), "{refused:?}");
        assert_eq!(warned.len(), WITHOUT_EFFECT.len(), "{warned:?}");
        assert!(refused.contains(&"global.user = \"u\" is not available yet".to_owned()));
    }

    /// Goal: values that ask for nothing are not reported. Method: all of them written out.
    #[test]
    fn defaults_that_ask_for_nothing_are_not_reported() {
        let (refused, warned) = reported(
            "[global]\nlog = \"json\"\nworkers = 2\nadmin = \"/a\"\nhttp = \"[::1]:1\"\n\
             [listener.l]\nbind = \"[::]:1\"\nmptcp = false\n\
             [pool.h]\nbalance = \"source\"\nsplice = \"always\"\n\
             [[pool.h.server]]\naddr = \"[::1]:1\"\nsource = []\n",
        );
        assert_eq!((refused, warned), (vec![], vec![]));
    }
}
