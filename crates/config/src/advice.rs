//! What a pool's mapping does to its clients, in numbers, where that is not what an operator would want:
//! warnings, each with the mend.
//!
//! Numbers are those of this very pool. What has no closed form is counted over all values of a hash, read off
//! the ring, or measured with a sample of clients, and then told without decimals. A pool of our own mapping
//! mostly has nothing to be told.

mod evenness;

use ringbolt_core::limits::RING_POINTS_MAX;
use ringbolt_core::mapping::{HASH_VALUES, IP_HASH_VALUES, ring_points};
use ringbolt_core::plan::{Outlook, Tally, sample_v4};
use ringbolt_core::spec::{Balance, Bind, Listener, Pool, Server};

use crate::diagnostic::{Diagnostic, Findings};
use crate::family::Family;
use crate::listener::PlacedListener;
use crate::pool::PlacedPool;
use evenness::{beyond_the_hash, uneven, uneven_hash};

/// Clients in a sample: enough for a percentage without decimals, mostly.
const SAMPLE: u64 = 4_000;
/// Servers of a pool that are taken away for a number, one after the other, from all over the file.
const TAKEN_AWAY: usize = 8;
/// Steps that a number may cost; pools so large go without.
const STEPS_MAX: u64 = 4_000_000;
/// What a difference in a sample has to be to mean something.
const DIFFERENCE: f64 = 0.05;

/// One thing that an operator should know about a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advice {
    /// Index of the server that it is about; `None`: the pool.
    pub(crate) server: Option<usize>,
    pub(crate) message: String,
    pub(crate) mend: String,
}

/// Warns about every pool of a configuration without errors.
pub(crate) fn warn(listeners: &[PlacedListener], pools: &[PlacedPool], found: &mut Findings) {
    if !found.errors.is_empty() {
        return;
    }
    for (index, placed) in pools.iter().enumerate() {
        let of_pool = listeners.iter().map(|placed| &placed.listener);
        let v6 = of_pool.filter(|listener| listener.pool == index).any(takes_v6);
        for Advice { server, message, mend } in advise(&placed.pool, v6, &placed.ids_written) {
            let of_server = server.map(|server| placed.server_spans[server].clone());
            let span = of_server.unwrap_or_else(|| placed.balance_span.clone());
            let message = format!("pool.{}: {message}", placed.pool.name);
            found.push(Diagnostic::warning(message).at(span).mend(mend));
        }
    }
}

/// Refuses a ring that would take more memory than any pool needs.
pub(crate) fn refuse_a_large_ring(placed: &PlacedPool, found: &mut Findings) {
    let pool = &placed.pool;
    let points = ring_points(pool);
    if points > RING_POINTS_MAX {
        let message = format!(
            "pool.{}: its weights make {points} points on the ring, and {RING_POINTS_MAX} is the most",
            pool.name
        );
        let mend = format!("divide all weights by {}", points.div_ceil(RING_POINTS_MAX));
        found.push(Diagnostic::error(message).at(placed.balance_span.clone()).mend(mend));
    }
}

/// Everything that is to be said about a pool. `v6`: clients of IPv6 may come to it. `ids_written`: which
/// of its servers have an id of their own and not their position.
pub(crate) fn advise(pool: &Pool, v6: bool, ids_written: &[bool]) -> Vec<Advice> {
    let mut advice = Vec::new();
    match pool.balance {
        Balance::Source | Balance::RoundRobin | Balance::LeastSessions => {}
        Balance::HaproxySource | Balance::HaproxySourceAvalanche => {
            advice.extend(a_drain_moves_everybody(pool));
        }
        Balance::HaproxySourceConsistent | Balance::HaproxySourceConsistent30 => {
            advice.extend(positions_are_ids(pool, ids_written));
            advice.extend(uneven(pool));
        }
        Balance::HaproxySourceConsistentRaw => {
            advice.extend(neighbours_meet(pool));
            advice.extend(positions_are_ids(pool, ids_written));
        }
        Balance::NginxIpHash => {
            advice.extend(hash_advice(pool, IP_HASH_VALUES));
        }
        Balance::NginxHash => {
            advice.extend(hash_advice(pool, HASH_VALUES));
        }
        Balance::NginxHashConsistent | Balance::NginxHashBinaryConsistent => {
            advice.extend(uneven(pool));
        }
    }
    advice.extend(v6_by_full_address(pool).filter(|_| v6));
    advice
}

