//! The binary: what is typed becomes one of the commands, and its outcome an exit code.
#![forbid(unsafe_code)]

mod check;
mod command;
mod control;
mod convert;
mod ctl;
mod explain;
mod file;
mod log;
mod output;
mod plan;
mod run;
mod try_it;

use std::process::ExitCode;

use clap::Parser;
use command::{Arguments, Command};

/// 0 success, 1 bad input or refused, 2 wrong usage (clap's), 3 cannot start.
fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Try { port, once, torture } => try_it::try_it(port, once, torture),
        Command::Run { file, end_with_parent } => run::run(file.assumed(), end_with_parent),
        Command::Check { file, json } => check::check(file.assumed(), json),
        Command::Convert { file } => convert::convert(file.assumed()),
        Command::Explain { file, addresses, pool, down, json } => {
            explain::explain(file.assumed(), &addresses, &explain::Wish { pool, down, json })
        }
        Command::Plan { old, new, format, clients, sample, family, json } => {
            if let Some(format) = format {
                format.assume();
            }
            let wish = match clients {
                Some(file) => plan::Wish::Listed(file),
                None => plan::Wish::Sample { family, count: sample },
            };
            plan::plan(&old, &new, &wish, json)
        }
        Command::Ctl { socket, command } => ctl::ctl(&socket, &command.join(" ")),
        unbuilt @ (Command::Top { .. } | Command::Completions { .. } | Command::Man { .. }) => {
            eprintln!("ringbolt: `{}` is not available yet", unbuilt.name());
            ExitCode::from(1)
        }
    }
}
