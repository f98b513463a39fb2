//! The law: the share of sessions that are lost against the number of servers, measured points on
//! the curve (N-1)/N.

use maud::{Markup, html};

use super::drawing::{at, grouped};
use crate::results::{Point, Results};

const LEFT: f64 = 46.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 44.0;
const HEIGHT: f64 = 300.0;
/// From mark to mark.
const BESIDE: f64 = 13.0;
/// What a phone of 390 pixels has between its margins, and what a wide screen gives to the plot.
const WIDTHS: [(&str, f64); 2] = [("across", 620.0), ("down", 358.0)];

/// Curve, points and figures.
pub(super) fn law(results: &Results) -> Markup {
    let balancers = balancers(results);
    html! {
        p {
            "A client whose key has changed is a fresh draw among the servers. It meets another "
            "one than before with the probability (N-1)/N, whoever computes the mapping: more "
            "servers, more loss."
        }
        div.law {
            figure {
                @for (class, width) in WIDTHS { (plot(results, &balancers, class, width)) }
                figcaption.legend {
                    span { (key(html! { line.curve x1="0" y1="8" x2="22" y2="8" {} })) "(N-1)/N" }
                    @for (index, balancer) in balancers.iter().enumerate() {
                        span { (key(mark(index, (11.0, 8.0)))) (balancer) }
                    }
                }
            }
            (figures(results, &balancers))
        }
    }
}

/// The balancers in the order in which they appear; the place of one is its mark.
fn balancers(results: &Results) -> Vec<&str> {
    let mut balancers: Vec<&str> = Vec::new();
    for point in &results.law {
        if !balancers.contains(&point.balancer.as_str()) {
            balancers.push(&point.balancer);
        }
    }
    balancers
}

fn plot(results: &Results, balancers: &[&str], class: &str, width: f64) -> Markup {
    let most = results.law.iter().map(|point| point.servers).max().unwrap_or(2).max(2);
    let mut ticks: Vec<u16> = results.law.iter().map(|point| point.servers).collect();
    ticks.sort_unstable();
    ticks.dedup();
    let (right, floor) = (width - RIGHT, HEIGHT - BOTTOM);
    // From one server, where nothing can be lost, to a little beyond the last.
    let x = |servers: f64| LEFT + (servers - 1.0) / (f64::from(most) - 0.6) * (right - LEFT);
    let y = |share: f64| floor - share * (floor - TOP);
    let place = |servers: f64| format!("{} {}", at(x(servers)), at(y((servers - 1.0) / servers)));
    let steps = (0..=20 * u32::from(most - 1)).map(|step| 1.0 + f64::from(step) / 20.0);
    let curve: Vec<String> = steps.map(place).collect();
    html! {
        svg.drawing.(class) viewBox={ "0 0 " (at(width)) " " (at(HEIGHT)) } width=(at(width))
            role="img" aria-label="Lost sessions against servers; the figures are in the table" {
            @for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
                line.grid x1=(at(LEFT)) x2=(at(right)) y1=(at(y(share))) y2=(at(y(share))) {}
                text.end x=(at(LEFT - 6.0)) y=(at(y(share) + 4.0)) { (100.0 * share) " %" }
            }
            @for servers in &ticks {
                @let x = at(x(f64::from(*servers)));
                line.grid x1=(x) x2=(x) y1=(at(TOP)) y2=(at(floor)) {}
                text.middle x=(x) y=(at(floor + 17.0)) { (servers) }
            }
            text.middle x=(at(f64::midpoint(LEFT, right))) y=(at(HEIGHT - 8.0)) { "servers (N)" }
            polyline.curve points=(curve.join(" ")) {}
            // Side by side, or marks would hide each other: on a line as high as the curve.
            @for servers in &ticks {
                @let (x, y) = (x(f64::from(*servers)), y(1.0 - 1.0 / f64::from(*servers)));
                @let half = BESIDE * balancers.len() as f64 / 2.0 + 4.0;
                line.level x1=(at(x - half)) x2=(at(x + half)) y1=(at(y)) y2=(at(y)) {}
            }
            @for point in &results.law {
                @let index = balancers.iter().position(|one| *one == point.balancer).unwrap_or(0);
                @let beside = BESIDE * (index as f64 - (balancers.len() as f64 - 1.0) / 2.0);
                @let place = (x(f64::from(point.servers)) + beside, y(share(point)));
                g.point.off[!point.as_expected()] { title { (told(point)) } (mark(index, place)) }
            }
        }
    }
}

