//! What each remedy costs, and who has something to do before it works.

use maud::{Markup, html};

use crate::results::{Cost, Remedy, Results};

const HEAD: [&str; 7] = [
    "remedy",
    "how",
    "who must change",
    "message and answer, median",
    "the same, of 99 in 100",
    "back after a reconnect, median",
    "fullest server, office behind one address",
];

/// A row for each remedy; what was not measured is left out, not guessed.
pub(super) fn costs(results: &Results) -> Markup {
    html! {
        table.costs {
            thead { tr { @for head in HEAD { th scope="col" { (head) } } } }
            @for remedy in &results.remedies {
                (row(remedy, results.costs.iter().find(|cost| cost.remedy == remedy.name)))
            }
        }
    }
}

fn row(remedy: &Remedy, cost: Option<&Cost>) -> Markup {
    let measured = |show: fn(&Cost) -> String| cost.map_or_else(|| "–".into(), show);
    let cells = [
        measured(|cost| time(cost.round_trip_p50_us)),
        measured(|cost| time(cost.round_trip_p99_us)),
        measured(|cost| time(cost.reconnect_p50_us)),
        measured(|cost| format!("{:.0} %", 100.0 * cost.largest_share)),
    ];
    html! {
        tr {
            th scope="row" { (remedy.title) small { (remedy.balancer) } }
            td.words {
                (remedy.how) @if let Some(cost) = cost { small { (cost.note) } }
            }
            td.words.who data-head=(HEAD[2]) { (remedy.who_must_change) }
            @for (head, cell) in HEAD[3..].iter().zip(cells) { td data-head=(head) { (cell) } }
        }
    }
}

/// Microseconds with three digits.
fn time(microseconds: u32) -> String {
    match f64::from(microseconds) / 1000.0 {
        _ if microseconds < 1000 => format!("{microseconds} µs"),
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 100.0 => format!("{ms:.1} ms"),
        ms => format!("{ms:.0} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn times_have_three_digits() {
        let shown = [7, 999, 1_234, 12_345, 123_456].map(time);
        assert_eq!(shown, ["7 µs", "999 µs", "1.23 ms", "12.3 ms", "123 ms"]);
    }

    #[test]
    fn what_was_not_measured_is_not_guessed() {
        let mut results = sample::results();
        let text = costs(&results).into_string();
        let first = time(results.costs[0].round_trip_p50_us);
        assert!(text.contains(&format!(">{first}<")), "{first}");
        results.costs.clear();
        let text = costs(&results).into_string();
        assert_eq!(text.matches(">–<").count(), 4 * results.remedies.len());
    }
}
