//! Servers that get more of the clients than their weight means them to have, or less: because a hash has few
//! values, or a ring few points.

use std::collections::HashMap;

use ringbolt_core::limits::WEIGHT_MAX;
use ringbolt_core::mapping::{Mapping, ring_points};
use ringbolt_core::spec::{Pool, Server};

use super::{Advice, STEPS_MAX, active, part, percent, to_source};
use crate::family::Family;
use crate::server::HAPROXY_WEIGHT_MAX;

/// How many times its part a server may get before that is told.
const UNEVEN: f64 = 1.1;
/// Points of a ring that is made to see whether it is even.
const TRIED_POINTS_MAX: u64 = 500_000;

/// Slots that are many beside the values of the hash have one value more or less. `owners`: of each value.
pub(super) fn uneven_hash(pool: &Pool, owners: &[usize]) -> Option<Advice> {
    let mut shares = vec![0.0; pool.servers.len()];
    owners.iter().for_each(|owner| shares[*owner] += 1.0 / owners.len() as f64);
    let most = most_over(pool, &shares)?;
    let message = format!(
        "at these weights the hash gives \"{}\" {} of the clients, where its part is {}",
        pool.servers[most].name,
        percent(shares[most]),
        percent(part(pool, most))
    );
    Some(Advice { server: Some(most), message, mend: fewer_slots(pool, owners.len() as u64) })
}

/// How a hash of so many values becomes even: with ten of them for each slot.
fn fewer_slots(pool: &Pool, values: u64) -> String {
    let total: u64 = pool.servers.iter().map(|server| u64::from(server.weight)).sum();
    let least = pool.servers.iter().map(|server| server.weight).filter(|weight| *weight > 0).min();
    let most = values / 10;
    // Smaller weights could not have this proportion.
    if total / u64::from(least.unwrap_or(1)) > most {
        return to_source("takes weights as they are");
    }
    format!(
        "divide all weights by {}, so that they add up to {most} at most; that moves clients once, and \
         `ringbolt plan` says how many",
        total.div_ceil(most)
    )
}

/// A ring with few points gives some servers more than their part.
pub(super) fn uneven(pool: &Pool) -> Option<Advice> {
    if ring_points(pool) > STEPS_MAX || active(pool).len() < 2 {
        return None;
    }
    let shares = ring_shares(pool)?;
    let most = most_over(pool, &shares)?;
    let message = format!(
        "at these weights the ring gives \"{}\" {} of the clients, where its part is {}",
        pool.servers[most].name,
        percent(shares[most]),
        percent(part(pool, most))
    );
    Some(Advice { server: Some(most), message, mend: more_points(pool) })
}

/// How a ring becomes even: with more points, if that is possible and helps.
fn more_points(pool: &Pool) -> String {
    let heaviest = pool.servers.iter().map(|server| u64::from(server.weight)).max().unwrap_or(1);
    let weight_max = match Family::of(pool.balance) {
        Family::Haproxy => HAPROXY_WEIGHT_MAX,
        Family::Own | Family::Nginx | Family::NotSticky => u64::from(WEIGHT_MAX),
    };
    let factor = (weight_max / heaviest).min(TRIED_POINTS_MAX / ring_points(pool).max(1)).min(100);
    let mut larger = pool.clone();
    for server in &mut larger.servers {
        server.weight = server.weight.saturating_mul(factor as u16);
    }
    let even = || ring_shares(&larger).is_some_and(|shares| most_over(&larger, &shares).is_none());
    if factor > 1 && even() {
        format!(
            "larger weights in the same proportion make the ring even, {factor} for 1; that moves clients \
             once, and `ringbolt plan` says how many"
        )
    } else {
        to_source("is even at any weights")
    }
}

/// The share of each server on a ring.
fn ring_shares(pool: &Pool) -> Option<Vec<f64>> {
    let shares = match Mapping::of(pool, 0) {
        Mapping::HaproxyRing(ring) => ring.shares(pool.servers.len()),
        Mapping::NginxRing { ring, .. } => ring.shares(pool.servers.len()),
        Mapping::Rendezvous1 { .. }
        | Mapping::HaproxyMap { .. }
        | Mapping::NginxIpHash { .. }
        | Mapping::NginxHash { .. }
        | Mapping::RoundRobin
        | Mapping::LeastSessions => return None,
    };
    let shares: Vec<f64> =
        shares.iter().map(|share| *share as f64 / (1_u64 << 32) as f64).collect();
    if Family::of(pool.balance) != Family::Nginx {
        return Some(shares);
    }
    // There, servers of one text have one set of points, and share it by their weights.
    let mut of_text: HashMap<&str, (f64, f64)> = HashMap::new();
    for (server, share) in pool.servers.iter().zip(&shares) {
        let (all, weights) = of_text.entry(&server.addr.text).or_default();
        *all += share;
        *weights += f64::from(server.weight);
    }
    let share = |server: &Server| {
        let (all, weights) = of_text[&*server.addr.text];
        all * f64::from(server.weight) / weights.max(1.0)
    };
    Some(pool.servers.iter().map(share).collect())
}

/// The server that has most beyond its part; `None`: nobody has much.
fn most_over(pool: &Pool, shares: &[f64]) -> Option<usize> {
    let over = |server: &usize| shares[*server] / part(pool, *server);
    // Of equal ones the first.
    let all = active(pool).into_iter().rev();
    let most = all.max_by(|a, b| over(a).total_cmp(&over(b)))?;
    (over(&most) > UNEVEN).then_some(most)
}

/// A hash of few values never leads to slots beyond them.
pub(super) fn beyond_the_hash(pool: &Pool, values: u32) -> Option<Advice> {
    let total: u64 = pool.servers.iter().map(|server| u64::from(server.weight)).sum();
    let values = u64::from(values);
    if total <= values {
        return None;
    }
    let mut end = 0;
    let without: Vec<&Server> = pool
        .servers
        .iter()
        .filter(|server| {
            let begin = end;
            end += u64::from(server.weight);
            server.weight > 0 && begin >= values
        })
        .collect();
    let who = match without[..] {
        [] => "the last server gets less than its part".to_owned(),
        [one] => format!("\"{}\" gets no client", one.name),
        [first, ..] => format!("\"{}\" and {} more get no client", first.name, without.len() - 1),
    };
    let message = format!("the weights add up to {total} and the hash has {values} values: {who}");
    Some(Advice { server: None, message, mend: fewer_slots(pool, values) })
}
