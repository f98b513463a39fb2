//! What `roam run` takes: a story, or something that is told of all of them.

use crate::story::{self, Story};

/// Something that can be run by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// What becomes of sessions in it, and where it is about that, how they lie on the servers.
    Story(Story),
    /// The loss against the number of servers.
    Law,
    /// What each remedy costs.
    Costs,
    /// The life of one client.
    Lanes,
}

impl Scenario {
    /// All, in the order in which they are to be read.
    pub(crate) fn all() -> Vec<Self> {
        let stories = story::ALL.into_iter().map(Self::Story);
        stories.chain([Self::Law, Self::Costs, Self::Lanes]).collect()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Story(story) => story.name(),
            Self::Law => "law",
            Self::Costs => "costs",
            Self::Lanes => "lanes",
        }
    }

    /// In a sentence or two.
    pub(crate) fn told(self) -> String {
        match self {
            Self::Story(story) => story.described().told,
            Self::Law => {
                "The share of clients that lose their session when their key changes, with 2, 3, \
                          5 and 8 servers: it must be (N-1)/N."
                    .to_owned()
            }
            Self::Costs => {
                "Time a message, time to be back, and balance, under each remedy.".to_owned()
            }
            Self::Lanes => {
                "The life of one client that goes from Wi-Fi to LTE and back.".to_owned()
            }
        }
    }

    /// The scenario of that name; the error names all.
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        let all = Self::all();
        all.iter().copied().find(|scenario| scenario.name() == name).ok_or_else(|| {
            let names: Vec<_> = all.into_iter().map(Self::name).collect();
            format!("there is no such scenario; there are {}", names.join(", "))
        })
    }

    pub(crate) fn story(self) -> Option<Story> {
        match self {
            Self::Story(story) => Some(story),
            Self::Law | Self::Costs | Self::Lanes => None,
        }
    }
}
