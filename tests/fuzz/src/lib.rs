//! What holds of every import, whatever the text and the product.

use ringbolt_config::{Machine, Product, Surroundings, check, import, json, pictures};

const MACHINE: Machine = Machine { descriptors: 20_000, cores: 2 };

/// Imports a text and checks all that is said of it.
pub fn holds(product: Product, name: &str, text: &str, around: &dyn Surroundings) {
    let imported = import(product, name, text, around);
    assert_eq!(imported.toml.is_some(), imported.errors.is_empty());
    let checked = imported.check(&MACHINE);
    assert_eq!(checked.spec.is_some(), checked.errors.is_empty());
    if let Some(toml) = &imported.toml {
        let alone = check(toml, &MACHINE);
        let syntax = alone.errors.iter().find(|error| error.message.starts_with("not TOML"));
        assert!(syntax.is_none(), "{syntax:?} in {toml}");
    }
    let source = imported.source(name);
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
}
