//! A turn: one product does one scenario once.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::dialogue::Dialogue;
use super::doors::Doors;
use super::lineup::{Lineup, Running};
use super::sample::{Stock, Taken};
use crate::job::{Amount, Job};
use crate::outcome::{Outcome, Report};
use crate::product::Product;
use crate::results::{Held, Measurement, Spent};
use crate::scenario::Scenario;
use crate::serve::Addresses;

/// Addresses that clients come from, so that their ports suffice for thousands of connections a
/// second: a port rests for a minute after it was used.
const SOURCES: u32 = 64;
/// How much longer than asked for a job may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often connections are counted while their number grows.
const LOOK: Duration = Duration::from_millis(100);

/// The servers of a scenario.
#[derive(Debug)]
pub(crate) struct Servers {
    dialogue: Dialogue,
    /// Where they listen.
    pub(crate) addresses: Addresses,
}

impl Servers {
    /// Starts so many for echoes, and one of each other kind.
    pub(crate) fn start(count: u16) -> Result<Self> {
        let dialogue = Dialogue::start(&["serve", &format!("--servers={count}")])?;
        let addresses = dialogue.next(PATIENCE).context("the servers do not start")?;
        Ok(Self { dialogue, addresses })
    }

    /// Ends them.
    pub(crate) fn finish(self) -> Result<()> {
        self.dialogue.finish().context("the servers")
    }
}

/// What a turn needs beside a product.
#[derive(Debug)]
pub(crate) struct Track<'a> {
    /// Who can be started.
    pub(crate) lineup: &'a Lineup,
    /// Who answers.
    pub(crate) servers: &'a Servers,
    /// The core of the product and the core of all others.
    pub(crate) cores: [usize; 2],
}

impl Track<'_> {
    /// Lets a product do a scenario; its latencies go into `hlog`. Each turn has a process of its
    /// own, so that nothing of an earlier one is in its memory.
    pub(crate) fn turn(
        &self,
        scenario: &Scenario,
        product: Product,
        round: u32,
        hlog: Option<PathBuf>,
    ) -> Result<Measurement> {
        let mut running = self.lineup.start(product, &self.servers.addresses, &[])?;
        let family = running.process.as_ref().map(|process| process.family()).unwrap_or_default();
        let servers = self.servers.dialogue.pid();
        let before = Stock::now(&family, servers)?;
        let job = Job { hlog, ..job(scenario, &running.doors, Amount::For(scenario.measured)) };
        let load = Load::start(&job)?;
        load.measuring()?;
        let start = Taken::now(&family, self.cores)?;
        let outcome = load.measured(scenario.measured)?;
        let end = Taken::now(&family, self.cores)?;
        let held = Stock::now(&family, servers)?.since(&before);
        load.0.finish().context("the load generator")?;
        stop(&mut running)?;
        let (spent, cores_ns) = end.since(&start, product.workers());
        if outcome.failures > 0 {
            let why = outcome.first_failure.as_deref().unwrap_or("nothing is known of why");
            bail!("{} connections failed; the first: {why}", outcome.failures);
        }
        let spent = running.process.is_some().then_some(spent);
        let scenario = scenario.name.clone();
        Ok(Measurement { scenario, product, round, outcome, spent, cores_ns, held })
    }

    /// Asks a product for more connections than it may have room for, and counts how many stand at
    /// the servers when there are most; some clients are not answered, and give up.
    pub(crate) fn most_held(&self, scenario: &Scenario, product: Product) -> Result<Measurement> {
        let mut running = self.lineup.start(product, &self.servers.addresses, &[])?;
        let family = running.process.as_ref().map(|process| process.family()).unwrap_or_default();
        let servers = self.servers.dialogue.pid();
        let before = Stock::now(&family, servers)?;
        let job = job(scenario, &running.doors, Amount::For(scenario.measured));
        let load = Load::start(&job)?;
        let mut held = Held::default();
        let deadline = Instant::now() + PATIENCE;
        while load.0.next_within::<Report>(LOOK)?.is_none() {
            let now = Stock::now(&family, servers)?.since(&before);
            if now.connections > held.connections {
                held = now;
            }
            if Instant::now() > deadline {
                bail!("the load generator says nothing for {PATIENCE:?}");
            }
        }
        drop(load);
        stop(&mut running)?;
        let units = held.connections.try_into().unwrap_or(0);
        let outcome = Outcome { units, ..Outcome::default() };
        let (spent, scenario) = (Some(Spent::default()), scenario.name.clone());
        Ok(Measurement { scenario, product, round: 0, outcome, spent, cores_ns: [0; 2], held })
    }

    /// Lets a product do so many units under a tracer, and nothing before them.
    pub(crate) fn traced(
        &self,
        scenario: &Scenario,
        product: Product,
        units: u64,
        tracer: &[String],
    ) -> Result<Outcome> {
        let mut running = self.lineup.start(product, &self.servers.addresses, tracer)?;
        let job = job(scenario, &running.doors, Amount::Units(units));
        let load = Load::start(&Job { warm_up: Duration::ZERO, ..job })?;
        load.measuring()?;
        let outcome = load.measured(PATIENCE)?;
        load.0.finish().context("the load generator")?;
        stop(&mut running)?;
        Ok(outcome)
    }
}

/// A load generator at work.
#[derive(Debug)]
struct Load(Dialogue);

impl Load {
    fn start(job: &Job) -> Result<Self> {
        Ok(Self(Dialogue::start(&["load", &serde_json::to_string(job)?])?))
    }

    fn measuring(&self) -> Result<()> {
        match self.0.next(PATIENCE).context("the load generator")? {
            Report::Measuring => Ok(()),
            Report::Failed(why) => bail!("{why}"),
            Report::Measured(_) => bail!("the load generator measured before it began"),
        }
    }

    fn measured(&self, length: Duration) -> Result<Outcome> {
        match self.0.next(length + PATIENCE).context("the load generator")? {
            Report::Measured(outcome) if outcome.units > 0 => Ok(outcome),
            Report::Measured(_) => bail!("nothing was done"),
            Report::Failed(why) => bail!("{why}"),
            Report::Measuring => bail!("the load generator began twice"),
        }
    }
}

fn job(scenario: &Scenario, doors: &Doors, amount: Amount) -> Job {
    let (door, beside) = doors.of(&scenario.work);
    Job {
        target: door.addr,
        beside: beside.map(|door| door.addr),
        sources: SOURCES,
        work: scenario.work,
        amount,
        warm_up: scenario.warm_up,
        hlog: None,
    }
}

fn stop(running: &mut Running) -> Result<()> {
    let Some(process) = &mut running.process else { return Ok(()) };
    if process.is_over()? {
        bail!("the product ended by itself");
    }
    process.stop()
}

/// The name of a turn's histogram log.
pub(crate) fn hlog(folder: &Path, scenario: &str, product: Product, round: u32) -> PathBuf {
    folder.join(format!("{scenario}-{}-{round}.hlog", product.name()))
}
