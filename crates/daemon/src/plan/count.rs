//! Asks every mapping for every client, on all cores, and shows how far it is when that takes long.

use std::io::{IsTerminal, Write, stderr};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use ringbolt_core::plan::{Outlook, Tally};
use ringbolt_core::spec::Pool;

use super::clients::Clients;
use super::pairs::Pair;
use super::table::grouped;
use crate::output::telling_width;

/// Clients that a core takes at a time.
const CHUNK: u64 = 4_096;
/// Who waits no longer sees no bar.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two drawings.
const PERIOD: Duration = Duration::from_millis(100);
/// Characters of the bar where there is room for it.
const BAR: usize = 40;
/// Of a bar that is worth its place.
const BAR_LEAST: usize = 8;
/// What a terminal that does not tell is taken for.
const WIDTH: usize = 80;

/// A pair to be asked about.
#[derive(Clone, Debug)]
struct Asked<'p> {
    outlooks: [Option<Outlook>; 2],
    numbers: &'p [Vec<u16>; 2],
    servers: usize,
}

impl<'p> Asked<'p> {
    fn of(pair: &'p Pair<'_>, seeds: [u64; 2]) -> Self {
        let outlook = |pool: Option<&Pool>, seed| pool.map(|pool| Outlook::of(pool, seed));
        let outlooks = [outlook(pair.old, seeds[0]), outlook(pair.new, seeds[1])];
        Self { outlooks, numbers: &pair.numbers, servers: pair.servers.len() }
    }

    /// The number of the server that a client meets before or after.
    fn owner(&self, side: usize, client: IpAddr) -> Option<u16> {
        let owner = self.outlooks[side].as_ref()?.owner(client)?;
        Some(self.numbers[side][owner])
    }
}

/// The tally of each pair. `seeds`: of the old and the new configuration.
pub(super) fn count(pairs: &[Pair<'_>], seeds: [u64; 2], clients: &Clients) -> Vec<Tally> {
    let asked: Vec<Asked<'_>> = pairs.iter().map(|pair| Asked::of(pair, seeds)).collect();
    let (begun, total) = (AtomicU64::new(0), clients.count());
    let cores = u64::from(ringbolt_engine::cores()).clamp(1, total.div_ceil(CHUNK).max(1));
    let mut sums: Vec<Tally> = asked.iter().map(|asked| Tally::new(asked.servers)).collect();
    thread::scope(|scope| {
        let (done, tallies) = channel();
        for _ in 0..cores {
            let (asked, done, begun) = (asked.clone(), done.clone(), &begun);
            // Whoever waits for it is in the same scope, so it cannot fail.
            scope.spawn(move || done.send(count_chunks(&asked, clients, begun)));
        }
        drop(done);
        let mut progress = Progress::new(total);
        loop {
            match tallies.recv_timeout(PERIOD) {
                Ok(more) => sums.iter_mut().zip(&more).for_each(|(sum, more)| sum.add(more)),
                Err(RecvTimeoutError::Timeout) => progress.draw(begun.load(Ordering::Relaxed)),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        progress.clear();
    });
    sums
}

/// Counts chunk by chunk until none is left.
fn count_chunks(asked: &[Asked<'_>], clients: &Clients, begun: &AtomicU64) -> Vec<Tally> {
    let mut tallies: Vec<Tally> = asked.iter().map(|asked| Tally::new(asked.servers)).collect();
    loop {
        let first = begun.fetch_add(CHUNK, Ordering::Relaxed);
        if first >= clients.count() {
            return tallies;
        }
        for number in first..(first + CHUNK).min(clients.count()) {
            let client = clients.at(number);
            for (asked, tally) in asked.iter().zip(&mut tallies) {
                tally.count(asked.owner(0, client), asked.owner(1, client));
            }
        }
    }
}

/// How far it is, in one line of a terminal.
struct Progress {
    total: u64,
    since: Instant,
    shown: bool,
    terminal: bool,
}

impl Progress {
    fn new(total: u64) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let terminal = stderr().is_terminal() && !dumb;
        Self { total, since: Instant::now(), shown: false, terminal }
    }

    fn draw(&mut self, done: u64) {
        if self.terminal && self.since.elapsed() >= PATIENCE {
            self.shown = true;
            // One that is wider would leave a line behind with every drawing.
            let line = line(done.min(self.total), self.total, telling_width().unwrap_or(WIDTH));
            self.write(&format!("\r\x1b[2K{line}"));
        }
    }

    fn clear(&self) {
        if self.shown {
            self.write("\r\x1b[2K");
        }
    }

    /// Best effort: it is nothing that anybody depends on.
    fn write(&self, text: &str) {
        let mut out = stderr();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// The line, shorter than so many characters: with a cursor behind it that is all a line can hold.
fn line(done: u64, total: u64, width: usize) -> String {
    let part = |of: usize| (of as u128 * u128::from(done) / u128::from(total.max(1))) as usize;
    let percent = format!("{:>3} %", part(100));
    let counts = format!("{percent}  {} of {} clients", grouped(done), grouped(total));
    let room = |text: &str| width.saturating_sub(text.chars().count() + 2).min(BAR);
    let text = if room(&counts) >= BAR_LEAST { counts } else { percent };
    match room(&text) {
        long @ BAR_LEAST.. => format!("{:░<long$} {text}", "█".repeat(part(long))),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: the bar is as long as the part that is done, and the line fits a terminal. Method: its two
    // ends, its middle, and the largest sample.
    #[test]
    fn bars() {
        assert!(line(0, 1_000_000, 100).starts_with("░░"));
        let half = line(500_000, 1_000_000, 100);
        assert_eq!(half.chars().filter(|it| *it == '█').count(), 20);
        assert!(half.ends_with("  50 %  500,000 of 1,000,000 clients"), "{half}");
        let whole = line(10_000_000_000, 10_000_000_000, 100);
        assert_eq!(whole.chars().filter(|it| *it == '█').count(), 40);
        assert!(whole.chars().count() < 100, "{whole}");
    }

    // Goal: a line is never as wide as the terminal, however narrow that is, and says as much as there is room
    // for. Method: every width, with the largest sample.
    #[test]
    fn lines_fit() {
        for width in 7..120 {
            let line = line(9_999_999_999, 10_000_000_000, width);
            assert!(line.chars().count() < width, "{width}: {line}");
            assert!(line.contains(" 99 %"), "{width}: {line}");
            assert_eq!(line.contains("clients"), width > 55, "{width}: {line}");
            assert_eq!(line.contains('█'), width > 14, "{width}: {line}");
        }
    }
}
