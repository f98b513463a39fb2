//! What a load generator is asked to do.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One job for one load generator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Job {
    /// Where the balancer listens that leads to the server this work needs.
    pub(crate) target: SocketAddr,
    /// Where the balancer listens that leads to the source of a mix's bulk; `None` for other works.
    pub(crate) beside: Option<SocketAddr>,
    /// Which servers the connections' own addresses are: connection `n` comes from the address that
    /// lies `n % sources` beyond 127.0.0.1.
    pub(crate) sources: u32,
    /// What is done.
    pub(crate) work: Work,
    /// How much of it.
    pub(crate) amount: Amount,
    /// Done before, and not measured.
    pub(crate) warm_up: Duration,
    /// Where the histogram log goes; `None`: nowhere. It is complete when the generator has ended.
    /// Works without latency (bulk, idle) write none.
    pub(crate) hlog: Option<PathBuf>,
}

/// How much is done. A unit counts if it began, or was due, in the measured part; the part ends when
/// the last of them is answered. Bulk ends with the first look at which enough has arrived, so it may
/// be a little more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Amount {
    /// For so long.
    For(Duration),
    /// So many units: round trips, connections or bytes.
    Units(u64),
}

/// What is done. A `rate` is units a second over all connections, kept whatever the answers take
/// (open loop: latency counts from when a unit was due); without one the next unit begins when the
/// one before it has been answered (closed loop).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub(crate) enum Work {
    /// A message there and back, on connections that stay. Unit: a round trip.
    PingPong {
        /// How many.
        connections: u32,
        /// Bytes of a message.
        size: u32,
        /// Round trips a second, over all.
        rate: Option<f64>,
    },
    /// Connect, a message there and back, close. Unit: a connection.
    Connects {
        /// At the same time.
        concurrency: u32,
        /// Bytes of the message.
        size: u32,
        /// Connections a second.
        rate: Option<f64>,
    },
    /// Bytes one way, as fast as they go. Unit: a byte that arrived at the other end.
    Bulk {
        /// How many at the same time.
        streams: u32,
        /// Which way.
        way: Way,
    },
    /// Connections that are held and do nothing. Unit: a connection held.
    Idle {
        /// How many.
        connections: u32,
    },
    /// Round trips beside bulk. Unit: a round trip. By a rate: without one they take the core that bulk
    /// needs too, since bulk stands back for them.
    Mix {
        /// With round trips.
        connections: u32,
        /// Bytes of a message.
        size: u32,
        /// Round trips a second, over all.
        rate: Option<f64>,
        /// With bulk from the server.
        streams: u32,
    },
    /// What people's sockets do: most are silent, some send small frames, a few get a burst. Unit: a
    /// frame answered.
    WebSocketLike {
        /// How many.
        connections: u32,
        /// Frames a second, over all; each on a connection drawn at random.
        rate: f64,
        /// One frame in so many is answered by a burst of [`BURST`] bytes instead of by an echo.
        burst_every: u32,
    },
}

impl Work {
    /// Units a second, of an open loop.
    pub(crate) fn rate(&self) -> Option<f64> {
        match *self {
            Self::PingPong { rate, .. } | Self::Connects { rate, .. } | Self::Mix { rate, .. } => {
                rate
            }
            Self::WebSocketLike { rate, .. } => Some(rate),
            Self::Bulk { .. } | Self::Idle { .. } => None,
        }
    }
}

/// Bytes of a burst.
pub(crate) const BURST: u32 = 256 * 1024;

/// Which way bulk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}
