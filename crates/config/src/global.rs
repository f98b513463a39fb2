//! `[global]` and `[timeouts]`: what concerns the process, and what listeners and pools inherit.

use std::ops::Range;
use std::time::Duration;

use ringbolt_core::limits::{SESSIONS_MAX, WORKERS_MAX};
use ringbolt_core::spec::{Global, LogFormat};
use toml::Spanned;
use toml::de::DeValue;

use crate::diagnostic::{Diagnostic, Findings};
use crate::reader::Table;
use crate::value::{Read, choice, duration, integer, or_off, string};
use crate::{address, time};

const LOG_FORMATS: [(LogFormat, &str); 3] =
    [(LogFormat::Text, "text"), (LogFormat::Json, "json"), (LogFormat::TcpLog, "tcplog")];

/// Below this an idle limit ends WebSockets of well-behaved clients: browsers and libraries that
/// ping at all do so every 20 to 60 seconds.
const IDLE_TIMEOUT_SHORT: Duration = Duration::from_secs(60);

/// The timeouts that a listener or a pool has unless it says otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    pub(crate) connect: Duration,
    pub(crate) idle: Option<Duration>,
    pub(crate) fin: Duration,
    pub(crate) drain: Option<Duration>,
    pub(crate) proxy_header: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            idle: Some(Duration::from_secs(3_600)),
            fin: Duration::from_secs(30),
            drain: None,
            proxy_header: Duration::from_secs(3),
        }
    }
}

/// Where `[global]` says what other parts have to agree with.
#[derive(Debug, Default)]
pub(crate) struct GlobalSpans {
    pub(crate) workers: Option<Range<usize>>,
    pub(crate) max_sessions: Option<Range<usize>>,
    pub(crate) http: Option<Range<usize>>,
}

/// Reads `[global]`, which may be missing.
pub(crate) fn read(
    document: &mut Table<'_>,
    timeouts: &Timeouts,
    found: &mut Findings,
) -> (Global, GlobalSpans) {
    let mut global = Global {
        workers: None,
        max_sessions: None,
        admin: None,
        http: None,
        user: None,
        group: None,
        log: None,
        seed: 0,
        drain_timeout: timeouts.drain,
    };
    let mut spans = GlobalSpans::default();
    let Some(mut table) = document.table("global", found) else { return (global, spans) };
    let workers = table.read("workers", found, integer(1..=WORKERS_MAX as u64));
    (global.workers, spans.workers) = split(workers);
    let max_sessions = table.read("max_sessions", found, sessions());
    (global.max_sessions, spans.max_sessions) = split(max_sessions);
    let http = table.read("http", found, address::local);
    (global.http, spans.http) = split(http);
    global.admin = table.read("admin", found, admin_path).map(Spanned::into_inner);
    global.user = table.read("user", found, string).map(Spanned::into_inner);
    global.group = table.read("group", found, string).map(Spanned::into_inner);
    global.log = table.read("log", found, choice(&LOG_FORMATS)).map(Spanned::into_inner);
    let seed = table.read("seed", found, integer(0..=i64::MAX as u64));
    global.seed = seed.map_or(0, Spanned::into_inner);
    table.finish(found);
    (global, spans)
}

/// Reads `[timeouts]`, which may be missing.
pub(crate) fn read_timeouts(document: &mut Table<'_>, found: &mut Findings) -> Timeouts {
    let mut timeouts = Timeouts::default();
    let Some(mut table) = document.table("timeouts", found) else { return timeouts };
    read_connect(&mut table, &mut timeouts.connect, found);
    read_client_side(&mut table, &mut timeouts, found);
    if let Some(drain) = table.read("drain", found, or_off(duration(time::TIMEOUT))) {
        timeouts.drain = drain.into_inner();
    }
    table.finish(found);
    timeouts
}

/// Reads the timeouts that a listener may have for itself over those it inherits.
pub(crate) fn read_client_side(
    table: &mut Table<'_>,
    timeouts: &mut Timeouts,
    found: &mut Findings,
) {
    if let Some(idle) = table.read("idle", found, or_off(duration(time::TIMEOUT))) {
        warn_of_short_idle(table, &idle, found);
        timeouts.idle = idle.into_inner();
    }
    if let Some(fin) = table.read("fin", found, duration(time::TIMEOUT)) {
        timeouts.fin = fin.into_inner();
    }
    if let Some(proxy_header) = table.read("proxy_header", found, duration(time::TIMEOUT)) {
        timeouts.proxy_header = proxy_header.into_inner();
    }
}

/// Reads the timeout that a pool may have for itself.
pub(crate) fn read_connect(table: &mut Table<'_>, connect: &mut Duration, found: &mut Findings) {
    if let Some(written) = table.read("connect", found, duration(time::TIMEOUT)) {
        *connect = written.into_inner();
    }
}

/// A number of sessions. Each worker has a slot for each, so what bounds a worker bounds all.
pub(crate) fn sessions() -> impl Fn(&DeValue<'_>) -> Read<u32> {
    integer(1..=u64::from(SESSIONS_MAX))
}

