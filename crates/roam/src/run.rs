//! A run: who takes part is found out, every job is done in its turn, and what cannot be is said.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::balancer::PortInUse;
use crate::clients::Clients;
use crate::expected::expected;
use crate::folder::Folder;
use crate::judge::judged;
use crate::network::Network;
use crate::plan::{Group, Job, groups};
use crate::play::{self, Part, Stage, play};
use crate::programs::Program;
use crate::progress::Progress;
use crate::remedy::{self, Remedy};
use crate::results::{Cell, Results, Skipped};
use crate::scenario::Scenario;
use crate::servers::{Servers, Store};
use crate::site::Site;
use crate::story::{self, Story};
use crate::{costs, lane, law, skew};

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

/// A run that goes on.
#[derive(Debug)]
struct Run<'a> {
    wish: &'a Wish,
    site: &'a Site,
    store: Option<Store>,
    progress: Progress,
    results: Results,
}

/// Does what is asked for. An error is something that is broken, and no outcome.
pub(crate) fn run(wish: &Wish) -> Result<Results> {
    // First of all: what is started is in the network of who starts it.
    let (network, no_ipv6) = Network::enter();
    let site = Site { network, folder: Folder::new()?, port: wish.port };
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
    let progress = Progress::new(planned.iter().map(|group| group.jobs.len()).sum());
    let mut run = Run { wish, site: &site, store: None, progress, results };
    for group in &planned {
        run.group(group)?;
    }
    run.progress.end();
    run.results.put_in_order();
    Ok(run.results)
}

/// Which programs of those that are needed are missing; what that costs goes among what was skipped.
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

impl Run<'_> {
    fn group(&mut self, group: &Group) -> Result<()> {
        if group.state == remedy::State::Store && self.store.is_none() {
            self.store = Some(Store::start(&self.site.folder)?);
        }
        let store = self.store.take();
        let mut servers =
            Servers::new(group.library, group.state, store.as_ref(), &self.site.folder);
        let mut clients = Clients::start(group.library, group.state, &self.site.folder)?;
        for job in &group.jobs {
            self.progress.begins(&job.group(), &job.part());
            if let Err(error) = self.job(*job, &mut servers, &mut clients) {
                match error.downcast_ref::<PortInUse>() {
                    Some(in_use) => self.results.skipped.push(Skipped {
                        what: format!("{}: {}", job.group(), job.part()),
                        why: in_use.to_string(),
                        mend:
                            "end what uses it, give another --port, or run it as root, which gives \
                               it a network of its own"
                                .to_owned(),
                    }),
                    None => return Err(error.context(format!("{}: {}", job.group(), job.part()))),
                }
            }
            self.progress.done();
        }
        drop(servers);
        self.store = store;
        Ok(())
    }

    fn job(&mut self, job: Job, servers: &mut Servers<'_>, clients: &mut Clients) -> Result<()> {
        let (seed, site) = (self.wish.seed, self.site);
        match job {
            Job::Cell(part) => {
                let cell = self.cell(part, servers, clients)?;
                self.results.matrix.push(cell);
            }
            Job::Point(balancer, count) => {
                let point = law::point(balancer, count, seed, site, servers)?;
                self.results.law.push(point);
            }
            Job::Skew(story, balancer) => {
                let skew = skew::measured(story, balancer, seed, site, servers)?;
                self.results.skew.push(skew);
            }
            Job::Cost(remedy) => {
                let title = remedy.balancer.title();
                let of_it = |skew: &&crate::results::Skew| {
                    skew.story == Story::Office.name() && skew.balancer == title
                };
                let Some(office) = self.results.skew.iter().find(of_it) else {
                    bail!("no office was measured with {title}");
                };
                let cost = costs::measured(remedy, office, seed, site, servers, clients)?;
                self.results.costs.push(cost);
            }
            Job::Lane(remedy) => {
                let lane = lane::lived(remedy, seed, site, servers, clients)?;
                self.results.lanes.push(lane);
            }
        }
        Ok(())
    }

    fn cell(
        &self,
        mut part: Part,
        servers: &mut Servers<'_>,
        clients: &mut Clients,
    ) -> Result<Cell> {
        if let Some((place, planted)) = self.wish.planted
            && place == part.remedy
        {
            part.balancer = planted.balancer;
        }
        let mut stage = Stage { site: self.site, servers, clients };
        let tally = play(part, self.wish.seed, &mut stage)?;
        let expected = expected(part.story, part.remedy, part.library, play::SERVERS);
        let (as_expected, p_value) = judged(tally, &expected);
        Ok(Cell {
            story: part.story.name().to_owned(),
            remedy: part.remedy.name.to_owned(),
            client: part.library.name().to_owned(),
            servers: play::SERVERS,
            tally,
            expected,
            p_value,
            as_expected,
        })
    }
}

impl Results {
    /// Reading order, which is not that in which it was done.
    fn put_in_order(&mut self) {
        let story = |name: &str| story::ALL.iter().position(|story| story.name() == name);
        let remedy = |name: &str| remedy::ALL.iter().position(|remedy| remedy.name == name);
        self.matrix.sort_by_key(|cell| (story(&cell.story), remedy(&cell.remedy)));
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
