//! Measures what a balancer costs, beside others that do the same job in the same run.
//!
//! `perf/run` is the way in. One binary is everything that a measurement needs: who asks (`load`),
//! who answers (`serve`), yardsticks (`relay`), and who starts them in turns, counts and reports
//! (`run`). They are processes of their own, so that each can be pinned to a core and its cost told
//! from the others'.

mod bulk;
mod events;
mod figure;
mod job;
mod load;
mod outcome;
mod pattern;
mod process;
mod product;
mod relay;
mod report;
mod results;
mod rows;
mod run;
mod scenario;
mod serve;
mod sockets;
mod statistics;
mod verdict;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::job::Job;
use crate::relay::Yardstick;
use crate::results::Run;

#[derive(Debug, Parser)]
#[command(version, about = "Measures balancers side by side")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measures products in turns; `perf/run` prepares a network for it.
    Run(run::Options),
    /// Makes the page of a results folder anew, and prints its tables.
    Report {
        /// What `run` made.
        folder: PathBuf,
    },
    /// Prints the table that README quotes.
    Readme {
        /// What `run` made.
        folder: PathBuf,
    },
    /// Does one job, given as JSON, and prints one line of JSON when its measured part begins, and
    /// one when it has ended.
    Load {
        /// The job.
        #[arg(value_parser = job_of)]
        job: Job,
    },
    /// Serves until standard input ends; prints where, as one line of JSON.
    Serve {
        /// How many echo servers.
        #[arg(long, default_value_t = 1)]
        servers: u16,
    },
    /// Relays without any balancing until it is ended; prints one line of JSON when it listens.
    Relay {
        /// By which means.
        yardstick: Yardstick,
        /// Where clients connect to; again for every further server.
        #[arg(long, required = true)]
        from: Vec<SocketAddr>,
        /// The server; the first is that of the first `--from`, and so on.
        #[arg(long, required = true)]
        to: Vec<SocketAddr>,
    },
}

fn job_of(text: &str) -> Result<Job, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(options) => ended(run::run(&options)),
        Command::Report { folder } => ended(Run::load(&folder).and_then(|run| {
            report::write(&run, &folder)?;
            print!("{}", report::terminal(&run));
            Ok(ExitCode::SUCCESS)
        })),
        Command::Readme { folder } => ended(Run::load(&folder).map(|run| {
            print!("{}", report::markdown(&run));
            ExitCode::SUCCESS
        })),
        Command::Load { job } => load::load(job),
        Command::Serve { servers } => done(serve::serve(servers)),
        Command::Relay { yardstick, from, to } => done(relay::relay(yardstick, &from, &to)),
    }
}

fn done(result: std::io::Result<()>) -> ExitCode {
    ended(result.map(|()| ExitCode::SUCCESS).map_err(Into::into))
}

fn ended(result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("ringbolt-perf: {error:#}");
        ExitCode::FAILURE
    })
}
