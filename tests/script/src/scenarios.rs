//! The scenario list: what must be seen in particular, each with a name.

use crate::Side::{Client, Server};
use crate::Step::{Finish, Reset, Resume, Send, Stall};
use crate::{Script, Side, Step};

/// Every scenario, from either end.
pub fn scenarios() -> Vec<(String, Script)> {
    let each = |(name, steps): (&str, Steps)| {
        [(Client, "client"), (Server, "server")].map(|(side, acting)| {
            (format!("{name}, the {acting} acting"), Script(steps(side, side.other())))
        })
    };
    LIST.iter().copied().flat_map(each).collect()
}

/// Who acts, and the other.
type Steps = fn(Side, Side) -> Vec<Step>;

const MEGABYTE: usize = 1 << 20;

const LIST: &[(&str, Steps)] = &[
    ("ends without a byte", |a, b| vec![Finish(a), Finish(b)]),
    ("a megabyte after the other's end", |a, b| vec![Finish(a), Send(b, MEGABYTE), Finish(b)]),
    ("a megabyte each way in turn", |a, b| {
        vec![Send(a, MEGABYTE), Send(b, MEGABYTE), Send(a, MEGABYTE), Finish(a), Finish(b)]
    }),
    ("an end behind bytes that are not read", |a, b| {
        vec![Stall(b), Send(a, 40_000), Finish(a), Resume(b), Send(b, 100), Finish(b)]
    }),
    ("both stall and end", |a, b| {
        vec![
            Stall(a),
            Stall(b),
            Send(a, 9_000),
            Send(b, 9_000),
            Finish(a),
            Finish(b),
            Resume(a),
            Resume(b),
        ]
    }),
    ("a reset out of silence", |a, _| vec![Reset(a)]),
    ("a reset after a word", |a, b| vec![Send(b, 125), Send(a, 125), Reset(a)]),
    ("a reset behind bytes that are not read", |a, b| vec![Stall(b), Send(a, 40_000), Reset(a)]),
    ("a reset behind an end that is not read", |a, b| {
        vec![Stall(b), Send(a, 40_000), Finish(a), Reset(a)]
    }),
    ("a reset behind an end", |a, _| vec![Send(a, 100), Finish(a), Reset(a)]),
    ("a reset against the other's end", |a, b| vec![Finish(b), Send(a, 16_385), Reset(a)]),
    ("a reset by who does not read", |a, b| vec![Stall(a), Send(b, 40_000), Send(a, 1), Reset(a)]),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a scenario is a whole script. Method: the last thing that is seen of each.
    #[test]
    fn scenarios_come_to_an_end() {
        for (name, script) in scenarios() {
            let mut ideal = crate::Ideal::default();
            for step in &script.0 {
                assert!(!ideal.is_over(), "{name} goes on after its end");
                ideal.take(*step);
            }
            assert!(ideal.is_over(), "{name}");
        }
    }
}
