//! A run: who takes part is found out, every job is given to somebody, and what cannot be done
//! is said.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, Result};

use crate::folder::Folder;
use crate::network::Network;
use crate::plan::{Group, Job, groups};
use crate::programs::Program;
use crate::progress::Progress;
use crate::remedy::{self, Remedy, State};
use crate::results::{Cell, Results, Skipped};
use crate::scenario::Scenario;
use crate::servers::Store;
use crate::story::{self, Story};
use crate::worker::{Board, Worker, work};

/// Groups at a time. Most of a story is waiting for somebody's answer.
const WORKERS: usize = 2;

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) scenarios: Vec<Scenario>,
    /// This one only; `None`: all.
    pub(crate) remedy: Option<&'static Remedy>,
    pub(crate) seed: u64,
    /// The port that balancers listen on; `None`: whichever is free.
    pub(crate) port: Option<u16>,
    /// How it was asked for.
    pub(crate) command: String,
    /// In the place of the first one's balancer the second one's is started.
    pub(crate) planted: Option<(&'static Remedy, &'static Remedy)>,
}

/// Does what is asked for. An error is something that is broken, and no outcome.
pub(crate) fn run(wish: &Wish) -> Result<Results> {
    // First of all: what is started is in the network of who starts it.
    let (network, no_ipv6) = Network::enter();
    let folder = Folder::new()?;
    let mut results = Results {
        seed: wish.seed,
        made: date()?,
        command: wish.command.clone(),
        programs: Vec::new(),
        skipped: no_ipv6.filter(|_| wish.stories().any(Story::needs_ipv6)).into_iter().collect(),
        stories: Vec::new(),
        remedies: Vec::new(),
        matrix: Vec::new(),
        law: Vec::new(),
        skew: Vec::new(),
        costs: Vec::new(),
        lanes: Vec::new(),
    };
    let mut planned = groups(&wish.scenarios, wish.remedy, network);
    let missing = look_around(&planned, &mut results);
    for group in &mut planned {
        group.jobs.retain(|job| job.needs().is_disjoint(&missing));
    }
    planned.retain(|group| !group.jobs.is_empty());
    let stores = planned.iter().any(|group| group.state == State::Store);
    let store = stores.then(|| Store::start(&folder)).transpose()?;
    let progress = Progress::new(planned.iter().map(|group| group.jobs.len()).sum());
    let (alone, beside) = planned.into_iter().partition(|group| group.alone);
    let board = Board::new(results, progress);
    let worker = || Worker::new(wish, network, &folder, store.as_ref(), &board);
    // Two would want the same port.
    let workers = if wish.port.is_some() { 1 } else { WORKERS };
    work(beside, (0..workers).map(|_| worker()).collect::<Result<_>>()?);
    work(alone, vec![worker()?]);
    board.results().map(Results::in_order)
}

/// Which programs of those that are needed are missing; what that costs goes among what was
/// skipped.
fn look_around(planned: &[Group], results: &mut Results) -> BTreeSet<Program> {
    let jobs = || planned.iter().flat_map(|group| &group.jobs);
    let needed: BTreeSet<Program> = jobs().flat_map(Job::needs).collect();
    let mut missing = BTreeSet::new();
    for program in needed {
        let Some(version) = program.version() else {
            let without = jobs().filter(|job| job.needs().contains(&program));
            let what: BTreeSet<String> = without.map(Job::group).collect();
            results.skipped.push(Skipped {
                what: what.into_iter().collect::<Vec<_>>().join(", "),
                why: format!("{} does not run", program.name()),
                mend: program.mend(),
            });
            missing.insert(program);
            continue;
        };
        results.programs.push(program.described(version));
    }
    missing
}

impl Wish {
    fn stories(&self) -> impl Iterator<Item = Story> {
        self.scenarios.iter().filter_map(|scenario| scenario.story())
    }
}

