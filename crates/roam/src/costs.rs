//! What each remedy costs: time a message, time to be back, and balance.

use anyhow::{Context, Result};

use crate::address::Addresses;
use crate::balancer::Balancer;
use crate::clients::{Caller, Clients};
use crate::play::{self, SERVERS};
use crate::remedy::Remedy;
use crate::results::{Cost, Skew};
use crate::servers::Servers;
use crate::site::Site;
use crate::story::Story;

/// Round trips that warm it up, and those that are measured.
const WARM_UP: u32 = 100;
const ROUND_TRIPS: u32 = 500;
/// Rounds of them, whose median counts: one stall of a busy machine is in the p99 of one round, and
/// would otherwise be taken for the remedy's.
const ROUNDS: u32 = 9;
/// Clients that come back, one after the other.
const RETURNS: usize = 50;

/// Measures one; `office` is how an office lies on the servers of its balancer.
pub(crate) fn measured(
    remedy: &Remedy,
    office: &Skew,
    seed: u64,
    site: &Site,
    servers: &mut Servers<'_>,
    clients: &mut Clients,
) -> Result<Cost> {
    let places = servers.first(SERVERS.into())?;
    let balancer = Balancer::start(remedy.balancer, &places, site)?;
    let travellers = Addresses::new(seed, "costs").travellers(Story::WifiLte, RETURNS);
    let caller = |(id, from): (usize, &Vec<_>)| Caller {
        id,
        to: balancer.facing(from[0]),
        from: from.clone(),
    };
    let first: Vec<Caller> =
        travellers.iter().map(|traveller| &traveller.first).enumerate().map(caller).collect();
    let then: Vec<Caller> =
        travellers.iter().map(|traveller| &traveller.later[0]).enumerate().map(caller).collect();

    for met in clients.open(&first, 1, 1)? {
        play::server(met)?;
    }
    clients.time(0, WARM_UP)?;
    let rounds: Vec<Vec<u32>> =
        (0..ROUNDS).map(|_| clients.time(0, ROUND_TRIPS)).collect::<Result<_>>()?;
    clients.drop(&first)?;
    servers.quiet()?;
    let back: Result<Vec<_>> = clients.back(&then, 1, 1)?.into_iter().map(play::server).collect();
    let reconnects: Vec<u32> = back?.into_iter().map(|answer| answer.micros).collect();
    clients.forget()?;
    servers.quiet()?;

    Ok(Cost {
        remedy: remedy.name.to_owned(),
        round_trip_p50_us: of_rounds(&rounds, 50)?,
        round_trip_p99_us: of_rounds(&rounds, 99)?,
        reconnect_p50_us: quantile(&reconnects, 50)?,
        largest_share: office.largest_share(),
        note: remedy.note.to_owned(),
    })
}

/// The median of what the rounds have.
fn of_rounds(rounds: &[Vec<u32>], per_cent: usize) -> Result<u32> {
    let each: Vec<u32> =
        rounds.iter().map(|round| quantile(round, per_cent)).collect::<Result<_>>()?;
    quantile(&each, 50)
}

/// The least value that so many per cent of all do not exceed.
fn quantile(values: &[u32], per_cent: usize) -> Result<u32> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * per_cent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().context("nothing was measured")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values() {
        let values: Vec<u32> = (1..=200).rev().collect();
        assert_eq!(quantile(&values, 50).unwrap(), 100);
        assert_eq!(quantile(&values, 99).unwrap(), 198);
        assert_eq!(quantile(&[7], 99).unwrap(), 7);
        assert!(quantile(&[], 50).is_err());
    }

    #[test]
    fn a_stall_in_one_round_is_not_the_remedy() {
        let calm: Vec<u32> = (1..=100).collect();
        let stalled: Vec<u32> = (1..=100).map(|value| value * 50).collect();
        let rounds = [calm.clone(), stalled, calm];
        assert_eq!(of_rounds(&rounds, 99).unwrap(), 99);
        assert!(of_rounds(&[], 99).is_err());
    }
}
