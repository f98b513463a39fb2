//! Scripts of a session: what both ends do, one step after the other, and what the other end must see
//! of each. The same scripts are played against the simulated kernel and against the built binary, so
//! that what holds in one is known to hold in the other.
//!
//! Not here: how a script is played, and anything of the product.

#![forbid(unsafe_code)]

mod dice;
mod ideal;
mod scenarios;

pub use dice::Dice;
pub use ideal::Ideal;
pub use scenarios::scenarios;

/// Steps before both ends are brought to their end, at most.
const STEPS: usize = 12;

/// One end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who connects.
    Client,
    /// Who is connected to.
    Server,
}

impl Side {
    /// Both, each at its own index.
    pub const BOTH: [Self; 2] = [Self::Client, Self::Server];

    /// The one at the other end.
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Something that an end does. The next step comes when the other end has seen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
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

impl Step {
    /// Who sees something of it.
    pub fn to_whom(self) -> Side {
        match self {
            Self::Send(side, _) | Self::Finish(side) | Self::Reset(side) => side.other(),
            Self::Stall(side) | Self::Resume(side) => side,
        }
    }
}

/// What an end sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// So many bytes, in their order.
    Bytes(usize),
    /// The end of the other's direction.
    Fin,
    /// The connection is broken.
    Broken {
        /// Bytes that came before.
        bytes: usize,
        /// Whether by a reset; otherwise it looks as if the other had ended.
        reset: bool,
    },
}

/// What is done in a session until both directions have ended or the connection is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script(pub Vec<Step>);

impl Script {
    /// The script of a seed.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let (mut ideal, mut steps) = (Ideal::default(), Vec::new());
        let mut length = 1 + dice.throw(STEPS);
        while !ideal.is_over() {
            let any = length > 0;
            let step = if any { ideal.any(&mut dice) } else { ideal.towards_the_end(&mut dice) };
            length = length.saturating_sub(1);
            ideal.take(step);
            steps.push(step);
        }
        Self(steps)
    }

    /// What the ends must see: every byte, then what ended it.
    pub fn promised(&self) -> Vec<Sight> {
        let mut ideal = Ideal::default();
        self.0.iter().flat_map(|step| ideal.take(*step)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a seed makes its script again, another one another; each comes to its end, with every kind
    /// of step among them. Method: a thousand seeds.
    #[test]
    fn seeds_make_scripts() {
        let scripts: Vec<Script> = (0..1_000).map(Script::of).collect();
        assert_eq!(scripts[7], Script::of(7));
        assert_ne!(scripts[7], scripts[8]);
        let has = |kind: fn(&Step) -> bool| scripts.iter().any(|script| script.0.iter().any(kind));
        assert!(has(|step| matches!(step, Step::Send(..))));
        assert!(has(|step| matches!(step, Step::Finish(_))));
        assert!(has(|step| matches!(step, Step::Reset(_))));
        assert!(has(|step| matches!(step, Step::Resume(_))));
        for script in &scripts {
            let last = script.promised().into_iter().next_back();
            assert!(
                matches!(last, Some(Sight::Fin | Sight::Broken { reset: true, .. })),
                "{script:?}"
            );
        }
    }

    /// Goal: every byte that is sent is promised to be seen. Method: sums over a thousand seeds.
    #[test]
    fn every_byte_is_promised() {
        for script in (0..1_000).map(Script::of) {
            let sent = script.0.iter().map(|step| match step {
                Step::Send(_, bytes) => *bytes,
                Step::Finish(_) | Step::Reset(_) | Step::Stall(_) | Step::Resume(_) => 0,
            });
            let seen = script.promised().into_iter().map(|sight| match sight {
                Sight::Bytes(bytes) | Sight::Broken { bytes, .. } => bytes,
                Sight::Fin => 0,
            });
            // Who breaks a connection does not read what waited for it.
            let (sent, seen): (usize, usize) = (sent.sum(), seen.sum());
            let broken = matches!(script.0.last(), Some(Step::Reset(_)));
            assert!(seen == sent || (broken && seen <= sent), "{script:?}");
        }
    }
}
