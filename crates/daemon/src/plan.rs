//! `ringbolt plan`: which clients would meet another server if one configuration took the place of
//! another, counted one by one with the mappings that serve.

mod clients;
mod count;
mod pairs;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ringbolt_core::mapping::version;
use ringbolt_core::plan::Tally;
use ringbolt_core::spec::Pool;
use serde::Serialize;

use crate::command::Family;
use crate::explain::valid;
use crate::file::Configuration;
use crate::output::{answer, answer_width, tell};
use clients::Clients;
use pairs::Pair;

/// Whose way is to be told.
#[derive(Debug)]
pub(crate) enum Wish {
    /// That of the clients in a file.
    Listed(PathBuf),
    /// That of a sample.
    Sample { family: Family, count: u64 },
}

/// The whole answer, as JSON has it.
#[derive(Debug, Serialize)]
struct Answer<'s> {
    pools: Vec<OfPool<'s>>,
}

#[derive(Debug, Serialize)]
struct OfPool<'s> {
    pool: &'s str,
    mapping_old: Option<&'static str>,
    mapping_new: Option<&'static str>,
    clients: u64,
    moved: u64,
    moved_share: f64,
    servers: Vec<OfServer<'s>>,
}

#[derive(Debug, Serialize)]
struct OfServer<'s> {
    server: &'s str,
    before: u64,
    after: u64,
    gained: u64,
    lost: u64,
}

/// Plans; 0, or 1 when a file is wrong.
pub(crate) fn plan(old: &Path, new: &Path, wish: &Wish, json: bool) -> ExitCode {
    let (old, new) = (valid(Configuration::read(old)), valid(Configuration::read(new)));
    let (Some(old), Some(new)) = (old, new) else { return ExitCode::from(1) };
    let clients = match Clients::of(wish) {
        Ok(clients) => clients,
        Err(reason) => {
            tell(&format!("ringbolt: {reason}\n"));
            return ExitCode::from(1);
        }
    };
    let pairs = pairs::pairs(&old, &new);
    let seeds = [old.global.seed, new.global.seed];
    let tallies = count::count(&pairs, seeds, &clients);
    if json {
        let pools =
            pairs.iter().zip(&tallies).map(|(pair, tally)| OfPool::of(pair, tally)).collect();
        let text = serde_json::to_string(&Answer { pools }).expect("strings and numbers");
        return answer(&format!("{text}\n"), ExitCode::SUCCESS);
    }
    let text = table::render(&pairs, &tallies, &clients.name(), answer_width());
    answer(&text, ExitCode::SUCCESS)
}

impl<'s> OfPool<'s> {
    fn of(pair: &'s Pair<'_>, tally: &Tally) -> Self {
        let servers = pair.servers.iter().zip(0..).map(|(server, number)| {
            let (gained, lost) = tally.gained_and_lost(number);
            OfServer {
                server: &server.name,
                before: tally.before[usize::from(number)],
                after: tally.after[usize::from(number)],
                gained,
                lost,
            }
        });
        Self {
            pool: pair.name(),
            mapping_old: mapping(pair.old),
            mapping_new: mapping(pair.new),
            clients: tally.clients,
            moved: tally.moved,
            moved_share: (share(tally) * 1e6).round() / 1e6,
            servers: servers.collect(),
        }
    }
}

fn mapping(pool: Option<&Pool>) -> Option<&'static str> {
    pool.map(|pool| version(pool.balance))
}

/// The share of a tally's clients that move.
fn share(tally: &Tally) -> f64 {
    if tally.clients == 0 { 0.0 } else { tally.moved as f64 / tally.clients as f64 }
}
