//! Plays a script: one session, each step of which is seen to the end before the next one.

use std::mem;

use ringbolt_core::kernel::Fd;
use ringbolt_core::spec::Splice;
use ringbolt_script::{Dice, Ideal, Script, Side, Sight, Step};

use crate::ground::{snapshot, splicing};
use crate::kernel::{End, Faults};
use crate::player::stream;
use crate::world::{ALL, CAPACITY, World, memory};

/// What the kernel of an end takes while the end reads nothing: more than a script ever leaves there.
const WINDOW: usize = 64 * 1024;

/// A session that is played.
struct Stage<'r> {
    world: World<'r>,
    dice: Dice,
    ends: [Fd; 2],
    /// How much of what came to each end it has looked at.
    seen: [usize; 2],
    reads: [bool; 2],
}

/// What the ends see of a script, when bytes move so; the order of completions and the machine's faults
/// are the seed's.
pub fn play(script: &Script, policy: Splice, seed: u64) -> Vec<Sight> {
    let mut memory = memory();
    let mut stage = Stage::new(
        World::new(&mut memory, splicing(policy, snapshot(u64::from(CAPACITY))), ALL),
        seed,
    );
    let (mut ideal, mut seen) = (Ideal::default(), Vec::new());
    for step in &script.0 {
        let promised = ideal.take(*step);
        stage.reads = Side::BOTH.map(|side| ideal.waiting(side).is_none());
        stage.act(*step);
        stage.rest();
        seen.extend(promised.into_iter().map(|sight| stage.look(step.to_whom(), sight)));
    }
    seen
}

impl<'r> Stage<'r> {
    fn new(mut world: World<'r>, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        world.kernel.server_window = Some(WINDOW);
        let client = world.client(1, WINDOW, &[]);
        let mut stage = Self {
            world,
            dice: Dice::new(seed),
            ends: [client; 2],
            seen: [0; 2],
            reads: [true; 2],
        };
        stage.rest();
        let session = stage.world.shard.sessions().next();
        stage.ends[1] = session.expect("servers accept").1.socket(1);
        // Whether there is a session is not what a script is about.
        stage.world.kernel.faults = Faults::some(&mut dice);
        stage.world.kernel.faults.descriptors = 0;
        stage
    }

    fn act(&mut self, step: Step) {
        let kernel = &mut self.world.kernel;
        let end = |side: Side| self.ends[side as usize];
        match step {
            Step::Send(side, bytes) => {
                let sent = kernel.sockets[&end(side)].sent_by_peer.len();
                kernel.peer_sends(end(side), &stream(side as u8, sent, bytes), false);
            }
            Step::Finish(side) => kernel.peer_ends(end(side)),
            Step::Reset(side) => kernel.peer_resets(end(side)),
            Step::Stall(_) | Step::Resume(_) => {}
        }
    }

    /// Until nothing happens any more.
    fn rest(&mut self) {
        let reading = Side::BOTH.into_iter().filter(|side| self.reads[*side as usize]);
        let reading: Vec<Fd> = reading.map(|side| self.ends[side as usize]).collect();
        let dice = &mut self.dice;
        self.world.rest(|_| reading.clone(), |_| dice.throw(usize::MAX));
    }

    /// What an end sees where `promised` is to be seen.
    fn look(&mut self, side: Side, promised: Sight) -> Sight {
        let socket = &self.world.kernel.sockets[&self.ends[side as usize]];
        let seen = &mut self.seen[side as usize];
        let come = socket.written.len() - *seen;
        let is_next =
            |bytes| socket.written[*seen..][..bytes] == stream(side.other() as u8, *seen, bytes);
        assert!(is_next(come), "wrong bytes");
        let reset = socket.closed == Some(End::Reset);
        match promised {
            Sight::Fin if come == 0 && socket.shut => Sight::Fin,
            Sight::Broken { .. } if socket.closed.is_some() => {
                *seen += come;
                Sight::Broken { bytes: come, reset }
            }
            Sight::Bytes(bytes) => {
                *seen += come.min(bytes);
                Sight::Bytes(come.min(bytes))
            }
            Sight::Fin | Sight::Broken { .. } => {
                Sight::Bytes(mem::replace(seen, socket.written.len()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ringbolt_script::scenarios;

    use super::*;

    const POLICIES: [Splice; 3] = [Splice::Auto, Splice::Off, Splice::Always];

    /// Goal: the scenarios that are played on the real ring hold here. Method: every one, copied, spliced
    /// and as it comes, in twenty orders of completions with faults of their own.
    #[test]
    fn scenarios_hold() {
        for (name, script) in scenarios() {
            for (policy, seed) in POLICIES.into_iter().flat_map(|it| (0..20).map(move |s| (it, s)))
            {
                assert_eq!(
                    play(&script, policy, seed),
                    script.promised(),
                    "{name}, {policy:?}, {seed}"
                );
            }
        }
    }

    /// Goal: so do random scripts. Method: three hundred.
    #[test]
    fn scripts_hold() {
        for seed in 0..300 {
            let (script, policy) = (Script::of(seed), POLICIES[seed as usize % 3]);
            assert_eq!(play(&script, policy, seed), script.promised(), "seed {seed}: {script:?}");
        }
    }
}