fn share(point: &Point) -> f64 {
    f64::from(point.lost) / f64::from(point.reconnects.max(1))
}

fn told(point: &Point) -> String {
    let Point { balancer, servers, lost, reconnects, .. } = point;
    format!("{balancer}, {servers} servers: {lost} of {reconnects} lost")
}

/// The mark of the balancer with this place: a shape and a colour.
fn mark(index: usize, (x, y): (f64, f64)) -> Markup {
    let colour = ["one", "two", "three", "four"][index % 4];
    let shape = match index % 4 {
        0 => html! { circle r="5" {} },
        1 => html! { rect x="-4.5" y="-4.5" width="9" height="9" {} },
        2 => html! { path d="M0 -6.5L6.5 0L0 6.5L-6.5 0Z" {} },
        _ => html! { path d="M0 -6L6 5H-6Z" {} },
    };
    html! { g.mark.(colour) transform={ "translate(" (at(x)) " " (at(y)) ")" } { (shape) } }
}

/// A drawing beside a name in the legend.
fn key(content: Markup) -> Markup {
    html! {
        svg.drawing.key viewBox="0 0 22 16" width="22" height="16" aria-hidden="true" { (content) }
    }
}

fn figures(results: &Results, balancers: &[&str]) -> Markup {
    html! {
        table.figures {
            thead {
                tr {
                    @for head in ["N", "lost", "measured", "(N-1)/N", "p"] {
                        th scope="col" { (head) }
                    }
                }
            }
            @for balancer in balancers {
                tbody {
                    tr { th colspan="5" scope="rowgroup" { (balancer) } }
                    @for point in results.law.iter().filter(|point| point.balancer == *balancer) {
                        (row(point))
                    }
                }
            }
        }
    }
}

fn row(point: &Point) -> Markup {
    html! {
        tr.off[!point.as_expected()] {
            td { (point.servers) }
            td { (grouped(point.lost)) " of " (grouped(point.reconnects)) }
            td { (format!("{:.1} %", 100.0 * share(point))) }
            td { (format!("{:.1} %", 100.0 * point.expected)) }
            td {
                (format!("{:.2}", point.p_value))
                @if !point.as_expected() { b { " ≠ off" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn every_point_is_drawn_and_listed_with_what_was_counted() {
        let results = sample::results();
        let text = law(&results).into_string();
        for point in &results.law {
            assert_eq!(text.matches(&told(point)).count(), 2, "{}", told(point));
            let row = format!("<td>{} of {}</td>", grouped(point.lost), grouped(point.reconnects));
            assert!(text.contains(&row), "{row}");
        }
    }

    #[test]
    fn a_point_on_the_curve_is_drawn_on_it() {
        let mut results = sample::results();
        results.law.truncate(1);
        results.law[0].servers = 5;
        results.law[0].lost = 1_600;
        results.law[0].reconnects = 2_000;
        let text = plot(&results, &balancers(&results), "across", 620.0).into_string();
        let document = roxmltree::Document::parse(&text).unwrap();
        let find = |tag, class: &str| {
            let mut all = document.descendants().filter(|one| one.has_tag_name(tag));
            all.find(|one| one.attribute("class").is_some_and(|it| it.starts_with(class))).unwrap()
        };
        let mark = find("g", "mark").attribute("transform").unwrap().to_owned();
        let place = mark.trim_start_matches("translate(").trim_end_matches(')').to_owned();
        let curve = find("polyline", "curve").attribute("points").unwrap();
        assert!(curve.ends_with(&place), "{place} is not the end of {curve}");
    }

    #[test]
    fn a_point_off_the_curve_is_marked() {
        let mut results = sample::results();
        assert!(!law(&results).into_string().contains("≠"));
        results.law[0].p_value = 1e-9;
        assert!(law(&results).into_string().contains("≠ off"));
    }
}
