//! Whole configurations as an operator writes them, through the public interface only.
//!
//! Single keys and their ranges are tested beside their readers.

use std::time::Duration;

use insta::assert_snapshot;
use ringbolt_config::{
    Checked, Diagnostic, Machine, Position, Severity, Source, check, json, pictures,
};
use ringbolt_core::spec::{
    Balance, Bind, Global, Health, KeyPrefix, Listener, Place, Pool, Probe, SendProxy, Server,
    ServerAddr, Spec, Splice,
};

const MACHINE: Machine = Machine { descriptors: 20_000, cores: 2 };

/// The sample of CONTRACT.
const SAMPLE: &str = r#"[global]
workers = 2
admin = "/run/ringbolt/admin.sock"
http = "127.0.0.1:9180"

[listener.web]
bind = ["0.0.0.0:8765", "[::]:8765"]
pool = "echo"

[pool.echo]
balance = "source"

[[pool.echo.server]]
name = "ws1"
addr = "192.168.1.100:8765"
"#;

/// Twelve errors of as many kinds, and two keys that are not built.
const WRONG: &str = r#"[global]
wokers = 2
max_sessions = 20000
log = "syslog"

[timeouts]
idle = 3600

[listener.web]
bind = ["0.0.0.0:8765", "localhost:80", "127.0.0.1:8765"]
pool = "ecco"

[pool.echo]
attempts = 17
health = { kind = "tcp", path = "/", timeout = "5s" }

[[pool.echo.server]]
name = "größe"   # é
addr = "192.168.1.100:0"

[[pool.echo.server]]
name = "größe"
addr = "unix:/run/echo"
weight = 0

[pool.empty]
"#;

/// Goal: what CONTRACT shows means what CONTRACT says. Method: the whole specification, default by
/// default.
#[test]
fn the_sample_gives_the_expected_specification() {
    let checked = check(SAMPLE, &MACHINE);
    assert_eq!(checked.errors, []);
    assert_eq!(checked.not_available, []);
    let expected = Spec {
        global: Global {
            workers: Some(2),
            max_sessions: None,
            admin: Some("/run/ringbolt/admin.sock".into()),
            http: "127.0.0.1:9180".parse().ok(),
            user: None,
            group: None,
            log: None,
            seed: 0,
            drain_timeout: None,
        },
        listeners: vec![Listener {
            name: "web".into(),
            binds: vec![bind("0.0.0.0:8765"), bind("[::]:8765")],
            pool: 0,
            idle_timeout: Some(Duration::from_secs(3_600)),
            fin_timeout: Duration::from_secs(30),
            proxy_header_timeout: Duration::from_secs(3),
            accept_proxy: vec![],
            accept_proxy_only: false,
            max_sessions: None,
            max_per_source: None,
            backlog: 4096,
            mptcp: false,
        }],
        pools: vec![Pool {
            name: "echo".into(),
            balance: Balance::Source,
            key: KeyPrefix { v4: 32, v6: 64 },
            attempts: 3,
            connect_timeout: Duration::from_secs(5),
            send_proxy: SendProxy::Off,
            splice: Splice::Auto,
            keepalive: Some(Duration::from_secs(60)),
            fail_open: false,
            health: Health {
                probe: Probe::Off,
                interval: Duration::from_secs(2),
                fast_interval: Duration::from_secs(1),
                timeout: Duration::from_secs(1),
                rise: 2,
                fall: 3,
            },
            servers: vec![Server {
                name: "ws1".into(),
                addr: ServerAddr {
                    text: "192.168.1.100:8765".into(),
                    place: Place::Socket("192.168.1.100:8765".parse().expect("an address")),
                },
                id: 1,
                weight: 1,
                max_sessions: None,
                backup: false,
                source: vec![],
            }],
        }],
    };
    assert_eq!(checked.spec, Some(expected));
    assert_eq!(places(SAMPLE, &checked.warnings), []);
}

fn bind(text: &str) -> Bind {
    Bind::Address(text.parse().expect("an address"))
}

