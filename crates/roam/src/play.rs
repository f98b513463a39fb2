//! Plays one story under one remedy: clients connect, something happens, they come back, and what
//! became of each session is told from what they counted.

use anyhow::{Result, bail, ensure};

use crate::address::{Addresses, Traveller};
use crate::balancer::{Balancer, Place};
use crate::clients::{Answer, Caller, Clients, Met};
use crate::expected::counts_openings;
use crate::remedy::{Library, Mapping, Product, Remedy};
use crate::results::{Outcome, Tally};
use crate::servers::Servers;
use crate::site::Site;
use crate::story::{Change, Story};

/// Servers at first.
pub(crate) const SERVERS: u16 = 3;
/// Clients of a cell.
const CLIENTS: usize = 100;
/// Of them connect at a time.
const AT_ONCE: usize = 16;
/// What each adds when it is new, and when it is back.
const ADDS: u32 = 2;
const ADDS_BACK: u32 = 1;

/// Where a story is played.
#[derive(Debug)]
pub(crate) struct Stage<'a, 'b> {
    pub(crate) site: &'b Site,
    pub(crate) servers: &'b mut Servers<'a>,
    pub(crate) clients: &'b mut Clients,
}

/// One cell of the matrix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) story: Story,
    pub(crate) remedy: &'static Remedy,
    /// What stands in front; the remedy's, unless a check of the checks has planted another.
    pub(crate) balancer: Product,
    pub(crate) library: Library,
}

/// Plays it with the addresses that `seed` makes.
pub(crate) fn play(part: Part, seed: u64, stage: &mut Stage<'_, '_>) -> Result<Tally> {
    let mut addresses = Addresses::new(seed, part.story.name());
    let places = stage.servers.first(SERVERS.into())?;
    let balancer = Balancer::start(part.balancer, &places, stage.site)?;
    let travellers = addresses.travellers(part.story, CLIENTS);
    let tally = if counts_openings(part.story, part.remedy, part.library) {
        openings(part, &travellers, &balancer, stage)
    } else {
        returns(part, &travellers, balancer, places, &mut addresses, stage)
    };
    stage.clients.forget()?;
    stage.servers.quiet()?;
    tally
}

/// Counts whether sessions come about at all.
fn openings(
    part: Part,
    travellers: &[Traveller],
    balancer: &Balancer<'_>,
    stage: &mut Stage<'_, '_>,
) -> Result<Tally> {
    let callers = callers(balancer, travellers.iter().map(|traveller| &traveller.first));
    // In turn is a matter of order, so there one comes after the other.
    let in_turn = part.remedy.balancer.mapping() == Mapping::InTurn;
    let errors = stage.clients.knock(&callers, if in_turn { 1 } else { AT_ONCE })?;
    let mut tally = Tally::default();
    for error in errors {
        tally.count(error.as_deref().map_or(Ok(Outcome::Kept), refusal)?);
    }
    stage.clients.forget()?;
    stage.servers.forget()?;
    Ok(tally)
}

/// Counts what became of sessions when their clients came back; of several returns the worst.
fn returns(
    part: Part,
    travellers: &[Traveller],
    mut balancer: Balancer<'_>,
    mut places: Vec<Place>,
    addresses: &mut Addresses,
    stage: &mut Stage<'_, '_>,
) -> Result<Tally> {
    let first = callers(&balancer, travellers.iter().map(|traveller| &traveller.first));
    let met = stage.clients.open(&first, ADDS, AT_ONCE)?;
    let mut sessions: Vec<Session> = met.into_iter().map(Session::opened).collect::<Result<_>>()?;

    let chosen = addresses.index(places.len());
    if part.story.change() == Change::Lost {
        stage.servers.crash(chosen)?;
    }
    stage.clients.drop(&first)?;
    if sessions.iter().any(|session| session.told.is_none()) {
        stage.servers.forget()?;
    }
    stage.servers.quiet()?;
    match part.story.change() {
        Change::Nothing => {}
        Change::Added => balancer.change(&stage.servers.first(places.len() + 1)?)?,
        Change::Drained => {
            places[chosen].drained = true;
            balancer.change(&places)?;
        }
        Change::Lost => balancer.notice(&places[chosen])?,
    }

    for leg in 0..travellers[0].later.len() {
        let callers = callers(&balancer, travellers.iter().map(|traveller| &traveller.later[leg]));
        let callers = addresses.shuffled(callers);
        let met = stage.clients.back(&callers, ADDS_BACK, AT_ONCE)?;
        for (caller, met) in callers.iter().zip(met) {
            sessions[caller.id].back(met)?;
        }
        stage.clients.drop(&callers)?;
        stage.servers.quiet()?;
    }
    let mut tally = Tally::default();
    sessions.iter().for_each(|session| tally.count(session.worst));
    Ok(tally)
}

