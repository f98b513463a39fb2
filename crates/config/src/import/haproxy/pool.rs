//! The serving side of a proxy as a pool.

use std::collections::BTreeSet;
use std::time::Duration;

use ringbolt_core::limits::ATTEMPTS_MAX;
use ringbolt_core::spec::{Balance, SendProxy, Splice};

use super::proxy::Proxy;
use super::server::{Parameters, Server as Written};
use super::settings::Settings;
use super::{address, balance};
use crate::family::Family;
use crate::import::model::{At, Health, Limit, Pool, Probe, Server};
use crate::import::notes::Notes;
use crate::import::settle;
use crate::time::PROBE_INTERVAL;

/// Retries of HAProxy where none are written.
const RETRIES: u64 = 3;

/// Between two probes of HAProxy where nothing is written.
const INTER: Duration = Duration::from_secs(2);

/// Makes a pool of a backend or a listen; `None` when it has no server that can be carried. `port` is
/// the one that its clients connect to, if it is one.
pub(super) fn build(
    proxy: &Proxy,
    port: Option<u16>,
    nosplice: Option<&At<()>>,
    notes: &mut Notes,
) -> Option<Pool> {
    let servers = reachable(proxy, port, notes);
    if servers.is_empty() {
        return None;
    }
    let settings = &proxy.settings;
    let (words, hash) = (settings.balance.as_ref(), settings.hash_type.as_ref());
    let choice = balance::choose(words, hash, settings.affinity.as_ref(), &proxy.name.at, notes);
    let written: Vec<&Written> = servers.iter().map(|(_, server, _)| *server).collect();
    let kind = choice.balance.value;
    explain_disabled(&written, kind, notes);
    explain_backups(proxy, &written, kind, notes);
    explain_queue(&written, notes);
    let ids = ids(&proxy.servers, kind);
    let splice = match nosplice {
        Some(off) => Some(At::new(Splice::Off, &off.at)),
        None => settings.splice.clone().map(|at| at.map(|()| Splice::Auto)),
    };
    Some(Pool {
        name: proxy.name.clone(),
        balance: choice.balance,
        key: choice.key,
        attempts: Some(attempts(proxy, kind, notes)),
        connect: connect(proxy, notes),
        send_proxy: send_proxy(&written, notes),
        splice,
        keepalive: settings.keepalive.clone(),
        health: health(proxy, &written, notes),
        servers: servers
            .into_iter()
            .map(|(place, written, addr)| {
                server(written, addr, settings, ids.get(place).copied(), notes)
            })
            .collect(),
    })
}

/// The servers that can be connected to, with their places among all and their addresses here.
fn reachable<'p>(
    proxy: &'p Proxy,
    port: Option<u16>,
    notes: &mut Notes,
) -> Vec<(usize, &'p Written, At<String>)> {
    let mut servers = Vec::new();
    for (place, written) in proxy.servers.iter().enumerate() {
        match address::server(&written.address.value, port) {
            Ok(addr) => servers.push((place, written, At::new(addr, &written.address.at))),
            Err(unfit) => {
                let name = &written.name.value;
                let message = format!("server {name} is not carried: {}", unfit.reason);
                notes.note(&written.address.at, message, unfit.mend);
            }
        }
    }
    servers
}

fn server(
    written: &Written,
    addr: At<String>,
    settings: &Settings,
    id: Option<u64>,
    notes: &mut Notes,
) -> Server {
    let parameters = &written.parameters;
    let weight = match &parameters.disabled {
        Some(disabled) if disabled.value => Some(At::new(0, &disabled.at)),
        Some(_) | None => parameters.weight.clone(),
    };
    let id_at = parameters.id.as_ref().map_or(&written.name.at, |id| &id.at);
    let source = parameters.source.clone().or_else(|| settings.source.clone());
    Server {
        name: settle::fit(&written.name, notes),
        addr,
        id: id.map(|id| At::new(id, id_at)),
        weight,
        max_sessions: parameters.maxconn.clone(),
        backup: parameters.backup.clone().filter(|it| it.value).map(|it| it.map(|_| ())),
        source: source.into_iter().collect(),
    }
}

