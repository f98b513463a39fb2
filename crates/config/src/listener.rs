//! `[listener.NAME]`: an address clients connect to.
//!
//! Whether its pool exists and whether its addresses are free of each other is checked in `across`.

use std::ops::Range;

use ringbolt_core::spec::Listener;
use toml::Spanned;
use toml::de::DeValue;

use crate::address;
use crate::diagnostic::{Diagnostic, Findings};
use crate::global::{self, Timeouts};
use crate::reader::Table;
use crate::value::{self, Read, boolean, integer, or_off};

/// Connections that wait to be accepted; the kernel has its own bound, net.core.somaxconn.
const BACKLOG: u32 = 4096;

/// A listener and where it says what other parts have to agree with.
#[derive(Debug)]
pub(crate) struct PlacedListener {
    /// Its `pool` is still 0.
    pub(crate) listener: Listener,
    /// Of `listener.binds`, in the same order.
    pub(crate) bind_spans: Vec<Range<usize>>,
    /// The pool it names.
    pub(crate) pool: Option<Spanned<String>>,
}

/// Reads every listener, in the order of the file.
pub(crate) fn read_all(
    document: &mut Table<'_>,
    timeouts: &Timeouts,
    found: &mut Findings,
) -> Vec<PlacedListener> {
    let tables = document.named("listener", found);
    tables.into_iter().map(|(name, table)| read(name, table, timeouts, found)).collect()
}

fn read(
    name: Spanned<String>,
    mut table: Table<'_>,
    timeouts: &Timeouts,
    found: &mut Findings,
) -> PlacedListener {
    let binds = table.one_or_more("bind", "\"0.0.0.0:8765\"", found, address::bind);
    let pool = table.required("pool", "\"NAME\" of a [pool.NAME]", found, pool_name);
    let timeouts = read_timeouts(&mut table, timeouts, found);
    let accept_proxy = table.list("accept_proxy", found, address::network).unwrap_or_default();
    let accept_proxy_only = table.read("accept_proxy_only", found, boolean);
    warn_of_nobody(&table, &accept_proxy, accept_proxy_only.as_ref(), found);
    let max_sessions = table.read("max_sessions", found, global::sessions());
    let max_per_source = table.read("max_per_source", found, or_off(global::sessions()));
    let backlog = table.read("backlog", found, integer(1..=65_535));
    let mptcp = table.read("mptcp", found, boolean);
    table.finish(found);
    let bind_spans = binds.iter().map(Spanned::span).collect();
    let listener = Listener {
        name: name.into_inner(),
        binds: binds.into_iter().map(Spanned::into_inner).collect(),
        pool: 0,
        idle_timeout: timeouts.idle,
        fin_timeout: timeouts.fin,
        proxy_header_timeout: timeouts.proxy_header,
        accept_proxy: accept_proxy.into_iter().map(Spanned::into_inner).collect(),
        accept_proxy_only: accept_proxy_only.is_some_and(Spanned::into_inner),
        max_sessions: max_sessions.map(Spanned::into_inner),
        max_per_source: max_per_source.and_then(Spanned::into_inner),
        backlog: backlog.map_or(BACKLOG, Spanned::into_inner),
        mptcp: mptcp.is_some_and(Spanned::into_inner),
    };
    PlacedListener { listener, bind_spans, pool }
}

fn pool_name(value: &DeValue<'_>) -> Read<String> {
    value::text(value).map(str::to_owned)
}

fn read_timeouts(table: &mut Table<'_>, inherited: &Timeouts, found: &mut Findings) -> Timeouts {
    let mut timeouts = *inherited;
    if let Some(mut own) = table.table("timeouts", found) {
        global::read_client_side(&mut own, &mut timeouts, found);
        own.finish(found);
    }
    timeouts
}

