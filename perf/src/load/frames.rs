//! Many connections, most of them silent; small frames on some, now and then a burst.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use super::Tasks;
use super::connection::{Answer, Connection, open_all};
use super::pace::{Turns, keep};
use super::part::Part;
use crate::job::{BURST, Job};
use crate::pattern;
use crate::serve::frames::{BURST_ASKED, ECHO, FRAME};

/// Opens the connections and begins.
///
/// # Errors
/// Which connection could not be opened, and why.
pub(super) async fn start(
    job: &Rc<Job>,
    part: &Rc<Part>,
    connections: u32,
    rate: f64,
    burst_every: u32,
) -> Result<Tasks, String> {
    let (frame, echo) = ([ECHO; FRAME], Answer { length: FRAME, ends: (ECHO, ECHO) });
    let longest = if burst_every == 0 { FRAME } else { BURST as usize };
    let standing = open_all(job, connections, &frame, echo, longest).await?;
    let mut tasks = Tasks::new();
    let mut givers = Vec::new();
    let burst = Rc::new(Every { every: burst_every, count: Cell::new(0) });
    for connection in standing {
        let (give, turns) = Turns::open();
        givers.push(give);
        tasks.spawn_local(frames(connection, Rc::clone(&burst), turns, Rc::clone(part)));
    }
    let (part, mut draws) = (Rc::clone(part), Draws(0));
    tasks.spawn_local(async move {
        keep(rate, &part, |turn| {
            if let Some(drawn) = draws.below(givers.len()) {
                // A connection that failed takes none; that it failed is counted.
                let _ = givers[drawn].send(turn);
            }
        })
        .await?;
        Ok(None)
    });
    Ok(tasks)
}

async fn frames(
    mut connection: Connection,
    burst: Rc<Every>,
    turns: Turns,
    part: Rc<Part>,
) -> io::Result<Option<Connection>> {
    let mut stamp: u8 = 0;
    while let Some(turn) = turns.next().await {
        stamp = stamp.wrapping_add(1);
        let (kind, answer) = if burst.now() {
            let ends = (pattern::byte(0), pattern::byte(u64::from(BURST) - 1));
            (BURST_ASKED, Answer { length: BURST as usize, ends })
        } else {
            (ECHO, Answer { length: FRAME, ends: (ECHO, stamp) })
        };
        let frame = connection.message();
        (frame[0], frame[FRAME - 1]) = (kind, stamp);
        if let Err(error) = connection.exchange(answer).await {
            part.failed(&error);
            return Ok(None);
        }
        part.answered(turn, (FRAME + answer.length) as u64);
    }
    Ok(Some(connection))
}

/// True once in so many times, over all connections; never for 0.
struct Every {
    every: u32,
    count: Cell<u32>,
}

impl Every {
    fn now(&self) -> bool {
        if self.every == 0 {
            return false;
        }
        self.count.set((self.count.get() + 1) % self.every);
        self.count.get() == 0
    }
}

/// The same random numbers in every run: SplitMix64 (Steele, Lea, Flood: "Fast splittable
/// pseudorandom number generators", 2014).
struct Draws(u64);

impl Draws {
    /// One of so many; `None` of none.
    fn below(&mut self, count: usize) -> Option<usize> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).checked_rem(count as u64).map(|drawn| drawn as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_so_many() {
        let every = Every { every: 4, count: Cell::new(0) };
        let drawn: Vec<bool> = (0..8).map(|_| every.now()).collect();
        assert_eq!(drawn, [false, false, false, true, false, false, false, true]);
        assert!(!Every { every: 0, count: Cell::new(0) }.now());
    }

    #[test]
    fn draws_reach_everybody_evenly() {
        // The first outputs of the published generator for seed 0, modulo a large number.
        let mut draws = Draws(0);
        let first = draws.below(usize::MAX).unwrap() as u64;
        assert_eq!(first, 0xe220_a839_7b1d_cdaf);
        let mut counts = [0; 10];
        for _ in 0..10_000 {
            counts[draws.below(10).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
        assert_eq!(Draws(0).below(0), None);
    }
}
