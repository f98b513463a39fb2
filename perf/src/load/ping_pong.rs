//! A message there and back, on connections that stay.

use std::io;
use std::rc::Rc;

use super::Tasks;
use super::connection::{Answer, Connection, open_all};
use super::pace::{Turns, keep};
use super::part::Part;
use crate::job::Job;

/// Opens the connections and begins.
///
/// # Errors
/// Which connection could not be opened, and why.
pub(super) async fn start(
    job: &Rc<Job>,
    part: &Rc<Part>,
    connections: u32,
    size: u32,
    rate: Option<f64>,
) -> Result<Tasks, String> {
    let (message, answer) = message(size, 0);
    let standing = open_all(job, connections, &message, answer, message.len()).await?;
    let mut tasks = Tasks::new();
    let mut givers = Vec::new();
    for (number, connection) in standing.into_iter().enumerate() {
        let turns = match rate {
            None => Turns::Closed(Rc::clone(part)),
            Some(_) => {
                let (give, turns) = Turns::open();
                givers.push(give);
                turns
            }
        };
        tasks.spawn_local(rounds(connection, number as u8, turns, Rc::clone(part)));
    }
    if let Some(rate) = rate {
        let part = Rc::clone(part);
        tasks.spawn_local(async move {
            let mut in_turn = givers.iter().cycle();
            keep(rate, &part, |turn| {
                // A connection that failed takes none; that it failed is counted.
                let _ = in_turn.next().map(|give| give.send(turn));
            })
            .await?;
            Ok(None)
        });
    }
    Ok(tasks)
}

/// One of this size, and what comes back. Its first and last byte are the stamp, so that an answer
/// is not taken for another.
pub(super) fn message(size: u32, stamp: u8) -> (Vec<u8>, Answer) {
    let message = vec![stamp; size.max(1) as usize];
    let answer = Answer { length: message.len(), ends: (stamp, stamp) };
    (message, answer)
}

async fn rounds(
    mut connection: Connection,
    mut stamp: u8,
    turns: Turns,
    part: Rc<Part>,
) -> io::Result<Option<Connection>> {
    while let Some(turn) = turns.next().await {
        stamp = stamp.wrapping_add(1);
        let message = connection.message();
        let length = message.len();
        (message[0], message[length - 1]) = (stamp, stamp);
        let answer = Answer { length, ends: (stamp, stamp) };
        if let Err(error) = connection.exchange(answer).await {
            part.failed(&error);
            return Ok(None);
        }
        part.answered(turn, 2 * length as u64);
    }
    Ok(Some(connection))
}