/// Whether clients of IPv6 may come by a listener.
fn takes_v6(listener: &Listener) -> bool {
    let v6 = |bind: &Bind| match bind {
        Bind::Address(addr) => addr.is_ipv6(),
        Bind::Inherited(_) => true,
    };
    listener.binds.iter().any(v6) || !listener.accept_proxy.is_empty()
}

/// HAProxy's map is made anew of those that are up.
fn a_drain_moves_everybody(pool: &Pool) -> Option<Advice> {
    let active = active(pool);
    let equal = active.windows(2).all(|two| weight(pool, two[0]) == weight(pool, two[1]));
    let (moved, told, ideal) = if equal {
        let count = active.len() as f64;
        let moved = (count - 1.0) / count;
        (moved, percent(moved), 1.0 / count)
    } else {
        let (moved, ideal) = moved_without(pool)?;
        (moved, rounded(moved), ideal)
    };
    let message = format!(
        "draining one of these {} servers, or losing it, moves {told} of all clients under {}, against {} \
         under source",
        active.len(),
        pool.balance.name(),
        percent(ideal)
    );
    (moved > ideal + 0.02).then(|| moving_to_source(message))
}

/// What is to be said of a hash of so many values, whose servers share slots by their weights.
fn hash_advice(pool: &Pool, values: u32) -> impl Iterator<Item = Advice> {
    let owners = |weights: &[u16]| -> Vec<usize> {
        let slots = weights.iter().enumerate();
        let slots = slots.flat_map(|(server, weight)| (0..*weight).map(move |_| server));
        let slots: Vec<usize> = slots.take(values as usize).collect();
        slots.iter().copied().cycle().take(values as usize).collect()
    };
    let weights: Vec<u16> = pool.servers.iter().map(|server| server.weight).collect();
    let told = beyond_the_hash(pool, values).or_else(|| uneven_hash(pool, &owners(&weights)));
    told.into_iter().chain(an_edit_moves_everybody(pool, &weights, owners))
}

/// nginx keeps the slots of those that are down, but not of those that are not in the file. `owners`: the
/// server of each value of the hash at these weights.
fn an_edit_moves_everybody(
    pool: &Pool,
    weights: &[u16],
    owners: impl Fn(&[u16]) -> Vec<usize>,
) -> Option<Advice> {
    let active = active(pool);
    if active.len() < 2 {
        return None;
    }
    let before = owners(weights);
    let without = |server: usize| {
        let mut weights = weights.to_vec();
        weights[server] = 0;
        let after = owners(&weights);
        let moved = before.iter().zip(&after).filter(|(one, other)| one != other).count();
        moved as f64 / before.len() as f64
    };
    let (moved, ideal) = mean(pool, without);
    let message = format!(
        "taking one of these {} servers out of the file moves {} of all clients under {}, against {} \
         under source",
        active.len(),
        percent(moved),
        pool.balance.name(),
        percent(ideal)
    );
    (moved > ideal + 0.02).then(|| moving_to_source(message))
}

fn moving_to_source(message: String) -> Advice {
    let mend = to_source("moves the clients of that server and nobody else");
    Advice { server: None, message, mend }
}

/// The mend that is another mapping, with what it does better.
fn to_source(does: &str) -> String {
    format!(
        "balance = \"source\" {does}; the change to it moves clients once, and `ringbolt plan` says how many"
    )
}

