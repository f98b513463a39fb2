//! The life of one client: a lane for each server, and a bar where the client was connected, which
//! changes its colour when the session dies.

mod layout;

use maud::{Markup, PreEscaped, html};

use self::layout::{Layout, SMALL};
use super::drawing::{self, at, fitted, wrapped};
use super::outcomes::look;
use crate::results::{Lane, Outcome, Results, Step};

/// What the page is wide, and what a code host gives to a picture.
const SCREEN: f64 = 1080.0;
const PICTURE: f64 = 830.0;

/// The lane that makes the point: the first whose session dies unseen, or the first.
pub(super) fn telling(results: &Results) -> Option<&Lane> {
    results.lanes.iter().find(|lane| death(lane).is_some()).or_else(|| results.lanes.first())
}

/// The steps before and at the silent loss of a session.
fn death(lane: &Lane) -> Option<(&Step, &Step)> {
    let lost = |pair: &&[Step]| pair[1].outcome == Some(Outcome::Lost);
    lane.steps.windows(2).find(lost).map(|pair| (&pair[0], &pair[1]))
}

/// What the lane shows, in a sentence or two.
pub(super) fn headline(lane: &Lane) -> String {
    let Some((before, after)) = death(lane) else {
        return "What becomes of a session when its client comes from another address".into();
    };
    let came = if before.address == after.address {
        "The client came back"
    } else {
        "The client came from another address"
    };
    let met = if before.server == after.server {
        "met the same server"
    } else {
        "was sent to another server"
    };
    format!("{came}, {met}, and its session was gone. Nobody told it.")
}

/// What stands before the servers, and how it works.
pub(super) fn setting(results: &Results, lane: &Lane) -> String {
    match results.remedies.iter().find(|remedy| remedy.name == lane.remedy) {
        Some(remedy) => {
            format!("{} servers behind {}. {}", lane.servers, remedy.balancer, remedy.how)
        }
        None => format!("{} servers", lane.servers),
    }
}

/// The lane for a page: once for wide screens, where a server's lane has this height, and once for
/// phones. One of them is shown.
pub(super) fn lane(lane: &Lane, height: f64) -> Markup {
    html! {
        @let wide = Layout::across(lane, SCREEN, height);
        @for (class, layout) in [("across", wide), ("down", Layout::down(lane))] {
            @let (width, height) = layout.size(lane);
            svg.drawing.(class) viewBox={ "0 0 " (at(width)) " " (at(height)) } width=(at(width))
                role="img" aria-label=(told(lane)) { (layout.draw(lane)) }
        }
    }
}

/// The lane as a picture that stands by itself, in light and dark, with its headline.
pub(super) fn picture(results: &Results, lane: &Lane) -> Markup {
    const MARGIN: f64 = 20.0;
    const HEADLINE: f64 = 18.0;
    let layout = Layout::across(lane, PICTURE - 2.0 * MARGIN, 64.0);
    let lines = wrapped(&headline(lane), HEADLINE, PICTURE - 2.0 * MARGIN);
    let below = MARGIN + 24.0 * lines.len() as f64;
    let height = layout.size(lane).1 + below + 34.0 + MARGIN;
    html! {
        svg.drawing xmlns="http://www.w3.org/2000/svg" width=(at(PICTURE)) height=(at(height))
            viewBox={ "0 0 " (at(PICTURE)) " " (at(height)) } role="img" aria-label=(told(lane)) {
            style { (PreEscaped(drawing::STYLE)) }
            rect.ground width=(at(PICTURE)) height=(at(height)) rx="8" {}
            @for (line, text) in lines.iter().enumerate() {
                text.headline x=(at(MARGIN)) y=(at(MARGIN + 16.0 + 24.0 * line as f64)) { (text) }
            }
            text x=(at(MARGIN)) y=(at(below + 14.0)) {
                (fitted(&setting(results, lane), SMALL, PICTURE - 2.0 * MARGIN))
            }
            g transform={ "translate(" (at(MARGIN)) " " (at(below + 34.0)) ")" } {
                (layout.draw(lane))
            }
        }
    }
}

/// The lane in words, for those who do not see it.
fn told(lane: &Lane) -> String {
    let steps = lane.steps.iter().map(|step| {
        let server = step
            .server
            .map_or_else(|| "no server".into(), |server| format!("server {}", server + 1));
        let outcome = step.outcome.map_or("connected", |outcome| look(outcome).words);
        let Step { event, address, session, counter, .. } = step;
        format!("{event}, {address}: {server}, session {session}, counter {counter}, {outcome}")
    });
    format!("{}. {}.", lane.title, steps.collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_telling_lane_is_one_whose_session_dies() {
        let mut results = sample::results();
        results.lanes.rotate_left(1);
        let lane = telling(&results).unwrap();
        assert!(lane.steps.iter().any(|step| step.outcome == Some(Outcome::Lost)));
        assert_eq!(
            headline(lane),
            "The client came from another address, was sent to another server, and its session was \
             gone. Nobody told it."
        );

        results.lanes.retain(|lane| death(lane).is_none());
        let first = telling(&results).unwrap();
        assert_eq!(first, &results.lanes[0]);
        assert!(!headline(first).contains("gone"));
    }

    #[test]
    fn the_picture_is_a_document_of_its_own_in_both_themes() {
        let results = sample::results();
        let lane = telling(&results).unwrap();
        let text = picture(&results, lane).into_string();
        let document = roxmltree::Document::parse(&text).unwrap();
        let root = document.root_element();
        assert_eq!(root.tag_name().namespace(), Some("http://www.w3.org/2000/svg"));
        let texts: Vec<&str> = root.descendants().filter_map(|one| one.text()).collect();
        assert!(texts.join(" ").contains(&headline(lane)), "{texts:?}");
        assert!(texts.iter().any(|text| text.contains("(prefers-color-scheme: dark)")));
    }
}
