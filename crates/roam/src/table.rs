//! What a run found, as tables for a terminal.

use std::fmt::Write;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ContentArrangement, Table};

use crate::report::outcomes::{ALL, Look, look};
use crate::results::{Cell, Expected, Lane, Results};
use crate::terminal::Terminal;

/// Characters of a remedy's title and of what became of a library's clients.
const TITLE: usize = 25;
const CELL: usize = 12;

/// All of it.
pub(crate) fn tables(results: &Results, terminal: Terminal) -> String {
    let mut text = String::new();
    matrix(&mut text, results, terminal);
    law(&mut text, results, terminal);
    skew(&mut text, results, terminal);
    costs(&mut text, results, terminal);
    results.lanes.iter().for_each(|lane| lane_of(&mut text, lane, terminal));
    let _ = writeln!(text, "seed {}", results.seed);
    for skipped in &results.skipped {
        let _ = writeln!(text, "skipped {}: {}; {}", skipped.what, skipped.why, skipped.mend);
    }
    text
}

/// Story by story: what became of the sessions under each remedy, what was stated, and what helps.
fn matrix(text: &mut String, results: &Results, terminal: Terminal) {
    let mut clients: Vec<&str> = results.matrix.iter().map(|cell| cell.client.as_str()).collect();
    clients.sort_unstable();
    clients.dedup();
    for story in &results.stories {
        let cells = || results.matrix.iter().filter(|cell| cell.story == story.name);
        if cells().next().is_none() {
            continue;
        }
        let _ = writeln!(text, "{}", terminal.bold(&story.title));
        let _ = writeln!(text, "{}\n", terminal.wrapped(&story.told, 0));
        let _ = write!(text, "{:TITLE$}", "");
        clients.iter().for_each(|client| _ = write!(text, "{client:CELL$}"));
        text.push_str("stated\n");
        let mut helping = Vec::new();
        for remedy in &results.remedies {
            let of: Vec<_> = cells().filter(|cell| cell.remedy == remedy.name).collect();
            if of.is_empty() {
                continue;
            }
            let _ = write!(text, "{:TITLE$}", remedy.title);
            for client in &clients {
                let cell = of.iter().find(|cell| cell.client == *client);
                text.push_str(&cell.map_or_else(|| " ".repeat(CELL), |cell| short(cell, terminal)));
            }
            let mut stated: Vec<_> = of.iter().map(|cell| cell.expected.in_short()).collect();
            stated.dedup();
            let _ = writeln!(text, "{}", stated.join(" "));
            if of.iter().all(|cell| cell.tally.went_on()) {
                helping.push(remedy.title.as_str());
            }
        }
        let helps = match helping.as_slice() {
            [] => "No session is safe under any of these.".to_owned(),
            helping => format!("Every session went on under: {}.", helping.join(", ")),
        };
        let _ = writeln!(text, "\n{}\n", terminal.wrapped(&helps, 2));
    }
    let helping = results.helping();
    if let Some((_, _, 2..)) = helping.first() {
        text.push_str("Stories in which every session went on\n\n");
        for (title, went_on, all) in helping {
            let _ = writeln!(text, "{title:TITLE$}{went_on:>2} of {all}");
        }
        text.push('\n');
    }
    if let Some(cell) = results.matrix.first() {
        let signs = ALL.into_iter().rev().map(|outcome| {
            let Look { sign, words, .. } = look(outcome);
            terminal.coloured(outcome, &format!("{sign} {outcome}: {words}"))
        });
        let signs: Vec<String> = signs.collect();
        let _ = writeln!(
            text,
            "Of {} clients each, {} servers.\n{}\n{}\n",
            cell.tally.total(),
            cell.servers,
            signs[..2].join("; "),
            signs[2..].join("; "),
        );
    }
}

/// `×67 ●33`, as wide as it has to be.
fn short(cell: &Cell, terminal: Terminal) -> String {
    let mut text = String::new();
    let mut width = 0;
    for outcome in ALL.into_iter().filter(|outcome| cell.tally.of(*outcome) > 0) {
        let word = format!("{}{}", look(outcome).sign, cell.tally.of(outcome));
        width += word.chars().count() + 1;
        text += &terminal.coloured(outcome, &word);
        text.push(' ');
    }
    if !cell.as_expected {
        text += "OFF";
        width += 3;
    }
    text + &" ".repeat(CELL.saturating_sub(width))
}

impl Expected {
    /// `×67`: in per cent, without what the rest becomes.
    fn in_short(&self) -> String {
        match self {
            Self::All { outcome } => format!("{}100", look(*outcome).sign),
            Self::Draw { outcome, share, .. } => {
                format!("{}{:.0}", look(*outcome).sign, share * 100.0)
            }
        }
    }
}

fn law(text: &mut String, results: &Results, terminal: Terminal) {
    if results.law.is_empty() {
        return;
    }
    let mut table = table(terminal);
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

fn skew(text: &mut String, results: &Results, terminal: Terminal) {
    let mut titles: Vec<&str> = results.skew.iter().map(|skew| skew.title.as_str()).collect();
    titles.dedup();
    for title in titles {
        let mut table = table(terminal);
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

fn costs(text: &mut String, results: &Results, terminal: Terminal) {
    if results.costs.is_empty() {
        return;
    }
    let mut table = table(terminal);
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

fn lane_of(text: &mut String, lane: &Lane, terminal: Terminal) {
    let title = format!("One client, {}:", lane.title);
    let _ = writeln!(text, "{}", terminal.wrapped(&title, 0));
    for step in &lane.steps {
        let server =
            step.server.map_or_else(|| "none".to_owned(), |server| (server + 1).to_string());
        let outcome = step.outcome.map_or_else(
            || "its session begins".to_owned(),
            |outcome| terminal.coloured(outcome, look(outcome).words),
        );
        let _ = writeln!(
            text,
            "  {:<5} {:<15} server {server}  session {} at {:>2}  {outcome}",
            step.event, step.address, step.session, step.counter
        );
    }
    text.push('\n');
}

fn table(terminal: Terminal) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    // Without a terminal it would be as wide as its longest line.
    table.set_width(terminal.width);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    const NARROW: Terminal = Terminal { width: 80, colours: false };

    #[test]
    fn nothing_is_wider_than_the_terminal() {
        for width in [80, 120] {
            let mut results = sample::results();
            // One line, for whoever looks for it.
            results.skipped.clear();
            let text = tables(&results, Terminal { width, ..NARROW });
            for line in text.lines() {
                assert!(line.chars().count() <= width.into(), "{width}: {line}");
            }
        }
    }

    #[test]
    fn a_story_is_told_with_what_was_stated_and_what_helps() {
        let mut results = sample::results();
        results.matrix.retain(|cell| cell.story == "dhcp-renewal");
        let text = tables(&results, NARROW);
        let story = results.stories.iter().find(|story| story.name == "dhcp-renewal").unwrap();
        assert!(text.starts_with(&story.title) && text.contains("Then this changes"), "{text}");
        let row = |title: &str| text.lines().find(|line| line.starts_with(title)).unwrap();
        assert!(row("Hash of the address").contains("!67 ×67"), "{text}");
        assert!(row("Cookie").contains("●100") && row("Cookie").ends_with("●100"), "{text}");
        let helps = text.split_once("Every session went on under: ").unwrap().1;
        let helps = helps.split_once("\n\n").unwrap().0;
        assert!(helps.contains("Cookie") && !helps.contains("Hash of the address"), "{helps}");
        assert!(!text.contains("OFF"));

        results.matrix[0].as_expected = false;
        assert!(tables(&results, NARROW).contains("OFF"));
    }
}