/// Without ids of their own, servers behind one that is taken out become other servers.
fn positions_are_ids(pool: &Pool, ids_written: &[bool]) -> Option<Advice> {
    let by_position = ids_written.iter().any(|written| !written);
    let first = *active(pool).first()?;
    if !by_position || active(pool).len() < 2 || ring_points(pool) * 2 > STEPS_MAX {
        return None;
    }
    let shifted = |by: u32, renumber: bool| {
        let mut other = pool.clone();
        let shifts = |index: usize| renumber && !ids_written[index] && index >= first;
        let behind = other.servers.iter_mut().enumerate().filter(|(index, _)| shifts(*index));
        behind.for_each(|(_, server)| server.id = server.id.wrapping_add(by));
        other
    };
    let without = |renumber| {
        let mut other = shifted(u32::MAX, renumber);
        other.servers.remove(first);
        moved(pool, &other)
    };
    let with_another = |renumber| {
        let mut other = shifted(1, renumber);
        let highest = pool.servers.iter().map(|server| server.id).max().unwrap_or(0);
        let id = if renumber { pool.servers[first].id } else { highest.wrapping_add(1) };
        let server = Server { name: String::new(), id, ..pool.servers[first].clone() };
        other.servers.insert(first, server);
        moved(pool, &other)
    };
    let name = &pool.servers[first].name;
    // Of two servers one is all that is left, whatever its id.
    let (change, by_position, by_id) = match (without(true), without(false)) {
        (more, less) if more > less + DIFFERENCE => {
            (format!("taking \"{name}\" out of the file"), more, less)
        }
        _ => (format!("a server put before \"{name}\""), with_another(true), with_another(false)),
    };
    if by_position < by_id + DIFFERENCE {
        return None;
    }
    let message = format!(
        "without ids, {change} moves {} of all clients, with ids {}: a server's id is its position then",
        rounded(by_position),
        rounded(by_id)
    );
    let ids: Vec<String> = pool.servers.iter().map(|server| server.id.to_string()).collect();
    let mend = format!("write the ids that they have now: id = {}", ids.join(", "));
    Some(Advice { server: None, message, mend: shortened(mend) })
}

/// Without avalanche an address is its own place on the ring.
fn neighbours_meet(pool: &Pool) -> Option<Advice> {
    let active = active(pool);
    if active.len() < 2 || ring_points(pool) > STEPS_MAX {
        return None;
    }
    let outlook = Outlook::of(pool, 0);
    let mut met = vec![false; pool.servers.len()];
    for third in 0..=255 {
        if let Some(server) = outlook.owner([10, 0, third, 1].into()) {
            met[server] = true;
        }
    }
    let met = met.iter().filter(|met| **met).count();
    let message = format!(
        "neighbouring addresses share a server: 256 of them, spread over 10.0.0.0/16, meet {met} of these \
         {} servers",
        active.len()
    );
    let mend = "balance = \"haproxy-source-consistent\" (HAProxy's `hash-type consistent` without a \
                function) spreads them; the change moves clients once, and `ringbolt plan` says how many";
    Some(Advice { server: None, message, mend: mend.into() })
}

/// A host changes its IPv6 address several times a day, within its /64.
fn v6_by_full_address(pool: &Pool) -> Option<Advice> {
    let sum = sum(pool);
    let again: f64 = active(pool).iter().map(|server| (weight(pool, *server) / sum).powi(2)).sum();
    let mend = match Family::of(pool.balance) {
        Family::Own => "write key = { v6 = 64 }, what a site has",
        Family::Haproxy | Family::Nginx => {
            "balance = \"source\" keys IPv6 by its /64; the change moves clients once, and `ringbolt \
             plan` says how many"
        }
        Family::NotSticky => return None,
    };
    let message = format!(
        "IPv6 is keyed by {} bits: a client that takes its next privacy address meets another server in \
         {} of cases",
        pool.key.v6,
        percent(1.0 - again)
    );
    let told = pool.key.v6 > 64 && again < 1.0;
    told.then(|| Advice { server: None, message, mend: mend.into() })
}

/// The share of clients that move when one server loses its weight, and the share that has to: means over
/// servers from all over the file. `None`: the pool is too large, or has one server.
fn moved_without(pool: &Pool) -> Option<(f64, f64)> {
    let active = active(pool);
    let slots: u64 = pool.servers.iter().map(|server| u64::from(server.weight)).sum();
    if active.len() < 2 || slots + SAMPLE * active.len() as u64 > STEPS_MAX {
        return None;
    }
    Some(mean(pool, |server| {
        let mut other = pool.clone();
        other.servers[server].weight = 0;
        moved(pool, &other)
    }))
}

/// The mean of what `moved` says of servers from all over the file, and of the parts that they have.
fn mean(pool: &Pool, moved: impl Fn(usize) -> f64) -> (f64, f64) {
    let active = active(pool);
    let taken = active.iter().step_by(active.len().div_ceil(TAKEN_AWAY));
    let count = taken.len() as f64;
    let sums = taken.fold((0.0, 0.0), |(all, ideal), server| {
        (all + moved(*server), ideal + part(pool, *server))
    });
    (sums.0 / count, sums.1 / count)
}

