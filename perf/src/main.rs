//! Measures what a balancer costs, beside others that do the same job in the same run.
//!
//! `perf/run` is the way in. One binary is everything that a measurement needs: who asks (`load`),
//! who answers (`serve`), yardsticks (`relay`), and who starts them in turns, counts and reports
//! (`run`). They are processes of their own, so that each can be pinned to a core and its cost told
//! from the others'.

mod bulk;
mod events;
mod job;
mod load;
mod outcome;
mod pattern;
mod process;
mod relay;
mod serve;
mod sockets;

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::job::Job;
use crate::relay::Yardstick;

#[derive(Debug, Parser)]
#[command(version, about = "Measures balancers side by side")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
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
        /// Where clients connect to.
        #[arg(long)]
        from: SocketAddr,
        /// The server.
        #[arg(long)]
        to: SocketAddr,
    },
}

fn job_of(text: &str) -> Result<Job, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Load { job } => return load::load(job),
        Command::Serve { servers } => serve::serve(servers),
        Command::Relay { yardstick, from, to } => relay::relay(yardstick, from, to),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringbolt-perf: {error}");
            ExitCode::FAILURE
        }
    }
}
