//! Whatever the text of another product's configuration, it is answered, the answer can be shown, and
//! what is made of it is a configuration that lies within its places.
//!
//! Properties under random texts; what the answers say is tested elsewhere.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use ringbolt_config::{
    Diagnostic, Included, Machine, Product, Surroundings, import, json, pictures, sniff,
};

const MACHINE: Machine = Machine { descriptors: 20_000, cores: 2 };

/// Variables that are there, and files that include each other and themselves.
struct Around;

impl Surroundings for Around {
    fn variable(&self, name: &str) -> Option<String> {
        (name.len() % 2 == 1).then(|| format!("{name} $X \" #"))
    }

    fn include(&self, pattern: &str, most: usize) -> Result<Vec<Included>, Diagnostic> {
        let file = |name: &str, text: &str| Included { name: name.into(), text: text.into() };
        match pattern.len() % 4 {
            0 => Err(Diagnostic::error("no such file")),
            1 => Ok(Vec::new()),
            2 => Ok(vec![file("x", "include xx; server 192.0.2.1:1;"); most.min(3)]),
            _ => Ok(vec![file("y", "upstream y { server 192.0.2.1:1; }")]),
        }
    }
}

/// Imports a text and shows the answer in every form.
fn exercise(product: Product, text: &str) {
    let imported = import(product, "f", text, &Around);
    assert_eq!(imported.toml.is_some(), imported.errors.is_empty());
    let checked = imported.check(&MACHINE);
    assert_eq!(checked.spec.is_some(), checked.errors.is_empty());
    let source = imported.source("f");
    for list in [&imported.errors, &imported.notes, &checked.errors, &checked.warnings] {
        assert!(list.is_empty() || !pictures(&source, list, true).is_empty());
        json(&source, list, &[]);
        for it in list {
            assert!(!it.message.is_empty());
            let inside = it.span.as_ref().is_none_or(|span| span.end <= imported.text.len());
            assert!(inside, "{it:?} in {} bytes", imported.text.len());
        }
    }
    sniff(text);
}

fn file(name: &str) -> String {
    let path = format!("{}/../../tests/configurations/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

const FILES: &[(Product, &str)] = &[
    (Product::Haproxy, "article/haproxy.cfg"),
    (Product::Haproxy, "haproxy/debian.cfg"),
    (Product::Haproxy, "haproxy/edge.cfg"),
    (Product::Nginx, "article/nginx.conf"),
    (Product::Nginx, "nginx/edge.conf"),
    (Product::Nginx, "nginx/sites.conf"),
];

/// Pieces that mean something to one of the readers, or that break one.
const PIECES: &[&str] = &[
    "\0",
    "\u{feff}",
    "\r\n",
    "\n",
    "\\\n",
    "\t",
    " ",
    "é",
    "\u{10ffff}",
    "\"",
    "'",
    "\\",
    "$",
    "${",
    "}",
    "{",
    ";",
    "#",
    "[*]",
    "\"$A\"",
    "\"${AAA[*]}\"",
    "-1",
    "0",
    "99999999999999999999",
    "1d",
    "0s",
    "global\n",
    "defaults\n",
    "defaults d from e\n",
    "frontend f\n",
    "backend b\n",
    "listen l\n",
    "\n bind :1",
    "\n bind :::1-9",
    "\n server s 192.0.2.1:1 check",
    "\n server s 192.0.2.1 id 1 weight 0",
    "\n default_backend b",
    "\n balance source",
    "\n hash-type consistent",
    "\n option httpchk",
    "\n http-check send",
    "\n tcp-check expect",
    "\n timeout",
    "\n option",
    "\n no option",
    "\n stick",
    ".if 1\n",
    ".if\n",
    ".else\n",
    ".endif\n",
    "\n source",
    "\n stats socket",
    "\n use_backend b if",
    "http {",
    "stream {",
    "upstream u {",
    "server {",
    "location / {",
    "listen 1;",
    "listen",
    "server",
    "server 192.0.2.1:1;",
    "proxy_pass http://u;",
    "proxy_pass u;",
    "ip_hash;",
    "hash $remote_addr;",
    "include x;",
    "include xx;",
    "include xxx;",
    "include xxxx;",
    "server_name a;",
    "proxy_timeout 1;",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Goal: no text makes a panic. Method: any characters.
    #[test]
    fn arbitrary_texts_are_answered(text in any::<String>()) {
        exercise(Product::Haproxy, &text);
        exercise(Product::Nginx, &text);
    }

    /// Goal: the same. Method: pieces of both languages in any order, which gets further.
    #[test]
    fn shuffled_pieces_are_answered(
        pieces in prop::collection::vec(select(PIECES), 0..40),
        spaced in any::<bool>(),
    ) {
        let text = pieces.join(if spaced { " " } else { "" });
        exercise(Product::Haproxy, &text);
        exercise(Product::Nginx, &text);
    }

    /// Goal: the same behind the lexers. Method: a real file with pieces put in, parts taken out, and a
    /// line doubled.
    #[test]
    fn spoilt_files_are_answered(
        which in select(FILES),
        changes in prop::collection::vec((any::<Index>(), 0..40_usize, select(PIECES)), 1..4),
        doubled in prop::option::of(any::<Index>()),
    ) {
        let (product, name) = which;
        let mut text = file(name);
        if let Some(line) = doubled {
            let lines: Vec<&str> = text.lines().collect();
            let line = lines[line.index(lines.len())].to_owned();
            text = format!("{text}\n{line}");
        }
        for (place, length, piece) in changes {
            let start = text.floor_char_boundary(place.index(text.len() + 1));
            let end = text.floor_char_boundary(start + length);
            text.replace_range(start..end.max(start), piece);
        }
        exercise(product, &text);
    }
}