/// The id of every server as HAProxy gives them, where ids matter or are written: the ones that are
/// written, and for every other its place among all, or the next number that nobody has written. One
/// that is not carried has its place too.
fn ids(servers: &[Written], balance: Balance) -> Vec<u64> {
    let written: BTreeSet<u64> =
        servers.iter().filter_map(|it| it.parameters.id.as_ref()).map(|id| id.value).collect();
    let matters = matches!(
        balance,
        Balance::HaproxySourceConsistent
            | Balance::HaproxySourceConsistentRaw
            | Balance::HaproxySourceConsistent30
    );
    if !matters && written.is_empty() {
        return Vec::new();
    }
    let mut next = 1;
    let mut given = |own: Option<u64>| {
        let id = own.unwrap_or_else(|| {
            while written.contains(&next) {
                next += 1;
            }
            next
        });
        next += 1;
        id
    };
    let first_of = |server: &Written| {
        let first = given(server.parameters.id.as_ref().map(|id| id.value));
        // The others of a template.
        for _ in 1..server.places {
            given(None);
        }
        first
    };
    servers.iter().map(first_of).collect()
}

fn attempts(proxy: &Proxy, balance: Balance, notes: &mut Notes) -> At<u64> {
    let settings = &proxy.settings;
    let retries = settings.retries.as_ref().map_or(RETRIES, |retries| retries.value);
    let Some(redispatch) = settings.redispatch.as_ref().filter(|it| it.value != 0 && retries > 0)
    else {
        let at = settings.retries.as_ref().map_or(&proxy.name.at, |retries| &retries.at);
        let why = if retries == 0 {
            "HAProxy tries no other server after retries 0".to_owned()
        } else {
            format!(
                "HAProxy tries no other server without option redispatch (but the same one {retries} \
                 times more)"
            )
        };
        let (kind, name) = (proxy.kind.word(), &proxy.name.value);
        let message = format!("{kind} {name}: attempts = 1, since {why}");
        let mend = "write option redispatch, or attempts = 3, to let a client whose server refuses go to \
                    its next choice at once";
        notes.note(at, message, mend);
        return At::new(1, at);
    };
    if matches!(balance, Balance::HaproxySource | Balance::HaproxySourceAvalanche) {
        let message = "under this mapping HAProxy's redispatch meets the same server again; here it is \
                       the client's next choice";
        notes.note(&redispatch.at, message, "nothing to do, or attempts = 1");
    }
    let others = match redispatch.value {
        every @ 1.. => retries / every.unsigned_abs(),
        ..=0 => 1,
    };
    At::new((1 + others).min(u64::from(ATTEMPTS_MAX)), &redispatch.at)
}

fn connect(proxy: &Proxy, notes: &mut Notes) -> Option<At<Duration>> {
    match &proxy.settings.timeouts.connect {
        Some(At { value: Limit::After(after), at }) => Some(At::new(*after, at)),
        Some(At { value: Limit::Off, at: _ }) | None => {
            let message = format!(
                "{} {} has no timeout connect: an attempt takes 5s at most here",
                proxy.kind.word(),
                proxy.name.value
            );
            notes.note(&proxy.name.at, message, "write timeout connect 5s, or what servers need");
            None
        }
    }
}

/// One pool sends one form of the header.
fn send_proxy(servers: &[&Written], notes: &mut Notes) -> Option<At<SendProxy>> {
    let of = |server: &Written| {
        server.parameters.send_proxy.as_ref().map_or(SendProxy::Off, |it| it.value)
    };
    let (first, rest) = servers.split_first()?;
    for other in rest.iter().filter(|other| of(other) != of(first)) {
        let at = other.parameters.send_proxy.as_ref().map_or(&other.name.at, |it| &it.at);
        let message = format!(
            "server {} is sent another PROXY header than {}, and a pool sends one form: that of {}",
            other.name.value, first.name.value, first.name.value
        );
        let mend = "put servers that understand the header and others into pools of their own";
        notes.note(at, message, mend);
    }
    first.parameters.send_proxy.clone()
}

