//! What only the whole configuration can tell: names that must exist, addresses that must be free,
//! and sums that the machine must hold.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use ringbolt_core::limits::{
    BINDS_MAX, DESCRIPTORS_PER_SESSION, NAMES_MAX, SERVERS_MAX, SOURCES_MAX, fixed_descriptors,
    sessions_for,
};
use ringbolt_core::spec::{Bind, Global};

use crate::Machine;
use crate::diagnostic::{Diagnostic, Findings};
use crate::global::GlobalSpans;
use crate::listener::PlacedListener;
use crate::nearest;
use crate::pool::PlacedPool;
use crate::value::quoted;

/// Gives every listener the index of its pool; reports pools that do not exist, and those that
/// nobody names.
pub(crate) fn connect(
    listeners: &mut [PlacedListener],
    pools: &[PlacedPool],
    found: &mut Findings,
) {
    let names = || pools.iter().map(|placed| placed.pool.name.as_str());
    let indices: HashMap<&str, usize> = names().zip(0..).collect();
    let mut named = vec![false; pools.len()];
    let mut all_found = !listeners.is_empty();
    for placed in listeners.iter_mut() {
        let Some(wanted) = &placed.pool else {
            all_found = false;
            continue;
        };
        if let Some(&index) = indices.get(wanted.get_ref().as_str()) {
            placed.listener.pool = index;
            named[index] = true;
            continue;
        }
        all_found = false;
        let word = quoted(wanted.get_ref());
        let path = format!("listener.{}.pool", placed.listener.name);
        let mend = if pools.is_empty() {
            format!("add [pool.{}] with its servers", wanted.get_ref())
        } else {
            nearest::suggest(wanted.get_ref(), names())
        };
        let message = format!("{path}: there is no pool {word}");
        found.push(Diagnostic::error(message).at(wanted.span()).mend(mend));
    }
    // While a name leads nowhere, which pool is left over is a guess.
    for (placed, _) in pools.iter().zip(named).filter(|(_, named)| all_found && !named) {
        let message = format!("pool.{}: no listener names it", placed.pool.name);
        let mend = "take it out, or name it as the pool of a listener";
        found.push(Diagnostic::warning(message).at(placed.name_span.clone()).mend(mend));
    }
}

/// Reports addresses that two sockets of this configuration would both have to be bound to.
pub(crate) fn compare_binds(
    listeners: &[PlacedListener],
    global: &Global,
    spans: &GlobalSpans,
    found: &mut Findings,
) {
    let http = global.http.zip(spans.http.clone());
    let http = http.map(|(addr, span)| (Bind::Address(addr), span));
    let of_listener = |placed: &PlacedListener| {
        let spans = placed.bind_spans.clone();
        placed.listener.binds.clone().into_iter().zip(spans)
    };
    let binds: Vec<(Bind, Range<usize>)> =
        http.into_iter().chain(listeners.iter().flat_map(of_listener)).collect();
    if binds.len() > BINDS_MAX {
        // Then the number itself is an error, and the pairs are too many to look at.
        return;
    }
    for (index, (bind, span)) in binds.iter().enumerate() {
        let earlier = binds[..index].iter().find_map(|(other, other_span)| {
            overlap(other, bind).map(|reason| (reason, other_span))
        });
        if let Some((reason, other_span)) = earlier {
            found.push(
                Diagnostic::error(reason)
                    .at(span.clone())
                    .related(other_span.clone(), "first here")
                    .mend("a port of an address serves one listener: take one out"),
            );
        }
    }
}

/// Why two sockets cannot both listen, if they cannot. Port 0 is a free one each time.
fn overlap(one: &Bind, other: &Bind) -> Option<String> {
    match (one, other) {
        (Bind::Inherited(a), Bind::Inherited(b)) => {
            (a == b).then(|| format!("fd@{a} is taken twice"))
        }
        (Bind::Address(a), Bind::Address(b)) if a == b && a.port() != 0 => {
            Some(format!("{a} is bound twice"))
        }
        (Bind::Address(a), Bind::Address(b)) if covers(a, b) || covers(b, a) => {
            Some(format!("{b} is bound already, by {a}"))
        }
        (Bind::Address(_) | Bind::Inherited(_), Bind::Address(_) | Bind::Inherited(_)) => None,
    }
}

