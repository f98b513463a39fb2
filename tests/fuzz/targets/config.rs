//! Whatever text a `ringbolt.toml` holds: it is checked without a panic, what is found can be shown
//! and lies in the text, and what is accepted can be put in force.
#![no_main]

use std::net::SocketAddr;

use libfuzzer_sys::fuzz_target;
use ringbolt_config::{Diagnostic, Machine, Source, check, json, pictures, sniff};
use ringbolt_core::change::changes;
use ringbolt_core::roster::Roster;
use ringbolt_core::snapshot::Snapshot;

const MACHINE: Machine = Machine { descriptors: 20_000, cores: 2 };

fuzz_target!(|text: &str| {
    sniff(text);
    let checked = check(text, &MACHINE);
    assert_eq!(checked.spec.is_some(), checked.errors.is_empty());
    let source = Source::new("ringbolt.toml", text);
    let lists = [&checked.errors, &checked.warnings, &checked.not_available];
    for finding in lists.into_iter().flatten() {
        examine(&source, finding, text);
    }
    json(&source, &checked.errors, &checked.warnings);
    for list in lists {
        pictures(&source, list, true);
    }
    let Some(spec) = checked.spec else { return };
    let roster = Roster::of(&spec).expect("a spec that was accepted has a place for every name");
    let resolve = |_, _| Some(SocketAddr::from(([192, 0, 2, 1], 80)).into());
    // A mapping that is not built is refused, and named.
    if let Ok(snapshot) = Snapshot::new(&spec, &roster, None, 100, resolve) {
        assert_eq!(snapshot.listeners.len(), spec.listeners.len());
    }
    assert!(changes(&spec, &spec).is_empty());
});

/// A finding says something, of a place that there is.
fn examine(source: &Source<'_>, finding: &Diagnostic, text: &str) {
    assert!(!finding.message.is_empty());
    let Some(at) = source.position(finding) else { return };
    let lines = text.split('\n').count();
    assert!(at.line >= 1 && at.line <= lines && at.column >= 1, "{at:?} of {lines} lines");
}
