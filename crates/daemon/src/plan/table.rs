//! The plan for people: what each server gains and loses, and who moves from where to where.

use std::fmt::Write;

use ringbolt_core::plan::Tally;
use ringbolt_core::spec::Pool;

use super::pairs::Pair;
use super::{mapping, share};

/// Ways that are told one by one, the largest first.
const WAYS_TOLD: usize = 16;
/// Characters of the longest bar where there is room for it.
const BAR: usize = 30;
/// And where there is none.
const BAR_LEAST: usize = 4;

/// The whole text. `clients` says who was counted, `terminal` how many characters a line of one has;
/// `None`: it goes to none.
pub(super) fn render(
    pairs: &[Pair<'_>],
    tallies: &[Tally],
    clients: &str,
    terminal: Option<usize>,
) -> String {
    let mut text = format!("{clients}\n");
    for (pair, tally) in pairs.iter().zip(tallies) {
        // A String takes everything.
        let _ = writeln!(text, "\n{}\n{}", head(pair), verdict(pair, tally));
        if is_counted(pair) {
            servers(&mut text, pair, tally);
            ways(&mut text, pair, tally, terminal);
        }
    }
    let strangers = |pair: &Pair<'_>| pair.old.is_none() || pair.new.is_none();
    if !pairs.is_empty() && pairs.iter().all(strangers) {
        text += "\nPools are the same when a listener at the same address names them, or else when they \
                 have the same name.\n";
    }
    text
}

fn head(pair: &Pair<'_>) -> String {
    let from_to = |old: &str, new: &str| {
        if old == new { new.to_owned() } else { format!("{old} → {new}") }
    };
    match (pair.old, pair.new, mapping(pair.old), mapping(pair.new)) {
        (Some(old), Some(new), Some(was), Some(is)) => {
            format!("pool {}: {}", from_to(&old.name, &new.name), from_to(was, is))
        }
        (_, _, was, is) => format!("pool {}: {}", pair.name(), was.or(is).unwrap_or("")),
    }
}

fn verdict(pair: &Pair<'_>, tally: &Tally) -> String {
    match (pair.old, pair.new) {
        (Some(_), None) => "It is not in the new file.".into(),
        (None, Some(_)) => "It is only in the new file.".into(),
        (Some(old), Some(new)) if !is_sticky(old) || !is_sticky(new) => {
            let which = match (is_sticky(old), is_sticky(new)) {
                (true, false) => "The new one",
                (false, true) => "The old one",
                (true, true) | (false, false) => "It",
            };
            format!("{which} keeps no affinity: a client meets another server with each session.")
        }
        (Some(_), Some(_)) | (None, None) if tally.moved == 0 => "Nobody moves.".into(),
        (Some(_), Some(_)) | (None, None) => format!(
            "{} of {} clients would meet another server: {}.",
            grouped(tally.moved),
            grouped(tally.clients),
            percent(share(tally))
        ),
    }
}

fn is_sticky(pool: &Pool) -> bool {
    use ringbolt_core::spec::Balance;
    !matches!(pool.balance, Balance::RoundRobin | Balance::LeastSessions)
}

/// Whether there is anything to be counted.
fn is_counted(pair: &Pair<'_>) -> bool {
    pair.old.is_some_and(is_sticky) || pair.new.is_some_and(is_sticky)
}

fn servers(text: &mut String, pair: &Pair<'_>, tally: &Tally) {
    let mut rows = vec![["server", "", "before", "after", "gained", "lost"].map(str::to_owned)];
    for (server, number) in pair.servers.iter().zip(0..) {
        let (gained, lost) = tally.gained_and_lost(number);
        let count = |clients: &[u64]| {
            let clients = clients[usize::from(number)];
            let part = clients as f64 / tally.clients.max(1) as f64;
            format!("{} {:>7}", grouped(clients), percent(part))
        };
        let addr = if server.name.ends_with(')') { String::new() } else { server.addr.clone() };
        let (before, after) = (count(&tally.before), count(&tally.after));
        rows.push([
            server.name.clone(),
            addr,
            before,
            after,
            signed('+', gained),
            signed('-', lost),
        ]);
    }
    let widths: [usize; 6] =
        std::array::from_fn(|column| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0));
    text.push('\n');
    for row in &rows {
        let mut line = String::from(" ");
        for (column, cell) in row.iter().enumerate() {
            let gap = " ".repeat(widths[column] - width(cell));
            // Names to the left, numbers to the right.
            let _ = if column < 2 {
                write!(line, " {cell}{gap}")
            } else {
                write!(line, "  {gap}{cell}")
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

fn ways(text: &mut String, pair: &Pair<'_>, tally: &Tally, terminal: Option<usize>) {
    let mut ways: Vec<_> = tally.moves.iter().collect();
    // Of equal ones the first in the file: they are in that order.
    ways.sort_by_key(|(_, clients)| std::cmp::Reverse(**clients));
    let Some((_, most)) = ways.first() else { return };
    let most = **most;
    let name = |server: &Option<u16>| match server {
        Some(number) => pair.servers[usize::from(*number)].name.clone(),
        None => "nobody".into(),
    };
    let told: Vec<(String, u64)> = ways
        .iter()
        .take(WAYS_TOLD)
        .map(|((from, to), clients)| (format!("{} → {}", name(from), name(to)), **clients))
        .collect();
    let widest = told.iter().map(|(way, _)| width(way)).max().unwrap_or(0);
    let digits = width(&grouped(most));
    let room = terminal.map_or(BAR, |columns| columns.saturating_sub(widest + digits + 14));
    let longest = room.clamp(BAR_LEAST, BAR) as u64;
    text.push_str("\n  who moves\n");
    for (way, clients) in &told {
        let gap = " ".repeat(widest - width(way));
        let part = percent(*clients as f64 / tally.clients.max(1) as f64);
        let bar = "█".repeat((longest * clients).div_ceil(most) as usize);
        let clients = grouped(*clients);
        let _ = writeln!(text, "  {way}{gap}  {clients:>digits$} {part:>7}  {bar}");
    }
    let rest: u64 = ways.iter().skip(WAYS_TOLD).map(|(_, clients)| **clients).sum();
    if rest > 0 {
        let more = ways.len() - WAYS_TOLD;
        let _ = writeln!(text, "  and {more} more ways with {} clients", grouped(rest));
    }
}

/// Characters that a terminal shows.
fn width(text: &str) -> usize {
    text.chars().count()
}

/// `+1,234`, and nothing for nobody.
fn signed(sign: char, clients: u64) -> String {
    if clients == 0 { String::new() } else { format!("{sign}{}", grouped(clients)) }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: numbers are for people. Method: both sides of every comma.
    #[test]
    fn groups_of_three() {
        let known = [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (999_999, "999,999"),
            (1_000_000, "1,000,000"),
        ];
        for (number, text) in known {
            assert_eq!(grouped(number), text);
        }
    }
}
