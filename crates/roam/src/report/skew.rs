//! How sessions lie on the servers when many clients share an address, or stand in a row.

use maud::{Markup, html};

use super::drawing::{at, grouped};
use super::outcomes::percent;
use crate::results::{Results, Skew};

const WIDTH: f64 = 330.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 96.0;
const ROW: f64 = 24.0;

/// So many times an even share are heavy; less may be chance.
const HEAVY: f64 = 1.25;

/// A drawing for each balancer, by story.
pub(super) fn skew(results: &Results) -> Markup {
    let mut stories: Vec<&str> = Vec::new();
    for one in &results.skew {
        if !stories.contains(&one.story.as_str()) {
            stories.push(&one.story);
        }
    }
    html! {
        @for name in stories {
            @let story = results.stories.iter().find(|story| story.name == name);
            h3 { (story.map_or(name, |story| &story.title)) }
            @if let Some(story) = story { p { (story.told) } }
            div.bars {
                @for one in results.skew.iter().filter(|one| one.story == name) { (bars(one)) }
            }
        }
        p.note {
            "The line is an even share. A server with a quarter more than that, or worse, is "
            "hatched."
        }
    }
}

fn bars(skew: &Skew) -> Markup {
    let all: u32 = skew.sessions_by_server.iter().sum();
    let servers = skew.sessions_by_server.len();
    let fair = f64::from(all) / servers.max(1) as f64;
    let most = skew.sessions_by_server.iter().copied().max().unwrap_or(0).max(1);
    let long = |sessions: f64| sessions / f64::from(most) * (WIDTH - LEFT - RIGHT);
    let height = ROW * servers as f64 + 8.0;
    html! {
        figure {
            figcaption {
                b { (skew.balancer) }
                small { (skew.title) ". Stated: " (skew.expected) "." }
                @if !skew.as_expected { b.off { "≠ not as stated" } }
            }
            svg.drawing viewBox={ "0 0 " (at(WIDTH)) " " (at(height)) } width=(at(WIDTH)) role="img"
                aria-label={ "Sessions of each server behind " (skew.balancer) } {
                @for (index, sessions) in skew.sessions_by_server.iter().enumerate() {
                    @let y = ROW * index as f64 + 4.0;
                    @let end = LEFT + long(f64::from(*sessions));
                    @let heavy = f64::from(*sessions) > HEAVY * fair;
                    text.name x="0" y=(at(y + 14.0)) { "server " (index + 1) }
                    rect.share.heavy[heavy] x=(at(LEFT)) y=(at(y + 2.0)) width=(at(end - LEFT))
                        height=(at(ROW - 6.0)) {}
                    @if heavy { (hatching(LEFT, end, y + 2.0)) }
                    text x=(at(WIDTH - RIGHT + 8.0)) y=(at(y + 14.0)) {
                        (grouped(*sessions)) " (" (percent(*sessions, all)) " %)"
                    }
                }
                @let fair = at(LEFT + long(fair));
                line.fair x1=(fair) x2=(fair) y1="0" y2=(at(height)) {}
            }
        }
    }
}

/// Lines across a bar.
fn hatching(left: f64, right: f64, top: f64) -> Markup {
    let tall = ROW - 6.0;
    let count = ((right - left - tall) / 9.0).max(0.0) as u32;
    let lines = (0..=count).map(|line| left + 9.0 * f64::from(line));
    let lines = lines.filter(|x| x + tall <= right);
    let path = lines.map(|x| format!("M{} {}L{} {}", at(x), at(top + tall), at(x + tall), at(top)));
    html! { path.hatching d=(path.collect::<String>()) {} }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn bars_are_as_long_as_their_sessions() {
        let mut skew = sample::results().skew[0].clone();
        skew.sessions_by_server = vec![300, 100, 0];
        let text = bars(&skew).into_string();
        let start = text.find("<svg").unwrap();
        let end = text.find("</svg>").unwrap() + 6;
        let document = roxmltree::Document::parse(&text[start..end]).unwrap();
        let drawn = document.descendants().filter(|one| one.has_tag_name("rect"));
        let long: Vec<f64> =
            drawn.map(|bar| bar.attribute("width").unwrap().parse().unwrap()).collect();
        assert_eq!(long[0], WIDTH - LEFT - RIGHT);
        assert!((long[0] / long[1] - 3.0).abs() < 0.01, "{long:?}");
        assert_eq!(long[2], 0.0);
        for words in ["300 (75 %)", "100 (25 %)", "0 (0 %)"] {
            assert!(text.contains(words), "{words}");
        }
        assert_eq!(text.matches("hatching").count(), 1);
        assert!(!text.contains('≠'));
        skew.as_expected = false;
        assert!(bars(&skew).into_string().contains('≠'));
    }
}
