//! `ringbolt try --torture`: the engine of the demo's balancer is killed once a second, as no operator
//! would. The clients are not told; what they and the balancer count is the answer.

use std::cell::Cell;
use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// Between two deaths.
const PERIOD: Duration = Duration::from_secs(1);

/// Kills, and counts.
#[derive(Debug)]
pub(crate) struct Torture {
    supervisor: u32,
    deaths: Cell<u64>,
    another: Notify,
}

impl Torture {
    /// Of the balancer with this pid; nothing happens yet.
    pub(crate) fn of(supervisor: u32) -> Self {
        Self { supervisor, deaths: Cell::new(0), another: Notify::new() }
    }

    /// Engines that were killed.
    pub(crate) fn deaths(&self) -> u64 {
        self.deaths.get()
    }

    /// Goes on for ever.
    pub(crate) async fn go_on(&self) {
        let mut seconds = interval_at(Instant::now() + PERIOD, PERIOD);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            seconds.tick().await;
            // None: the next one has not begun yet.
            let Some(engine) = engine_of(self.supervisor) else { continue };
            if kill(engine, Signal::SIGKILL).is_ok() {
                self.deaths.set(self.deaths.get() + 1);
                self.another.notify_waiters();
            }
        }
    }

    /// Waits until so many have been killed.
    pub(crate) async fn killed(&self, deaths: u64) {
        while self.deaths.get() < deaths {
            self.another.notified().await;
        }
    }
}

/// The supervisor's only child.
fn engine_of(supervisor: u32) -> Option<Pid> {
    let children = format!("/proc/{supervisor}/task/{supervisor}/children");
    let engine = fs::read_to_string(children).ok()?.split_whitespace().next()?.parse().ok()?;
    Some(Pid::from_raw(engine))
}
