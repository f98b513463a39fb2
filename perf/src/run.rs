//! Starts products in turns, each with the same job, and keeps what they took. `perf/run` calls it
//! in a network of its own.

mod config;
mod dialogue;
mod doors;
mod lineup;
mod machine;
mod process;
mod progress;
mod sample;
mod syscalls;
mod tuning;
mod turn;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::product::Product;
use crate::report;
use crate::results::{Broken, Machine, Run, Syscalls};
use crate::scenario::{Mode, Scenario};
use lineup::{CONFIGS, LOGS, Lineup};
use progress::Progress;
use turn::{Servers, Track};

pub(crate) use turn::hlog;

/// The folder of histogram logs, in a results folder.
pub(crate) const HLOGS: &str = "hlog";
/// Scenarios of a full run in which system calls are counted, and whose.
const COUNTED: [&str; 3] = ["messages", "connects", "bulk-down"];

/// What is measured.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// A short run, under five minutes.
    #[arg(long, conflicts_with = "growth")]
    quick: bool,
    /// How cost grows with connections, servers and the size of messages, under thirty minutes.
    #[arg(long)]
    growth: bool,
    /// Compares with Ringbolt of another revision instead of with other products.
    #[arg(long, value_name = "REV")]
    against: Option<String>,
    /// Only these scenarios, separated by commas; `bulk` means all whose names begin so.
    #[arg(long, value_delimiter = ',', value_name = "ROW")]
    only: Vec<String>,
    /// Only these products, separated by commas.
    #[arg(long, value_delimiter = ',', value_enum, conflicts_with = "against")]
    products: Vec<Product>,
    /// Seconds that are measured in a turn, for trying things out.
    #[arg(long, value_name = "S", value_parser = seconds)]
    seconds: Option<Duration>,
    /// The results folder; a new one below perf/results when not given.
    #[arg(long)]
    out: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

impl Options {
    fn mode(&self) -> Mode {
        match (self.quick, self.growth) {
            (true, _) => Mode::Quick,
            (_, true) => Mode::Growth,
            (false, false) => Mode::Full,
        }
    }

    /// The scenarios that are asked for, each with the products that are.
    fn scenarios(&self) -> Result<Vec<Scenario>> {
        let mut all = Scenario::all(self.mode());
        for name in &self.only {
            if !all.iter().any(|scenario| scenario.is_called(name)) {
                let names: Vec<&str> = all.iter().map(|scenario| scenario.name.as_str()).collect();
                bail!("no scenario is called `{name}`; there are {}", names.join(", "));
            }
        }
        if !self.only.is_empty() {
            all.retain(|scenario| self.only.iter().any(|name| scenario.is_called(name)));
        }
        for scenario in &mut all {
            if self.against.is_some() {
                scenario.products = vec![Product::Ringbolt, Product::Base];
            } else if !self.products.is_empty() {
                scenario.products.clone_from(&self.products);
            }
            if let Some(seconds) = self.seconds {
                scenario.measured = seconds;
                scenario.warm_up = scenario.warm_up.min(seconds);
            }
        }
        Ok(all)
    }
}