fn warn_of_short_idle(table: &Table<'_>, idle: &Spanned<Option<Duration>>, found: &mut Findings) {
    let Some(limit) = idle.get_ref().filter(|limit| *limit < IDLE_TIMEOUT_SHORT) else { return };
    let (path, limit) = (table.path_of("idle"), time::show(limit));
    found.push(
        Diagnostic::warning(format!(
            "{path}: a WebSocket that is silent for {limit} is reset, and many ping only every 60s"
        ))
        .at(idle.span())
        .mend("write \"1h\" or \"off\" unless every client sends more often than that"),
    );
}

fn admin_path(value: &DeValue<'_>) -> Read<String> {
    string(value).and_then(|path| address::unix_path(&path))
}

fn split<T>(value: Option<Spanned<T>>) -> (Option<T>, Option<Range<usize>>) {
    match value {
        Some(value) => {
            let span = value.span();
            (Some(value.into_inner()), Some(span))
        }
        None => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::de::DeTable;

    fn read_both(text: &str) -> (Global, Timeouts, Findings) {
        let mut found = Findings::default();
        let table = DeTable::parse(text).expect("the test writes TOML").into_inner();
        let mut document = Table::document(table);
        let timeouts = read_timeouts(&mut document, &mut found);
        let (global, _) = read(&mut document, &timeouts, &mut found);
        (global, timeouts, found)
    }

    /// Goal: every default of CONTRACT. Method: an empty text.
    #[test]
    fn defaults_are_those_of_the_contract() {
        let (global, timeouts, found) = read_both("");
        assert!(found.errors.is_empty() && found.warnings.is_empty());
        assert_eq!((global.workers, global.max_sessions, global.seed), (None, None, 0));
        assert_eq!((&global.admin, global.http, global.log), (&None, None, None));
        assert_eq!(timeouts.connect, Duration::from_secs(5));
        assert_eq!(timeouts.idle, Some(Duration::from_secs(3_600)));
        assert_eq!(timeouts.fin, Duration::from_secs(30));
        assert_eq!(timeouts.proxy_header, Duration::from_secs(3));
        assert_eq!((timeouts.drain, global.drain_timeout), (None, None));
    }

    /// Goal: every key at the end of its range. Method: one text with all of them.
    #[test]
    fn every_key_is_read() {
        let (global, timeouts, found) = read_both(
            "[global]\nworkers = 256\nmax_sessions = 1\nadmin = \"/run/a.sock\"\n\
             http = \"[::1]:0\"\nuser = \"u\"\ngroup = \"g\"\nlog = \"tcplog\"\n\
             seed = 9223372036854775807\n\
             [timeouts]\nconnect = \"1ms\"\nidle = \"off\"\nfin = \"2m\"\ndrain = \"365d\"\n\
             proxy_header = \"1500us\"\n",
        );
        assert!(found.errors.is_empty(), "{:?}", found.errors);
        assert_eq!((global.workers, global.max_sessions), (Some(256), Some(1)));
        assert_eq!(global.admin.as_deref(), Some("/run/a.sock"));
        assert_eq!(global.http, "[::1]:0".parse().ok());
        assert_eq!((global.user.as_deref(), global.group.as_deref()), (Some("u"), Some("g")));
        assert_eq!((global.log, global.seed), (Some(LogFormat::TcpLog), i64::MAX as u64));
        assert_eq!(timeouts.connect, Duration::from_millis(1));
        assert_eq!((timeouts.idle, timeouts.fin), (None, Duration::from_secs(120)));
        assert_eq!(global.drain_timeout, Some(Duration::from_secs(365 * 86_400)));
        assert_eq!(timeouts.proxy_header, Duration::from_micros(1_500));
    }

    /// Goal: each key refuses what is beyond its range. Method: one wrong value for each.
    #[test]
    fn every_key_is_checked() {
        let (.., found) = read_both(
            "[global]\nworkers = 0\nmax_sessions = 0\nadmin = \"\"\nhttp = \"localhost:1\"\n\
             user = \"\"\ngroup = 1\nlog = \"xml\"\nseed = -1\n\
             [timeouts]\nconnect = \"off\"\nidle = \"0s\"\nfin = 1\ndrain = true\n\
             proxy_header = \"\"\n",
        );
        assert_eq!(found.errors.len(), 13, "{:#?}", found.errors);
    }

    /// Goal: a limit that ends silent WebSockets is said before it does. Method: both sides of it.
    #[test]
    fn a_short_idle_timeout_is_a_warning() {
        let (.., found) = read_both("[timeouts]\nidle = \"59s\"\n");
        assert_eq!(found.warnings.len(), 1);
        assert!(found.warnings[0].message.contains("silent for 59s is reset"));
        let (.., found) = read_both("[timeouts]\nidle = \"1m\"\n");
        assert!(found.warnings.is_empty());
    }
}
