//! The harness of Ringbolt's end-to-end tests: starts the built binary, its servers and clients,
//! and looks at them from outside, through sockets and `/proc`. The tests are in `tests/e2e`,
//! `tests/capacity` and `tests/survival`.
//!
//! Not here: anything of the product's crates. What a test knows, a user could see.
//!
//! Rules that the harness keeps, so that a test need not: ports come from the kernel; every wait is
//! for an event and has a generous bound ([`BOUND`]); what was started is stopped by its own pid.

#![forbid(unsafe_code)]

mod browser;
mod config;
mod folder;
mod haproxy;
mod herd;
mod inherited;
mod metrics;
mod network;
mod pattern;
mod peer;
mod process;
mod program;
pub mod proxy;
mod ringbolt;
mod say;
mod seed;
mod server;
mod skip;
pub mod sockets;
mod tape;
mod trace;
mod unix;
mod usage;
mod user;
mod watched;
mod websocket;

pub use browser::Browser;
pub use config::Config;
pub use folder::Folder;
pub use haproxy::{Haproxy, haproxy};
pub use herd::{Count, Echo, herd};
pub use inherited::Inherited;
pub use metrics::Metrics;
pub use network::Network;
pub use pattern::Pattern;
pub use peer::{Client, End, Peer, expect_reset, silence};
pub use process::{
    Signal, affinities, children, closes_on_exec, cpu, descriptor_limit, descriptor_names,
    descriptors, ended, ignores, kill, limit_descriptors, pipes, raise_descriptor_limit, stopped,
};
pub use program::{Program, nginx, run_haproxy, run_nginx};
pub use ringbolt::{Ended, Ringbolt, binary, command, finish};
pub use say::say;
pub use seed::seed;
pub use server::{Blackhole, ClosedPort, Server, accept_any, fresh_address};
pub use skip::{DESCRIPTORS, Need, all_there};
pub use sockets::Timer;
pub use tape::Tape;
pub use trace::{Call, Traced};
pub use unix::{UnixPeer, UnixServer};
pub use usage::{Memory, Thread, memory, threads, until_asleep};
pub use user::User;
pub use watched::{Page, Row, Watched, ask};
pub use websocket::{Clients, EchoServer, Language};

use std::time::{Duration, Instant};

/// How long anything may take before a test gives up: far longer than anything takes on a machine
/// that is merely busy. Reaching it is always a failure, never a measurement.
pub const BOUND: Duration = Duration::from_secs(30);

/// Asks `probe` again and again until it answers, and gives its answer.
///
/// # Panics
///
/// When there is no answer within [`BOUND`]; `what` says what was waited for.
pub fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + BOUND;
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {BOUND:?} in vain: {what}");
        #[allow(clippy::disallowed_methods)] // between two questions, not instead of one
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Leaves the test when something that it needs is missing, loudly; see [`all_there`].
#[macro_export]
macro_rules! need {
    ($($need:ident),+ $(,)?) => {
        if !$crate::all_there(module_path!(), &[$($crate::Need::$need),+]) {
            return;
        }
    };
}