/// A listener that resets everybody is valid, and nobody means it.
fn warn_of_nobody<T>(
    table: &Table<'_>,
    accept_proxy: &[Spanned<T>],
    only: Option<&Spanned<bool>>,
    found: &mut Findings,
) {
    let Some(only) = only.filter(|only| *only.get_ref() && accept_proxy.is_empty()) else { return };
    let message = format!("{}: accept_proxy names no source, so everybody is reset", table.path());
    let mend = "add accept_proxy = [\"10.0.0.0/8\"] with the sources that send the header";
    found.push(Diagnostic::warning(message).at(only.span()).mend(mend));
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringbolt_core::spec::Bind;
    use std::time::Duration;
    use toml::de::DeTable;

    fn read_text(text: &str) -> (Vec<PlacedListener>, Findings) {
        let mut found = Findings::default();
        let table = DeTable::parse(text).expect("the test writes TOML").into_inner();
        let mut document = Table::document(table);
        let timeouts = global::read_timeouts(&mut document, &mut found);
        let listeners = read_all(&mut document, &timeouts, &mut found);
        (listeners, found)
    }

    /// Goal: every default of CONTRACT, timeouts from the global ones. Method: the two keys that
    /// have to be there.
    #[test]
    fn defaults_are_those_of_the_contract() {
        let (listeners, found) = read_text(
            "[timeouts]\nfin = \"9s\"\n[listener.web]\nbind = \"[::]:80\"\npool = \"echo\"\n",
        );
        assert!(found.errors.is_empty(), "{:?}", found.errors);
        let PlacedListener { listener, pool, .. } = &listeners[0];
        assert_eq!(listener.binds, [Bind::Address("[::]:80".parse().expect("an address"))]);
        assert_eq!(pool.as_ref().map(|pool| pool.get_ref().as_str()), Some("echo"));
        assert_eq!(listener.idle_timeout, Some(Duration::from_secs(3_600)));
        assert_eq!(listener.fin_timeout, Duration::from_secs(9));
        assert_eq!(listener.proxy_header_timeout, Duration::from_secs(3));
        assert_eq!((listener.backlog, listener.mptcp), (4096, false));
        assert_eq!((listener.max_sessions, listener.max_per_source), (None, None));
        assert!(listener.accept_proxy.is_empty() && !listener.accept_proxy_only);
    }

    /// Goal: every key is read and overrides what is global. Method: one listener with all of them.
    #[test]
    fn every_key_is_read() {
        let (listeners, found) = read_text(
            "[timeouts]\nidle = \"2h\"\n[listener.web]\nbind = [\"0.0.0.0:80\", \"fd@3\"]\n\
             pool = \"echo\"\naccept_proxy = [\"10.0.0.0/8\", \"::1\"]\naccept_proxy_only = true\n\
             max_sessions = 10\nmax_per_source = 2\nbacklog = 65535\nmptcp = true\n\
             timeouts = { idle = \"off\", fin = \"1s\", proxy_header = \"2s\" }\n",
        );
        assert!(found.errors.is_empty(), "{:?}", found.errors);
        let listener = &listeners[0].listener;
        assert_eq!(listener.binds[1], Bind::Inherited("3".into()));
        assert_eq!((listener.idle_timeout, listener.fin_timeout), (None, Duration::from_secs(1)));
        assert_eq!(listener.proxy_header_timeout, Duration::from_secs(2));
        assert_eq!(listener.accept_proxy.len(), 2);
        assert!(listener.accept_proxy_only && listener.mptcp);
        assert_eq!((listener.max_sessions, listener.max_per_source), (Some(10), Some(2)));
        assert_eq!(listener.backlog, 65_535);
    }

    /// Goal: each key refuses what is beyond its range. Method: one wrong value for each.
    #[test]
    fn every_key_is_checked() {
        let (_, found) = read_text(
            "[listener.a]\nbind = [1, \"x\"]\npool = 1\naccept_proxy = \"::1\"\n\
             accept_proxy_only = 1\nmax_sessions = 0\nmax_per_source = 0\nbacklog = 65536\n\
             mptcp = \"on\"\ntimeouts = { idle = 1, fin = \"off\", connect = \"1s\" }\n\
             [listener.b]\n",
        );
        assert_eq!(found.errors.len(), 14, "{:#?}", found.errors);
    }

    /// Goal: a listener that resets everybody is told. Method: the flag without a source.
    #[test]
    fn accepting_nobody_is_a_warning() {
        let listener = "[listener.a]\nbind = \"0.0.0.0:1\"\npool = \"p\"\n";
        let (_, found) = read_text(&format!("{listener}accept_proxy_only = true\n"));
        assert_eq!(found.warnings.len(), 1);
        let (_, found) = read_text(&format!("{listener}accept_proxy_only = false\n"));
        assert!(found.warnings.is_empty());
    }
}
