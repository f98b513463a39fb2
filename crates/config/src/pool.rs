//! `[pool.NAME]`: a set of servers with a mapping and a health policy.
//!
//! Also what the servers of one pool must not have in common.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use ringbolt_core::limits::ATTEMPTS_MAX;
use ringbolt_core::spec::{Balance, KeyPrefix, Pool, SendProxy, Splice};
use toml::Spanned;
use toml::de::DeValue;

use crate::advice;
use crate::diagnostic::{Diagnostic, Findings};
use crate::family::Family;
use crate::global::{self, Timeouts};
use crate::reader::Table;
use crate::server::{self, PlacedServer};
use crate::value::{Read, Wrong, boolean, choice, duration, integer, or_off};
use crate::{health, time};

const SEND_PROXY: [(SendProxy, &str); 3] =
    [(SendProxy::Off, "off"), (SendProxy::V1, "v1"), (SendProxy::V2, "v2")];

const SPLICE: [(Splice, &str); 3] =
    [(Splice::Auto, "auto"), (Splice::Off, "off"), (Splice::Always, "always")];

/// Servers tried for one session, unless the pool says otherwise.
const ATTEMPTS: u8 = 3;

/// Idle time before the first keepalive, unless the pool says otherwise.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// A pool and where it stands.
#[derive(Debug)]
pub(crate) struct PlacedPool {
    pub(crate) pool: Pool,
    pub(crate) name_span: Range<usize>,
    /// Of its `balance`, or of its name where that is left out.
    pub(crate) balance_span: Range<usize>,
    /// Which of `pool.servers` have an id that is written.
    pub(crate) ids_written: Vec<bool>,
    /// Of `pool.servers`, in the same order.
    pub(crate) server_spans: Vec<Range<usize>>,
}

/// Reads every pool, in the order of the file.
pub(crate) fn read_all(
    document: &mut Table<'_>,
    timeouts: &Timeouts,
    found: &mut Findings,
) -> Vec<PlacedPool> {
    let tables = document.named("pool", found);
    tables.into_iter().map(|(name, table)| read(name, table, timeouts, found)).collect()
}

fn read(
    name: Spanned<String>,
    mut table: Table<'_>,
    timeouts: &Timeouts,
    found: &mut Findings,
) -> PlacedPool {
    let balance = table.read("balance", found, choice(&Balance::NAMES));
    let balance_span = balance.as_ref().map_or_else(|| name.span(), Spanned::span);
    let balance = balance.map_or(Balance::Source, Spanned::into_inner);
    let key = read_key(&mut table, balance, found);
    let attempts = table.read("attempts", found, integer(1..=u64::from(ATTEMPTS_MAX)));
    let connect_timeout = read_connect_timeout(&mut table, timeouts, found);
    let send_proxy = table.read("send_proxy", found, choice(&SEND_PROXY));
    let splice = table.read("splice", found, choice(&SPLICE));
    let keepalive = table.read("keepalive", found, or_off(whole_seconds));
    let fail_open = table.read("fail_open", found, boolean);
    let health = health::read(&mut table, found);
    let servers = read_servers(&mut table, balance, found);
    table.finish(found);
    let pool = Pool {
        name: name.get_ref().clone(),
        balance,
        key,
        attempts: attempts.map_or(ATTEMPTS, Spanned::into_inner),
        connect_timeout,
        send_proxy: send_proxy.map_or(SendProxy::Off, Spanned::into_inner),
        splice: splice.map_or(Splice::Auto, Spanned::into_inner),
        keepalive: keepalive.map_or(Some(KEEPALIVE), Spanned::into_inner),
        fail_open: fail_open.is_some_and(Spanned::into_inner),
        health,
        servers: servers.iter().map(|placed| placed.server.clone()).collect(),
    };
    let ids_written = servers.iter().map(|placed| placed.id_span.is_some()).collect();
    let server_spans = servers.into_iter().map(|placed| placed.span).collect();
    PlacedPool { pool, name_span: name.span(), balance_span, ids_written, server_spans }
}

/// A time that TCP can count: tcp(7) takes TCP_KEEPIDLE in seconds.
fn whole_seconds(value: &DeValue<'_>) -> Read<Duration> {
    let keepalive = duration(time::KEEPALIVE)(value)?;
    if keepalive.subsec_nanos() == 0 {
        return Ok(keepalive);
    }
    let reason = "TCP counts its keepalive in whole seconds";
    Err(Wrong::new(reason, format!("write \"{}s\"", keepalive.as_secs() + 1)))
}