/// Whether one is the wildcard of the other's family at its port. The kernel then refuses the
/// second listener (EADDRINUSE, socket(7) on SO_REUSEADDR), in either order.
fn covers(wildcard: &SocketAddr, addr: &SocketAddr) -> bool {
    let same_family = match (wildcard.ip(), addr.ip()) {
        (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => true,
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    };
    same_family
        && wildcard.ip().is_unspecified()
        && wildcard.port() == addr.port()
        && addr.port() != 0
}

/// Reports more listeners, pools, addresses or servers than the design allows, each at the first
/// one too many.
pub(crate) fn count(listeners: &[PlacedListener], pools: &[PlacedPool], found: &mut Findings) {
    let mut binds = listeners.iter().flat_map(|placed| placed.bind_spans.iter());
    let mut servers = pools.iter().flat_map(|placed| placed.server_spans.iter());
    let all = pools.iter().flat_map(|placed| placed.pool.servers.iter());
    let mut sources = 0;
    // The server whose source is the first one too many.
    let overfull = all.clone().position(|server| {
        sources += server.source.len();
        sources > SOURCES_MAX
    });
    let source_count = all.map(|server| server.source.len()).sum();
    let overfull = overfull.and_then(|place| servers.clone().nth(place));
    let (bind_count, server_count) = (binds.clone().count(), servers.clone().count());
    let listener = listeners.get(NAMES_MAX).and_then(|placed| placed.bind_spans.first());
    let pool = pools.get(NAMES_MAX).map(|placed| &placed.name_span);
    let counts = [
        ("listeners", listeners.len(), NAMES_MAX, listener),
        ("pools", pools.len(), NAMES_MAX, pool),
        ("addresses to listen on", bind_count, BINDS_MAX, binds.nth(BINDS_MAX)),
        ("servers", server_count, SERVERS_MAX, servers.nth(SERVERS_MAX)),
        ("sources", source_count, SOURCES_MAX, overfull),
    ];
    for (what, number, most, span) in counts {
        if number > most {
            let message = format!("{number} {what} are too many: {most} is the most");
            let error = Diagnostic::error(message).mend("split them over several instances");
            found.push(match span {
                Some(span) => error.at(span.clone()),
                None => error,
            });
        }
    }
}

/// Reports what the machine cannot hold.
pub(crate) fn fit(
    global: &Global,
    spans: &GlobalSpans,
    listeners: &[PlacedListener],
    machine: &Machine,
    found: &mut Findings,
) {
    let workers = u64::from(global.workers.unwrap_or(machine.cores).max(1));
    if let Some(span) = spans.workers.clone().filter(|_| workers > u64::from(machine.cores)) {
        let message = format!(
            "global.workers: {workers} workers share {} cores, so they take turns",
            machine.cores
        );
        let mend = format!("write {} or less, or leave it out for one each", machine.cores);
        found.push(Diagnostic::warning(message).at(span).mend(mend));
    }
    let binds: usize = listeners.iter().map(|placed| placed.listener.binds.len()).sum();
    let fixed = fixed_descriptors(workers, binds as u64);
    let possible = sessions_for(machine.descriptors, workers, binds as u64);
    let wanted = u64::from(global.max_sessions.unwrap_or(1));
    if wanted <= possible {
        return;
    }
    let (per_session, reachable) = (DESCRIPTORS_PER_SESSION, machine.descriptors);
    let needed = wanted * per_session + fixed;
    let raise = format!("raise the limit to {needed} or more (LimitNOFILE=, ulimit -Hn)");
    let reason = format!(
        "needs {per_session} x {wanted} + {fixed} descriptors, and this process may \
         open {reachable}"
    );
    found.push(match (&spans.max_sessions, possible) {
        (Some(span), 0) => Diagnostic::error(format!("max_sessions = {wanted} {reason}"))
            .at(span.clone())
            .mend(raise),
        (Some(span), _) => Diagnostic::error(format!("max_sessions = {wanted} {reason}"))
            .at(span.clone())
            .mend(format!("write {possible} or less, or {raise}")),
        (None, _) => Diagnostic::error(format!("a single session {reason}")).mend(raise),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Checked, check};

    const MACHINE: Machine = Machine { descriptors: 20_000, cores: 2 };

    fn configuration(head: &str, binds: &[&str]) -> String {
        let mut text = head.to_owned();
        for (index, bind) in binds.iter().enumerate() {
            text.push_str(&format!("[listener.l{index}]\nbind = \"{bind}\"\npool = \"p\"\n"));
        }
        text + "[[pool.p.server]]\nname = \"a\"\naddr = \"192.0.2.1:1\"\n"
    }

    fn messages(checked: &Checked) -> Vec<&str> {
        checked.errors.iter().map(|error| error.message.as_str()).collect()
    }

    /// Goal: more sessions than descriptors is refused with the sum. Method: both sides of the
    /// limit, and a machine that holds none at all.
    #[test]
    fn sessions_fit_the_descriptors() {
        let text = |n: u64| configuration(&format!("[global]\nmax_sessions = {n}\n"), &["[::]:1"]);
        let possible = sessions_for(20_000, 2, 1);
        assert!(check(&text(possible), &MACHINE).spec.is_some());
        let checked = check(&text(20_000), &MACHINE);
        let fixed = fixed_descriptors(2, 1);
        let message = format!(
            "max_sessions = 20000 needs 2 x 20000 + {fixed} descriptors, and this process may \
             open 20000"
        );
        assert_eq!(messages(&checked), [message]);
        let help = checked.errors[0].help.as_deref().expect("a mend");
        assert!(help.starts_with(&format!("write {possible} or less")), "{help}");
        let tiny = Machine { descriptors: 64, cores: 1 };
        let checked = check(&configuration("", &["[::]:1"]), &tiny);
        assert!(checked.errors[0].message.starts_with("a single session needs 2 x 1 + "));
        assert_eq!(checked.errors[0].span, None);
    }

    /// Goal: an address is bound once. Method: pairs, in both orders.
    #[test]
    fn an_address_is_bound_once() {
        let clashes = [
            ("0.0.0.0:1", "0.0.0.0:1"),
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("fd@3", "fd@3"),
        ];
        let fits = [
            ("0.0.0.0:1", "[::]:1"),
            ("0.0.0.0:1", "0.0.0.0:2"),
            ("0.0.0.0:0", "0.0.0.0:0"),
            ("127.0.0.1:1", "127.0.0.2:1"),
            ("[fe80::1%1]:1", "[fe80::1%2]:1"),
            ("fd@3", "fd@4"),
            ("fd@3", "0.0.0.0:1"),
        ];
        for (pairs, errors) in [(&clashes[..], 1), (&fits[..], 0)] {
            for &(one, other) in pairs {
                for binds in [[one, other], [other, one]] {
                    let checked = check(&configuration("", &binds), &MACHINE);
                    assert_eq!(checked.errors.len(), errors, "{binds:?}: {:?}", checked.errors);
                }
            }
        }
        let head = "[global]\nhttp = \"127.0.0.1:1\"\n";
        let checked = check(&configuration(head, &["0.0.0.0:1"]), &MACHINE);
        assert_eq!(messages(&checked), ["0.0.0.0:1 is bound already, by 127.0.0.1:1"]);
    }

    /// Goal: a listener finds its pool or hears of the nearest one. Method: a slip, and a pool that
    /// nobody names.
    #[test]
    fn listeners_find_their_pools() {
        let text = configuration("", &["[::]:1"]);
        let checked = check(&text.replace("pool = \"p\"", "pool = \"pp\""), &MACHINE);
        assert_eq!(messages(&checked), ["listener.l0.pool: there is no pool \"pp\""]);
        assert_eq!(checked.errors[0].help.as_deref(), Some("known here: p"));
        assert_eq!(checked.warnings, []);
        let spare = "[[pool.echo.server]]\nname = \"a\"\naddr = \"192.0.2.1:1\"\n";
        let checked = check(&format!("{text}{spare}"), &MACHINE);
        assert!(checked.errors.is_empty());
        assert_eq!(checked.warnings[0].message, "pool.echo: no listener names it");
    }

    /// Goal: what the design does not hold is refused once. Method: one more than each limit.
    #[test]
    fn numbers_have_limits() {
        let many: Vec<String> = (0..=BINDS_MAX).map(|n| format!("127.0.0.1:{}", n + 1)).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let checked = check(&configuration("", &many), &MACHINE);
        assert_eq!(
            messages(&checked),
            ["257 addresses to listen on are too many: 256 is the most"]
        );
        let server = |n| format!("[[pool.p.server]]\nname = \"s{n}\"\naddr = \"h{n}:1\"\n");
        let servers: String = (0..SERVERS_MAX).map(server).collect();
        let checked = check(&format!("{}{servers}", configuration("", &["[::]:1"])), &MACHINE);
        assert_eq!(messages(&checked), ["4097 servers are too many: 4096 is the most"]);
    }

    /// Goal: more workers than cores is told. Method: one more.
    #[test]
    fn workers_beyond_the_cores_are_a_warning() {
        let text = |n| configuration(&format!("[global]\nworkers = {n}\n"), &["[::]:1"]);
        assert!(check(&text(2), &MACHINE).warnings.is_empty());
        assert_eq!(check(&text(3), &MACHINE).warnings.len(), 1);
    }
}
