//! Whatever text an `nginx.conf` holds: it is carried or refused without a panic, all that is said lies
//! in it or in what it includes and can be shown, and what is made of it is a ringbolt.toml.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringbolt_config::{
    Diagnostic, Included, Machine, Product, Surroundings, import, json, pictures,
};

const MACHINE: Machine = Machine { descriptors: 20_000, cores: 2 };

/// The text itself can be included, under two names, and a file that is always the same.
struct Around<'t> {
    text: &'t str,
}

impl Surroundings for Around<'_> {
    fn variable(&self, _: &str) -> Option<String> {
        unreachable!("nginx reads no variables of the environment")
    }

    fn include(&self, pattern: &str, most: usize) -> Result<Vec<Included>, Diagnostic> {
        let file = |name: &str, text: &str| Included { name: name.into(), text: text.into() };
        let mut files = match pattern.len() % 4 {
            0 => return Err(Diagnostic::error("no such file")),
            1 => Vec::new(),
            2 => vec![file("a", self.text), file("b", self.text)],
            _ => vec![file("c", "upstream c { server 192.0.2.1:1; }")],
        };
        files.truncate(most);
        Ok(files)
    }
}

fuzz_target!(|text: &str| {
    let imported = import(Product::Nginx, "nginx.conf", text, &Around { text });
    assert_eq!(imported.toml.is_some(), imported.errors.is_empty());
    let checked = imported.check(&MACHINE);
    assert_eq!(checked.spec.is_some(), checked.errors.is_empty());
    if let Some(toml) = &imported.toml {
        let alone = ringbolt_config::check(toml, &MACHINE);
        let syntax = alone.errors.iter().find(|error| error.message.starts_with("not TOML"));
        assert!(syntax.is_none(), "{syntax:?} in {toml}");
    }
    let source = imported.source("nginx.conf");
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
