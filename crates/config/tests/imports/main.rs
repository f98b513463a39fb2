//! Whole configurations of HAProxy and nginx, through the public interface: what they come to, what is
//! said of the rest, and where.
//!
//! The files are those of `tests/configurations`, which the end-to-end tests give to the real programs
//! too. Single lines are tested beside their readers.

/// Files of HAProxy.
mod haproxy_files;
/// Files of nginx.
mod nginx_files;

use std::collections::BTreeMap;
use std::time::Duration;

use haproxy_files::proxies;
use insta::assert_snapshot;
use ringbolt_config::{
    Checked, Diagnostic, Imported, Included, Machine, Product, Surroundings, check, import, json,
    pictures,
};
use ringbolt_core::spec::{Balance, Bind, Place, Pool, Probe, SendProxy, Spec, Splice};

const MACHINE: Machine = Machine { descriptors: 20_000, cores: 2 };

/// Files and variables of a test.
#[derive(Default)]
struct Around {
    files: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
}

impl Surroundings for Around {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn include(&self, pattern: &str, most: usize) -> Result<Vec<Included>, Diagnostic> {
        let stem = pattern.strip_suffix("*.conf");
        let fits = |name: &str| stem.map_or(name == pattern, |stem| name.starts_with(stem));
        let named = self.files.iter().filter(|(name, _)| fits(name));
        let file =
            |(name, text): (&String, &String)| Included { name: name.clone(), text: text.clone() };
        let files: Vec<_> = named.map(file).take(most).collect();
        if files.is_empty() && stem.is_none() {
            return Err(Diagnostic::error(format!("{pattern}: no such file")).mend("write it"));
        }
        Ok(files)
    }
}

fn file(name: &str) -> String {
    let path = format!("{}/../../tests/configurations/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn haproxy(text: &str) -> Imported {
    import(Product::Haproxy, "haproxy.cfg", text, &Around::default())
}

fn nginx(text: &str) -> Imported {
    import(Product::Nginx, "nginx.conf", text, &Around::default())
}

/// The spec of what has no error; and what is written for a person is what is in force.
fn spec(imported: &Imported) -> Spec {
    let checked = imported.check(&MACHINE);
    assert_eq!(checked.errors, []);
    let toml = imported.toml.as_deref().expect("it has no errors");
    let alone = check(toml, &MACHINE);
    assert_eq!(alone.errors, [], "{toml}");
    assert_eq!(alone.spec, checked.spec);
    checked.spec.expect("it has no errors")
}

/// A line for each diagnostic, with file and line.
fn listed(imported: &Imported, list: &[Diagnostic]) -> String {
    let source = imported.source("f");
    let line = |it: &Diagnostic| match source.position(it) {
        Some(at) => format!("{}:{}:{} {}", source.name_of(it), at.line, at.column, it.message),
        None => format!("- {}", it.message),
    };
    list.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn pool<'s>(spec: &'s Spec, name: &str) -> &'s Pool {
    spec.pools.iter().find(|pool| pool.name == name).unwrap_or_else(|| panic!("{name}"))
}

fn addrs(pool: &Pool) -> Vec<&str> {
    pool.servers.iter().map(|server| server.addr.text.as_str()).collect()
}

fn names(pool: &Pool) -> Vec<&str> {
    pool.servers.iter().map(|server| server.name.as_str()).collect()
}

fn binds(spec: &Spec, listener: &str) -> Vec<String> {
    let listener = spec.listeners.iter().find(|it| it.name == listener).expect("a listener");
    let shown = |bind: &Bind| match bind {
        Bind::Address(addr) => addr.to_string(),
        Bind::Inherited(name) => format!("fd@{name}"),
    };
    listener.binds.iter().map(shown).collect()
}

