//! What a run found: everything that the table, the page, the JSON and the CSV are made from.
//!
//! Names (`"dhcp-renewal"`, `"address"`, `"ws"`) tie its parts together: a cell names its story and
//! its remedy, and both are described once.

use serde::{Deserialize, Serialize};

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Results {
    /// Makes the same addresses again.
    pub(crate) seed: u64,
    /// When it began, UTC, as `2026-11-24 14:32`.
    pub(crate) made: String,
    /// The command that makes such a run again.
    pub(crate) command: String,
    /// What took part.
    pub(crate) programs: Vec<Program>,
    /// What did not; a run is whole only if this is empty.
    pub(crate) skipped: Vec<Skipped>,
    /// The stories that were told, in the order in which they are to be read.
    pub(crate) stories: Vec<Story>,
    /// The remedies that were tried, in the order in which they are to be read.
    pub(crate) remedies: Vec<Remedy>,
    /// What became of the sessions of each story under each remedy.
    pub(crate) matrix: Vec<Cell>,
    /// How the loss grows with the number of servers.
    pub(crate) law: Vec<Point>,
    /// How sessions lie on the servers when many clients share an address, or stand in a row.
    pub(crate) skew: Vec<Skew>,
    /// What each remedy costs.
    pub(crate) costs: Vec<Cost>,
    /// The life of one client under some of the remedies.
    pub(crate) lanes: Vec<Lane>,
}

/// A program that took part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Program {
    /// What it is called.
    pub(crate) name: String,
    /// What it says of its version.
    pub(crate) version: String,
}

/// Something that was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Skipped {
    /// What is missing in these results.
    pub(crate) what: String,
    /// Why.
    pub(crate) why: String,
    /// What to do so that the next run has it.
    pub(crate) mend: String,
}

/// Something that happens to clients or to servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Story {
    /// One word, as `roam run` takes it.
    pub(crate) name: String,
    /// A few words.
    pub(crate) title: String,
    /// Two or three sentences that a person can follow.
    pub(crate) told: String,
    /// What changes between a client's connection and its next, in a few words.
    pub(crate) changes: String,
}

/// A way to have clients meet their state again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remedy {
    /// One word.
    pub(crate) name: String,
    /// A few words.
    pub(crate) title: String,
    /// One sentence.
    pub(crate) how: String,
    /// Who has something to do before it works.
    pub(crate) who_must_change: String,
    /// What stands in front of the servers, with its decisive setting.
    pub(crate) balancer: String,
}

/// What became of the sessions of one story under one remedy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cell {
    /// The story's name.
    pub(crate) story: String,
    /// The remedy's name.
    pub(crate) remedy: String,
    /// The library of clients and servers: `socket.io`, `ws` or `websockets`.
    pub(crate) client: String,
    /// How many servers there were at first.
    pub(crate) servers: u16,
    /// What was counted.
    pub(crate) tally: Tally,
    /// What was to be expected, stated before the run.
    pub(crate) expected: Expected,
    /// For a draw, the probability of a count at least as far from what was to be expected; `None`
    /// where every reconnect must end alike.
    pub(crate) p_value: Option<f64>,
    /// Whether `tally` is what was expected.
    pub(crate) as_expected: bool,
}

/// What became of a session when its client came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// The same server, and the state is there.
    Kept,
    /// Another server, and it has the state.
    Recovered,
    /// The state is gone and nobody says so: the client begins anew without knowing.
    Lost,
    /// The client is told: an error that it can see.
    Refused,
}

/// How many reconnects had which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// [`Outcome::Kept`].
    pub(crate) kept: u32,
    /// [`Outcome::Recovered`].
    pub(crate) recovered: u32,
    /// [`Outcome::Lost`].
    pub(crate) lost: u32,
    /// [`Outcome::Refused`].
    pub(crate) refused: u32,
}

/// What outcomes a cell may have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Expected {
    /// Every reconnect ends like this.
    All {
        /// So.
        outcome: Outcome,
    },
    /// Each reconnect draws anew: it ends like `outcome` with the probability `share`, otherwise
    /// like `otherwise`. Tested two-sided at 1e-6.
    Draw {
        /// So with the probability `share`.
        outcome: Outcome,
        /// Between 0 and 1.
        share: f64,
        /// So with what remains.
        otherwise: Outcome,
        /// Where `share` comes from, for instance `(N-1)/N`.
        why: String,
    },
}

/// A point that must lie on the curve: loss = P(key changes) x (N-1)/N.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    /// The balancer's title.
    pub(crate) balancer: String,
    /// N.
    pub(crate) servers: u16,
    /// How many clients came back from another address.
    pub(crate) reconnects: u32,
    /// How many of them met another server, and so lost their state.
    pub(crate) lost: u32,
    /// The share that the curve has for N.
    pub(crate) expected: f64,
    /// The probability of a count at least as far from it; below 1e-6 the point is off the curve.
    pub(crate) p_value: f64,
}

/// How sessions lie on the servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Skew {
    /// The story's name.
    pub(crate) story: String,
    /// The balancer's title.
    pub(crate) balancer: String,
    /// What the clients were, in a few words.
    pub(crate) title: String,
    /// Sessions of each server, in the order of the configuration.
    pub(crate) sessions_by_server: Vec<u32>,
    /// What was to be expected, in a sentence.
    pub(crate) expected: String,
    /// Whether it is so.
    pub(crate) as_expected: bool,
}

/// What a remedy costs, measured with the `websockets` servers, for which all are there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// The remedy's name.
    pub(crate) remedy: String,
    /// Microseconds from a message to its answer, the median.
    pub(crate) round_trip_p50_us: u32,
    /// The same, of 99 in 100. Of both the median of several rounds.
    pub(crate) round_trip_p99_us: u32,
    /// Microseconds from the connect to the first answer of a client that comes back, the median.
    pub(crate) reconnect_p50_us: u32,
    /// The share of all sessions that the fullest server had, with an office behind one address.
    pub(crate) largest_share: f64,
    /// What else it costs, in a sentence.
    pub(crate) note: String,
}

/// The life of one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lane {
    /// The remedy's name.
    pub(crate) remedy: String,
    /// A few words.
    pub(crate) title: String,
    /// How many servers there were.
    pub(crate) servers: u16,
    /// In the order of time.
    pub(crate) steps: Vec<Step>,
}

/// Something that happened in a lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Step {
    /// Milliseconds since the client's first connect, as measured.
    pub(crate) at_ms: u32,
    /// What happened to the client, in a word or two: `Wi-Fi`, `LTE`.
    pub(crate) event: String,
    /// The address that it came from.
    pub(crate) address: String,
    /// The server that it met, from 0 in the order of the configuration; `None`: it was refused.
    pub(crate) server: Option<u16>,
    /// Which session it was then in, from 1; another number when the state was lost.
    pub(crate) session: u32,
    /// What it counted then, in that session.
    pub(crate) counter: u32,
    /// What became of its session; `None` for its first connection.
    pub(crate) outcome: Option<Outcome>,
}
