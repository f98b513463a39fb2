//! Where everything in the life of a client lies.
//!
//! Time runs to the right where there is room, and down on a phone: `along` is the way that time
//! goes, `across` the way from server to server. Steps are equally long, whatever they took.

use maud::{Markup, html};

use crate::report::drawing::{at, fitted};
use crate::report::outcomes::look;
use crate::results::{Lane, Outcome, Step};

/// What a phone of 390 pixels has between its margins.
const PHONE: f64 = 358.0;

/// The height of letters, and of a line of them.
pub(super) const SMALL: f64 = 11.5;
const EVENT: f64 = 14.0;
const LINE: f64 = 15.5;

/// How it is laid out, in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Whether time runs down.
    upright: bool,
    /// Across, before the lanes: what happened, and the address.
    head: f64,
    /// Along, before the steps: the names of the servers.
    names: f64,
    /// Along, a step; and what of it is left free between two bars.
    step: f64,
    gap: f64,
    /// Across, a lane.
    lane: f64,
}

impl Layout {
    /// Time runs to the right, on so many pixels at most.
    pub(super) fn across(lane: &Lane, width: f64, height: f64) -> Self {
        let names = 76.0;
        let step = ((width - names) / lane.steps.len().max(1) as f64).min(330.0);
        Self { upright: false, head: 50.0, names, step, gap: 44.0, lane: height }
    }

    /// Time runs down, on the width of a phone.
    pub(super) fn down(lane: &Lane) -> Self {
        let head = 110.0;
        let lane = ((PHONE - head) / f64::from(rows(lane).max(1))).min(86.0);
        Self { upright: true, head, names: 26.0, step: 118.0, gap: 30.0, lane }
    }

    /// Width and height.
    pub(super) fn size(self, lane: &Lane) -> (f64, f64) {
        self.point(
            self.names + self.step * lane.steps.len() as f64,
            self.head + self.lane * f64::from(rows(lane)),
        )
    }

    /// x and y.
    fn point(self, along: f64, across: f64) -> (f64, f64) {
        if self.upright { (across, along) } else { (along, across) }
    }

    /// Where a step's bar begins and ends, along.
    fn bar(self, step: usize) -> (f64, f64) {
        let start = self.names + self.step * step as f64;
        (start + self.gap / 2.0, start + self.step - self.gap / 2.0)
    }

    /// The middle of the lane that a step is in, across.
    fn middle(self, lane: &Lane, step: &Step) -> f64 {
        self.head + self.lane * (f64::from(step.server.unwrap_or(lane.servers)) + 0.5)
    }

    pub(super) fn draw(self, lane: &Lane) -> Markup {
        html! {
            @for row in 0..rows(lane) { (self.row(lane, row)) }
            @for step in 1..lane.steps.len() { (self.left_behind(lane, step)) }
            @for step in 1..lane.steps.len() { (self.way(lane, step)) }
            @for step in 0..lane.steps.len() { (self.step(lane, step)) (self.head(lane, step)) }
        }
    }

    /// The ground of a lane, with the server's name.
    fn row(self, lane: &Lane, row: u16) -> Markup {
        let start = self.head + self.lane * f64::from(row) + 2.0;
        let end = self.names + self.step * lane.steps.len() as f64;
        let name =
            if row < lane.servers { format!("server {}", row + 1) } else { "no server".to_owned() };
        let (x, y) = if self.upright {
            (start + self.lane / 2.0 - 2.0, self.names - 10.0)
        } else {
            (0.0, start + self.lane / 2.0 + 2.0)
        };
        let from = if self.upright { self.names - 4.0 } else { self.names };
        html! {
            (self.rect("row", (from, start), (end, start + self.lane - 4.0)))
            text.name.middle[self.upright] x=(at(x)) y=(at(y)) { (name) }
        }
    }

