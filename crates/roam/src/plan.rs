//! What a run does: every cell, point and bar as a job of its own, with the programs that it needs,
//! in groups that share servers.

use std::collections::BTreeSet;

use crate::network::Network;
use crate::play::Part;
use crate::programs::Program;
use crate::remedy::{ALL, Library, Product, Remedy, State};
use crate::scenario::Scenario;
use crate::story::Story;
use crate::{lane, law, skew};

/// Something that is done at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Job {
    Cell(Part),
    Point(Product, u16),
    Skew(Story, Product),
    Cost(&'static Remedy),
    Lane(&'static Remedy),
}

/// Jobs with servers of one kind.
#[derive(Debug)]
pub(crate) struct Group {
    /// It measures time, so nothing else is done beside it.
    pub(crate) alone: bool,
    pub(crate) library: Library,
    pub(crate) state: State,
    pub(crate) jobs: Vec<Job>,
}

/// All that is wanted and that this network allows, in the order in which it is done.
pub(crate) fn groups(
    scenarios: &[Scenario],
    only: Option<&'static Remedy>,
    network: Network,
) -> Vec<Group> {
    let mut jobs: Vec<Job> = Vec::new();
    for scenario in scenarios {
        match scenario {
            Scenario::Story(story) => jobs.extend(of_story(*story, network)),
            Scenario::Law => {
                let points = law::SERVERS.into_iter().flat_map(|servers| {
                    law::BALANCERS.into_iter().map(move |balancer| Job::Point(balancer, servers))
                });
                jobs.extend(points);
            }
            Scenario::Costs => {
                // A part of what a remedy costs is the balance that it loses.
                if !scenarios.contains(&Scenario::Story(Story::Office)) {
                    jobs.extend(skews(Story::Office));
                }
                jobs.extend(ALL.iter().map(Job::Cost));
            }
            Scenario::Lanes => {
                let remedies = lane::REMEDIES.into_iter().filter_map(Remedy::named);
                jobs.extend(remedies.map(Job::Lane));
            }
        }
    }
    jobs.retain(|job| only.is_none_or(|remedy| job.is_of(remedy)));
    let kind = |job: &Job| (job.measures_time(), job.library(), job.state());
    let kinds: BTreeSet<_> = jobs.iter().map(kind).collect();
    let group = |(alone, library, state)| {
        let same = jobs.iter().filter(|job| kind(job) == (alone, library, state));
        Group { alone, library, state, jobs: same.copied().collect() }
    };
    kinds.into_iter().map(group).collect()
}

fn of_story(story: Story, network: Network) -> Vec<Job> {
    if story.needs_ipv6() && network == Network::V4Only {
        return Vec::new();
    }
    let mut jobs: Vec<Job> = skews(story).collect();
    if story.has_reconnects() {
        for remedy in &ALL {
            let keeping = Library::ALL.into_iter().filter(|library| library.keeps(remedy.state));
            let balancer = remedy.balancer;
            jobs.extend(
                keeping.map(|library| Job::Cell(Part { story, remedy, balancer, library })),
            );
        }
    }
    jobs
}

fn skews(story: Story) -> impl Iterator<Item = Job> {
    skew::shown_by(story).iter().map(move |product| Job::Skew(story, *product))
}

impl Job {
    pub(crate) fn library(&self) -> Library {
        match self {
            Self::Cell(part) => part.library,
            Self::Point(..) | Self::Skew(..) => Library::Ws,
            // The only one that has all remedies.
            Self::Cost(_) | Self::Lane(_) => Library::Websockets,
        }
    }

    pub(crate) fn state(&self) -> State {
        match self {
            Self::Cell(part) => part.remedy.state,
            Self::Point(..) | Self::Skew(..) => State::Memory,
            Self::Cost(remedy) | Self::Lane(remedy) => remedy.state,
        }
    }

    /// Whether it shows something of a remedy.
    fn is_of(&self, remedy: &Remedy) -> bool {
        match self {
            Self::Cell(part) => part.remedy == remedy,
            Self::Point(balancer, _) | Self::Skew(_, balancer) => *balancer == remedy.balancer,
            Self::Cost(own) | Self::Lane(own) => *own == remedy,
        }
    }

    fn measures_time(&self) -> bool {
        match self {
            Self::Cost(_) | Self::Lane(_) => true,
            Self::Cell(_) | Self::Point(..) | Self::Skew(..) => false,
        }
    }

    /// What must be there for it.
    pub(crate) fn needs(&self) -> BTreeSet<Program> {
        let balancer = match self {
            Self::Cell(part) => part.balancer,
            Self::Point(balancer, _) | Self::Skew(_, balancer) => *balancer,
            Self::Cost(remedy) | Self::Lane(remedy) => remedy.balancer,
        };
        let servers = match self.library() {
            Library::Ws | Library::SocketIo => Program::Node,
            Library::Websockets => Program::Python,
        };
        let mut needs = BTreeSet::from([Program::Setpriv, Program::of(balancer.maker()), servers]);
        if self.state() == State::Store {
            needs.insert(Program::Redis);
        }
        if matches!(self, Self::Cost(_)) {
            // An office is measured with the servers of `ws`.
            needs.insert(Program::Node);
        }
        needs
    }

    /// Which of several jobs it belongs to, for people.
    pub(crate) fn group(&self) -> String {
        match self {
            Self::Cell(part) => format!("remedy {} with {}", part.remedy.name, part.library.name()),
            Self::Point(balancer, _) => format!("law of {}", balancer.title()),
            Self::Skew(story, _) => format!("skew of {}", story.name()),
            Self::Cost(_) => "costs".to_owned(),
            Self::Lane(_) => "lanes".to_owned(),
        }
    }

    /// Which of them it is.
    pub(crate) fn part(&self) -> String {
        match self {
            Self::Cell(part) => part.story.name().to_owned(),
            Self::Point(_, servers) => format!("{servers} servers"),
            Self::Skew(_, balancer) => balancer.title().to_owned(),
            Self::Cost(remedy) | Self::Lane(remedy) => remedy.name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(network: Network) -> Vec<Job> {
        groups(&Scenario::all(), None, network).into_iter().flat_map(|group| group.jobs).collect()
    }

    /// Ten stories with reconnects; eight remedies with three libraries, one with three, one with
    /// one.
    #[test]
    fn everything_is_planned_once() {
        let cells = |network| {
            let cell = |job: &Job| matches!(job, Job::Cell(_));
            jobs(network).iter().filter(|job| cell(job)).count()
        };
        assert_eq!(cells(Network::BothFamilies), 10 * (9 * 3 + 1));
        assert_eq!(cells(Network::V4Only), 8 * (9 * 3 + 1));
        let offices = jobs(Network::V4Only).into_iter();
        let offices = offices.filter(|job| matches!(job, Job::Skew(Story::Office, _)));
        assert_eq!(offices.count(), 8);
    }

    #[test]
    fn groups_have_one_kind_of_servers() {
        for group in groups(&Scenario::all(), None, Network::BothFamilies) {
            assert!(!group.jobs.is_empty());
            for job in group.jobs {
                assert_eq!((job.library(), job.state()), (group.library, group.state));
                assert_eq!(job.measures_time(), group.alone);
            }
        }
    }

    #[test]
    fn costs_alone_have_their_office() {
        let alone = groups(&[Scenario::Costs], None, Network::V4Only);
        let first = &alone[0].jobs[0];
        assert!(matches!(first, Job::Skew(Story::Office, _)), "and it comes first: {first:?}");
        assert!(!alone[0].alone && alone[1].alone);
    }

    #[test]
    fn one_remedy_has_what_belongs_to_it() {
        let cookie = Remedy::named("cookie");
        let planned = groups(&Scenario::all(), cookie, Network::BothFamilies);
        let jobs: Vec<Job> = planned.into_iter().flat_map(|group| group.jobs).collect();
        // Ten stories with three libraries, its office, its cost and its lane.
        assert_eq!(jobs.len(), 10 * 3 + 3);
    }
}
