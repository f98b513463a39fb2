//! `pool.NAME.health`: how the servers of a pool are probed.
//!
//! A table with a kind, and only the keys that this kind knows: a `path` that a TCP probe would
//! ignore is a mistake about what is probed.

use std::ops::RangeInclusive;
use std::time::Duration;

use ringbolt_core::spec::{Health, Probe};
use toml::Spanned;
use toml::de::DeValue;

use crate::diagnostic::{Diagnostic, Findings};
use crate::reader::Table;
use crate::time::{self, PROBE_INTERVAL};
use crate::value::{self, Read, Wrong, choice, duration, integer, quoted, string};

/// Most bytes that a probe sends or waits for.
pub(crate) const PROBE_BYTES_MAX: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Off,
    Tcp,
    Http,
    WebSocket,
    SendExpect,
}

const KINDS: [(Kind, &str); 5] = [
    (Kind::Off, "off"),
    (Kind::Tcp, "tcp"),
    (Kind::Http, "http"),
    (Kind::WebSocket, "websocket"),
    (Kind::SendExpect, "send-expect"),
];

/// Every key beside `kind`, with the kinds that know it.
const KEYS: [(&str, &str); 11] = [
    ("method", "\"http\""),
    ("path", "\"http\" and \"websocket\""),
    ("host", "\"http\" and \"websocket\""),
    ("status", "\"http\""),
    ("send", "\"send-expect\""),
    ("expect", "\"send-expect\""),
    ("interval", "every kind but \"off\""),
    ("fast_interval", "every kind but \"off\""),
    ("timeout", "every kind but \"off\""),
    ("rise", "every kind but \"off\""),
    ("fall", "every kind but \"off\""),
];

/// Reads the table `health` of a pool, which may be missing.
pub(crate) fn read(pool: &mut Table<'_>, found: &mut Findings) -> Health {
    let mut health = Health::OFF;
    let Some(mut table) = pool.table("health", found) else { return health };
    let kind = table.required("kind", "\"tcp\"", found, choice(&KINDS)).map(Spanned::into_inner);
    if let Some(kind) = kind {
        health.probe = read_probe(&mut table, kind, found);
        if kind != Kind::Off {
            read_pace(&mut table, &mut health, found);
        }
    }
    refuse_other_kinds(&mut table, kind, found);
    table.finish(found);
    health
}

fn read_probe(table: &mut Table<'_>, kind: Kind, found: &mut Findings) -> Probe {
    match kind {
        Kind::Off => Probe::Off,
        Kind::Tcp => Probe::Tcp,
        Kind::Http => Probe::Http {
            method: read_or(table, "method", "GET", found, method),
            path: read_or(table, "path", "/", found, path),
            host: table.read("host", found, host).map(Spanned::into_inner),
            status: table
                .read("status", found, status)
                .map_or_else(|| vec![200..=399], Spanned::into_inner),
        },
        Kind::WebSocket => Probe::WebSocket {
            path: read_or(table, "path", "/", found, path),
            host: table.read("host", found, host).map(Spanned::into_inner),
        },
        Kind::SendExpect => Probe::SendExpect {
            send: table.read("send", found, bytes).map(Spanned::into_inner).unwrap_or_default(),
            expect: table
                .required("expect", "\"PONG\"", found, expected_bytes)
                .map(Spanned::into_inner)
                .unwrap_or_default(),
        },
    }
}