/// The share of clients that meet another server in the other pool, by name.
fn moved(one: &Pool, other: &Pool) -> f64 {
    let place = |server: &Server| {
        one.servers.iter().position(|it| it.name == server.name).map(|index| index as u16)
    };
    let other_places: Vec<Option<u16>> = other.servers.iter().map(place).collect();
    let (before, after) = (Outlook::of(one, 0), Outlook::of(other, 0));
    let mut tally = Tally::new(one.servers.len());
    for number in 0..SAMPLE {
        let addr = sample_v4(number);
        let was = before.owner(addr).map(|index| index as u16);
        tally.count(was, after.owner(addr).and_then(|index| other_places[index]));
    }
    tally.moved as f64 / tally.clients as f64
}

/// Servers that clients are divided among while all are up.
fn active(pool: &Pool) -> Vec<usize> {
    let all = pool.servers.iter().enumerate();
    all.filter(|(_, server)| server.weight > 0 && !server.backup).map(|(index, _)| index).collect()
}

fn weight(pool: &Pool, server: usize) -> f64 {
    pool.servers[server].weight.into()
}

fn sum(pool: &Pool) -> f64 {
    active(pool).into_iter().map(|server| weight(pool, server)).sum()
}

/// The share of the clients that its weight means a server to have.
fn part(pool: &Pool, server: usize) -> f64 {
    weight(pool, server) / sum(pool)
}

/// 0.667 as `66.7 %`, and what is below one in two digits.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let decimals = match percent {
        1.0.. => 1,
        0.1.. => 2,
        0.01.. => 3,
        0.0001.. => 5,
        _ => 1,
    };
    format!("{percent:.decimals$} %")
}

/// The same of what was measured: a sample has no decimals.
fn rounded(share: f64) -> String {
    if share < 0.01 { "less than 1 %".into() } else { format!("{:.0} %", share * 100.0) }
}