/// A session as its client sees it.
#[derive(Debug)]
struct Session {
    /// The last that it was told; nothing, when it was refused from the beginning.
    told: Option<Answer>,
    worst: Outcome,
}

impl Session {
    fn opened(met: Met) -> Result<Self> {
        match met {
            Met::Server(answer) => {
                ensure!(answer.counter == ADDS, "a new session does not begin at 0: {answer:?}");
                Ok(Self { told: Some(answer), worst: Outcome::Kept })
            }
            Met::Error { error } => Ok(Self { told: None, worst: refusal(&error)? }),
        }
    }

    fn back(&mut self, met: Met) -> Result<()> {
        let outcome = match met {
            Met::Error { error } => refusal(&error)?,
            Met::Server(answer) => {
                let before = self.told.as_ref();
                let outcome = before.map(|before| outcome(before, &answer)).transpose()?;
                self.told = Some(answer);
                outcome.unwrap_or(self.worst)
            }
        };
        self.worst = self.worst.max(outcome);
        Ok(())
    }
}

/// What became of a session, from what its client was told before and is told now.
pub(crate) fn outcome(before: &Answer, now: &Answer) -> Result<Outcome> {
    let sent = now.sent - before.sent;
    let whole = now.counter == before.counter + sent;
    match (whole, now.server == before.server) {
        (true, true) => Ok(Outcome::Kept),
        (true, false) => Ok(Outcome::Recovered),
        (false, _) if now.counter == ADDS_BACK => Ok(Outcome::Lost),
        (false, _) => bail!("a session is neither whole nor new: {before:?}, then {now:?}"),
    }
}

/// An error that a balancer causes by its choice, told from one that shows that something is
/// broken.
fn refusal(error: &str) -> Result<Outcome> {
    ensure!(error.contains("Session ID unknown"), "a client fails: {error}");
    Ok(Outcome::Refused)
}

pub(crate) fn server(met: Met) -> Result<Answer> {
    match met {
        Met::Server(answer) => Ok(answer),
        Met::Error { error } => bail!("a client fails: {error}"),
    }
}

/// Clients numbered from 0, each from its addresses.
fn callers<'a>(
    balancer: &Balancer<'_>,
    addresses: impl Iterator<Item = &'a Vec<std::net::IpAddr>>,
) -> Vec<Caller> {
    let caller = |(id, from): (usize, &Vec<std::net::IpAddr>)| Caller {
        id,
        to: balancer.facing(from[0]),
        from: from.clone(),
    };
    addresses.enumerate().map(caller).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(server: &str, counter: u32, sent: u32) -> Answer {
        Answer { server: server.into(), counter, sent, micros: 1 }
    }

    #[test]
    fn four_outcomes_and_what_is_none() {
        let before = answer("s1", 2, 2);
        assert_eq!(outcome(&before, &answer("s1", 3, 3)).unwrap(), Outcome::Kept);
        assert_eq!(outcome(&before, &answer("s2", 3, 3)).unwrap(), Outcome::Recovered);
        assert_eq!(outcome(&before, &answer("s2", 1, 3)).unwrap(), Outcome::Lost);
        // Its server was restarted, and has nothing any more.
        assert_eq!(outcome(&before, &answer("s1", 1, 3)).unwrap(), Outcome::Lost);
        // One that was left unanswered came twice.
        assert!(outcome(&before, &answer("s2", 5, 4)).is_err());
        assert_eq!(
            refusal(r#"{"code":1,"message":"Session ID unknown"}"#).unwrap(),
            Outcome::Refused
        );
        assert!(refusal("connect ECONNREFUSED").is_err());
    }
}