fn read_or(
    table: &mut Table<'_>,
    key: &'static str,
    default: &str,
    found: &mut Findings,
    read: impl Fn(&DeValue<'_>) -> Read<String>,
) -> String {
    table.read(key, found, read).map_or_else(|| default.to_owned(), Spanned::into_inner)
}

/// How often, how long, how many times.
fn read_pace(table: &mut Table<'_>, health: &mut Health, found: &mut Findings) {
    let times = || integer(1..=1_000);
    let interval = table.read("interval", found, duration(PROBE_INTERVAL));
    let fast_interval = table.read("fast_interval", found, duration(PROBE_INTERVAL));
    let timeout = table.read("timeout", found, duration(PROBE_INTERVAL));
    let rise = table.read("rise", found, times());
    let fall = table.read("fall", found, times());
    // The place of a warning: the key that was written, of two that do not agree.
    let place = timeout.as_ref().or(interval.as_ref()).map(Spanned::span);
    let fast_place = fast_interval.as_ref().map(Spanned::span);
    let or = |read: Option<Spanned<Duration>>, default| read.map_or(default, Spanned::into_inner);
    health.interval = or(interval, health.interval);
    health.fast_interval = or(fast_interval, health.fast_interval);
    health.timeout = or(timeout, health.timeout);
    health.rise = rise.map_or(health.rise, Spanned::into_inner);
    health.fall = fall.map_or(health.fall, Spanned::into_inner);
    let path = table.path();
    let (interval, timeout) = (time::show(health.interval), time::show(health.timeout));
    if let Some(place) = place.filter(|_| health.timeout > health.interval) {
        let message =
            format!("{path}: a probe may take {timeout} and the next is due after {interval}");
        let mend = format!("write a timeout of {interval} or less");
        found.push(Diagnostic::warning(message).at(place).mend(mend));
    }
    if let Some(place) = fast_place.filter(|_| health.fast_interval > health.interval) {
        let fast = time::show(health.fast_interval);
        let message = format!("{path}: fast_interval {fast} is slower than interval {interval}");
        let mend = format!("write a fast_interval of {interval} or less");
        found.push(Diagnostic::warning(message).at(place).mend(mend));
    }
}

/// Refuses what another kind would have read. Without a kind nothing can be said about them.
fn refuse_other_kinds(table: &mut Table<'_>, kind: Option<Kind>, found: &mut Findings) {
    let name = KINDS.iter().find(|(other, _)| Some(*other) == kind).map(|(_, name)| *name);
    for (key, kinds) in KEYS {
        if let (Some(value), Some(name)) = (table.take(key), name) {
            let reason = format!("a probe of kind \"{name}\" does not know it");
            let wrong = Wrong::new(reason, format!("take it out; it is for {kinds}"));
            table.wrong(key, value.span(), wrong, found);
        }
    }
}

fn method(value: &DeValue<'_>) -> Read<String> {
    let text = string(value)?;
    if text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        Ok(text)
    } else {
        let reason = format!("{} is not an HTTP method", quoted(&text));
        Err(Wrong::new(reason, "write it in capital letters, e.g. \"GET\" or \"HEAD\""))
    }
}

fn path(value: &DeValue<'_>) -> Read<String> {
    let text = string(value)?;
    if text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text)
    } else {
        let reason = format!("{} is not a request target", quoted(&text));
        Err(Wrong::new(reason, "begin with / and write %20 for a space, and so on"))
    }
}

fn host(value: &DeValue<'_>) -> Read<String> {
    let text = string(value)?;
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text)
    } else {
        let reason = format!("{} is not a host", quoted(&text));
        Err(Wrong::new(reason, "write what a Host header has, e.g. \"example.org\""))
    }
}

/// Status codes and ranges of them: "200-399", "204", "200,301-302".
fn status(value: &DeValue<'_>) -> Read<Vec<RangeInclusive<u16>>> {
    let mend = "write codes and ranges of them from 100 to 599, e.g. \"200-399\" or \"200,204\"";
    let Some(text) = value.as_str() else { return Err(Wrong::kind("a string", value, mend)) };
    let code = |text: &str| {
        let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|code| digits && (100..=599).contains(code))
    };
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (code(first.trim())?, code(last.trim())?);
        (first <= last).then_some(first..=last)
    };
    let ranges: Option<Vec<_>> = text.split(',').map(range).collect();
    ranges.ok_or_else(|| Wrong::new(format!("{} are not status codes", quoted(text)), mend))
}

fn bytes(value: &DeValue<'_>) -> Read<Vec<u8>> {
    let bytes = value::text(value)?.as_bytes().to_vec();
    if bytes.len() <= PROBE_BYTES_MAX {
        Ok(bytes)
    } else {
        let reason = format!("it has {} bytes", bytes.len());
        Err(Wrong::new(reason, format!("write at most {PROBE_BYTES_MAX}")))
    }
}