impl Results {
    /// Reading order, which is not that in which it was done.
    fn in_order(mut self) -> Self {
        let story = |name: &str| story::ALL.iter().position(|story| story.name() == name);
        let remedy = |name: &str| remedy::ALL.iter().position(|remedy| remedy.name == name);
        self.matrix
            .sort_by_key(|cell| (story(&cell.story), remedy(&cell.remedy), cell.client.clone()));
        self.costs.sort_by_key(|cost| remedy(&cost.remedy));
        self.lanes.sort_by_key(|lane| remedy(&lane.remedy));
        // What is told of stories and remedies is told of those that there is something of.
        let played = |name: &str| {
            self.matrix.iter().any(|cell| cell.story == name)
                || self.skew.iter().any(|skew| skew.story == name)
        };
        let played = story::ALL.into_iter().filter(|story| played(story.name()));
        self.stories = played.map(Story::described).collect();
        let tried = |name: &str| {
            self.matrix.iter().any(|cell| cell.remedy == name)
                || self.costs.iter().any(|cost| cost.remedy == name)
                || self.lanes.iter().any(|lane| lane.remedy == name)
        };
        let tried = remedy::ALL.iter().filter(|remedy| tried(remedy.name));
        self.remedies = tried.map(Remedy::described).collect();
        self
    }

    /// What helps, and how often: titles of remedies, in how many of the stories every session went
    /// on, and how many there are. Those that help most come first.
    pub(crate) fn helping(&self) -> Vec<(&str, usize, usize)> {
        let of = |remedy: &str, story: &str| {
            let cells = self.matrix.iter();
            let cells = cells.filter(|cell| cell.remedy == remedy && cell.story == story);
            // `None`: it was not tried in this story.
            cells.map(|cell| cell.tally.went_on()).reduce(|all, one| all && one)
        };
        let counted = self.remedies.iter().map(|remedy| {
            let tried = self.stories.iter().filter_map(|story| of(&remedy.name, &story.name));
            let (went_on, broke): (Vec<_>, Vec<_>) = tried.partition(|went_on| *went_on);
            (remedy.title.as_str(), went_on.len(), went_on.len() + broke.len())
        });
        let mut counted: Vec<_> = counted.filter(|(_, _, all)| *all > 0).collect();
        counted.sort_by_key(|(_, went_on, _)| std::cmp::Reverse(*went_on));
        counted
    }

    /// What is not as stated, a line each.
    pub(crate) fn differences(&self) -> Vec<String> {
        let cells = self.matrix.iter().filter(|cell| !cell.as_expected).map(|cell| {
            let Cell { story, remedy, client, tally, expected, .. } = cell;
            format!("{story}, remedy {remedy}, {client}: {tally}, where {expected} was stated")
        });
        let points = self.law.iter().filter(|point| !point.as_expected()).map(|point| {
            let share = f64::from(point.lost) / f64::from(point.reconnects);
            format!(
                "law of {}, {} servers: {share:.3} lost, where {:.3} was stated (p = {:.1e})",
                point.balancer, point.servers, point.expected, point.p_value
            )
        });
        let skews = self.skew.iter().filter(|skew| !skew.as_expected).map(|skew| {
            let (story, sessions) = (&skew.story, &skew.sessions_by_server);
            format!("{story}, {}: {sessions:?}, where {} was stated", skew.balancer, skew.expected)
        });
        cells.chain(points).chain(skews).collect()
    }
}

/// UTC, as `2026-11-24 14:32`.
fn date() -> Result<String> {
    let output = Command::new("date").args(["-u", "+%Y-%m-%d %H:%M"]).output().context("date")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use crate::report::sample;

    #[test]
    fn what_helps_most_comes_first_and_one_loss_is_enough() {
        let mut results = sample::results();
        let stories = 8;
        let helping = results.helping();
        assert_eq!(helping.len(), results.remedies.len());
        assert_eq!(helping[0], ("Shared store", stories, stories));
        assert_eq!(helping[helping.len() - 1].1, 0, "{helping:?}");
        assert!(helping.is_sorted_by(|a, b| a.1 >= b.1));

        let cell = results.matrix.iter_mut().find(|cell| cell.remedy == "store").unwrap();
        cell.tally.lost = 1;
        assert!(results.helping().contains(&("Shared store", stories - 1, stories)));
    }
}
