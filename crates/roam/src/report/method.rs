//! How it was measured: what counts as what, the stories, the programs, and the command to make it
//! again.

use maud::{Markup, html};

use crate::results::Results;

/// All of it.
pub(super) fn method(results: &Results) -> Markup {
    html! {
        ul {
            li {
                "Clients and servers are real: Socket.IO, " code { "ws" } " for Node and "
                code { "websockets" } " for Python. A server keeps a counter for each session in "
                "its memory and answers with its own name and that counter. The client compares "
                "both with what it had before."
            }
            li {
                "A reconnect ends in one of four ways: same server, state kept; other server, "
                "state recovered; state lost and no error; an error that the client sees. They are "
                "never added up: an error can be handled, a silent loss cannot."
            }
            li {
                "Addresses are drawn at random from the seed, since a balancer that takes a "
                "remainder of the address would otherwise look better or worse than it is."
            }
            li {
                "What a cell must show was stated before the run. Where it is a draw, it is tested "
                "with the binomial distribution, two-sided, at 1e-6; everywhere else a single "
                "reconnect that ends otherwise is a fault."
            }
            li {
                "Everything runs on one machine, over loopback. Outcomes do not depend on that; "
                "times do, and a p99 most of all on what else the machine does: compare times with "
                "each other, and measure yours where you are."
            }
            @if !results.lanes.is_empty() {
                li {
                    "The life at the head is that of the first client that the address would take "
                    "to another server; one in N stays by chance. It is not drawn to scale in time."
                }
            }
        }
        @if !results.stories.is_empty() {
            h3 { "The stories" }
            dl {
                @for story in &results.stories { dt { (story.title) } dd { (story.told) } }
            }
        }
        h3 { "Make it again" }
        pre { (results.command) }
        dl.programs {
            dt { "seed" } dd { (results.seed) }
            @for program in &results.programs { dt { (program.name) } dd { (program.version) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn command_seed_and_versions_are_there() {
        let results = sample::results();
        let text = method(&results).into_string();
        assert!(text.contains(&results.command));
        assert!(text.contains(&format!("<dd>{}</dd>", results.seed)));
        for program in &results.programs {
            assert!(text.contains(&program.name) && text.contains(&program.version));
        }
        for story in &results.stories {
            assert!(text.contains(&story.told));
        }
    }
}
