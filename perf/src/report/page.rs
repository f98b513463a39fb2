//! The page: one file with everything in it.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;

use super::{ROW, growth, is_verdict, latency, lines, ratios, reservations, row};
use crate::product::Product;
use crate::results::Run;
use crate::scenario::Scenario;
use crate::statistics;
use crate::verdict::{Judged, judge, rounds};

const STYLE: &str = include_str!("page.css");
const METHOD: &str = include_str!("method.html");

/// All of it; `folder` has the histogram logs.
///
/// # Errors
/// A log that cannot be read.
pub(super) fn page(run: &Run, folder: &Path) -> Result<String> {
    let mut body = head(run);
    let judged = judge(run);
    if !judged.is_empty() {
        body += &format!("<h2>Rows</h2>\n{}", rows(run, &judged));
        body += &format!("<h2>Ratios</h2>\n{}", ratios::ratios(run, &judged));
    }
    section(&mut body, "How cost grows", &growth::growth(run));
    let mut plots = String::new();
    for scenario in run.scenarios.iter().filter(|one| one.point.is_none()) {
        plots += &latency::latency(run, scenario, folder)?.unwrap_or_default();
    }
    section(&mut body, "Latency", &plots);
    body += "<h2>Figures</h2>\n<p class=note>Medians of all rounds, quartiles below; the last \
             column is the first figure of ringbolt by theirs, pair by pair.</p>\n";
    body.extend(run.scenarios.iter().map(|scenario| figures(run, scenario)));
    section(&mut body, "System calls", &syscalls(run));
    section(&mut body, "Socket buffers of HAProxy", &tuning(run));
    body += METHOD;
    section(&mut body, "Configurations", &configs(run));
    Ok(format!(
        "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\n\
         <title>Ringbolt, measured {date}</title>\n<style>\n{STYLE}</style>\n<main>\n{body}</main>\n\
         </html>\n",
        date = escape(&run.machine.date),
    ))
}

fn section(body: &mut String, title: &str, content: &str) {
    if !content.is_empty() {
        let _ = write!(body, "<h2>{title}</h2>\n<div class=section>{content}</div>\n");
    }
}

fn head(run: &Run) -> String {
    let machine = &run.machine;
    let mut text = format!(
        "<h1>Ringbolt, measured</h1>\n<p>{}; revision {}; Linux {}; {}, {} cores; {} descriptors a \
         process. Products: {}.</p>\n",
        escape(&machine.date),
        escape(&machine.revision),
        escape(&machine.kernel),
        escape(&machine.processor),
        machine.cores.len(),
        crate::figure::whole(machine.descriptors as f64),
        run.entrants
            .iter()
            .map(|one| escape(&run.versioned(one.product)))
            .collect::<Vec<_>>()
            .join("; ")
    );
    let reservations = reservations(run);
    if !reservations.is_empty() {
        let items = reservations.iter().map(|one| format!("<li>{}</li>", escape(one)));
        let _ = writeln!(text, "<ul class=reservations>{}</ul>", items.collect::<String>());
    }
    text
}

fn rows(run: &Run, all: &[Judged<'_>]) -> String {
    let table = table(&ROW.map(str::to_owned), all.iter().map(|one| row(run, one)));
    format!("<div class=rows>{table}</div>")
        + "<p class=note>Floor: a bare relay by theirs, what the kernel alone takes: by epoll for \
           small messages and connections, by splice for bulk. A row that is lost stays.</p>\n"
}

fn figures(run: &Run, scenario: &Scenario) -> String {
    let lines = lines(run, scenario);
    let Some(first) = scenario.figures.first().filter(|_| !lines.is_empty()) else {
        return String::new();
    };
    let titles = scenario.figures.iter().map(|figure| figure.title(scenario));
    let head: Vec<String> =
        [String::new()].into_iter().chain(titles).chain(["ratio".into()]).collect();
    let ours = rounds(run.of(&scenario.name, Product::Ringbolt), *first);
    let rows = lines.iter().map(|line| {
        let theirs = rounds(run.of(&scenario.name, line.product), *first);
        let ratio = statistics::Spread::of(statistics::ratios(&ours, &theirs));
        let cells = line.figures.iter().zip(&scenario.figures).map(|(spread, figure)| {
            spread.map_or("–".into(), |spread| {
                let show = |value| figure.show(scenario, value);
                let (lower, upper) = (show(spread.lower), show(spread.upper));
                format!("{}\n{lower} – {upper}", show(spread.median))
            })
        });
        let ratio = ratio.filter(|_| line.product != Product::Ringbolt);
        let ratio = ratio.map(|ratio| format!("{:.2}", ratio.median)).unwrap_or_default();
        [line.product.title().to_owned()].into_iter().chain(cells).chain([ratio]).collect()
    });
    format!("<h3>{}</h3>\n{}", escape(&scenario.title), table(&head, rows))
}

fn syscalls(run: &Run) -> String {
    if run.syscalls.is_empty() {
        return String::new();
    }
    let rows = run.syscalls.iter().map(|one| {
        let title = run.scenario(&one.scenario).map_or("", |scenario| scenario.title.as_str());
        vec![title.into(), one.product.title().into(), format!("{:.2}", one.calls)]
    });
    table(&["", "product", "calls a unit"].map(str::to_owned), rows)
        + "<p class=note>By strace, in runs of their own; for bulk the unit is a megabyte. One \
           io_uring_enter is one call, however much goes through the ring with it.</p>\n"
}

fn tuning(run: &Run) -> String {
    if run.tuning.is_empty() {
        return String::new();
    }
    let rows = run.tuning.iter().map(|one| {
        let size = one
            .buffers
            .map_or_else(|| "as the kernel does it".into(), |bytes| format!("{} KiB", bytes >> 10));
        vec![size, format!("{:.3} s", one.cost)]
    });
    table(&["tune.rcvbuf and tune.sndbuf", "CPU a GB"].map(str::to_owned), rows)
}

fn configs(run: &Run) -> String {
    let shown = run.entrants.iter().filter(|one| !one.command.is_empty());
    let config = |config: &str| match config {
        "" => String::new(),
        text => format!("<pre>{}</pre>", escape(text)),
    };
    shown
        .map(|one| {
            format!(
                "<details><summary>{}: <code>{}</code></summary>{}</details>\n",
                escape(one.product.title()),
                escape(&one.command),
                config(&one.config)
            )
        })
        .collect()
}

/// A table that scrolls by itself where it is too wide; a second line of a cell is smaller.
fn table(head: &[String], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = String::from("<div class=wide><table>\n<tr>");
    text.extend(head.iter().map(|cell| format!("<th>{}", escape(cell))));
    for row in rows {
        text += "\n<tr>";
        for cell in row {
            let (first, second) = cell.split_once('\n').unwrap_or((&cell, ""));
            let class = if is_verdict(first) {
                format!(" class=\"verdict {first}\"")
            } else {
                String::new()
            };
            let _ = write!(text, "<td{class}>{}", escape(first));
            if !second.is_empty() {
                let _ = write!(text, "<small>{}</small>", escape(second));
            }
        }
    }
    text + "\n</table></div>\n"
}

/// Text as HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
