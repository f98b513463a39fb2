//! An ideal balancer: what the ends see of each step when nothing is lost and nothing looks like what
//! it is not.

use std::mem;

use crate::{Dice, Side, Sight, Step};

/// Bytes that wait for an end that does not read, at most: no queue on the way is full with them, so
/// no sender waits for ever.
const HELD: usize = 48 * 1024;
/// What is sent at once to an end that reads: around the sizes of messages, segments, buffers and
/// pipes, and more than the queues on the way hold.
const SIZES: [usize; 8] = [1, 2, 125, 1_448, 16_384, 16_385, 200_000, 1_500_000];

/// How far a script has come.
#[derive(Debug, Default)]
pub struct Ideal {
    finished: [bool; 2],
    stalled: [bool; 2],
    held: [usize; 2],
    /// Whether the end of the other's direction was seen.
    fin_seen: [bool; 2],
    broken: bool,
}

impl Ideal {
    /// Whether nothing can be done any more.
    pub fn is_over(&self) -> bool {
        self.broken || self.fin_seen == [true; 2]
    }

    /// Takes a step and tells what is seen of it, by whom [`Step::to_whom`] names.
    pub fn take(&mut self, step: Step) -> Vec<Sight> {
        let to = step.to_whom();
        let own = to as usize;
        match step {
            Step::Send(_, bytes) => self.held[own] += bytes,
            Step::Finish(from) => self.finished[from as usize] = true,
            Step::Stall(_) => self.stalled[own] = true,
            Step::Resume(_) => self.stalled[own] = false,
            Step::Reset(from) => {
                (self.broken, self.stalled[own]) = (true, false);
                let ended = self.finished[from as usize];
                let mut seen = if ended { self.reading(to) } else { Vec::new() };
                let bytes = mem::take(&mut self.held[own]);
                seen.push(Sight::Broken { bytes, reset: true });
                return seen;
            }
        }
        self.reading(to)
    }

    /// What waits for an end that does not read: bytes, and whether an end is behind them. `None`:
    /// it reads.
    pub fn waiting(&self, side: Side) -> Option<(usize, bool)> {
        let waiting = (self.held[side as usize], self.finished[side.other() as usize]);
        self.stalled[side as usize].then_some(waiting)
    }

    /// What an end sees, if it reads.
    fn reading(&mut self, side: Side) -> Vec<Sight> {
        let own = side as usize;
        if self.stalled[own] {
            return Vec::new();
        }
        let bytes = mem::take(&mut self.held[own]);
        let fin = self.finished[side.other() as usize] && !self.fin_seen[own];
        self.fin_seen[own] |= fin;
        let seen = [(bytes > 0).then_some(Sight::Bytes(bytes)), fin.then_some(Sight::Fin)];
        seen.into_iter().flatten().collect()
    }

    /// Any step that can be taken now.
    pub fn any(&self, dice: &mut Dice) -> Step {
        loop {
            let side = dice.pick(&Side::BOTH);
            let (own, other) = (side as usize, side.other() as usize);
            match dice.throw(16) {
                0..9 if !self.finished[own] => {
                    let room =
                        if self.stalled[other] { HELD - self.held[other] } else { usize::MAX };
                    let bytes = dice.pick(&SIZES).min(room);
                    if bytes > 0 {
                        return Step::Send(side, bytes);
                    }
                }
                9..11 if !self.finished[own] => return Step::Finish(side),
                // Two directions that have ended are no connection any more that could break.
                11 if self.finished != [true; 2] => return Step::Reset(side),
                12..14 if !self.stalled[own] => return Step::Stall(side),
                14..16 if self.stalled[own] => return Step::Resume(side),
                _ => {}
            }
        }
    }

    /// A step after which less is left to be done until both directions have ended.
    pub fn towards_the_end(&self, dice: &mut Dice) -> Step {
        loop {
            let side = dice.pick(&Side::BOTH);
            if self.stalled[side as usize] {
                return Step::Resume(side);
            }
            if !self.finished[side as usize] {
                return Step::Finish(side);
            }
        }
    }
}
