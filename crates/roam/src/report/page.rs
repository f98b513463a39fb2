//! The page: one file with everything in it, which asks no network for anything.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{costs, drawing, lanes, law, matrix, method, skew};
use crate::results::{Lane, Results};

const STYLE: &str = include_str!("page.css");

/// All of it. What a run does not have is left out, heading and all.
pub(super) fn page(results: &Results) -> Markup {
    let telling = lanes::telling(results);
    let title = telling.map_or_else(|| "Sessions and addresses".into(), lanes::headline);
    let others =
        results.lanes.iter().filter(|lane| !telling.is_some_and(|it| std::ptr::eq(it, *lane)));
    let others: Vec<&Lane> = others.collect();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "roam: stickiness by address, when the address changes" }
                style { (PreEscaped(drawing::STYLE)) (PreEscaped(STYLE)) }
            }
            body {
                main {
                    header {
                        h1 { (title) }
                        @if let Some(lane) = telling { (opening(results, lane)) }
                        (state(results))
                    }
                    (section("The same journey under other remedies", !others.is_empty(), || html! {
                        div.lanes { @for lane in others { (other(results, lane)) } }
                    }))
                    (section("Every event under every remedy", !results.matrix.is_empty(),
                        || matrix::matrix(results)))
                    (section("Loss against the number of servers", !results.law.is_empty(),
                        || law::law(results)))
                    (section("How even the load is", !results.skew.is_empty(),
                        || skew::skew(results)))
                    (section("What it costs", !results.costs.is_empty(), || costs::costs(results)))
                    (section("How it was measured", true, || method::method(results)))
                }
            }
        }
    }
}

fn section(title: &str, there: bool, content: impl FnOnce() -> Markup) -> Markup {
    html! { @if there { section { h2 { (title) } (content()) } } }
}

/// The life of one client, and what the drawing's signs mean.
fn opening(results: &Results, lane: &Lane) -> Markup {
    html! {
        p.lead { (lanes::setting(results, lane)) }
        (lanes::lane(lane, 66.0))
        p.legend {
            span { span.chip.kept {} "its session lives" }
            span { span.chip.lost {} "it has begun anew, and does not know" }
            span { svg.drawing.key viewBox="0 0 26 8" width="26" height="8" aria-hidden="true" {
                line.left-behind.kept x1="2" y1="4" x2="25" y2="4" {}
            } "left behind in a server's memory" }
        }
    }
}

/// The same journey under another remedy.
fn other(results: &Results, lane: &Lane) -> Markup {
    html! {
        figure {
            figcaption { b { (lane.title) } small { (lanes::setting(results, lane)) } }
            (lanes::lane(lane, 48.0))
        }
    }
}

