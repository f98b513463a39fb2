//! The heat map: what became of the sessions of each story under each remedy.
//!
//! It is there twice, and one of them is shown: a table where there is room for a column a remedy,
//! and on a phone a list for each story.

use maud::{Markup, html};

use super::outcomes::{self, look, percent};
use crate::results::{Cell, Expected, Remedy, Results, Story};

/// All of it.
pub(super) fn matrix(results: &Results) -> Markup {
    let tried = |remedy: &&Remedy| results.matrix.iter().any(|cell| cell.remedy == remedy.name);
    let remedies: Vec<&Remedy> = results.remedies.iter().filter(tried).collect();
    let told = |story: &&Story| results.matrix.iter().any(|cell| cell.story == story.name);
    let stories: Vec<&Story> = results.stories.iter().filter(told).collect();
    html! {
        p {
            "Stories in which every session went on: "
            @for (index, (title, went_on, all)) in results.helping().into_iter().enumerate() {
                @if index > 0 { ", " }
                (title) " " b { (went_on) " of " (all) }
            }
            "."
        }
        (outcomes::legend())
        table.heat.across {
            thead {
                tr {
                    th scope="col" { "what happened" }
                    th scope="col" {}
                    @for remedy in &remedies { th scope="col" { (remedy.title) } }
                }
            }
            @for story in &stories { (rows(results, &remedies, story)) }
        }
        div.heat.down {
            @for story in &stories { (list(results, &remedies, story)) }
        }
        p.note {
            "Per cent of the reconnects in a cell; point at one for its counts and for what was "
            "stated before the run."
        }
    }
}

/// A story in the table: a row for each library.
fn rows(results: &Results, remedies: &[&Remedy], story: &Story) -> Markup {
    let clients = clients(results, story);
    html! {
        tbody {
            @for (index, client) in clients.iter().enumerate() {
                tr {
                    @if index == 0 {
                        th scope="rowgroup" rowspan=(clients.len()) {
                            (story.title) small { (story.changes) }
                        }
                    }
                    th.client scope="row" { (client) }
                    @for remedy in remedies {
                        @let cell = cell(results, story, &remedy.name, client);
                        td { @if let Some(cell) = cell { (tile(cell)) } }
                    }
                }
            }
        }
    }
}

/// A story on a phone: a row for each remedy.
fn list(results: &Results, remedies: &[&Remedy], story: &Story) -> Markup {
    let clients = clients(results, story);
    html! {
        table {
            caption { (story.title) small { (story.changes) } }
            thead {
                tr { th scope="col" {} @for client in &clients { th scope="col" { (client) } } }
            }
            @for remedy in remedies {
                @let tile_of = |client: &&str| cell(results, story, &remedy.name, client);
                @let tiles: Vec<Option<&Cell>> = clients.iter().map(tile_of).collect();
                @if tiles.iter().any(Option::is_some) {
                    tr {
                        th scope="row" { (remedy.title) }
                        @for one in tiles { td { @if let Some(cell) = one { (tile(cell)) } } }
                    }
                }
            }
        }
    }
}

/// The libraries that told this story, in the order in which they appear.
fn clients<'a>(results: &'a Results, story: &Story) -> Vec<&'a str> {
    let mut clients = Vec::new();
    for cell in results.matrix.iter().filter(|cell| cell.story == story.name) {
        if !clients.contains(&cell.client.as_str()) {
            clients.push(cell.client.as_str());
        }
    }
    clients
}

fn cell<'a>(results: &'a Results, story: &Story, remedy: &str, client: &str) -> Option<&'a Cell> {
    let mut cells = results.matrix.iter();
    cells.find(|one| one.story == story.name && one.remedy == remedy && one.client == client)
}

/// A cell: a stripe of each outcome, as long as its share, and the shares in figures.
fn tile(cell: &Cell) -> Markup {
    let all = cell.tally.total();
    let parts = outcomes::ALL.into_iter().map(|outcome| (look(outcome), cell.tally.of(outcome)));
    let parts: Vec<_> = parts.filter(|(_, count)| *count > 0).collect();
    html! {
        div.tile.off[!cell.as_expected] title=(told(cell)) {
            @for (look, count) in &parts { i.(look.class) style={ "flex-grow:" (count) } {} }
            span {
                @if !cell.as_expected { b.unexpected { "≠" } }
                @for (look, count) in &parts { b { (look.sign) } (percent(*count, all)) " " }
            }
        }
    }
}

/// A cell in words: what was counted, and what was stated before.
fn told(cell: &Cell) -> String {
    let Cell { servers, tally, expected, p_value, .. } = cell;
    let why = match expected {
        Expected::All { .. } => String::new(),
        Expected::Draw { why, .. } => format!(", {why}"),
    };
    let chance = p_value.map_or_else(String::new, |value| format!("; p = {value:.2}"));
    format!("{servers} servers: {tally}; stated: {expected}{why}{chance}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn every_cell_is_there_for_both_widths() {
        let results = sample::results();
        let text = matrix(&results).into_string();
        for cell in &results.matrix {
            let title = told(cell).replace('<', "&lt;");
            let times = results.matrix.iter().filter(|one| told(one) == told(cell)).count();
            assert_eq!(text.matches(&format!("title=\"{title}\"")).count(), 2 * times, "{title}");
        }
    }

    #[test]
    fn what_has_no_cell_has_no_row_and_no_column() {
        let results = sample::results();
        let story = results.stories.iter().find(|story| story.name == "office").unwrap();
        let mut fewer = results.clone();
        fewer.matrix.retain(|cell| cell.remedy != "token");
        let text = matrix(&fewer).into_string();
        assert!(!text.contains(&story.title) && !text.contains("Resume token"));
        assert!(matrix(&results).into_string().contains("Resume token"));
    }

    #[test]
    fn a_tile_has_the_shares_that_were_counted() {
        let results = sample::results();
        let mut cell = results.matrix[0].clone();
        cell.tally.lost = 67;
        cell.tally.kept = 33;
        cell.tally.refused = 0;
        cell.tally.recovered = 0;
        let text = tile(&cell).into_string();
        assert!(text.contains("<b>×</b>67 <b>●</b>33 "), "{text}");
        assert!(text.contains("class=\"lost\" style=\"flex-grow:67\""), "{text}");
        assert!(!text.contains("recovered\"") && !text.contains('≠'), "{text}");
        cell.as_expected = false;
        assert!(tile(&cell).into_string().contains('≠'));
    }
}