/// No longer than a line or two.
fn shortened(text: String) -> String {
    const LONGEST: usize = 160;
    if text.len() <= LONGEST {
        return text;
    }
    let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use crate::{Machine, check};

    fn servers(weights: &[u32]) -> String {
        let server = |(index, weight): (usize, &u32)| {
            format!(
                "[[pool.p.server]]\nname = \"ws{}\"\naddr = \"10.0.0.{}:8765\"\nweight = {weight}\n",
                index + 1,
                index + 1
            )
        };
        weights.iter().enumerate().map(server).collect()
    }

    fn with_ids(servers: &str) -> String {
        let mut next = 0;
        let line = |line: &str| {
            next += usize::from(line.starts_with("name"));
            let id =
                if line.starts_with("name") { format!("id = {next}\n") } else { String::new() };
            format!("{line}\n{id}")
        };
        servers.lines().map(line).collect()
    }

    fn warnings(bind: &str, balance: &str, servers: &str) -> Vec<(String, Option<String>)> {
        let text = format!(
            "[listener.l]\nbind = \"{bind}\"\npool = \"p\"\n[pool.p]\nbalance = \"{balance}\"\n{servers}"
        );
        let checked = check(&text, &Machine { descriptors: 20_000, cores: 2 });
        assert!(checked.errors.is_empty(), "{:?}", checked.errors);
        checked.warnings.into_iter().map(|warning| (warning.message, warning.help)).collect()
    }

    fn messages(balance: &str, servers: &str) -> Vec<String> {
        let found = warnings("0.0.0.0:1", balance, servers);
        assert!(found.iter().all(|(_, mend)| mend.is_some()), "each with a mend: {found:?}");
        found
            .into_iter()
            .map(|(message, _)| message.trim_start_matches("pool.p: ").into())
            .collect()
    }

    /// Goal: a good file of our own mapping, and of a foreign one that is as good, is free of warnings.
    /// Method: both, at weights and with ids that leave nothing to be said.
    #[test]
    fn nothing_to_say() {
        for bind in ["0.0.0.0:1", "[::]:1"] {
            assert_eq!(warnings(bind, "source", &servers(&[1, 5, 100])), []);
            assert_eq!(warnings(bind, "round-robin", &servers(&[1, 5])), []);
        }
        let none: [&str; 0] = [];
        assert_eq!(messages("haproxy-source-consistent", &with_ids(&servers(&[100; 5]))), none);
        assert_eq!(messages("nginx-hash-consistent", &servers(&[1, 1, 1])), none);
        for balance in ["haproxy-source", "nginx-ip-hash", "haproxy-source-consistent-raw"] {
            assert_eq!(messages(balance, &servers(&[1])), none, "{balance} of one server");
        }
    }

    /// Goal: what a drain moves under HAProxy's map is told. Method: numbers that theory gives for equal
    /// weights, and one that is measured for others.
    #[test]
    fn drains() {
        let expected = "draining one of these 3 servers, or losing it, moves 66.7 % of all clients under \
                        haproxy-source, against 33.3 % under source";
        assert_eq!(messages("haproxy-source", &servers(&[1, 1, 1])), [expected]);
        let found = messages("haproxy-source-avalanche", &servers(&[7; 10]));
        assert!(found[0].contains("moves 90.0 % of all clients") && found[0].contains("10.0 %"));
        let none: [&str; 0] = [];
        assert_eq!(messages("haproxy-source", &servers(&[1, 1])), none, "a half has to move");
        let found = messages("haproxy-source", &servers(&[1, 2, 3, 4]));
        assert!(found[0].contains("against 25.0 % under source"), "{found:?}");
    }

    /// Goal: what an edit moves under nginx's hashes is told. Method: three and ten servers, as known
    /// from a model of it: 67 % and 90 %.
    #[test]
    fn edits() {
        for balance in ["nginx-ip-hash", "nginx-hash"] {
            for (count, least, most) in [(3, 62.0, 72.0), (10, 85.0, 95.0)] {
                let found = messages(balance, &servers(&vec![1; count]));
                let share = found[0].split(" moves ").nth(1).and_then(|it| it.split(' ').next());
                let share: f64 = share.and_then(|it| it.parse().ok()).expect("a number");
                assert!((least..most).contains(&share), "{balance} {count}: {found:?}");
            }
        }
    }

    /// Goal: weights beyond what a hash can reach are told, with the servers that get nobody. Method: the
    /// last value that is reached, and beyond.
    #[test]
    fn beyond_the_hash() {
        let told = |balance, weights: &[u32]| {
            let found = messages(balance, &servers(weights));
            found.into_iter().find(|message| message.contains("values"))
        };
        assert_eq!(told("nginx-ip-hash", &[6270, 1]), None);
        let expected = "the weights add up to 7002 and the hash has 6271 values: \"ws2\" and 1 more get \
                        no client";
        assert_eq!(told("nginx-ip-hash", &[7000, 1, 1]).as_deref(), Some(expected));
        assert!(told("nginx-ip-hash", &[6271, 5]).expect("one").contains("\"ws2\" gets no client"));
        assert!(told("nginx-ip-hash", &[6000, 500]).expect("one").contains("less than its part"));
        assert_eq!(told("nginx-hash", &[6271, 6271]), None);
        assert!(told("nginx-hash", &[32_768, 1]).expect("one").contains("32768 values"));
    }

    /// Goal: rings tell when ids are positions, when they are uneven, and when neighbours meet. Method: a
    /// pool of each kind.
    #[test]
    fn rings() {
        let found = messages("haproxy-source-consistent", &servers(&[100, 100, 100]));
        assert!(
            found[0].starts_with("without ids, taking \"ws1\" out of the file moves 8"),
            "{found:?}"
        );
        assert!(found[0].contains("with ids 3"), "{found:?}");
        let found = messages("haproxy-source-consistent", &with_ids(&servers(&[1; 10])));
        assert!(found[0].contains("at these weights the ring gives \"ws"), "{found:?}");
        assert!(found[0].contains("where its part is 10.0 %"), "{found:?}");
        let found = messages("haproxy-source-consistent-raw", &with_ids(&servers(&[1, 1, 1])));
        assert!(found[0].contains("meet 1 of these 3 servers"), "{found:?}");
    }

    /// Goal: a hash that gives some servers more than their part is told, exactly, with a mend that is possible and
    /// helps. Method: 40 servers of weight 100, whose first 2,271 slots have two values of the hash; the same with
    /// the mend; weights that have no smaller ones of their proportion.
    #[test]
    fn uneven_hashes() {
        let told = |weights: &[u32]| {
            let found = warnings("0.0.0.0:1", "nginx-ip-hash", &servers(weights));
            found.into_iter().find(|(message, _)| message.contains("at these weights"))
        };
        let (message, mend) = told(&[100; 40]).expect("a warning");
        assert!(
            message.contains("gives \"ws1\" 3.2 % of the clients, where its part is 2.5 %"),
            "{message}"
        );
        let mend = mend.expect("a mend");
        assert!(
            mend.starts_with("divide all weights by 7, so that they add up to 627 at most"),
            "{mend}"
        );
        assert_eq!(told(&[100 / 7; 40]), None);
        let found = warnings("0.0.0.0:1", "nginx-ip-hash", &servers(&[7_000, 1]));
        assert!(
            found[0].1.as_ref().expect("a mend").starts_with("balance = \"source\""),
            "{found:?}"
        );
    }

    /// Goal: the mend of a ring that is uneven can be done, and helps. Method: weights that have no room to grow, and
    /// some that have a little.
    #[test]
    fn uneven_rings_are_mended() {
        let mend = |balance: &str, weights: &[u32]| {
            let found = warnings("0.0.0.0:1", balance, &with_ids(&servers(weights)));
            let uneven =
                found.into_iter().find(|(message, _)| message.contains("at these weights"));
            uneven.and_then(|(_, mend)| mend)
        };
        let ring = "haproxy-source-consistent";
        let mended = mend(ring, &[1; 10]).expect("a warning");
        assert!(mended.contains("make the ring even, 100 for 1"), "{mended}");
        assert_eq!(mend(ring, &[100; 10]), None);
        let mut weights = [2; 20];
        weights[0] = 20;
        let mended = mend(ring, &weights).expect("a warning");
        assert!(mended.contains("make the ring even, 12 for 1"), "{mended}");
        assert_eq!(mend(ring, &weights.map(|weight| weight * 12)), None);
        weights[0] = 256;
        assert!(mend(ring, &weights).expect("a warning").starts_with("balance = \"source\""));
    }

    /// Goal: ids that are positions are told where they matter. Method: two servers, of which one is left whatever
    /// its id is, and three that are written.
    #[test]
    fn ids_of_two() {
        let found = messages("haproxy-source-consistent", &servers(&[100, 100]));
        assert!(
            found[0].starts_with("without ids, a server put before \"ws1\" moves "),
            "{found:?}"
        );
        let none: [&str; 0] = [];
        assert_eq!(messages("haproxy-source-consistent", &with_ids(&servers(&[100, 100]))), none);
    }

    /// Goal: shares are told in digits that say something. Method: each size.
    #[test]
    fn percentages() {
        let known = [
            (1.0, "100.0 %"),
            (2.0 / 3.0, "66.7 %"),
            (0.01, "1.0 %"),
            (1.0 / 300.0, "0.33 %"),
            (1.0 / 4096.0, "0.024 %"),
            (0.0, "0.0 %"),
        ];
        for (share, text) in known {
            assert_eq!(super::percent(share), text);
        }
        assert_eq!(super::rounded(0.674), "67 %");
        assert_eq!(super::rounded(0.004), "less than 1 %");
    }

    /// Goal: IPv6 by its full address is told where IPv6 can come. Method: each family of listeners and
    /// of mappings.
    #[test]
    fn full_addresses() {
        let told = |bind, balance: &str, key: &str| {
            let servers = format!("{key}{}", servers(&[1, 1, 1]));
            let found = warnings(bind, balance, &servers);
            found.into_iter().find(|(message, _)| message.contains("IPv6"))
        };
        assert_eq!(told("0.0.0.0:1", "haproxy-source", ""), None);
        let (message, mend) = told("[::]:1", "haproxy-source", "").expect("a warning");
        assert!(message.contains("128 bits") && message.contains("66.7 % of cases"), "{message}");
        assert!(mend.expect("a mend").contains("source"));
        assert_eq!(told("[::]:1", "source", ""), None);
        let (_, mend) = told("fd@3", "source", "key = { v6 = 128 }\n").expect("a warning");
        assert!(mend.expect("a mend").contains("v6 = 64"));
    }

    /// Goal: a ring larger than any pool needs is an error and takes no memory. Method: the largest one
    /// of HAProxy's weights, and one of nginx's beyond it.
    #[test]
    fn large_rings() {
        let text = format!(
            "[listener.l]\nbind = \"[::]:1\"\npool = \"p\"\n[pool.p]\nbalance = \"nginx-hash-consistent\"\n{}",
            servers(&[65_535, 65_535])
        );
        let checked = check(&text, &Machine { descriptors: 20_000, cores: 2 });
        assert_eq!(checked.errors.len(), 1);
        assert!(checked.errors[0].message.contains("20971200 points"), "{:?}", checked.errors);
        assert_eq!(checked.errors[0].help.as_deref(), Some("divide all weights by 2"));
    }
}
