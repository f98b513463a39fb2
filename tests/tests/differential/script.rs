//! A script: what both ends of a session do, one step after the other, and what the other end sees
//! of each.

use std::mem;
use std::thread::{self, JoinHandle};

use ringbolt_tests::{Client, End, Pattern, Peer, Server};

use crate::dice::Dice;
use crate::product::Product;

/// Steps before both ends are brought to their end.
const STEPS: usize = 12;
/// Bytes that are sent to an end that does not read: no queue on the way is full with them, so no
/// sender waits for ever.
const HELD: usize = 48 * 1024;
/// What is sent at once to an end that reads.
const SIZES: [usize; 8] = [1, 2, 125, 1_448, 16_384, 16_385, 200_000, 1_500_000];

/// One end of a session, as an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

use Side::{Client as AtClient, Server as AtServer};

impl Side {
    const BOTH: [Self; 2] = [AtClient, AtServer];

    fn other(self) -> Self {
        match self {
            AtClient => AtServer,
            AtServer => AtClient,
        }
    }

    /// What it sends.
    fn pattern(self) -> Pattern {
        Pattern { seed: self as u64 + 1 }
    }
}

/// Something that an end does.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// It sends so many bytes.
    Send(Side, usize),
    /// It sends its end, and goes on receiving.
    Finish(Side),
    /// It breaks the connection. The last step.
    Reset(Side),
    /// It stops to read.
    Stall(Side),
    /// It reads again: first what came meanwhile.
    Resume(Side),
}

/// What an end sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// So many bytes, in their order.
    Bytes(usize),
    /// The end of the other's direction.
    Fin,
    /// The connection is broken, after the last so many bytes that came: by a reset, or as if the other
    /// had ended.
    Broken { bytes: usize, reset: bool },
}

impl Sight {
    /// Whether a rival may show this where ringbolt shows `self`. Intended to differ: a broken connection
    /// may look like an ended one at theirs, and what they had received need not arrive.
    pub(crate) fn is_alike(&self, theirs: &Self) -> bool {
        if let (Self::Broken { bytes, .. }, Self::Broken { bytes: of_them, .. }) = (self, theirs) {
            return of_them <= bytes;
        }
        self == theirs
    }
}

/// What is done in a session.
#[derive(Debug)]
pub(crate) struct Script(Vec<Step>);

impl Script {
    /// The script of a seed: both directions end, or the connection breaks.
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let (mut state, mut steps) = (State::default(), Vec::new());
        let mut length = 1 + dice.throw(STEPS);
        while !state.is_over() {
            let step =
                if length > 0 { state.any(&mut dice) } else { state.towards_the_end(&mut dice) };
            length = length.saturating_sub(1);
            state.take(step);
            steps.push(step);
        }
        Self(steps)
    }

    /// What ringbolt promises that the ends see: every byte, then what ended it.
    pub(crate) fn promised(&self) -> Vec<Sight> {
        let mut state = State::default();
        self.0.iter().flat_map(|step| state.take(*step)).collect()
    }

    /// Plays it.
    ///
    /// # Panics
    ///
    /// When an end waits in vain for what a step must bring, or a byte is wrong.
    pub(crate) fn play(&self, product: &Product, server: &Server) -> Vec<Sight> {
        let mut client = Client::default().connect(product.address);
        let mut serving = server.accept();
        client.exchange(&mut serving);
        let mut stage = Stage::new(client, serving);
        let (mut state, mut seen) = (State::default(), Vec::new());
        for step in &self.0 {
            let to = to_whom(*step);
            let promised = state.take(*step);
            stage.act(*step);
            if state.stalled[to as usize] {
                let (bytes, fin) = state.waiting(to);
                stage.end(to).wait_for_unread(bytes, fin);
            }
            for sight in promised {
                seen.push(stage.look(to, sight, product.tells_resets));
            }
            stage.writers.drain(..).for_each(|writer| writer.join().expect("all was taken"));
        }
        seen
    }
}

/// Who sees something of it.
fn to_whom(step: Step) -> Side {
    match step {
        Step::Send(side, _) | Step::Finish(side) | Step::Reset(side) => side.other(),
        Step::Stall(side) | Step::Resume(side) => side,
    }
}

/// How far a script has come, as an ideal balancer would have it.
#[derive(Debug, Default)]
struct State {
    /// Which ends have ended their direction, which do not read, and what waits for them then.
    finished: [bool; 2],
    stalled: [bool; 2],
    held: [usize; 2],
    /// Whether the end of the other's direction was seen.
    fin_seen: [bool; 2],
    broken: bool,
}

impl State {
    fn is_over(&self) -> bool {
        self.broken || (self.fin_seen == [true; 2])
    }

