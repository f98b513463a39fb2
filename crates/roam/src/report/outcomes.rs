//! How the four outcomes look: a colour, a sign and words, so that none of them is told by colour
//! alone.

use maud::{Markup, html};

use crate::results::Outcome;

/// The bad ones first: the order in which parts of a whole are drawn and named.
pub(crate) const ALL: [Outcome; 4] =
    [Outcome::Lost, Outcome::Refused, Outcome::Recovered, Outcome::Kept];

/// How an outcome is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Its class in the style sheet, which has its colour and its pattern.
    pub(crate) class: &'static str,
    /// A sign for running text.
    pub(crate) sign: &'static str,
    /// What it means.
    pub(crate) words: &'static str,
}

/// How this one is shown.
pub(crate) fn look(outcome: Outcome) -> Look {
    match outcome {
        Outcome::Kept => Look { class: "kept", sign: "●", words: "same server, state kept" },
        Outcome::Recovered => {
            Look { class: "recovered", sign: "◆", words: "other server, state recovered" }
        }
        Outcome::Lost => Look { class: "lost", sign: "×", words: "state lost, nobody says so" },
        Outcome::Refused => Look { class: "refused", sign: "!", words: "an error that is seen" },
    }
}

/// What signs and colours mean.
pub(super) fn legend() -> Markup {
    html! {
        p.legend {
            @for (outcome, look) in ALL.into_iter().rev().map(|outcome| (outcome, look(outcome))) {
                span {
                    span.chip.(look.class) { (look.sign) }
                    b { (outcome) } " " (look.words)
                }
            }
        }
    }
}

/// A share in per cent without decimals; what is not quite nothing or everything says so.
pub(super) fn percent(part: u32, whole: u32) -> String {
    let share = 100.0 * f64::from(part) / f64::from(whole.max(1));
    match share.round() {
        0.0 if part > 0 => "<1".into(),
        100.0 if part < whole => ">99".into(),
        share => share.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_and_everything_are_meant_literally() {
        assert_eq!(percent(0, 100), "0");
        assert_eq!(percent(1, 2000), "<1");
        assert_eq!(percent(67, 100), "67");
        assert_eq!(percent(1999, 2000), ">99");
        assert_eq!(percent(2000, 2000), "100");
        assert_eq!(percent(0, 0), "0");
    }

    #[test]
    fn no_two_outcomes_look_alike() {
        for part in [|look: Look| look.class, |look: Look| look.sign, |look: Look| look.words] {
            let mut all: Vec<&str> = ALL.into_iter().map(|outcome| part(look(outcome))).collect();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), ALL.len());
        }
    }
}
