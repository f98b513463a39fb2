//! How the table comes to its reader: drawn in place on a terminal, line by line elsewhere. It
//! takes no screen over and changes no mode of the terminal, so there is nothing to restore after
//! a kill; the cursor is hidden only within the one write that draws.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Stdout, Write as _, stdout};
use std::time::Duration;

use terminal_size::{Height, Width, terminal_size_of};

use super::table::{Line, Tone, View, intro, invitation, render, status};

/// Where the table goes.
#[derive(Debug)]
pub(crate) struct Screen {
    out: Stdout,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Terminal { coloured: bool, drawn: Option<Drawn> },
    Lines { begun: bool },
}

/// What stands on the terminal now.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    lines: usize,
    size: Size,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    columns: usize,
    rows: usize,
}

impl Screen {
    pub(crate) fn open() -> Self {
        let out = stdout();
        let named = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let dumb = named("TERM").is_none_or(|term| term == "dumb");
        let kind = if out.is_terminal() && !dumb {
            Kind::Terminal { coloured: named("NO_COLOR").is_none(), drawn: None }
        } else {
            Kind::Lines { begun: false }
        };
        Self { out, kind }
    }

    /// Time between two drawings.
    pub(crate) fn period(&self) -> Duration {
        match self.kind {
            Kind::Terminal { .. } => Duration::from_millis(250),
            Kind::Lines { .. } => Duration::from_secs(1),
        }
    }

    /// Shows how it stands now.
    pub(crate) fn draw(&mut self, view: &View) -> io::Result<()> {
        match &mut self.kind {
            Kind::Terminal { coloured, drawn } => {
                let size = size(&self.out);
                let (frame, now) = frame(&render(view), size, *drawn, *coloured);
                *drawn = Some(now);
                self.write(&frame)
            }
            Kind::Lines { begun: begun @ false } => {
                *begun = true;
                let lines = [intro(view), invitation(view.balancer)].concat();
                self.write(&plain(&lines))
            }
            Kind::Lines { begun: true } => self.write(&plain(&[status(view)])),
        }
    }

    /// Shows how it stood in the end.
    pub(crate) fn last(&mut self, view: &View) -> io::Result<()> {
        match self.kind {
            Kind::Terminal { .. } => self.draw(view),
            Kind::Lines { .. } => self.write(&plain(&render(view))),
        }
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

fn size(out: &Stdout) -> Size {
    // A terminal of unknown size, as `script` makes one, is taken for the usual.
    let (Width(columns), Height(rows)) = terminal_size_of(out).unwrap_or((Width(80), Height(24)));
    Size { columns: columns.into(), rows: rows.into() }
}

fn plain(lines: &[Line]) -> String {
    lines.iter().flat_map(|line| [&*line.text, "\n"]).collect()
}

/// The control sequences (ECMA-48) that put these lines where the ones before stand.
fn frame(lines: &[Line], size: Size, before: Option<Drawn>, coloured: bool) -> (String, Drawn) {
    let mut frame = String::from("\x1b[?25l");
    // Writing to a String cannot fail.
    let _ = match before {
        // The terminal has wrapped and moved what stood there, nobody knows where to.
        Some(before) if before.size != size => write!(frame, "\x1b[H\x1b[2J"),
        Some(before) => write!(frame, "\r\x1b[{}A", before.lines),
        None => Ok(()),
    };
    // The first line stays empty: an Enter that somebody types pushes the table down by one, and
    // what then remains above it is not seen. The last row is the cursor's.
    let room = size.rows.saturating_sub(2);
    frame += "\x1b[2K\n";
    for Line { text, tone } in lines.iter().take(room) {
        let text: String = text.chars().take(size.columns).collect();
        let tone = if coloured { *tone } else { Tone::Plain };
        let _ = match tone {
            Tone::Plain => writeln!(frame, "\x1b[2K{text}"),
            Tone::Heading => writeln!(frame, "\x1b[2K\x1b[1m{text}\x1b[m"),
            Tone::Good => writeln!(frame, "\x1b[2K\x1b[32m{text}\x1b[m"),
            Tone::Bad => writeln!(frame, "\x1b[2K\x1b[31m{text}\x1b[m"),
        };
    }
    frame += "\x1b[J\x1b[?25h";
    (frame, Drawn { lines: 1 + lines.len().min(room), size })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { columns: 80, rows: 24 };

    fn lines(count: usize) -> Vec<Line> {
        (0..count).map(|n| Line { text: format!("line {n}"), tone: Tone::Good }).collect()
    }

    // Goal: a frame goes over the one before it, and is never higher than the terminal, which
    // would scroll at every drawing. Method: the way up equals the lines written.
    #[test]
    fn frames_cover_each_other() {
        for (count, rows) in [(3, 24), (22, 24), (40, 24), (5, 2), (5, 0)] {
            let size = Size { rows, ..SIZE };
            let (first, drawn) = frame(&lines(count), size, None, true);
            assert_eq!(first.matches('\n').count(), drawn.lines);
            assert!(drawn.lines < rows.max(2), "{count} lines in {rows} rows");
            let (second, _) = frame(&lines(count), size, Some(drawn), true);
            assert!(second.contains(&format!("\x1b[{}A", drawn.lines)));
        }
    }

    // Goal: nothing of an old size remains. Method: a frame after the terminal has changed.
    #[test]
    fn another_size_begins_anew() {
        let (_, drawn) = frame(&lines(3), SIZE, None, true);
        let (anew, _) = frame(&lines(3), Size { columns: 40, rows: 10 }, Some(drawn), true);
        assert!(anew.contains("\x1b[2J"));
    }

    // Goal: without colours none are sent, and a long line is cut. Method: look for them.
    #[test]
    fn plain_and_cut() {
        let size = Size { columns: 6, ..SIZE };
        let (text, _) = frame(&lines(1), size, None, false);
        assert!(!text.contains("\x1b[32m") && !text.contains("\x1b[m"));
        assert!(text.contains("line 0") && !frame(&lines(11), size, None, false).0.contains("10"));
    }
}
