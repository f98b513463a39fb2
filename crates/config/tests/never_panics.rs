//! Whatever the text, a check answers, and its answer can be shown.
//!
//! Properties under random texts; what the answers say is tested elsewhere.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use ringbolt_config::{Diagnostic, Machine, Source, check, json, pictures, sniff};

/// A valid configuration with every key of CONTRACT, to be spoilt.
const EVERY_KEY: &str = r#"[global]
workers = 2
max_sessions = 5000
admin = "/run/ringbolt/admin.sock"
http = "127.0.0.1:9180"
user = "ringbolt"
group = "ringbolt"
log = "json"
seed = 7

[timeouts]
connect = "5s"
idle = "1h"
fin = "30s"
drain = "off"
proxy_header = "3s"

[listener.web]
bind = ["0.0.0.0:8765", "[::]:8765", "fd@3", "fd@WEB"]
pool = "echo"
timeouts = { idle = "2h", fin = "10s", proxy_header = "1s" }
accept_proxy = ["10.0.0.0/8", "2001:db8::/32"]
accept_proxy_only = false
max_sessions = 4000
max_per_source = "off"
backlog = 1024
mptcp = false

[listener.other]
bind = "127.0.0.1:0"
pool = "größe"

[pool.echo]
balance = "source"
key = { v4 = 24, v6 = 56 }
attempts = 3
timeouts = { connect = "2s" }
send_proxy = "off"
splice = "off"
keepalive = "60s"
fail_open = false

[pool.echo.health]
kind = "http"
method = "GET"
path = "/up"
host = "example.org"
status = "200-399"
interval = "2s"
fast_interval = "1s"
timeout = "1s"
rise = 2
fall = 3

[[pool.echo.server]]
name = "ws1"
addr = "192.168.1.100:8765"
id = 1
weight = 10
max_sessions = 1000
backup = false
source = ["192.168.1.1"]

[[pool.echo.server]]
name = "ws2"
addr = "ws2.example:8765"

[pool."größe"]
balance = "least-sessions"
health = { kind = "send-expect", send = "PING\r\n", expect = "PONG" }
server = [{ name = "a", addr = "unix:/run/a.sock" }]
"#;

/// Pieces that mean something to the parser or to a reader, or that break one.
const PIECES: &[&str] = &[
    "\0",
    "\u{feff}",
    "\r",
    "\r\n",
    "\n",
    "\t",
    "é",
    "\u{10ffff}",
    "\"",
    "'",
    "\"\"\"",
    "[",
    "[[",
    "]",
    "]]",
    "{",
    "}",
    "=",
    ".",
    ",",
    "#",
    "-",
    "+",
    "0x",
    "1e400",
    "99999999999999999999",
    "true",
    "inf",
    "1979-05-27T07:32:00Z",
    "off",
    "\"off\"",
    "\"0s\"",
    "\"5s\"",
    "{}",
    "[]",
    "[[]]",
    "name",
    "[pool.echo]\n",
    "[[pool.echo.server]]\n",
    "[listener.web]\n",
    "pool.x.y = 1\n",
    "\u{202e}",
    "\u{1b}[31m",
];

/// Checks a text and shows the answer in every form, also for another text than it is about.
fn exercise(text: &str, machine: &Machine) {
    let checked = check(text, machine);
    assert_eq!(checked.spec.is_some(), checked.errors.is_empty());
    let name = "ringbolt.toml";
    for shown in [text, "", "é\n"] {
        let source = Source::new(name, shown);
        for list in [&checked.errors, &checked.warnings, &checked.not_available] {
            let drawn = pictures(&source, list, true);
            assert!(list.is_empty() || !drawn.is_empty());
            json(&source, list, &[]);
        }
    }
    sniff(text);
}

fn machines() -> impl Strategy<Value = Machine> {
    let numbers = (select(vec![0, 64, 1024, 20_000, u64::MAX]), select(vec![0, 1, 2, u16::MAX]));
    numbers.prop_map(|(descriptors, cores)| Machine { descriptors, cores })
}

/// Goal: the text to be spoilt is good, so that what is tested lies behind the parser. Method: it.
#[test]
fn the_text_with_every_key_is_valid() {
    let checked = check(EVERY_KEY, &Machine { descriptors: 20_000, cores: 2 });
    assert_eq!(checked.errors, []);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Goal: no text makes a panic. Method: any characters.
    #[test]
    fn arbitrary_texts_are_answered(text in any::<String>(), machine in machines()) {
        exercise(&text, &machine);
    }

    /// Goal: the same. Method: pieces of the language in any order, which gets further.
    #[test]
    fn shuffled_pieces_are_answered(
        pieces in prop::collection::vec(select(PIECES), 0..30),
        machine in machines(),
    ) {
        exercise(&pieces.concat(), &machine);
    }

    /// Goal: the same behind the parser. Method: a valid text with pieces put in, parts taken out
    /// and lines doubled.
    #[test]
    fn spoilt_configurations_are_answered(
        changes in prop::collection::vec((any::<Index>(), 0..40_usize, select(PIECES)), 1..4),
        doubled in prop::option::of(any::<Index>()),
        machine in machines(),
    ) {
        let mut text = EVERY_KEY.to_owned();
        if let Some(line) = doubled {
            let lines: Vec<&str> = EVERY_KEY.lines().collect();
            text = format!("{text}\n{}", lines[line.index(lines.len())]);
        }
        for (place, length, piece) in changes {
            let start = text.floor_char_boundary(place.index(text.len() + 1));
            let end = text.floor_char_boundary(start + length);
            text.replace_range(start..end.max(start), piece);
        }
        exercise(&text, &machine);
    }

    /// Goal: the value of any key may be anything. Method: each value of the valid text replaced
    /// by each of a few.
    #[test]
    fn any_value_at_any_key_is_answered(line in any::<Index>(), piece in select(PIECES)) {
        let lines: Vec<&str> = EVERY_KEY.lines().collect();
        let chosen = line.index(lines.len());
        let spoil = |(index, line): (usize, &&str)| match line.split_once('=') {
            Some((key, _)) if index == chosen => format!("{key}= {piece}\n"),
            Some(_) | None => format!("{line}\n"),
        };
        let text: String = lines.iter().enumerate().map(spoil).collect();
        exercise(&text, &Machine { descriptors: 20_000, cores: 2 });
    }

    /// Goal: a diagnostic is shown wherever it says it is. Method: any range in any text.
    #[test]
    fn odd_spans_are_shown(
        text in select(vec!["", "\n", "\u{feff}", "a\r\nb", "é\u{10ffff}\0\t\n\n", "\r", "日本 = 1"]),
        start in 0..20_usize,
        end in 0..20_usize,
        far in any::<bool>(),
    ) {
        let end = if far { usize::MAX } else { end };
        let diagnostic = Diagnostic::error("reason").at(start..end).mend("mend");
        let list = [diagnostic.clone(), diagnostic.related(end..start, "there")];
        let source = Source::new("f", text);
        let drawn = pictures(&source, &list, false);
        prop_assert_eq!(drawn.matches("reason").count(), 2);
        prop_assert!(!drawn.contains("Failed to read"), "{}", drawn);
        prop_assert!(drawn.contains(['▲', '─']), "{}", drawn);
        json(&source, &list, &list);
    }
}
