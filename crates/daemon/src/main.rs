//! The binary: what is typed becomes one of the commands, and its outcome an exit code.
#![forbid(unsafe_code)]

mod check;
mod command;
mod control;
mod convert;
mod ctl;
mod file;
mod log;
mod run;
mod try_it;

use std::process::ExitCode;

use clap::Parser;
use command::{Arguments, Command};

/// 0 success, 1 bad input or refused, 2 wrong usage (clap's), 3 cannot start.
fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Try { port, once } => try_it::try_it(port, once),
        Command::Run { file, end_with_parent } => run::run(file.assumed(), end_with_parent),
        Command::Check { file, json } => check::check(file.assumed(), json),
        Command::Ctl { socket, command } => ctl::ctl(&socket, &command.join(" ")),
        Command::Convert { file } => convert::convert(file.assumed()),
        unbuilt @ (Command::Explain { .. }
        | Command::Plan { .. }
        | Command::Top { .. }
        | Command::Completions { .. }
        | Command::Man { .. }) => {
            eprintln!("ringbolt: `{}` is not available yet", unbuilt.name());
            ExitCode::from(1)
        }
    }
}
