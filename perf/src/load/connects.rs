//! Connect, a message there and back, close.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use super::Tasks;
use super::connection::Connection;
use super::pace::{Turns, keep};
use super::part::Part;
use super::ping_pong::message;
use crate::job::Job;

/// Begins: `concurrency` tasks, each with one connection at a time.
pub(super) fn start(
    job: &Rc<Job>,
    part: &Rc<Part>,
    concurrency: u32,
    size: u32,
    rate: Option<f64>,
) -> Tasks {
    let mut tasks = Tasks::new();
    let turns = match rate {
        None => Turns::Closed(Rc::clone(part)),
        Some(rate) => {
            let ((give, turns), part) = (Turns::open(), Rc::clone(part));
            tasks.spawn_local(async move {
                keep(rate, &part, |turn| {
                    // Whoever is free takes it; if nobody is left, that they failed is counted.
                    let _ = give.send(turn);
                })
                .await?;
                Ok(None)
            });
            turns
        }
    };
    let next = Rc::new(Cell::new(0));
    for _ in 0..concurrency {
        let (job, next) = (Rc::clone(job), Rc::clone(&next));
        tasks.spawn_local(connects(job, size, next, turns.clone(), Rc::clone(part)));
    }
    tasks
}

/// A connection that fails ends its task: trying on would be a busy loop against a closed door, and
/// one failure makes the figures worthless anyway.
async fn connects(
    job: Rc<Job>,
    size: u32,
    next: Rc<Cell<u32>>,
    turns: Turns,
    part: Rc<Part>,
) -> io::Result<Option<Connection>> {
    while let Some(turn) = turns.next().await {
        let number = next.replace(next.get().wrapping_add(1));
        let (message, answer) = message(size, number as u8);
        let length = message.len();
        let result = match Connection::open(&job, number, message, length) {
            Ok(mut connection) => connection.exchange(answer).await,
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            part.failed(&error);
            break;
        }
        part.answered(turn, 2 * length as u64);
    }
    Ok(None)
}
