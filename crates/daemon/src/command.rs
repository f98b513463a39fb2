//! The command table: what can be typed. Help texts come from here.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use ringbolt_config::Format;

use crate::file;

/// Clients in the largest sample.
const SAMPLE_MAX: u64 = 10_000_000_000;

/// A Layer-4 TCP balancer for connections that stay: the same client meets the same server.
#[derive(Debug, Parser)]
#[command(name = "ringbolt", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show a balancer at work: three echo servers, demo clients and a live table
    Try {
        /// Port of the balancer on 127.0.0.1
        #[arg(long, default_value_t = 8765)]
        port: u16,
        /// Run the demo clients, print the table and end
        #[arg(long)]
        once: bool,
        /// Kill the balancer's engine every second; nobody should notice
        #[arg(long)]
        torture: bool,
    },
    /// Serve in the foreground
    Run {
        #[command(flatten)]
        file: File,
        /// End when the process that started this one ends
        #[arg(long, hide = true)]
        end_with_parent: bool,
    },
    /// Check a configuration: all errors and warnings at once
    Check {
        #[command(flatten)]
        file: File,
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Turn an haproxy.cfg or nginx.conf into a ringbolt.toml, with a note on all that it does not carry
    Convert {
        #[command(flatten)]
        file: File,
    },
    /// Say where a client goes and why
    Explain {
        #[command(flatten)]
        file: File,
        /// Addresses of clients
        #[arg(required = true, value_name = "ADDRESS")]
        addresses: Vec<String>,
        /// Of this pool only
        #[arg(long)]
        pool: Option<String>,
        /// As if this server were down; may be given several times
        #[arg(long, value_name = "POOL/SERVER")]
        down: Vec<String>,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Say which clients a change of the configuration would move
    Plan {
        /// A ringbolt.toml, an haproxy.cfg or an nginx.conf: what is in force now
        old: PathBuf,
        /// What is to be; it may be of another kind
        new: PathBuf,
        /// Which kind both are, whatever they look like
        #[arg(long, value_enum)]
        format: Option<FileFormat>,
        /// Of the clients in this file, an address a line
        #[arg(long, value_name = "FILE", conflicts_with_all = ["sample", "family"])]
        clients: Option<PathBuf>,
        /// Of so many clients in a sample of all addresses
        #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = value_parser!(u64).range(1..=SAMPLE_MAX))]
        sample: u64,
        /// Whether the sample is of IPv4 or IPv6
        #[arg(long, value_enum, default_value_t = Family::V4)]
        family: Family,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a running balancer one command; `help` lists them
    Ctl {
        /// Its runtime socket: global.admin of its configuration
        #[arg(short, long, default_value = "/run/ringbolt/admin.sock")]
        socket: PathBuf,
        /// The command, such as: show stat
        #[arg(required = true, trailing_var_arg = true)]
        command: Vec<String>,
    },
    /// Watch a running balancer (not available yet)
    Top {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        rest: Vec<String>,
    },
    /// Print completions for a shell (not available yet)
    Completions {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        rest: Vec<String>,
    },
    /// Print the manual page (not available yet)
    Man {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        rest: Vec<String>,
    },
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Family {
    /// All of IPv4
    V4,
    /// The global unicast addresses of IPv6
    V6,
}

/// A configuration file.
#[derive(Debug, Args)]
pub(crate) struct File {
    /// A ringbolt.toml, an haproxy.cfg or an nginx.conf
    #[arg(value_name = "FILE")]
    pub(crate) path: PathBuf,
    /// Which of them it is, whatever it looks like
    #[arg(long, value_enum)]
    pub(crate) format: Option<FileFormat>,
}

/// A kind of configuration file, as it is typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum FileFormat {
    Toml,
    Haproxy,
    Nginx,
}

impl FileFormat {
    /// Holds from here on for every file, whatever it looks like.
    pub(crate) fn assume(self) {
        file::assume(match self {
            Self::Toml => Format::Toml,
            Self::Haproxy => Format::Haproxy,
            Self::Nginx => Format::Nginx,
        });
    }
}

impl File {
    /// Its path; what was said of its format holds from here on.
    pub(crate) fn assumed(&self) -> &Path {
        if let Some(format) = self.format {
            format.assume();
        }
        &self.path
    }
}

impl Command {
    /// The word that is typed for it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Try { .. } => "try",
            Self::Run { .. } => "run",
            Self::Check { .. } => "check",
            Self::Convert { .. } => "convert",
            Self::Explain { .. } => "explain",
            Self::Plan { .. } => "plan",
            Self::Ctl { .. } => "ctl",
            Self::Top { .. } => "top",
            Self::Completions { .. } => "completions",
            Self::Man { .. } => "man",
        }
    }
}
