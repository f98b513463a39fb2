//! Whatever text an `haproxy.cfg` holds: it is carried or refused without a panic, all that is said lies
//! in it and can be shown, and what is made of it is a ringbolt.toml.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringbolt_config::{
    Diagnostic, Included, Machine, Product, Surroundings, import, json, pictures,
};

const MACHINE: Machine = Machine { descriptors: 20_000, cores: 2 };

/// Some variables are set.
struct Around;

impl Surroundings for Around {
    fn variable(&self, name: &str) -> Option<String> {
        (name.len() % 2 == 1).then(|| format!("8765 {name}"))
    }

    fn include(&self, _: &str, _: usize) -> Result<Vec<Included>, Diagnostic> {
        unreachable!("HAProxy includes nothing")
    }
}

fuzz_target!(|text: &str| {
    let imported = import(Product::Haproxy, "haproxy.cfg", text, &Around);
    assert_eq!(imported.toml.is_some(), imported.errors.is_empty());
    let checked = imported.check(&MACHINE);
    assert_eq!(checked.spec.is_some(), checked.errors.is_empty());
    if let Some(toml) = &imported.toml {
        let alone = ringbolt_config::check(toml, &MACHINE);
        let syntax = alone.errors.iter().find(|error| error.message.starts_with("not TOML"));
        assert!(syntax.is_none(), "{syntax:?} in {toml}");
    }
    let source = imported.source("haproxy.cfg");
    for finding in checked.errors.iter().chain(&checked.warnings) {
        assert!(!finding.message.is_empty());
        assert!(finding.span.as_ref().is_none_or(|span| span.end <= imported.text.len()));
    }
    for note in &imported.notes {
        assert!(
            note.help.is_some() && (note.span.is_some() || note.message.contains("more notes"))
        );
    }
    pictures(&source, &checked.errors, true);
    json(&source, &checked.errors, &checked.warnings);
});