/// Goal: the text is one that a person can go on with. Method: the article's, whole.
#[test]
fn the_text_is_for_people() {
    let imported = haproxy(&file("article/haproxy.cfg"));
    assert_snapshot!(imported.toml.as_deref().expect("no errors"), @r#"
    # From haproxy.cfg, a configuration of HAProxy, by `ringbolt convert`.

    # haproxy.cfg:2
    [listener.http_frontend]
    bind = ["0.0.0.0:80"]
    pool = "websocket_backend"

    [listener.http_frontend.timeouts]
    idle = "off"

    # haproxy.cfg:5
    [pool.websocket_backend]
    balance = "haproxy-source"
    attempts = 1

    [pool.websocket_backend.health]
    kind = "http"
    method = "OPTIONS"
    path = "/"
    interval = "2s"
    fast_interval = "2s"
    timeout = "2s"

    [[pool.websocket_backend.server]]
    name = "ws1"
    addr = "192.168.1.100:8765"

    [[pool.websocket_backend.server]]
    name = "ws2"
    addr = "192.168.1.101:8765"

    [[pool.websocket_backend.server]]
    name = "ws3"
    addr = "192.168.1.102:8765"
    "#);
}

/// Goal: what is wrong with the text that is made is told at the line that it was made from, in the
/// file that has it. Method: values that ringbolt refuses, in both products and in an included file.
#[test]
fn errors_are_told_at_the_line_that_was_written() {
    let told = |imported: &Imported| {
        let Checked { errors, .. } = imported.check(&MACHINE);
        listed(imported, &errors)
    };
    assert_snapshot!(
        told(&haproxy(&proxies(
            " bind web.example:80\n maxconn 99999999",
            " server ws2 192.0.2.2:0\n server ws1 192.0.2.3:1 weight 99999"
        ))),
        @r#"
    f:9:7 listener.web.bind: "web.example:80" is a name, and a listener has an address
    f:10:2 listener.web.max_sessions: 99999999 is not between 1 and 16777216
    f:15:32 pool.echo.server.weight: 99999 is not between 0 and 65535
    "#
    );
    assert_snapshot!(told(&haproxy("frontend web\n bind :1\n default_backend ecco\nbackend echo\n server a 192.0.2.1:1")), @r#"f:3:18 there is no backend "ecco""#);
    assert_snapshot!(told(&haproxy("global\n maxconn 1000000\nlisten a\n bind :1\n bind :1\n server a 192.0.2.1:1")), @r#"
    f:2:2 max_sessions = 1000000 needs 2 x 1000000 + 520 descriptors, and this process may open 20000
    f:5:7 0.0.0.0:1 is bound twice
    "#);
    let around = Around {
        files: BTreeMap::from([(
            "d/a.conf".to_owned(),
            "upstream a {\n server 192.0.2.1:1 weight=99999;\n}".to_owned(),
        )]),
        ..Around::default()
    };
    let text = "stream {\n include d/*.conf;\n server {\n listen 80;\n proxy_pass a;\n }\n}";
    assert_snapshot!(told(&import(Product::Nginx, "nginx.conf", text, &around)), @"d/a.conf:2:21 pool.a.server.weight: 99999 is not between 0 and 65535");
}

/// Goal: a file that nothing can be made of is an error. Method: each reason.
#[test]
fn what_nothing_can_be_made_of_is_an_error() {
    for (imported, said) in [
        (haproxy(""), "nothing of this HAProxy configuration"),
        (haproxy("listen stats\n bind :1\n stats enable"), "nothing of this HAProxy configuration"),
        (haproxy("bind :80"), "before the first section"),
        (haproxy("frontend\n bind :80"), "no name"),
        (haproxy("defaults d from x"), "no defaults section"),
        (haproxy("listen a\n bind \":80\n"), "not closed"),
        (haproxy("listen a\0"), "NUL"),
        (haproxy(".if nonsense(2)\n.endif"), "for HAProxy to judge"),
        (haproxy(&"#".repeat(5 << 20)), "more than 4194304 bytes"),
        // A text of hundreds of megabytes was made of such ranges.
        (haproxy(&"listen a\n bind :1000-1255\n".repeat(100)), "more than 4096 addresses"),
        (
            haproxy(&format!("listen a\n{}", " bind :1000-1255\n".repeat(100))),
            "more than 4096 addresses",
        ),
        (
            nginx(&format!(
                "http {{ }} {}",
                "stream { server { listen 1000-1255; proxy_pass 192.0.2.1:1; } }".repeat(100)
            )),
            "more than 4096 addresses",
        ),
        (nginx(""), "nothing of this nginx configuration"),
        (nginx("http { server { listen 80; return 1; } }"), "nothing of this nginx configuration"),
        (nginx("http {"), "not closed"),
        (nginx("include gone;"), "no such file"),
        (nginx("\0"), "NUL"),
        (nginx(&"#".repeat(5 << 20)), "more than 4194304 bytes"),
    ] {
        assert!(imported.toml.is_none() && imported.check(&MACHINE).spec.is_none());
        let errors = listed(&imported, &imported.errors);
        assert!(errors.contains(said), "{said:?} in {errors}");
        // And it can be shown.
        assert!(!pictures(&imported.source("f"), &imported.errors, false).is_empty());
        assert!(json(&imported.source("f"), &imported.errors, &imported.notes).contains("errors"));
    }
}
