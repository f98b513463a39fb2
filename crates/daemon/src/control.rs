//! The engine's control thread: a tokio-uring runtime for everything that is no traffic. It turns
//! what the workers counted into log lines, metrics and the answers of the runtime socket, probes
//! servers, and asks for the addresses of names.
//!
//! Nothing here may disturb a worker. What they count is read from shared memory; only their
//! histograms have to be asked for (`lengths`).

mod admin;
mod apart;
mod counters;
mod crowd;
mod exposition;
mod health;
mod http;
mod lengths;
mod metrics;
mod names;
mod rates;
mod reload;
mod troubles;

use std::rc::Rc;
use std::time::Duration;

use ringbolt_engine::Control;
use tokio::task::yield_now;
use tokio::time::{MissedTickBehavior, interval};

use counters::Meter;
use lengths::Lengths;
use troubles::Troubles;

/// Rates are of this time, and troubles are logged once in it at the most, each with how often it
/// happened.
const LOOK: Duration = Duration::from_secs(1);

/// What answers are made of.
struct View {
    meter: Meter,
    lengths: Lengths,
}

/// Runs until the engine ends.
pub(crate) fn run(control: Control) {
    tokio_uring::start(async move {
        let view = Rc::new(View {
            meter: Meter::new(control.clone()),
            lengths: Lengths::new(control.clone()),
        });
        if let Some(listener) = control.http.clone() {
            tokio_uring::spawn(http::serve(listener, view.clone()));
        }
        if let Some(listener) = control.admin.clone() {
            tokio_uring::spawn(admin::serve(listener, view.clone()));
        }
        tokio_uring::spawn(health::run(control.clone()));
        tokio_uring::spawn(names::run(control.clone()));
        let obeying = view.clone();
        tokio_uring::spawn(async move { reload::obey(&obeying).await });
        let mut troubles = Troubles::watch(&control);
        let mut ticks = interval(LOOK);
        // A look that comes late is no reason for another one right after it.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // All that was spawned takes its turn first and has its descriptors then, so that what is
        // open when the engine is ready is what stays open.
        yield_now().await;
        control.is_up();
        loop {
            ticks.tick().await;
            troubles.tell();
            view.meter.look();
        }
    });
}