fn read_key(table: &mut Table<'_>, balance: Balance, found: &mut Findings) -> KeyPrefix {
    let usual = balance.key();
    let Some(mut key) = table.table("key", found) else { return usual };
    let (path, span) = (key.path().to_owned(), key.span());
    match Family::of(balance) {
        Family::Own => {}
        Family::Haproxy | Family::Nginx => found.push(
            Diagnostic::error(format!("{path}: {} has its own key", balance.name()))
                .at(span)
                .mend("take it out, or choose balance = \"source\""),
        ),
        Family::NotSticky => found.push(
            Diagnostic::warning(format!("{path}: {} does not use a key", balance.name()))
                .at(span)
                .mend("take it out, or choose balance = \"source\""),
        ),
    }
    let v4 = key.read("v4", found, integer(0..=32));
    let v6 = key.read("v6", found, integer(0..=128));
    key.finish(found);
    KeyPrefix {
        v4: v4.map_or(usual.v4, Spanned::into_inner),
        v6: v6.map_or(usual.v6, Spanned::into_inner),
    }
}

fn read_connect_timeout(
    table: &mut Table<'_>,
    inherited: &Timeouts,
    found: &mut Findings,
) -> Duration {
    let mut connect = inherited.connect;
    if let Some(mut own) = table.table("timeouts", found) {
        global::read_connect(&mut own, &mut connect, found);
        own.finish(found);
    }
    connect
}

fn read_servers(
    table: &mut Table<'_>,
    balance: Balance,
    found: &mut Findings,
) -> Vec<PlacedServer> {
    let tables = table.tables("server", found);
    let (path, span) = (table.path().to_owned(), table.span());
    if tables.is_empty() {
        let mend = format!("add [[{path}.server]] with a name and an addr");
        found.push(Diagnostic::error(format!("{path} has no server")).at(span.clone()).mend(mend));
    }
    let servers: Vec<PlacedServer> = (1..)
        .zip(tables)
        .map(|(position, table)| server::read(table, position, balance, found))
        .collect();
    if !servers.is_empty() && servers.iter().all(|placed| placed.server.weight == 0) {
        let message = format!("{path}: every server has weight 0, so nobody is served");
        let mend = "give one of them a weight of 1 or more";
        found.push(Diagnostic::error(message).at(span).mend(mend));
    }
    compare_names(&path, &servers, found);
    compare_ids(&path, &servers, found);
    compare_places(&path, &servers, balance, found);
    servers
}

fn compare_names(path: &str, servers: &[PlacedServer], found: &mut Findings) {
    let mut first: HashMap<&str, &Range<usize>> = HashMap::new();
    for placed in servers {
        let Some(span) = &placed.name_span else { continue };
        let name = placed.server.name.as_str();
        match first.get(name) {
            Some(&first_span) => found.push(
                Diagnostic::error(format!("{path}: two servers have the name \"{name}\""))
                    .at(span.clone())
                    .related(first_span.clone(), "first here")
                    .mend("a name is the identity under `source`: give each its own"),
            ),
            None => {
                first.insert(name, span);
            }
        }
    }
}

fn compare_ids(path: &str, servers: &[PlacedServer], found: &mut Findings) {
    let mut first: HashMap<u32, &PlacedServer> = HashMap::new();
    for placed in servers {
        let id = placed.server.id;
        let Some(&other) = first.get(&id) else {
            first.insert(id, placed);
            continue;
        };
        let (span, other_span) = (place_of_id(placed), place_of_id(other));
        let which = match (&placed.id_span, &other.id_span) {
            (Some(_), Some(_)) => "",
            (Some(_) | None, Some(_) | None) => ", which without an id is the position",
        };
        found.push(
            Diagnostic::error(format!("{path}: two servers have the id {id}{which}"))
                .at(span)
                .related(other_span, "first here")
                .mend("give each its own id, or none of them"),
        );
    }
}

fn place_of_id(placed: &PlacedServer) -> Range<usize> {
    placed.id_span.clone().unwrap_or_else(|| placed.span.clone())
}

/// Two servers at one address are valid, and share what one of them was meant to have.
fn compare_places(path: &str, servers: &[PlacedServer], balance: Balance, found: &mut Findings) {
    let mut first: HashMap<String, (&PlacedServer, &Range<usize>)> = HashMap::new();
    let shares = shares(servers, balance);
    for placed in servers {
        let Some(span) = &placed.addr_span else { continue };
        let place = placed.server.addr.place.identity();
        let Some((other, other_span)) = first.get(&place) else {
            first.insert(place, (placed, span));
            continue;
        };
        let (one, two) = (&other.server.name, &placed.server.name);
        // Of backups, or where every weight is 0, there is none.
        let share = shares.get(&place).filter(|share| share.is_finite());
        let share = advice::percent(share.copied().unwrap_or(0.0));
        let message = format!(
            "{path}: servers \"{one}\" and \"{two}\" have the same address, which so gets {share} of \
             the clients"
        );
        found.push(
            Diagnostic::warning(message)
                .at(span.clone())
                .related((*other_span).clone(), "first here")
                .mend("to send one server more clients, give it a larger weight"),
        );
    }
}