    /// What stays in the memory of a server whose session the client did not meet again, up to
    /// where the client comes back to it.
    fn left_behind(self, lane: &Lane, step: usize) -> Markup {
        let (before, after) = (&lane.steps[step - 1], &lane.steps[step]);
        if before.server.is_none()
            || before.server == after.server
            || before.session == after.session
        {
            return html! {};
        }
        let until = lane.steps[step..].iter().position(|later| later.server == before.server);
        let until = until.map_or(lane.steps.len(), |later| step + later);
        let (from, to) = (self.bar(step - 1).1, self.bar(until - 1).1 + 4.0);
        let middle = self.middle(lane, before);
        let ((x1, y1), (x2, y2)) = (self.point(from, middle), self.point(to, middle));
        let text = format!("session {} waits here", before.session);
        // On the side of the line that the client does not leave to.
        let beside = if after.server < before.server { 15.0 } else { -7.0 };
        html! {
            line.left-behind.(colour(before)) x1=(at(x1)) y1=(at(y1)) x2=(at(x2)) y2=(at(y2)) {}
            @if !self.upright && to - from > 150.0 {
                text.quiet x=(at(x1 + 14.0)) y=(at(y1 + beside)) { (text) }
            }
        }
    }

    /// The way from one bar to the next.
    fn way(self, lane: &Lane, step: usize) -> Markup {
        let (before, after) = (&lane.steps[step - 1], &lane.steps[step]);
        let (from, to) = (self.bar(step - 1).1, self.bar(step).0);
        let (start, end) = (self.middle(lane, before), self.middle(lane, after));
        let half = f64::midpoint(from, to);
        let points = [(from, start), (half, start), (half, end), (to, end)];
        let [a, b, c, d] = points.map(|(along, across)| {
            let (x, y) = self.point(along, across);
            format!("{} {}", at(x), at(y))
        });
        let broken = before.session != after.session || after.server.is_none();
        html! { path.way.broken[broken] d={ "M" (a) "C" (b) " " (c) " " (d) } {} }
    }

    /// The bar of a step, what is in it, and the outcome's sign at its beginning.
    fn step(self, lane: &Lane, index: usize) -> Markup {
        let step = &lane.steps[index];
        let (start, end) = self.bar(index);
        let middle = self.middle(lane, step);
        let half = self.lane / 2.0 - 5.0;
        let (x, y) = self.point(f64::midpoint(start, end), middle);
        let room = if self.upright { 2.0 * half } else { end - start - 26.0 };
        let lines = self.lines(step);
        // A badge at the top of the bar pushes the text down.
        let below = if self.upright && step.outcome.is_some() { 9.0 } else { 4.0 };
        let first = y - LINE / 2.0 * (lines.len() as f64 - 1.0) + below;
        let class = format!("bar {}", colour(step));
        html! {
            g {
                title { (step.at_ms) " ms after the first connect" }
                (self.rect(&class, (start, middle - half), (end, middle + half)))
                @for (line, text) in lines.iter().enumerate() {
                    text.on.middle.strong[line == 0] x=(at(x)) y=(at(first + LINE * line as f64)) {
                        (fitted(text, SMALL, room))
                    }
                }
                @if let Some(outcome) = step.outcome { (badge(self.point(start, middle), outcome)) }
            }
        }
    }

    /// What is said in a bar.
    fn lines(self, step: &Step) -> Vec<String> {
        let (session, counter) =
            (format!("session {}", step.session), format!("counter {}", step.counter));
        let outcome = match step.outcome {
            None if self.upright => vec!["begins"],
            None => vec!["its session begins"],
            Some(Outcome::Kept) if self.upright => vec!["kept"],
            Some(Outcome::Kept) => vec!["state kept"],
            Some(Outcome::Recovered) if self.upright => vec!["recovered"],
            Some(Outcome::Recovered) => vec!["state recovered"],
            Some(Outcome::Lost) if self.upright => vec!["lost,", "no error"],
            Some(Outcome::Lost) => vec!["state lost, no error"],
            Some(Outcome::Refused) => vec!["error"],
        };
        let outcome = outcome.into_iter().map(str::to_owned);
        match step.outcome {
            Some(Outcome::Refused) => outcome.collect(),
            None | Some(Outcome::Kept | Outcome::Recovered | Outcome::Lost) if self.upright => {
                outcome.chain([session, counter]).collect()
            }
            None | Some(Outcome::Kept | Outcome::Recovered | Outcome::Lost) => {
                outcome.chain([format!("{session}, {counter}")]).collect()
            }
        }
    }

