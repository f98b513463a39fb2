//! Shows why stickiness by address breaks when the address changes, how often, and what helps.

#![forbid(unsafe_code)]

mod report;
mod results;

use std::path::PathBuf;

use clap::Parser;

/// Why stickiness by address breaks when the address changes, how often, and what helps.
#[derive(Debug, Parser)]
#[command(version)]
enum Arguments {
    /// Make the page anew from the report.json in a folder
    Report {
        /// The folder
        folder: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse() {
        Arguments::Report { folder } => {
            for file in report::again(&folder)? {
                println!("{}", file.display());
            }
        }
    }
    Ok(())
}