/// The share of the weights that servers at one place have together, by that place. On nginx's rings, whose
/// points are made of the text of an address, those of one text have the points of the heaviest.
fn shares(servers: &[PlacedServer], balance: Balance) -> HashMap<String, f64> {
    let by_text =
        matches!(balance, Balance::NginxHashConsistent | Balance::NginxHashBinaryConsistent);
    let mut weights: HashMap<(String, String), f64> = HashMap::new();
    for PlacedServer { server, .. } in servers.iter().filter(|placed| !placed.server.backup) {
        let named = if by_text { &server.addr.text } else { &server.name };
        let weight = weights.entry((server.addr.place.identity(), named.clone())).or_default();
        *weight = weight.max(server.weight.into());
    }
    let sum: f64 = weights.values().sum();
    let mut shares: HashMap<String, f64> = HashMap::new();
    for ((place, _), weight) in weights {
        *shares.entry(place).or_default() += weight / sum;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringbolt_core::spec::Probe;
    use toml::de::DeTable;

    fn read_text(text: &str) -> (Vec<PlacedPool>, Findings) {
        let mut found = Findings::default();
        let table = DeTable::parse(text).expect("the test writes TOML").into_inner();
        let mut document = Table::document(table);
        let timeouts = global::read_timeouts(&mut document, &mut found);
        let pools = read_all(&mut document, &timeouts, &mut found);
        (pools, found)
    }

    fn servers(of: &[&str]) -> String {
        of.iter().map(|server| format!("[[pool.p.server]]\n{server}\n")).collect()
    }

    const A: &str = "name = \"a\"\naddr = \"192.0.2.1:1\"";
    const B: &str = "name = \"b\"\naddr = \"192.0.2.2:1\"";

    /// Goal: every default of CONTRACT, the timeout from the global one. Method: servers only.
    #[test]
    fn defaults_are_those_of_the_contract() {
        let (pools, found) =
            read_text(&format!("[timeouts]\nconnect = \"9s\"\n{}", servers(&[A, B])));
        assert!(found.errors.is_empty() && found.warnings.is_empty(), "{found:?}");
        let pool = &pools[0].pool;
        assert_eq!((pool.name.as_str(), pool.balance), ("p", Balance::Source));
        assert_eq!(pool.key, KeyPrefix { v4: 32, v6: 64 });
        assert_eq!((pool.attempts, pool.connect_timeout), (3, Duration::from_secs(9)));
        assert_eq!((pool.send_proxy, pool.splice), (SendProxy::Off, Splice::Auto));
        assert_eq!((pool.keepalive, pool.fail_open), (Some(Duration::from_secs(60)), false));
        assert_eq!(pool.health.probe, Probe::Off);
        let ids: Vec<_> = pool.servers.iter().map(|server| server.id).collect();
        assert_eq!(ids, [1, 2]);
    }

    /// Goal: every key is read. Method: one pool with all of them.
    #[test]
    fn every_key_is_read() {
        let (pools, found) = read_text(&format!(
            "[timeouts]\nconnect = \"9s\"\n[pool.p]\nbalance = \"source\"\n\
             key = {{ v4 = 0, v6 = 128 }}\nattempts = 16\ntimeouts = {{ connect = \"1s\" }}\n\
             send_proxy = \"v2\"\nsplice = \"always\"\nkeepalive = \"off\"\nfail_open = true\n\
             health = {{ kind = \"tcp\" }}\n{}",
            servers(&[A])
        ));
        assert!(found.errors.is_empty(), "{:?}", found.errors);
        let pool = &pools[0].pool;
        assert_eq!(pool.key, KeyPrefix { v4: 0, v6: 128 });
        assert_eq!((pool.attempts, pool.connect_timeout), (16, Duration::from_secs(1)));
        assert_eq!((pool.send_proxy, pool.splice), (SendProxy::V2, Splice::Always));
        assert_eq!((pool.keepalive, pool.fail_open), (None, true));
        assert_eq!(pool.health.probe, Probe::Tcp);
    }

    /// Goal: each key refuses what is beyond its range. Method: one wrong value for each.
    #[test]
    fn every_key_is_checked() {
        let (_, found) = read_text(
            "[pool.p]\nbalance = \"leastconn\"\nkey = { v4 = 33, v6 = 129, v5 = 1 }\n\
             attempts = 17\ntimeouts = { connect = \"0s\", idle = \"1h\" }\n\
             send_proxy = \"v3\"\nsplice = true\nkeepalive = \"40000s\"\nfail_open = \"no\"\n\
             health = 1\nserver = 1\nservers = 1\n",
        );
        // Two of them for `server`: it is no list, and so there is none.
        assert_eq!(found.errors.len(), 15, "{:#?}", found.errors);
    }

    /// Goal: a keepalive is what TCP can be told. Method: a fraction of a second.
    #[test]
    fn a_keepalive_is_whole_seconds() {
        let text = format!("[pool.p]\nkeepalive = \"1500ms\"\n{}", servers(&[A]));
        let (_, found) = read_text(&text);
        assert_eq!(found.errors[0].help.as_deref(), Some("write \"2s\", or \"off\""));
    }

    /// Goal: every name of `balance` is read as what it is. Method: all of them.
    #[test]
    fn every_balance_is_read() {
        for (balance, name) in Balance::NAMES {
            let text = format!("[pool.p]\nbalance = \"{name}\"\n{}", servers(&[A]));
            let (pools, found) = read_text(&text);
            assert!(found.errors.is_empty(), "{name}: {:?}", found.errors);
            assert_eq!(pools[0].pool.balance, balance);
        }
    }

    /// Goal: a key is refused where it would change a foreign mapping, told where it does nothing.
    /// Method: one way of balancing of each family.
    #[test]
    fn a_key_belongs_to_source() {
        for (balance, errors, warnings) in [
            ("source", 0, 0),
            ("haproxy-source", 1, 0),
            ("nginx-ip-hash", 1, 0),
            ("round-robin", 0, 1),
        ] {
            let text = format!(
                "[pool.p]\nbalance = \"{balance}\"\nkey = {{ v4 = 24 }}\n{}",
                servers(&[A])
            );
            let (_, found) = read_text(&text);
            assert_eq!((found.errors.len(), found.warnings.len()), (errors, warnings), "{balance}");
        }
    }

    /// Goal: servers that cannot be told apart are refused. Method: each thing that they may share.
    #[test]
    fn servers_are_told_apart() {
        let a2 = "name = \"a2\"\naddr = \"192.0.2.1:1\"";
        let b_id_1 = format!("{B}\nid = 1");
        let b_id_9 = format!("{B}\nid = 9");
        let a_id_9 = format!("{A}\nid = 9");
        let cases: [(&[&str], &[&str], usize); 6] = [
            (&[A, B], &[], 0),
            (&[A, A], &["pool.p: two servers have the name \"a\""], 1),
            (&[A, a2], &[], 1),
            (
                &[A, &b_id_1],
                &["pool.p: two servers have the id 1, which without an id is the position"],
                0,
            ),
            (&[&a_id_9, &b_id_9], &["pool.p: two servers have the id 9"], 0),
            (&[], &[], 0),
        ];
        for (list, messages, warnings) in cases {
            let (_, found) = read_text(&servers(list));
            let errors: Vec<_> = found.errors.iter().map(|error| error.message.as_str()).collect();
            assert_eq!(errors, messages);
            assert_eq!(found.warnings.len(), warnings, "{list:?}");
        }
        let hosts =
            ["name = \"a\"\naddr = \"H.example:1\"", "name = \"b\"\naddr = \"h.Example:1\""];
        assert_eq!(read_text(&servers(&hosts)).1.warnings.len(), 1);
        // On nginx's rings points of one text are one set.
        for (balance, share) in [("source", "66.7 %"), ("nginx-hash-consistent", "50.0 %")] {
            let pool = format!("[pool.p]\nbalance = \"{balance}\"\n{}", servers(&[A, a2, B]));
            let (_, found) = read_text(&pool);
            assert!(found.warnings[0].message.contains(share), "{:?}", found.warnings);
        }
    }

    /// Goal: a pool that serves nobody is refused. Method: no server, and weights of 0.
    #[test]
    fn a_pool_serves_somebody() {
        let (_, found) = read_text("[pool.p]\n");
        assert_eq!(found.errors[0].message, "pool.p has no server");
        let (none, one) = (format!("{A}\nweight = 0"), format!("{B}\nweight = 0"));
        let (_, found) = read_text(&servers(&[&none, &one]));
        assert_eq!(found.errors.len(), 1);
        assert!(found.errors[0].message.contains("every server has weight 0"));
        assert!(read_text(&servers(&[&none, B])).1.errors.is_empty());
    }
}
