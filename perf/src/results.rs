//! What a run found, as `run.json` keeps it: everything that a report is made from, beside the
//! histogram logs.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;
use crate::product::Product;
use crate::scenario::{Mode, Scenario};

/// The file in a results folder.
const FILE: &str = "run.json";

/// One run of `perf/run`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Whether it came to its end; one that did not is shown as such.
    pub(crate) complete: bool,
    /// What was asked for.
    pub(crate) mode: Mode,
    /// The revision that [`Product::Base`] is of, as it was asked for.
    pub(crate) against: Option<String>,
    /// Where and when.
    pub(crate) machine: Machine,
    /// What was done, in this order.
    pub(crate) scenarios: Vec<Scenario>,
    /// Who took part.
    pub(crate) entrants: Vec<Entrant>,
    /// Who did not, and why.
    pub(crate) left_out: Vec<LeftOut>,
    /// One a scenario, product and round.
    pub(crate) measurements: Vec<Measurement>,
    /// What went wrong.
    pub(crate) broken: Vec<Broken>,
    /// What was tried to find the best socket buffers of HAProxy.
    pub(crate) tuning: Vec<Tuning>,
    /// Counted once, in runs of their own.
    pub(crate) syscalls: Vec<Syscalls>,
}

/// Where and when a run was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// UTC, as `2026-11-24T14:32`.
    pub(crate) date: String,
    /// Release of the kernel.
    pub(crate) kernel: String,
    /// What the processor calls itself.
    pub(crate) processor: String,
    /// Cores that the run could use; the first is the product's, the second has all the rest.
    pub(crate) cores: Vec<usize>,
    /// Revision of the sources, with `-dirty` when files were changed.
    pub(crate) revision: String,
    /// Descriptors that each process may have.
    pub(crate) descriptors: u64,
}

/// A product that takes part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entrant {
    /// Which.
    pub(crate) product: Product,
    /// What its program answers when asked for its version.
    pub(crate) version: String,
    /// How it is started; empty where there is nothing to start.
    pub(crate) command: String,
    /// Its configuration file, for one server of each kind; empty where it has none.
    pub(crate) config: String,
}

/// A product that does not take part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeftOut {
    /// Which.
    pub(crate) product: Product,
    /// What is missing.
    pub(crate) why: String,
}

/// What one product did in one round of one scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measurement {
    /// The scenario's name.
    pub(crate) scenario: String,
    /// Who.
    pub(crate) product: Product,
    /// Which round, from 0.
    pub(crate) round: u32,
    /// What the load generator says.
    pub(crate) outcome: Outcome,
    /// What it took; `None` without a balancer.
    pub(crate) spent: Option<Spent>,
    /// Busy time of both cores, in nanoseconds: the product's, then that of generator and servers.
    pub(crate) cores_ns: [u64; 2],
    /// What the connections take while they stand.
    pub(crate) held: Held,
}

/// What all threads of a product took while it was measured, kernel workers included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spent {
    /// Nanoseconds on a CPU.
    pub(crate) cpu_ns: u64,
    /// Times that a thread gave its core up to wait.
    pub(crate) voluntary: u64,
    /// Times that its core was taken from it.
    pub(crate) involuntary: u64,
    /// Of the voluntary ones, those of threads that move bytes.
    pub(crate) voluntary_of_workers: u64,
}

/// What there is more of while the connections stand than before the first of them; less than
/// nothing is possible, since kernels and allocators give back when they like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    /// Bytes of user memory of the product (Pss).
    pub(crate) memory: i64,
    /// Bytes of kernel memory of the whole machine: slab, and what TCP has in its queues.
    pub(crate) kernel: i64,
    /// Descriptors of the product.
    pub(crate) descriptors: i64,
    /// Of those, ends of pipes.
    pub(crate) pipes: i64,
    /// Connections that have come through to the servers.
    pub(crate) connections: i64,
}

/// A run that gave no figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Broken {
    /// The scenario's name.
    pub(crate) scenario: String,
    /// Who.
    pub(crate) product: Product,
    /// Which round, from 0.
    pub(crate) round: u32,
    /// What went wrong.
    pub(crate) why: String,
    /// It was asked for more than it has room for: a finding, and no fault of the run.
    pub(crate) no_room: bool,
}

/// A size of socket buffers that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tuning {
    /// `tune.rcvbuf` and `tune.sndbuf` of both sides, in bytes; `None`: as the kernel does it.
    pub(crate) buffers: Option<u32>,
    /// Seconds of CPU for a gigabyte.
    pub(crate) cost: f64,
}

/// System calls of a product, by `strace`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Syscalls {
    /// The scenario's name.
    pub(crate) scenario: String,
    /// Who.
    pub(crate) product: Product,
    /// For one more unit of work; for a megabyte where the unit is a byte.
    pub(crate) calls: f64,
}

impl Broken {
    /// That this turn failed, and why.
    pub(crate) fn new(
        scenario: &Scenario,
        product: Product,
        round: u32,
        error: &anyhow::Error,
    ) -> Self {
        let (name, no_room) = (scenario.name.clone(), scenario.to_the_limit);
        Self { scenario: name, product, round, why: format!("{error:#}"), no_room }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, product, round, why, no_room } = self;
        let kind = if *no_room { "no room" } else { "broken" };
        write!(f, "{kind}: {scenario}, {}, round {}: {why}", product.title(), round + 1)
    }
}

impl Run {
    /// Reads what [`Run::save`] wrote.
    pub(crate) fn load(folder: &Path) -> Result<Self> {
        let file = folder.join(FILE);
        let text = fs::read_to_string(&file)
            .with_context(|| format!("{}: name a folder that perf/run made", file.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{}: from another version? Run anew", file.display()))
    }

    /// Writes all of it into `run.json` in a folder.
    pub(crate) fn save(&self, folder: &Path) -> Result<()> {
        let file = folder.join(FILE);
        let text = serde_json::to_string_pretty(self)?;
        fs::write(&file, text + "\n").with_context(|| file.display().to_string())
    }

    /// The scenario of that name.
    pub(crate) fn scenario(&self, name: &str) -> Option<&Scenario> {
        self.scenarios.iter().find(|scenario| scenario.name == name)
    }

    /// All measurements of a product in a scenario, by round.
    pub(crate) fn of(
        &self,
        scenario: &str,
        product: Product,
    ) -> impl Iterator<Item = &Measurement> {
        let mine = move |one: &&Measurement| one.scenario == scenario && one.product == product;
        self.measurements.iter().filter(mine)
    }

    /// The name of a product with the version of its program, if both are known.
    pub(crate) fn versioned(&self, product: Product) -> String {
        let version = self.entrants.iter().find(|one| one.product == product);
        let version = version.map(|one| one.version.as_str()).filter(|version| !version.is_empty());
        let revision = self.against.as_deref().filter(|_| product == Product::Base);
        let version = revision.or(version);
        let title = product.title();
        match (version, title.split_once(',')) {
            (None, _) => title.into(),
            (Some(version), None) => format!("{title} {version}"),
            (Some(version), Some((name, how))) => format!("{name} {version},{how}"),
        }
    }

    /// Whether something went wrong that should not.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.iter().any(|broken| !broken.no_room)
    }
}