/// Whether the run is whole, and whether it found what was stated before.
fn state(results: &Results) -> Markup {
    let differences = results.differences();
    html! {
        @if !results.skipped.is_empty() {
            div.warning {
                b { "Not all of it was run." }
                ul {
                    @for one in &results.skipped {
                        li { b { (one.what) } ": " (one.why) ". To have it: " (one.mend) "." }
                    }
                }
            }
        }
        @if !differences.is_empty() {
            div.warning {
                b { "Not all of it is as stated before the run." }
                ul { @for one in differences { li { (one) } } }
            }
        }
        @let cells: u32 = results.matrix.iter().map(|cell| cell.tally.total()).sum();
        @let points: u32 = results.law.iter().map(|point| point.reconnects).sum();
        p.note {
            "Measured " (results.made) " UTC with real clients, servers and balancers: "
            @if cells + points > 0 { (drawing::grouped(cells + points)) " reconnects, " }
            "seed " (results.seed) "."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    const TITLES: [&str; 6] = [
        "The same journey under other remedies",
        "Every event under every remedy",
        "Loss against the number of servers",
        "How even the load is",
        "What it costs",
        "How it was measured",
    ];

    #[test]
    fn every_section_is_there_in_its_order() {
        let text = page(&sample::results()).into_string();
        let places = TITLES.map(|title| text.find(&format!("<h2>{title}</h2>")).expect(title));
        assert!(places.is_sorted(), "{places:?}");
        let first = text.find("<svg").unwrap();
        assert!(first < places[0] && text[..first].contains("Nobody told it."));
    }

    #[test]
    fn a_part_that_was_not_run_has_no_heading_and_is_named() {
        let mut results = sample::results();
        results.lanes.clear();
        results.law.clear();
        results.skew.clear();
        results.costs.clear();
        let text = page(&results).into_string();
        for title in TITLES {
            let there = ["Every event under every remedy", "How it was measured"].contains(&title);
            assert_eq!(text.contains(title), there, "{title}");
        }
        let skipped = &results.skipped[0];
        for words in [&skipped.what, &skipped.why, &skipped.mend] {
            assert!(text.contains(words.as_str()), "{words}");
        }
    }

    #[test]
    fn nothing_is_asked_of_a_network() {
        let text = page(&sample::results()).into_string();
        // The name of the vector graphics' namespace is no address that anybody asks.
        let text = text.replace("http://www.w3.org/2000/svg", "");
        for word in ["http:", "https:", "//", "<script", "<link", "<img", "@import", "url(", "src="]
        {
            assert!(!text.contains(word), "{word}");
        }
    }

    #[test]
    fn both_themes_have_every_colour() {
        let text = page(&sample::results()).into_string();
        let (light, dark) = text.split_once("(prefers-color-scheme: dark)").unwrap();
        let names = |text: &str| {
            let lines = text.split("--").skip(1);
            let names = lines.filter_map(|one| Some(one.split_once(": #")?.0.to_owned()));
            names.collect::<std::collections::BTreeSet<_>>()
        };
        let dark = dark.split_once("\n}\n").unwrap().0;
        assert!(names(light).len() > 10);
        assert_eq!(names(light), names(dark));
        assert!(text.contains("color-scheme: light dark"));
    }

    #[test]
    fn drawings_are_well_formed() {
        let text = page(&sample::results()).into_string();
        let drawings: Vec<&str> = text.split("<svg").skip(1).collect();
        assert!(drawings.len() > 10);
        for drawing in drawings {
            let end = drawing.find("</svg>").unwrap();
            roxmltree::Document::parse(&format!("<svg{}</svg>", &drawing[..end])).unwrap();
        }
    }

    #[test]
    fn text_of_a_run_is_text_on_the_page() {
        let evil = "<script>alert('&\"')</script>";
        let mut results = sample::results();
        results.command = evil.into();
        results.stories.iter_mut().for_each(|story| story.title = evil.into());
        results.remedies.iter_mut().for_each(|remedy| remedy.title = evil.into());
        results.lanes.iter_mut().for_each(|lane| lane.title = evil.into());
        results.lanes.iter_mut().for_each(|lane| lane.steps[0].address = evil.into());
        results.matrix.iter_mut().for_each(|cell| cell.client = evil.into());
        results.law.iter_mut().for_each(|point| point.balancer = evil.into());
        results.skew.iter_mut().for_each(|skew| skew.title = evil.into());
        results.programs[0].version = evil.into();
        let text = page(&results).into_string();
        assert!(!text.contains("<script") && text.contains("&lt;script&gt;"));
        let lane = lanes::picture(&results, &results.lanes[0]).into_string();
        assert!(!lane.contains("<script"));
        roxmltree::Document::parse(&lane).unwrap();
    }

    #[test]
    fn a_cell_that_is_not_as_stated_is_told_at_the_head() {
        let mut results = sample::results();
        let words = "Not all of it is as stated";
        assert!(!page(&results).into_string().contains(words));
        results.matrix[0].as_expected = false;
        let text = page(&results).into_string();
        assert!(text.find(words).unwrap() < text.find("<h2>").unwrap());
    }
}
