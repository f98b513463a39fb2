//! Measures what a balancer costs, beside others that do the same job in the same run.
//!
//! `perf/run` is the way in. One binary is everything that a measurement needs: who asks (`load`),
//! who answers (`serve`), yardsticks (`relay`), and who starts them in turns, counts and reports
//! (`run`). They are processes of their own, so that each can be pinned to a core and its cost told
//! from the others'.

mod job;
mod outcome;

use clap::{Parser, Subcommand};

use crate::job::Job;

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
}

fn job_of(text: &str) -> Result<Job, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn main() {
    let Arguments { command: Command::Load { job } } = Arguments::parse();
    println!("{}", serde_json::to_string(&job).expect("a job is plain data"));
}
