//! Shows why stickiness by address breaks when the address changes, how often, and what helps: real
//! servers, real clients, real balancers, and outcomes that were stated beforehand.
//!
//! A *scenario* is a story or something that is told of all stories; a *story* is something that
//! happens to clients; a *remedy* is a balancer and a place for state; a *cell* is one story under
//! one remedy with one library. `plan` makes the list of what is to be done, `run` does it, `play`
//! plays a cell, `expected` says what must come out.

#![forbid(unsafe_code)]

mod address;
mod balancer;
mod clients;
mod costs;
mod expected;
mod folder;
mod judge;
mod lane;
mod law;
mod network;
mod plan;
mod play;
mod process;
mod programs;
mod progress;
mod remedy;
mod report;
mod results;
mod run;
mod scenario;
mod servers;
mod site;
mod skew;
mod story;
mod table;
mod terminal;
mod visit;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use rand::TryRng;
use rand::rngs::SysRng;

use crate::remedy::Remedy;
use crate::results::Results;
use crate::run::{Wish, run};
use crate::scenario::Scenario;
use crate::terminal::Terminal;

#[derive(Debug, Parser)]
#[command(version, about = "Shows why stickiness by address breaks when the address changes")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists scenarios and remedies.
    List,
    /// Runs one scenario under all remedies and prints what became of the sessions.
    Run {
        /// One of those that `list` names.
        #[arg(value_parser = Scenario::named)]
        scenario: Scenario,
        #[command(flatten)]
        options: Options,
    },
    /// Runs all scenarios.
    All {
        #[command(flatten)]
        options: Options,
    },
    /// Makes the page of an earlier run anew from its JSON.
    Report {
        /// The folder that has it.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Options {
    /// Ends with code 1 when an outcome differs from what was stated. With RINGBOLT_REQUIRE_ALL=1
    /// also when something was skipped.
    #[arg(long)]
    check: bool,
    /// Makes the addresses of an earlier run again.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Tries this remedy only; left out, all.
    #[arg(long, value_name = "REMEDY", value_parser = remedy_named)]
    remedy: Option<&'static Remedy>,
    /// The port that balancers listen on; left out, one that is free.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Writes a page, its data as JSON and CSV, and its first figure into this folder.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Puts the balancer of one remedy in the place of another's, so that --check can be seen to
    /// fail.
    #[arg(long, value_name = "REMEDY=REMEDY", value_parser = planted, hide = true)]
    plant: Option<Planted>,
}

type Planted = (&'static Remedy, &'static Remedy);

fn planted(text: &str) -> Result<Planted, String> {
    let (place, planted) = text.split_once('=').ok_or("it is not of the form REMEDY=REMEDY")?;
    Ok((remedy_named(place)?, remedy_named(planted)?))
}

fn remedy_named(name: &str) -> Result<&'static Remedy, String> {
    Remedy::named(name).ok_or_else(|| {
        let names: Vec<_> = remedy::ALL.iter().map(|remedy| remedy.name).collect();
        format!("there is no remedy of that name; there are {}", names.join(", "))
    })
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::List => {
            list();
            Ok(ExitCode::SUCCESS)
        }
        Command::Run { scenario, options } => {
            ran(vec![scenario], format!("roam run {}", scenario.name()), options)
        }
        Command::All { options } => ran(Scenario::all(), "roam all".to_owned(), options),
        Command::Report { folder } => report::again(&folder).map(|files| {
            written(&files);
            ExitCode::SUCCESS
        }),
    };
    done.unwrap_or_else(|error| {
        eprintln!("roam: {error:#}");
        ExitCode::FAILURE
    })
}

fn list() {
    let terminal = Terminal::of_output();
    let line = |name: &str, told: &str| {
        println!("  {name:<19}{}", terminal.wrapped(told, 21));
    };
    println!("scenarios");
    for scenario in Scenario::all() {
        line(scenario.name(), &scenario.told());
    }
    println!("\nremedies");
    for remedy in remedy::ALL.iter().map(Remedy::described) {
        line(&remedy.name, &format!("{} ({})", remedy.how, remedy.balancer));
    }
}

fn ran(scenarios: Vec<Scenario>, command: String, options: Options) -> Result<ExitCode> {
    let seed = match options.seed {
        Some(seed) => seed,
        // Short enough to be typed.
        None => SysRng.try_next_u32().context("random numbers")?.into(),
    };
    eprintln!("seed {seed}");
    if let Some(folder) = &options.report {
        // Not after minutes.
        report::writable(folder).with_context(|| format!("--report {}", folder.display()))?;
    }
    let only = options.remedy.map(|remedy| format!(" --remedy {}", remedy.name));
    let command = format!("{command}{} --seed {seed}", only.unwrap_or_default());
    let wish = Wish {
        scenarios,
        remedy: options.remedy,
        seed,
        port: options.port,
        command,
        planted: options.plant,
    };
    let results = run(&wish)?;
    print!("{}", table::tables(&results, Terminal::of_output()));
    if let Some(folder) = &options.report {
        written(&report::write(&results, folder).context("the report")?);
    }
    let differences = results.differences();
    for difference in &differences {
        println!("not as stated: {difference}");
    }
    Ok(verdict(&results, options.check, &differences))
}

fn written(files: &[PathBuf]) {
    for file in files {
        println!("{}", file.display());
    }
}

/// A run that is not whole says so, whatever it found.
fn verdict(results: &Results, check: bool, differences: &[String]) -> ExitCode {
    let whole = results.skipped.is_empty();
    if check && differences.is_empty() {
        let points = results.matrix.len() + results.law.len() + results.skew.len();
        let but = if whole { "" } else { ", but it is not all: see what was skipped" };
        if points == 0 && !whole {
            println!("nothing was checked: see what was skipped");
        } else {
            println!("{points} outcomes, all as stated{but}");
        }
    }
    let all_required = std::env::var_os("RINGBOLT_REQUIRE_ALL").is_some_and(|value| value == "1");
    if check && (!differences.is_empty() || (all_required && !whole)) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