    /// What happened to the client, and the address that it came from; one that changed stands out.
    fn head(self, lane: &Lane, index: usize) -> Markup {
        let step = &lane.steps[index];
        let changed = index > 0 && lane.steps[index - 1].address != step.address;
        let (start, end) = self.bar(index);
        let (x, y) =
            if self.upright { (0.0, f64::midpoint(start, end) - 4.0) } else { (start, 17.0) };
        let room = if self.upright { self.head - 4.0 } else { self.step - 8.0 };
        html! {
            text.event x=(at(x)) y=(at(y)) { (fitted(&step.event, EVENT, room)) }
            text.address.changed[changed] x=(at(x)) y=(at(y + 17.0)) {
                title { (step.address) }
                (fitted(&step.address, SMALL, room))
            }
        }
    }

    /// A rectangle between two corners, each along and across.
    fn rect(self, class: &str, from: (f64, f64), to: (f64, f64)) -> Markup {
        let ((x, y), (right, bottom)) = (self.point(from.0, from.1), self.point(to.0, to.1));
        html! {
            rect class=(class) x=(at(x)) y=(at(y)) width=(at(right - x)) height=(at(bottom - y))
                rx="7" {}
        }
    }
}

/// A lane for each server, and one for no server if that was met.
fn rows(lane: &Lane) -> u16 {
    lane.servers + u16::from(lane.steps.iter().any(|step| step.server.is_none()))
}

/// A session that began anew has another colour than the first, and an error its own.
fn colour(step: &Step) -> &'static str {
    match (step.server, step.session) {
        (None, _) => "refused",
        (Some(_), 1) => "kept",
        (Some(_), _) => "lost",
    }
}

/// The sign of an outcome in a disc of its colour.
fn badge((x, y): (f64, f64), outcome: Outcome) -> Markup {
    let sign = match outcome {
        Outcome::Kept => html! { circle r="4" {} },
        Outcome::Recovered => html! { path d="M0 -6L6 0L0 6L-6 0Z" {} },
        Outcome::Lost => html! { path.stroke d="M-4.5 -4.5L4.5 4.5M4.5 -4.5L-4.5 4.5" {} },
        Outcome::Refused => html! { path.stroke d="M0 -6.5V1.5M0 5.6V6.2" {} },
    };
    html! {
        g.badge.(look(outcome).class) transform={ "translate(" (at(x)) " " (at(y)) ")" } {
            circle.disc r="12" {}
            (sign)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{lanes, sample};

    #[test]
    fn the_colour_changes_where_the_session_dies() {
        let results = sample::results();
        let lane = lanes::telling(&results).unwrap();
        for layout in [Layout::across(lane, 1080.0, 64.0), Layout::down(lane)] {
            let text = format!("<svg>{}</svg>", layout.draw(lane).into_string());
            let document = roxmltree::Document::parse(&text).unwrap();
            let bars = document.descendants().filter_map(|one| one.attribute("class"));
            let bars: Vec<&str> = bars.filter(|class| class.starts_with("bar ")).collect();
            let wanted = lane.steps.iter().map(|step| format!("bar {}", colour(step)));
            assert_eq!(bars, wanted.collect::<Vec<_>>());
            assert!(bars.contains(&"bar kept") && bars.contains(&"bar lost"), "{bars:?}");
        }
    }

    #[test]
    fn nothing_is_drawn_outside_of_the_drawing() {
        let results = sample::results();
        for lane in &results.lanes {
            for layout in [Layout::across(lane, 1080.0, 64.0), Layout::down(lane)] {
                let (width, height) = layout.size(lane);
                assert!(!layout.upright || width <= PHONE, "{width}");
                let text = format!("<svg>{}</svg>", layout.draw(lane).into_string());
                let document = roxmltree::Document::parse(&text).unwrap();
                for one in document.descendants().filter(roxmltree::Node::is_element) {
                    let number =
                        |name| one.attribute(name).map_or(0.0, |it| it.parse().unwrap_or(0.0));
                    let (right, bottom) =
                        (number("x") + number("width"), number("y") + number("height"));
                    assert!(right <= width + 0.1 && bottom <= height + 0.1, "{one:?}");
                }
            }
        }
    }
}
