//! Ratios as bars: how long a bar is, how far its pairs lie apart, where it must end and where it is
//! wished to.

use std::fmt::Write;

use super::page::escape;
use crate::figure::Better;
use crate::results::Run;
use crate::verdict::Judged;

/// Longer bars are cut off here.
const LONGEST: f64 = 3.0;

/// A bar for each row that is held against a product.
pub(super) fn ratios(run: &Run, all: &[Judged<'_>]) -> String {
    let bars: Vec<&Judged<'_>> = all.iter().filter(|one| one.against.is_some()).collect();
    let ends = bars.iter().flat_map(|one| {
        [Some(one.reached.most), one.bar.must, one.bar.stretch].into_iter().flatten()
    });
    let longest = ends.fold(1.2, f64::max).min(LONGEST);
    let mut text = String::from("<div class=ratios>\n");
    for one in bars {
        let against = one.against.map(|product| run.versioned(product)).unwrap_or_default();
        let better = match one.figure.better() {
            Better::Lower => "",
            Better::Higher => " (more is better)",
        };
        let label = format!("{}: {}{better}", one.title, one.figure.title(one.scenario));
        let _ = writeln!(
            text,
            "<div class=ratio><span>{} <small>against {}</small></span>{}\
             <span class=number>{:.2} <small>{:.2}–{:.2}</small></span>\
             <span class=\"verdict {word}\">{word}</span></div>",
            escape(&label),
            escape(&against),
            bar(one, longest),
            one.reached.median,
            one.reached.least,
            one.reached.most,
            word = one.verdict.word(),
        );
    }
    text + "</div>\n<p class=note>Ours by theirs, pair by pair: the bar ends at the median, the thin \
            line spans all pairs. Solid mark: must; dashed mark: stretch; grey line: 1.</p>\n"
}

fn bar(one: &Judged<'_>, longest: f64) -> String {
    let at = |ratio: f64| 100.0 * ratio.clamp(0.0, longest) / longest;
    let mark = |class: &str, ratio: f64| {
        let x = at(ratio);
        format!("<line class={class} x1={x:.2} x2={x:.2} y1=0 y2=16 />")
    };
    let marks = [("one", Some(1.0)), ("must", one.bar.must), ("stretch", one.bar.stretch)];
    let marks = marks.map(|(class, ratio)| ratio.map(|ratio| mark(class, ratio)));
    let spread = one.reached;
    format!(
        "<svg viewBox=\"0 0 100 16\" preserveAspectRatio=none class=bar>\
         <rect class=\"{}\" x=0 y=3 width={:.2} height=10 />\
         <line class=spread x1={:.2} x2={:.2} y1=8 y2=8 />{}</svg>",
        one.verdict.word(),
        at(spread.median),
        at(spread.least),
        at(spread.most),
        marks.into_iter().flatten().collect::<String>()
    )
}
