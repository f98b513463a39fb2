//! Who does the jobs: threads that take one group after the other, each with servers, clients and
//! balancers of its own, and write what they find on one board.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use anyhow::{Error, Result};

use crate::balancer::PortInUse;
use crate::clients::Clients;
use crate::expected::expected;
use crate::folder::Folder;
use crate::judge::judged;
use crate::network::Network;
use crate::plan::{Group, Job};
use crate::play::{self, Part, Stage, play};
use crate::progress::Progress;
use crate::results::{Cell, Results, Skipped};
use crate::run::Wish;
use crate::servers::{Servers, Store};
use crate::site::Site;
use crate::story::Story;
use crate::{costs, lane, law, skew};

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Board(Mutex<Written>);

#[derive(Debug)]
struct Written {
    results: Results,
    progress: Progress,
    /// The first thing that was broken; nobody goes on then.
    broken: Option<Error>,
}

/// Does one job at a time.
#[derive(Debug)]
pub(crate) struct Worker<'a> {
    wish: &'a Wish,
    site: Site,
    store: Option<&'a Store>,
    board: &'a Board,
}

/// Has these workers do all groups.
pub(crate) fn work(groups: Vec<Group>, workers: Vec<Worker<'_>>) {
    let queue = Mutex::new(VecDeque::from(groups));
    std::thread::scope(|scope| {
        for worker in workers {
            // Programs end with the thread that has started them; it has ended them by then.
            scope.spawn(|| {
                let worker = worker;
                // Not in the condition of the loop, where the queue would stay locked.
                let next = || queue.lock().expect("no panic is outlived").pop_front();
                while let Some(group) = next() {
                    if let Err(error) = worker.group(&group) {
                        worker.board.write().broken.get_or_insert(error);
                    }
                }
            });
        }
    });
}

impl Board {
    pub(crate) fn new(results: Results, progress: Progress) -> Self {
        Self(Mutex::new(Written { results, progress, broken: None }))
    }

    /// What all have found, or what was broken.
    pub(crate) fn results(self) -> Result<Results> {
        let written = self.0.into_inner().expect("no panic is outlived");
        written.progress.end();
        written.broken.map_or(Ok(written.results), Err)
    }

    fn write(&self) -> MutexGuard<'_, Written> {
        self.0.lock().expect("no panic is outlived")
    }
}

impl<'a> Worker<'a> {
    /// With files in a folder of its own within `folder`.
    pub(crate) fn new(
        wish: &'a Wish,
        network: Network,
        folder: &Folder,
        store: Option<&'a Store>,
        board: &'a Board,
    ) -> Result<Self> {
        let site = Site { network, folder: folder.within()?, port: wish.port };
        Ok(Self { wish, site, store, board })
    }

    fn group(&self, group: &Group) -> Result<()> {
        let folder = &self.site.folder;
        let mut servers = Servers::new(group.library, group.state, self.store, folder);
        let mut clients = Clients::start(group.library, group.state, folder)?;
        for job in &group.jobs {
            if self.board.write().broken.is_some() {
                return Ok(());
            }
            let (name, part) = (job.group(), job.part());
            self.board.write().progress.begins(&name, &part);
            if let Err(error) = self.job(*job, &mut servers, &mut clients) {
                let Some(in_use) = error.downcast_ref::<PortInUse>() else {
                    return Err(error.context(format!("{name}: {part}")));
                };
                let mend = "end what uses it, give another --port, or run it as root, which gives \
                            it a network of its own";
                self.skip(format!("{name}: {part}"), in_use.to_string(), mend);
            }
            self.board.write().progress.done();
        }
        Ok(())
    }

    fn job(&self, job: Job, servers: &mut Servers<'_>, clients: &mut Clients) -> Result<()> {
        let (seed, site) = (self.wish.seed, &self.site);
        match job {
            Job::Cell(part) => {
                let cell = self.cell(part, servers, clients)?;
                self.board.write().results.matrix.push(cell);
            }
            Job::Point(balancer, count) => {
                let point = law::point(balancer, count, seed, site, servers)?;
                self.board.write().results.law.push(point);
            }
            Job::Skew(story, balancer) => {
                let skew = skew::measured(story, balancer, seed, site, servers)?;
                self.board.write().results.skew.push(skew);
            }
            Job::Cost(remedy) => {
                let title = remedy.balancer.title();
                let office = self.board.write().results.skew.iter().find_map(|skew| {
                    let of_it = skew.story == Story::Office.name() && skew.balancer == title;
                    of_it.then(|| skew.clone())
                });
                let Some(office) = office else {
                    let why = format!("no office was measured with {title}");
                    self.skip(format!("costs: {}", remedy.name), why, "see the line about skew");
                    return Ok(());
                };
                let cost = costs::measured(remedy, &office, seed, site, servers, clients)?;
                self.board.write().results.costs.push(cost);
            }
            Job::Lane(remedy) => {
                let lane = lane::lived(remedy, seed, site, servers, clients)?;
                self.board.write().results.lanes.push(lane);
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
        let mut stage = Stage { site: &self.site, servers, clients };
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

    fn skip(&self, what: String, why: String, mend: &str) {
        self.board.write().results.skipped.push(Skipped { what, why, mend: mend.to_owned() });
    }
}
