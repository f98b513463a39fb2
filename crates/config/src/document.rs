//! The whole document: syntax first, then its parts, then what they have to agree on.

use ringbolt_core::spec::Spec;
use toml::de::{DeTable, Error};

use crate::diagnostic::{Diagnostic, Findings};
use crate::reader::Table;
use crate::value::quoted;
use crate::{Machine, across, advice, global, listener, pool, unbuilt};

/// Reads and checks a text. What it returns holds only when nothing was pushed to `found.errors`;
/// `None` when the text is not TOML.
pub(crate) fn read(text: &str, machine: &Machine, found: &mut Findings) -> Option<Spec> {
    let table = parse(text, found)?;
    unbuilt::report(&table, found);
    let mut document = Table::document(table);
    let timeouts = global::read_timeouts(&mut document, found);
    let (global, spans) = global::read(&mut document, &timeouts, found);
    let mut listeners = listener::read_all(&mut document, &timeouts, found);
    let pools = pool::read_all(&mut document, &timeouts, found);
    document.finish(found);
    if listeners.is_empty() {
        let mend = "add [listener.web] with a bind and a pool";
        found.push(Diagnostic::error("there is no listener").mend(mend));
    }
    across::connect(&mut listeners, &pools, found);
    across::count(&listeners, &pools, found);
    across::compare_binds(&listeners, &global, &spans, found);
    across::fit(&global, &spans, &listeners, machine, found);
    pools.iter().for_each(|placed| advice::refuse_a_large_ring(placed, found));
    advice::warn(&listeners, &pools, found);
    Some(Spec {
        global,
        listeners: listeners.into_iter().map(|placed| placed.listener).collect(),
        pools: pools.into_iter().map(|placed| placed.pool).collect(),
    })
}

/// Reads the syntax. Keys that stand twice leave a document to go on with, the first of each;
/// after any other error the rest is a guess, so the first is the only one reported.
fn parse<'t>(text: &'t str, found: &mut Findings) -> Option<DeTable<'t>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if let Some(error) = errors.iter().find(|error| error.message() != DUPLICATE) {
        let span = error.span().unwrap_or(text.len()..text.len());
        let reason = error.message().trim_end_matches(", expected nothing");
        found.push(Diagnostic::error(format!("not TOML: {reason}")).at(span));
        return None;
    }
    let mut spans: Vec<_> = errors.iter().filter_map(Error::span).collect();
    spans.sort_by_key(|span| span.start);
    let mut repeated_table_end = 0;
    for span in spans {
        if span.start < repeated_table_end {
            // The keys of a table that stands twice stand twice as well.
            continue;
        }
        let line_start = text[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
        let header = text[line_start..].trim_start().starts_with('[');
        let (what, mend) = if header {
            let next = text[span.end..].find("\n[").map_or(text.len(), |next| span.end + next);
            repeated_table_end = next;
            ("table", "give one of them another name, or make one table of both")
        } else {
            ("key", "take one of them out")
        };
        let name = text[span.clone()].trim_matches(['"', '\'']);
        let message = format!("the {what} {} stands here a second time", quoted(name));
        found.push(Diagnostic::error(message).at(span).mend(mend));
    }
    Some(document.into_inner())
}

/// The message of the parser that [`parse`] goes on after; a test holds it to that.
const DUPLICATE: &str = "duplicate key";

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> Vec<(String, Option<usize>)> {
        let mut found = Findings::default();
        read(text, &Machine { descriptors: 20_000, cores: 2 }, &mut found);
        found.sort();
        let place = |error: Diagnostic| (error.message, error.span.map(|span| span.start));
        found.errors.into_iter().map(place).collect()
    }

    /// Goal: a syntax error is one error at its place. Method: a text that is broken twice, and one
    /// that ends too early.
    #[test]
    fn a_syntax_error_stands_alone() {
        let found = errors("[global]\nworkers = = 2\n[listener.web\nbind = 1\n");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0.starts_with("not TOML: "));
        assert_eq!(found[0].1, Some(19));
        assert_eq!(errors("a = \"").len(), 1);
        assert_eq!(errors("a = [").len(), 1);
        assert_eq!(errors("a =").len(), 1);
        assert_eq!(errors("a = 1\0").len(), 1);
    }

    /// Goal: names that stand twice are told with everything else. Method: a key and two tables,
    /// one of which repeats its keys, beside an unknown key.
    #[test]
    fn what_stands_twice_is_told_with_the_rest() {
        let found = errors(
            "[global]\nworkers = 1\nworkers = 2\n\
             [listener.web]\nbind = \"[::]:1\"\npool = \"p\"\n\
             [listener.web]\nbind = \"[::]:2\"\npool = \"p\"\n\
             [pool.p]\nserver = [{ name = \"a\", addr = \"h:1\", name = \"b\" }]\nx = 1\n",
        );
        let messages: Vec<_> = found.iter().map(|(message, _)| message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "the key \"workers\" stands here a second time",
                "the table \"web\" stands here a second time",
                "the key \"name\" stands here a second time",
                "unknown key \"x\" in pool.p",
            ]
        );
    }

    /// Goal: a text that asks for nothing is told what it lacks. Method: texts without listeners.
    #[test]
    fn at_least_one_listener_is_needed() {
        for text in ["", "\u{feff}", "# nothing\r\n", "[listener]\n"] {
            assert_eq!(errors(text), [("there is no listener".to_owned(), None)], "{text:?}");
        }
    }
}
