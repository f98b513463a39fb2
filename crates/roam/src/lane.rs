//! The life of one client that leaves Wi-Fi for LTE and comes back, under one remedy.

use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::address::{Addresses, Traveller};
use crate::balancer::{Balancer, Place};
use crate::clients::{Caller, Clients};
use crate::play::{self, SERVERS};
use crate::remedy::{Mapping, Remedy};
use crate::results::{Lane, Outcome, Step};
use crate::servers::Servers;
use crate::site::Site;
use crate::story::Story;

/// The remedies whose lanes are shown.
pub(crate) const REMEDIES: [&str; 5] = ["address", "prefix", "cookie", "store", "token"];

/// What the client adds in each place.
const ADDS: u32 = 5;
/// Clients that are tried until one meets another server over LTE. That all stay has the
/// probability 3^-40.
const TRIES: usize = 40;
const PLACES: [&str; 3] = ["Wi-Fi", "LTE", "Wi-Fi"];

/// The first of the clients that the address would take to another server; where no address
/// decides, the first.
pub(crate) fn lived(
    remedy: &Remedy,
    seed: u64,
    site: &Site,
    servers: &mut Servers<'_>,
    clients: &mut Clients,
) -> Result<Lane> {
    let places = servers.first(SERVERS.into())?;
    let balancer = Balancer::start(remedy.balancer, &places, site)?;
    let travellers = Addresses::new(seed, "lane").travellers(Story::WifiLte, TRIES);
    for traveller in travellers {
        let steps = life(&traveller, &balancer, &places, servers, clients)?;
        let moved = steps[0].server != steps[1].server;
        if moved || remedy.balancer.mapping() == Mapping::Named {
            let described = remedy.described();
            return Ok(Lane {
                remedy: described.name,
                title: described.title,
                servers: SERVERS,
                steps,
            });
        }
    }
    bail!("{TRIES} clients with two addresses each, and none met two servers")
}

fn life(
    traveller: &Traveller,
    balancer: &Balancer<'_>,
    places: &[Place],
    servers: &mut Servers<'_>,
    clients: &mut Clients,
) -> Result<Vec<Step>> {
    let begun = Instant::now();
    let mut steps: Vec<Step> = Vec::new();
    let mut known = None;
    let stays = [&traveller.first, &traveller.later[0], &traveller.later[1]];
    for (event, from) in PLACES.into_iter().zip(stays) {
        let caller = [Caller { id: 0, to: balancer.facing(from[0]), from: from.clone() }];
        let at_ms = u32::try_from(begun.elapsed().as_millis())?;
        let met = match known {
            None => clients.open(&caller, 1, 1)?,
            Some(_) => clients.back(&caller, 1, 1)?,
        };
        let mut answer = play::server(met.into_iter().next().context("one client, one answer")?)?;
        let outcome = known.as_ref().map(|known| play::outcome(known, &answer)).transpose()?;
        clients.time(0, ADDS)?;
        answer.counter += ADDS;
        answer.sent += ADDS;
        let server = places.iter().position(|place| place.name == answer.server);
        let session =
            steps.last().map_or(1, |step| step.session + u32::from(outcome == Some(Outcome::Lost)));
        steps.push(Step {
            at_ms,
            event: event.to_owned(),
            address: from[0].to_string(),
            server: Some(u16::try_from(server.context("a server of ours")?)?),
            session,
            counter: answer.counter,
            outcome,
        });
        known = Some(answer);
        clients.drop(&caller)?;
        servers.quiet()?;
    }
    clients.forget()?;
    Ok(steps)
}
