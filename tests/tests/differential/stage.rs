//! Plays scripts through a balancer, over real connections.

use std::thread::{self, JoinHandle};

use ringbolt_script::{Ideal, Script, Side, Sight, Step};
use ringbolt_tests::{Client, End, Pattern, Peer, Server};

use crate::product::Product;

/// A session that is played.
#[derive(Debug)]
pub(crate) struct Stage {
    ends: [Option<Peer>; 2],
    sent: [usize; 2],
    received: [usize; 2],
    fin_seen: [bool; 2],
    writers: Vec<JoinHandle<()>>,
    tells_resets: bool,
}

impl Stage {
    /// What the ends see of a script.
    ///
    /// # Panics
    ///
    /// When one waits in vain for what a step must bring, or a byte is wrong.
    pub(crate) fn play(script: &Script, product: &Product, server: &Server) -> Vec<Sight> {
        let mut stage = Self::new(product, server);
        let (mut ideal, mut seen) = (Ideal::default(), Vec::new());
        for step in &script.0 {
            let to = step.to_whom();
            let promised = ideal.take(*step);
            stage.act(*step);
            if let Some((bytes, fin)) = ideal.waiting(to) {
                stage.end(to).wait_for_unread(bytes, fin);
            }
            seen.extend(promised.into_iter().map(|sight| stage.look(to, sight)));
            stage.writers.drain(..).for_each(|writer| writer.join().expect("all was taken"));
        }
        seen
    }

    fn new(product: &Product, server: &Server) -> Self {
        let mut client = Client::default().connect(product.address);
        let mut serving = server.accept();
        client.exchange(&mut serving);
        Self {
            ends: [Some(client), Some(serving)],
            sent: [0; 2],
            received: [0; 2],
            fin_seen: [false; 2],
            writers: Vec::new(),
            tells_resets: product.tells_resets,
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
                let send = move || end.send_pattern(stream_of(side), position, bytes);
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
    fn look(&mut self, side: Side, promised: Sight) -> Sight {
        let own = side as usize;
        if matches!(promised, Sight::Broken { .. }) && self.fin_seen[own] {
            // Behind an end nothing more can be read, a reset neither.
            if self.tells_resets {
                self.end(side).reset_after_fin();
            }
            return Sight::Broken { bytes: 0, reset: self.tells_resets };
        }
        let most = match promised {
            Sight::Bytes(bytes) => bytes,
            // One more would be one too many.
            Sight::Fin => 1,
            Sight::Broken { bytes, .. } => bytes + 1,
        };
        let (bytes, end) = self.end(side).receive_until(most);
        stream_of(side.other()).check(self.received[own], &bytes);
        let bytes = bytes.len();
        self.received[own] += bytes;
        match end {
            None => Sight::Bytes(bytes),
            Some(End::Fin) if promised == Sight::Fin && bytes == 0 => {
                self.fin_seen[own] = true;
                Sight::Fin
            }
            Some(end) => Sight::Broken { bytes, reset: end == End::Reset },
        }
    }
}

/// What an end sends.
fn stream_of(side: Side) -> Pattern {
    Pattern { seed: side as u64 + 1 }
}