fn health(proxy: &Proxy, servers: &[&Written], notes: &mut Notes) -> Option<At<Health>> {
    let checks = &proxy.settings.checks;
    let first = servers.iter().find(|server| server.parameters.is_checked());
    let Some(first) = first else {
        if let Some(probe) = checks.probe(&mut Notes::default()) {
            let name = &proxy.name.value;
            let message =
                format!("no server of {name} has `check`: nobody is probed, as in HAProxy");
            notes.note(&probe.at, message, "add `check` to the servers");
        }
        return None;
    };
    for other in servers.iter().filter(|server| !server.parameters.is_checked()) {
        let name = &other.name.value;
        let message =
            format!("server {name} has no `check`: here all servers of a pool are probed");
        notes.note(
            &other.name.at,
            message,
            "see that it answers probes, or give it a pool of its own",
        );
    }
    explain_paces(first, servers, notes);
    let check = first.parameters.check.as_ref().map_or(&first.name.at, |check| &check.at);
    let probe = checks.probe(notes).unwrap_or_else(|| At::new(Probe::Tcp, check));
    let probe = without_tls(probe, proxy, &first.parameters, notes);
    let pace = &first.parameters;
    let interval = pace.inter.clone().unwrap_or_else(|| At::new(INTER, &probe.at));
    let interval = probed_every(interval, notes);
    let fast = pace.fastinter.clone().map(|fast| probed_every(fast, notes));
    let timeout = match &proxy.settings.timeouts.check {
        Some(At { value: Limit::After(after), at }) => probed_every(At::new(*after, at), notes),
        Some(At { value: Limit::Off, at: _ }) | None => interval.clone(),
    };
    let health = Health {
        probe: probe.value,
        // HAProxy's are the interval, where nothing else is written.
        fast_interval: Some(fast.unwrap_or_else(|| interval.clone())),
        timeout: Some(timeout),
        interval: Some(interval),
        rise: pace.rise.clone(),
        fall: pace.fall.clone(),
    };
    Some(At::new(health, &probe.at))
}

/// A probe that speaks TLS can only connect here: what it asks would be refused by every server.
fn without_tls(
    probe: At<Probe>,
    proxy: &Proxy,
    first: &Parameters,
    notes: &mut Notes,
) -> At<Probe> {
    let tls = first.tls.as_ref().is_some_and(|tls| tls.value) || proxy.settings.checks.is_tls();
    if !tls || probe.value == Probe::Tcp {
        return probe;
    }
    let message = format!(
        "HAProxy probes the servers of {} over TLS, which probes here do not speak: carried as kind = \
         \"tcp\"",
        proxy.name.value
    );
    let mend = "nothing to do, if a server that takes connections is well";
    notes.note(&probe.at, message, mend);
    At::new(Probe::Tcp, &probe.at)
}

fn probed_every(written: At<Duration>, notes: &mut Notes) -> At<Duration> {
    let value = written.value.clamp(*PROBE_INTERVAL.start(), *PROBE_INTERVAL.end());
    if value != written.value {
        let [was, is] = [written.value, value].map(crate::time::show);
        let message = format!("{was} is no pace for probes: carried as {is}");
        notes.note(&written.at, message, "write a time from 10ms to 1d");
    }
    At { value, at: written.at }
}

fn explain_paces(first: &Written, servers: &[&Written], notes: &mut Notes) {
    let pace = |server: &Written| {
        let it = &server.parameters;
        let times = [&it.inter, &it.fastinter].map(|time| time.as_ref().map(|at| at.value));
        let numbers = [&it.rise, &it.fall].map(|number| number.as_ref().map(|at| at.value));
        (times, numbers)
    };
    let checked = servers.iter().filter(|server| server.parameters.is_checked());
    for other in checked.filter(|other| pace(other) != pace(first)) {
        let message = format!(
            "server {} has inter, fastinter, rise or fall of its own: a pool has one of each, that of {}",
            other.name.value, first.name.value
        );
        notes.note(&other.name.at, message, "write the same for all, or pools of their own");
    }
}

fn explain_disabled(servers: &[&Written], balance: Balance, notes: &mut Notes) {
    let weight = |server: &Written| server.parameters.weight.as_ref().map_or(1, |it| it.value);
    let gcd_of = |all: bool| {
        let counted = servers.iter().filter(|it| all || !it.parameters.is_disabled());
        counted.map(|it| weight(it)).filter(|weight| *weight > 0).fold(0, gcd)
    };
    let moves = matches!(balance, Balance::HaproxySource | Balance::HaproxySourceAvalanche)
        && gcd_of(true) != gcd_of(false);
    for server in servers.iter().filter(|server| server.parameters.is_disabled()) {
        let at = server.parameters.disabled.as_ref().map_or(&server.name.at, |it| &it.at);
        let name = &server.name.value;
        let weights = if moves {
            "; HAProxy divides weights by what all have in common, this one's too, so clients of the \
             others move"
        } else {
            ""
        };
        let message = format!("server {name} is disabled: carried with weight = 0{weights}");
        let mend = "give it its weight back to let it serve; `plan` says who moves";
        notes.note(at, message, mend);
    }
}

