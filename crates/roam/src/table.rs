//! What a run found, as tables for a terminal.

use std::fmt::Write;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ContentArrangement, Table};

use crate::results::{Cell, Lane, Outcome, Results, Tally};

/// All of it.
pub(crate) fn tables(results: &Results) -> String {
    let mut text = String::new();
    matrix(&mut text, results);
    law(&mut text, results);
    skew(&mut text, results);
    costs(&mut text, results);
    results.lanes.iter().for_each(|lane| lane_of(&mut text, lane));
    let _ = writeln!(text, "seed {}", results.seed);
    for skipped in &results.skipped {
        let _ = writeln!(text, "skipped {}: {}; {}", skipped.what, skipped.why, skipped.mend);
    }
    text
}

fn matrix(text: &mut String, results: &Results) {
    let mut clients: Vec<&str> = results.matrix.iter().map(|cell| cell.client.as_str()).collect();
    clients.sort_unstable();
    clients.dedup();
    for client in clients {
        let of = |story: &str, remedy: &str| {
            let mut cells = results.matrix.iter();
            cells.find(|cell| cell.client == client && cell.story == story && cell.remedy == remedy)
        };
        let stories = results.stories.iter().filter(|story| {
            results.remedies.iter().any(|remedy| of(&story.name, &remedy.name).is_some())
        });
        let stories: Vec<_> = stories.collect();
        let mut table = table();
        let titles = stories.iter().map(|story| story.title.clone());
        table.set_header([format!("{client} clients")].into_iter().chain(titles));
        for remedy in &results.remedies {
            let cells: Vec<_> = stories.iter().map(|story| of(&story.name, &remedy.name)).collect();
            if cells.iter().any(Option::is_some) {
                let cells = cells.into_iter().map(|cell| cell.map(short).unwrap_or_default());
                table.add_row([remedy.title.clone()].into_iter().chain(cells));
            }
        }
        let _ = writeln!(text, "{table}");
    }
    if !results.matrix.is_empty() {
        text.push_str(
            "Of 100 clients each: k same server, state kept; r other server, state recovered;\n\
             l state lost in silence; e visible error; ! not what was stated beforehand.\n\n",
        );
    }
}

/// `k33 l67`.
fn short(cell: &Cell) -> String {
    let letters = |tally: Tally| {
        let all = [
            (Outcome::Kept, 'k'),
            (Outcome::Recovered, 'r'),
            (Outcome::Lost, 'l'),
            (Outcome::Refused, 'e'),
        ];
        let some = all.into_iter().filter(move |(outcome, _)| tally.of(*outcome) > 0);
        some.map(move |(outcome, letter)| format!("{letter}{}", tally.of(outcome)))
    };
    let mut words: Vec<String> = letters(cell.tally).collect();
    if !cell.as_expected {
        words.push("!".to_owned());
    }
    words.join(" ")
}

fn law(text: &mut String, results: &Results) {
    if results.law.is_empty() {
        return;
    }
    let mut table = table();
    table.set_header(["Servers", "Balancer", "Lost", "Stated", "p"]);
    for point in &results.law {
        let share = f64::from(point.lost) / f64::from(point.reconnects);
        let off = if point.as_expected() { "" } else { " !" };
        table.add_row([
            point.servers.to_string(),
            point.balancer.clone(),
            format!("{:.1} %{off}", share * 100.0),
            format!("{:.1} %", point.expected * 100.0),
            format!("{:.2}", point.p_value),
        ]);
    }
    let reconnects = results.law[0].reconnects;
    let _ =
        writeln!(text, "{table}\nloss = P(key changes) x (N-1)/N; {reconnects} reconnects each\n");
}

fn skew(text: &mut String, results: &Results) {
    let mut titles: Vec<&str> = results.skew.iter().map(|skew| skew.title.as_str()).collect();
    titles.dedup();
    for title in titles {
        let mut table = table();
        table.set_header([title, "Sessions by server", "Stated"]);
        for skew in results.skew.iter().filter(|skew| skew.title == title) {
            let sessions: Vec<_> = skew.sessions_by_server.iter().map(u32::to_string).collect();
            let off = if skew.as_expected { "" } else { " !" };
            table.add_row([
                skew.balancer.clone(),
                format!("{}{off}", sessions.join(" ")),
                skew.expected.clone(),
            ]);
        }
        let _ = writeln!(text, "{table}\n");
    }
}

fn costs(text: &mut String, results: &Results) {
    if results.costs.is_empty() {
        return;
    }
    let mut table = table();
    table.set_header([
        "Remedy",
        "Round trip",
        "99 of 100",
        "Back in",
        "Fullest server",
        "Who must change",
        "What else",
    ]);
    for cost in &results.costs {
        let remedy = results.remedies.iter().find(|remedy| remedy.name == cost.remedy);
        let who = remedy.map(|remedy| remedy.who_must_change.clone()).unwrap_or_default();
        table.add_row([
            remedy.map_or_else(|| cost.remedy.clone(), |remedy| remedy.title.clone()),
            format!("{} µs", cost.round_trip_p50_us),
            format!("{} µs", cost.round_trip_p99_us),
            format!("{} µs", cost.reconnect_p50_us),
            format!("{:.0} %", cost.largest_share * 100.0),
            who,
            cost.note.clone(),
        ]);
    }
    let _ = writeln!(text, "{table}\n");
}

fn lane_of(text: &mut String, lane: &Lane) {
    let _ = writeln!(text, "One client, {}:", lane.title);
    for step in &lane.steps {
        let server =
            step.server.map_or_else(|| "none".to_owned(), |server| format!("s{}", server + 1));
        let outcome = match step.outcome {
            None => "a new session",
            Some(Outcome::Kept) => "the same server, state kept",
            Some(Outcome::Recovered) => "another server, state recovered",
            Some(Outcome::Lost) => "state lost, and nobody says so",
            Some(Outcome::Refused) => "refused",
        };
        let _ = writeln!(
            text,
            "{:>7} ms  {:<5} from {:<15}  server {server}, session {}, counter {:>2}: {outcome}",
            step.at_ms, step.event, step.address, step.session, step.counter
        );
    }
    text.push('\n');
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    // Without a terminal it would be as wide as its longest line.
    table.set_width(terminal_width());
    table
}

/// As the shell says, or that of a wide page.
fn terminal_width() -> u16 {
    std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(132)
}
