//! Whatever text an `nginx.conf` holds: it is carried or refused without a panic, all that is said lies
//! in it or in what it includes and can be shown, and what is made of it is a ringbolt.toml.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringbolt_config::{Diagnostic, Included, Product, Surroundings};
use ringbolt_fuzz::holds;

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

fuzz_target!(|text: &str| holds(Product::Nginx, "nginx.conf", text, &Around { text }));