fn expected_bytes(value: &DeValue<'_>) -> Read<Vec<u8>> {
    let bytes = bytes(value)?;
    if bytes.is_empty() {
        let mend = "write what a good answer has in it, or use kind \"tcp\"";
        return Err(Wrong::new("it is empty, so every answer would do", mend));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::de::DeTable;

    fn read_text(health: &str) -> (Health, Findings) {
        let mut found = Findings::default();
        let table = DeTable::parse(health).expect("the test writes TOML").into_inner();
        let health = read(&mut Table::document(table), &mut found);
        (health, found)
    }

    fn probe(health: &str) -> Probe {
        let (health, found) = read_text(&format!("health = {{ {health} }}"));
        assert!(found.errors.is_empty(), "{:?}", found.errors);
        health.probe
    }

    /// Goal: each kind with its defaults. Method: the shortest table of each.
    #[test]
    fn kinds_have_their_defaults() {
        let (health, _) = read_text("");
        assert_eq!(health.probe, Probe::Off);
        assert_eq!(
            (health.interval, health.timeout),
            (Duration::from_secs(2), Duration::from_secs(1))
        );
        assert_eq!(health.fast_interval, Duration::from_secs(1));
        assert_eq!((health.rise, health.fall), (2, 3));
        assert_eq!(probe("kind = \"off\""), Probe::Off);
        assert_eq!(probe("kind = \"tcp\""), Probe::Tcp);
        let status = vec![200..=399];
        let http = Probe::Http { method: "GET".into(), path: "/".into(), host: None, status };
        assert_eq!(probe("kind = \"http\""), http);
        assert_eq!(
            probe("kind = \"websocket\""),
            Probe::WebSocket { path: "/".into(), host: None }
        );
        assert_eq!(
            probe("kind = \"send-expect\", expect = \"PONG\""),
            Probe::SendExpect { send: vec![], expect: b"PONG".to_vec() }
        );
    }

    /// Goal: every key of every kind is read. Method: a full table of each.
    #[test]
    fn every_key_is_read() {
        let http = probe(
            "kind = \"http\", method = \"HEAD\", path = \"/up?a=1\", host = \"h\", \
             status = \"200,204 , 301-302\"",
        );
        let (method, path) = ("HEAD".into(), "/up?a=1".into());
        let status = vec![200..=200, 204..=204, 301..=302];
        assert_eq!(http, Probe::Http { method, path, host: Some("h".into()), status });
        let websocket = probe("kind = \"websocket\", path = \"/ws\", host = \"h\"");
        let host = Some("h".into());
        assert_eq!(websocket, Probe::WebSocket { path: "/ws".into(), host });
        let send = probe("kind = \"send-expect\", send = \"PING\\r\\n\", expect = \"+\"");
        let (sent, expect) = (b"PING\r\n".to_vec(), b"+".to_vec());
        assert_eq!(send, Probe::SendExpect { send: sent, expect });
        let (health, found) = read_text(
            "health = { kind = \"tcp\", interval = \"10s\", fast_interval = \"5s\", \
             timeout = \"3s\", rise = 1, fall = 1000 }",
        );
        assert!(found.errors.is_empty() && found.warnings.is_empty());
        assert_eq!(
            (health.interval, health.timeout),
            (Duration::from_secs(10), Duration::from_secs(3))
        );
        assert_eq!(health.fast_interval, Duration::from_secs(5));
        assert_eq!((health.rise, health.fall), (1, 1000));
    }

    /// Goal: each key refuses nonsense, and each kind the keys of the others. Method: one table for
    /// each rule, with the number of errors it has.
    #[test]
    fn every_key_is_checked() {
        let tables = [
            ("kind = \"tpc\"", 1),
            ("path = \"/\"", 1),
            ("kind = \"off\", interval = \"1s\", rise = 2", 2),
            ("kind = \"tcp\", path = \"/\", host = \"h\", send = \"\", colour = 1", 4),
            ("kind = \"websocket\", method = \"GET\", status = \"200\"", 2),
            ("kind = \"http\", method = \"get\", path = \"up\", host = \"a b\"", 3),
            ("kind = \"http\", status = \"2xx\"", 1),
            ("kind = \"http\", path = \"/a b\", status = \"300-200\"", 2),
            ("kind = \"http\", status = 200", 1),
            ("kind = \"http\", status = \"\"", 1),
            ("kind = \"http\", status = \"+20\"", 1),
            ("kind = \"send-expect\"", 1),
            ("kind = \"send-expect\", expect = \"\"", 1),
            ("kind = \"tcp\", interval = \"1ms\", timeout = 1, rise = 0, fall = 1001", 4),
            ("kind = \"tcp\", fast_interval = \"off\"", 1),
        ];
        for (table, errors) in tables {
            let (_, found) = read_text(&format!("health = {{ {table} }}"));
            assert_eq!(found.errors.len(), errors, "{table}: {:#?}", found.errors);
        }
        let long = "a".repeat(PROBE_BYTES_MAX + 1);
        let (_, found) =
            read_text(&format!("health = {{ kind = \"send-expect\", expect = \"{long}\" }}"));
        assert_eq!(found.errors.len(), 1);
        let (_, found) = read_text("health = \"tcp\"");
        assert_eq!(found.errors.len(), 1);
    }

    /// Goal: times that do not fit together are told. Method: each pair the wrong way round, also
    /// against a default.
    #[test]
    fn times_that_do_not_fit_are_warnings() {
        for table in
            ["timeout = \"3s\"", "interval = \"1s\", timeout = \"2s\"", "fast_interval = \"3s\""]
        {
            let (_, found) = read_text(&format!("health = {{ kind = \"tcp\", {table} }}"));
            assert_eq!(found.warnings.len(), 1, "{table}");
        }
        let (_, found) = read_text("health = { kind = \"tcp\", interval = \"500ms\" }");
        assert_eq!(found.warnings.len(), 1, "the default timeout is longer");
    }
}