    /// Takes a step and tells what is seen of it, by whom [`to_whom`] names.
    fn take(&mut self, step: Step) -> Vec<Sight> {
        let to = to_whom(step) as usize;
        match step {
            Step::Send(_, bytes) => {
                self.held[to] += bytes;
                self.reading(to)
            }
            Step::Finish(from) => {
                self.finished[from as usize] = true;
                self.reading(to)
            }
            Step::Stall(_) => {
                self.stalled[to] = true;
                Vec::new()
            }
            Step::Resume(_) => {
                self.stalled[to] = false;
                self.reading(to)
            }
            Step::Reset(from) => {
                self.broken = true;
                self.stalled[to] = false;
                let mut seen = Vec::new();
                if self.finished[from as usize] {
                    seen = self.reading(to);
                }
                let bytes = mem::take(&mut self.held[to]);
                seen.push(Sight::Broken { bytes, reset: true });
                seen
            }
        }
    }

    /// What waits for an end that does not read: bytes, and whether an end is behind them.
    fn waiting(&self, to: Side) -> (usize, bool) {
        (self.held[to as usize], self.finished[to.other() as usize])
    }

    /// What an end sees that reads.
    fn reading(&mut self, to: usize) -> Vec<Sight> {
        if self.stalled[to] {
            return Vec::new();
        }
        let bytes = mem::take(&mut self.held[to]);
        let fin = self.finished[1 - to] && !self.fin_seen[to];
        self.fin_seen[to] |= fin;
        let seen = [(bytes > 0).then_some(Sight::Bytes(bytes)), fin.then_some(Sight::Fin)];
        seen.into_iter().flatten().collect()
    }

    /// Any step that can be taken now.
    fn any(&self, dice: &mut Dice) -> Step {
        loop {
            let side = dice.pick(&Side::BOTH);
            let (own, other) = (side as usize, side.other() as usize);
            match dice.throw(16) {
                0..9 if !self.finished[own] => {
                    let bytes = dice.pick(&SIZES);
                    if !self.stalled[other] {
                        return Step::Send(side, bytes);
                    }
                    let bytes = bytes.min(HELD - self.held[other]);
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
    fn towards_the_end(&self, dice: &mut Dice) -> Step {
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

/// A session that is played.
#[derive(Debug)]
struct Stage {
    ends: [Option<Peer>; 2],
    sent: [usize; 2],
    received: [usize; 2],
    fin_seen: [bool; 2],
    writers: Vec<JoinHandle<()>>,
}

impl Stage {
    fn new(client: Peer, server: Peer) -> Self {
        Self {
            ends: [Some(client), Some(server)],
            sent: [0; 2],
            received: [0; 2],
            fin_seen: [false; 2],
            writers: Vec::new(),
        }
    }

    fn end(&mut self, side: Side) -> &mut Peer {
        self.ends[side as usize].as_mut().expect("it was not reset")
    }

    /// Does what a step says.
    fn act(&mut self, step: Step) {
        match step {
            Step::Send(side, bytes) => {
                let position = self.sent[side as usize];
                self.sent[side as usize] += bytes;
                // More than the queues on the way hold is taken only while the other end reads.
                let mut end = self.end(side).other();
                let send = move || end.send_pattern(side.pattern(), position, bytes);
                self.writers.push(thread::spawn(send));
            }
            Step::Finish(side) => self.end(side).finish(),
            Step::Reset(side) => {
                let end = self.ends[side as usize].take().expect("only once");
                end.wait_until_sent();
                end.reset();
            }
            Step::Stall(_) | Step::Resume(_) => {}
        }
    }

    /// What an end sees where `promised` is to be seen.
    fn look(&mut self, side: Side, promised: Sight, tells_resets: bool) -> Sight {
        if let Sight::Broken { bytes: 0, .. } = promised
            && self.fin_seen[side as usize]
        {
            // Behind an end nothing more can be read, a reset neither.
            if tells_resets {
                self.end(side).reset_after_fin();
            }
            return Sight::Broken { bytes: 0, reset: tells_resets };
        }
        let most = match promised {
            Sight::Bytes(bytes) => bytes,
            // One more would be one too many.
            Sight::Fin => 1,
            Sight::Broken { bytes, .. } => bytes + 1,
        };
        let (bytes, end) = self.end(side).receive_until(most);
        side.other().pattern().check(self.received[side as usize], &bytes);
        self.received[side as usize] += bytes.len();
        let bytes = bytes.len();
        match end {
            None => Sight::Bytes(bytes),
            Some(End::Fin) if promised == Sight::Fin && bytes == 0 => {
                self.fin_seen[side as usize] = true;
                Sight::Fin
            }
            Some(end) => Sight::Broken { bytes, reset: end == End::Reset },
        }
    }
}