/// Measures, reports, and says whether a run broke.
///
/// # Errors
/// What is missing, or failed before anything could be measured.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let machine = Machine::here()?;
    let cores = machine.pair()?;
    machine::keep_to(cores[1])?;
    let scenarios = options.scenarios()?;
    let name = machine.date.replace(':', "");
    let folder = options.out.clone().unwrap_or_else(|| Path::new("perf/results").join(name));
    for name in [CONFIGS, HLOGS, LOGS] {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    let lineup = Lineup::new(&folder, cores[0]);
    let run = Run {
        complete: false,
        mode: options.mode(),
        against: options.against.clone(),
        machine,
        scenarios,
        entrants: Vec::new(),
        left_out: Vec::new(),
        measurements: Vec::new(),
        broken: Vec::new(),
        tuning: Vec::new(),
        syscalls: Vec::new(),
    };
    let mut bench = Bench { run, lineup, cores, folder };
    bench.measure()?;
    let Bench { run, folder, .. } = bench;
    if !run.is_broken() {
        fs::remove_dir_all(folder.join(LOGS))?;
    }
    report::write(&run, &folder)?;
    print!("{}", report::terminal(&run));
    println!("\n{}", folder.join(report::PAGE).display());
    Ok(if run.is_broken() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Everything that a run needs.
#[derive(Debug)]
struct Bench {
    run: Run,
    lineup: Lineup,
    cores: [usize; 2],
    folder: PathBuf,
}

impl Bench {
    fn measure(&mut self) -> Result<()> {
        let servers = Servers::start(1)?;
        let scenarios = self.enter(&servers);
        let mut progress = Progress::new(scenarios.iter().map(Scenario::length).sum());
        if scenarios.iter().any(|one| one.products.contains(&Product::HaproxyTuned)) {
            self.tune(&servers, &progress);
        }
        for scenario in &scenarios {
            progress.scenario(scenario);
            self.rounds(scenario, &mut progress)?;
            // Whoever breaks off keeps what there is.
            self.run.save(&self.folder)?;
        }
        if self.run.mode == Mode::Full {
            self.count_calls(&servers, &scenarios, &progress);
        }
        progress.end();
        servers.finish()?;
        self.run.complete = true;
        self.run.save(&self.folder)
    }

    /// Finds out who takes part, and who of them in what.
    fn enter(&mut self, servers: &Servers) -> Vec<Scenario> {
        let mut products: Vec<Product> =
            self.run.scenarios.iter().flat_map(|one| one.products.clone()).collect();
        products.sort_unstable();
        products.dedup();
        for product in products {
            match self.lineup.entrant(product, &servers.addresses) {
                Ok(entrant) => self.run.entrants.push(entrant),
                Err(left_out) => {
                    eprintln!("left out: {}: {}", product.title(), left_out.why);
                    self.run.left_out.push(left_out);
                }
            }
        }
        let absent =
            |product: &Product| self.run.left_out.iter().any(|one| one.product == *product);
        let mut scenarios = self.run.scenarios.clone();
        for scenario in &mut scenarios {
            scenario.products.retain(|product| !absent(product));
        }
        scenarios
    }

    /// Finds the best buffers for the one that is to have them.
    fn tune(&mut self, servers: &Servers, progress: &Progress) {
        progress.say("socket buffers for HAProxy");
        let product = Product::HaproxyTuned;
        let bulk = Scenario::all(Mode::Quick).into_iter().find(|one| one.name == "bulk-down");
        let bulk = bulk.expect("a quick run has it");
        match tuning::tune(&mut self.lineup, servers, self.cores, &bulk) {
            Ok(tried) => self.run.tuning = tried,
            Err(error) => {
                let broken = Broken::new(&bulk, product, 0, &error);
                progress.say(&broken.to_string());
                self.run.broken.push(broken);
            }
        }
        for entrant in self.run.entrants.iter_mut().filter(|one| one.product == product) {
            // Its configuration has changed.
            entrant.config = self.lineup.config(product, &servers.addresses);
        }
    }

    /// All rounds of a scenario; who begins changes from round to round.
    fn rounds(&mut self, scenario: &Scenario, progress: &mut Progress) -> Result<()> {
        let servers = Servers::start(scenario.servers)?;
        let track = Track { lineup: &self.lineup, servers: &servers, cores: self.cores };
        let length = scenario.length() / scenario.rounds / scenario.products.len().max(1) as u32;
        let mut full = Vec::new();
        for round in 0..scenario.rounds {
            let mut products = scenario.products.clone();
            let first = round as usize % products.len().max(1);
            products.rotate_left(first);
            products.retain(|product| !full.contains(product));
            for product in products {
                progress.turn(scenario, product, round);
                let hlog = hlog(&self.folder.join(HLOGS), &scenario.name, product, round);
                let result = if scenario.seeks_most() {
                    track.most_held(scenario, product)
                } else {
                    track.turn(scenario, product, round, Some(hlog))
                };
                progress.done(length);
                match result {
                    Ok(measurement) => self.run.measurements.push(measurement),
                    Err(error) => {
                        let broken = Broken::new(scenario, product, round, &error);
                        progress.say(&broken.to_string());
                        full.extend(broken.no_room.then_some(product));
                        self.run.broken.push(broken);
                    }
                }
            }
        }
        servers.finish()
    }

    /// System calls of all products in some scenarios.
    fn count_calls(&mut self, servers: &Servers, scenarios: &[Scenario], progress: &Progress) {
        let track = Track { lineup: &self.lineup, servers, cores: self.cores };
        for scenario in scenarios.iter().filter(|one| COUNTED.contains(&one.name.as_str())) {
            for product in scenario.products.iter().copied().filter(|one| *one != Product::Direct) {
                progress.say(&format!("system calls: {}, {}", scenario.name, product.title()));
                match syscalls::count(&track, scenario, product, &self.folder) {
                    Ok(calls) => {
                        let scenario = scenario.name.clone();
                        self.run.syscalls.push(Syscalls { scenario, product, calls });
                    }
                    Err(error) => progress.say(&format!("not counted: {error:#}")),
                }
            }
        }
    }
}
