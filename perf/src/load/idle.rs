//! Connections that are held and do nothing.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use tokio::time::sleep;

use super::connection::open_all;
use super::ping_pong::message;
use crate::job::{Amount, Job};
use crate::outcome::{Outcome, Report};
use crate::process::{say, wait_for_end_of_input};

/// Bytes there and back on each before it falls silent.
const GREETING: u32 = 64;

/// Does the whole job. An amount in units has no time to hold them: it ends when they stand.
///
/// # Errors
/// Which connection could not be opened, and why.
pub(super) async fn run(job: &Rc<Job>, connections: u32) -> Result<(), String> {
    let (message, answer) = message(GREETING, b'h');
    let standing = open_all(job, connections, &message, answer, message.len()).await?;
    let lost = Rc::new(Cell::new(0));
    for connection in standing {
        let lost = Rc::clone(&lost);
        tokio_uring::spawn(async move {
            connection.ended().await;
            lost.set(lost.get() + 1);
        });
    }
    sleep(job.warm_up).await;
    let began = Instant::now();
    say(&Report::Measuring);
    if let Amount::For(time) = job.amount {
        sleep(time).await;
    }
    say(&Report::Measured(Outcome {
        units: u64::from(connections) - lost.get(),
        took: began.elapsed(),
        failures: lost.get(),
        ..Outcome::default()
    }));
    wait_for_end_of_input();
    Ok(())
}