fn places(text: &str, list: &[Diagnostic]) -> Vec<(usize, usize)> {
    let source = Source::new("f", text);
    let place = |diagnostic| {
        let position = source.position(diagnostic).expect("a place");
        (position.line, position.column)
    };
    list.iter().map(place).collect()
}

/// Goal: every error at once, each at its line and column. Method: a file with one error of each
/// kind, all messages with their places.
#[test]
fn every_error_is_found_at_its_place() {
    let checked = check(WRONG, &MACHINE);
    assert!(checked.spec.is_none());
    assert_snapshot!(listed(WRONG, &checked), @r#"
    2:1 unknown key "wokers" in global
    3:16 max_sessions = 20000 needs 2 x 20000 + 520 descriptors, and this process may open 20000
    4:7 global.log: "syslog" is not known
    7:8 timeouts.idle: expected a time, found a number
    10:25 listener.web.bind: "localhost:80" is a name, and a listener has an address
    10:41 127.0.0.1:8765 is bound already, by 0.0.0.0:8765
    11:8 listener.web.pool: there is no pool "ecco"
    14:12 pool.echo.attempts: 17 is not between 1 and 16
    15:33 pool.echo.health.path: a probe of kind "tcp" does not know it
    19:8 pool.echo.server.addr: "192.168.1.100:0" has port 0, which nobody listens on
    22:8 pool.echo: two servers have the name "größe"
    26:1 pool.empty has no server
    --
    15:48 pool.echo.health: a probe may take 5s and the next is due after 2s
    --
    "#);
}

/// One line for each diagnostic: errors, warnings, and what only `run` refuses.
fn listed(text: &str, checked: &Checked) -> String {
    let source = Source::new("f", text);
    let lists = [&checked.errors, &checked.warnings, &checked.not_available];
    let line = |diagnostic: &Diagnostic| match source.position(diagnostic) {
        Some(Position { line, column }) => format!("{line}:{column} {}", diagnostic.message),
        None => format!("- {}", diagnostic.message),
    };
    lists.map(|list| list.iter().map(line).collect::<Vec<_>>().join("\n")).join("\n--\n")
}

/// Goal: a person sees the line, the place and the mend. Method: the picture of an error with a
/// second place, of a warning, and of one without a place.
#[test]
fn pictures_show_the_line() {
    let text = "[listener.web]\nbind = [\"0.0.0.0:8765\",\t\"0.0.0.0:8765\"]\npool = \"pöol\"\n\
                [pool.echo]\r\nbalanse = \"source\"\r\n";
    let checked = check(text, &MACHINE);
    let source = Source::new("ringbolt.toml", text);
    let mut all = checked.errors;
    all.extend(checked.warnings);
    all.push(Diagnostic::error("not valid UTF-8").mend("save it as UTF-8"));
    // Beneath a line that is not indented, because snapshots lose what all lines have in common.
    let drawn = format!("$ ringbolt check\n{}", pictures(&source, &all, false));
    assert_snapshot!(drawn, @r#"
    $ ringbolt check
      × 0.0.0.0:8765 is bound twice
       ╭─[ringbolt.toml:2:25]
     2 │ bind = ["0.0.0.0:8765", "0.0.0.0:8765"]
       ·         ───────┬──────  ──────────────
       ·                ╰── first here
       ╰────
      help: a port of an address serves one listener: take one out

      × listener.web.pool: there is no pool "pöol"
       ╭─[ringbolt.toml:3:8]
     3 │ pool = "pöol"
       ·        ──────
       ╰────
      help: known here: echo

      × pool.echo has no server
       ╭─[ringbolt.toml:4:1]
     4 │ [pool.echo]
       · ───────────
       ╰────
      help: add [[pool.echo.server]] with a name and an addr

      × unknown key "balanse" in pool.echo
       ╭─[ringbolt.toml:5:1]
     5 │ balanse = "source"
       · ───────
       ╰────
      help: did you mean balance?

      × ringbolt.toml: not valid UTF-8
      help: save it as UTF-8
    "#);
}

/// Goal: colour is the caller's to decide. Method: escapes in one and not in the other, and the
/// same text without them.
#[test]
fn colour_is_an_argument() {
    let checked = check(WRONG, &MACHINE);
    let source = Source::new("f", WRONG);
    let plain = pictures(&source, &checked.errors, false);
    let coloured = pictures(&source, &checked.errors, true);
    assert!(!plain.contains('\u{1b}'));
    assert!(coloured.contains("\u{1b}[31m"));
    let uncoloured: String = coloured
        .split('\u{1b}')
        .enumerate()
        .map(|(index, part)| match part.split_once('m') {
            Some((_, rest)) if index > 0 => rest,
            Some(_) | None => part,
        })
        .collect();
    assert_eq!(uncoloured, plain);
}

/// Goal: programs get what CONTRACT says. Method: one error with a place, one without, a warning.
#[test]
fn json_has_the_fields_of_the_contract() {
    let text = "[pool.echo]\nkez = 1\nhealth = { kind = \"tcp\", timeout = \"5s\" }\nserver = []\n";
    let checked = check(text, &MACHINE);
    let source = Source::new("a \"b\".toml", text);
    let answer = json(&source, &checked.errors, &checked.warnings);
    // Broken into lines for the reader of this test only.
    let answer =
        answer.replace("{\"file\"", "\n{\"file\"").replace("\"message\"", "\n \"message\"");
    assert_snapshot!(answer.replace("\"help\"", "\n \"help\""), @r#"
    {"errors":[
    {"file":"a \"b\".toml","line":null,"column":null,
     "message":"there is no listener",
     "help":"add [listener.web] with a bind and a pool"},
    {"file":"a \"b\".toml","line":1,"column":1,
     "message":"pool.echo has no server",
     "help":"add [[pool.echo.server]] with a name and an addr"},
    {"file":"a \"b\".toml","line":2,"column":1,
     "message":"unknown key \"kez\" in pool.echo",
     "help":"did you mean key?"}],"warnings":[
    {"file":"a \"b\".toml","line":3,"column":36,
     "message":"pool.echo.health: a probe may take 5s and the next is due after 2s",
     "help":"write a timeout of 2s or less"}]}
    "#);
}

/// Goal: keys that are dangerous while they are not built do not make a file invalid. Method: a
/// file with one of them, as `run` and as `check` see it.
#[test]
fn unbuilt_keys_are_for_run_to_refuse() {
    let text = SAMPLE.replace("workers = 2", "workers = 2\nuser = \"nobody\"");
    let checked = check(&text, &MACHINE);
    assert!(checked.spec.is_some() && checked.errors.is_empty());
    assert_eq!(checked.not_available.len(), 1);
    assert_eq!(checked.not_available[0].severity, Severity::Error);
    assert_eq!(checked.not_available[0].clone().into_warning().severity, Severity::Warning);
    assert_eq!(checked.not_available[0].message, "global.user = \"nobody\" is not available yet");
}

/// Goal: a large file full of errors is answered in the time of a glance, not of a coffee. Method:
/// many unknown keys; what would make it slow is quadratic, so a generous bound tells.
#[test]
fn many_errors_take_linear_time() {
    let text: String = (0..20_000).map(|n| format!("unknown_{n} = {n}\n")).collect();
    let started = std::time::Instant::now();
    let checked = check(&text, &MACHINE);
    assert_eq!(checked.errors.len(), 20_001);
    let source = Source::new("f", &text);
    assert!(json(&source, &checked.errors, &checked.warnings).len() > text.len());
    assert!(pictures(&source, &checked.errors, false).len() > text.len());
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

/// Goal: an error far behind in a line, where no terminal shows a picture, still has its place.
/// Method: a line of a megabyte with the error at its end.
#[test]
fn an_endless_line_is_told_and_not_drawn() {
    let text = format!("{}= 1 x\n", "a".repeat(1 << 20));
    let checked = check(&text, &MACHINE);
    let source = Source::new("ringbolt.toml", &text);
    let shown = pictures(&source, &checked.errors, false);
    assert!(shown.len() < 1_000, "{} bytes", shown.len());
    assert!(shown.contains("ringbolt.toml: line 1, column 10485"), "{shown}");
}