fn gcd(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { gcd(other, one % other) }
}

/// Of several backups HAProxy uses one, unless it is told to use all. Its mappings do so here too, and
/// nothing else does.
fn explain_backups(proxy: &Proxy, servers: &[&Written], balance: Balance, notes: &mut Notes) {
    let mut backups = servers.iter().filter(|server| server.parameters.is_backup());
    let (Some(_), Some(second)) = (backups.next(), backups.next()) else { return };
    match (&proxy.settings.all_backups, Family::of(balance)) {
        (Some(all), Family::Haproxy) => {
            let message =
                "option allbackups is not carried: under this mapping one backup serves alone";
            notes.note(&all.at, message, "keep one backup, or write balance = \"source\"");
        }
        (None, Family::Own | Family::Nginx | Family::NotSticky) => {
            let message = "HAProxy uses the first backup alone; here all backups serve when nobody else \
                           is up";
            notes.note(&second.name.at, message, "keep one backup, or write option allbackups");
        }
        (None, Family::Haproxy) | (Some(_), Family::Own | Family::Nginx | Family::NotSticky) => {}
    }
}

fn explain_queue(servers: &[&Written], notes: &mut Notes) {
    let limited = servers.iter().find_map(|server| server.parameters.maxconn.as_ref());
    if let Some(limited) = limited {
        let message = "HAProxy lets clients of a full server wait in a queue; here they go to their next \
                       choice, and are reset when all are full";
        notes.note(&limited.at, message, "set maxconn to what a server can take, or take it out");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what all weights have in common. Method: by hand.
    #[test]
    fn the_greatest_common_divisor() {
        assert_eq!([gcd(0, 7), gcd(4, 6), gcd(10, 30)], [7, 2, 10]);
    }

    /// Goal: ids are those that HAProxy gives. Method: servers with the id that each has written (0:
    /// none) and the number of servers that it stands for; what HAProxy 2.6 says in `show stat`.
    #[test]
    fn ids_are_those_of_haproxy() {
        let at = |value: u64| At { value, at: 0..1 };
        let word = |text: &str| At { value: text.to_owned(), at: 0..1 };
        let given = |written: &[(u64, u64)], balance| {
            let server = |&(id, places): &(u64, u64)| Written {
                name: word("a"),
                address: word("192.0.2.1:1"),
                parameters: Parameters { id: (id > 0).then(|| at(id)), ..Parameters::default() },
                places,
            };
            ids(&written.iter().map(server).collect::<Vec<_>>(), balance)
        };
        let consistent = Balance::HaproxySourceConsistent;
        for (written, expected) in [
            (&[(0, 1), (0, 1)][..], &[1, 2][..]),
            (&[(3, 1), (0, 1), (0, 1), (0, 1), (0, 1)], &[3, 2, 4, 5, 6]),
            (&[(0, 1), (1, 1), (0, 1)], &[2, 1, 4]),
            (&[(20, 1), (0, 1)], &[20, 2]),
            (&[(100, 1), (0, 3), (3, 2), (0, 1)], &[100, 2, 3, 8]),
            (&[(0, 1), (6, 1), (9, 1), (1, 1), (7, 1), (0, 1)], &[2, 6, 9, 1, 7, 8]),
            (&[(0, 1), (0, 1), (5, 1), (1, 1)], &[2, 3, 5, 1]),
            (&[(4, 1), (3, 1), (10, 1), (0, 1)], &[4, 3, 10, 5]),
        ] {
            assert_eq!(given(written, consistent), expected, "{written:?}");
        }
        assert!(given(&[(0, 1)], Balance::HaproxySource).is_empty());
        assert_eq!(given(&[(0, 1), (7, 1)], Balance::HaproxySource), [1, 7]);
    }
}
