//! The table in the terminal.

use std::fmt::Write;

use super::{ROW, lines, reservations, row};
use crate::results::Run;
use crate::verdict::judge;

/// All of it: what every product did, then how the rows went.
pub(crate) fn terminal(run: &Run) -> String {
    let mut text = String::new();
    for scenario in &run.scenarios {
        let lines = lines(run, scenario);
        if lines.is_empty() {
            continue;
        }
        let head = scenario.figures.iter().map(|figure| figure.title(scenario));
        let mut rows = vec![std::iter::once(scenario.title.clone()).chain(head).collect()];
        for line in lines {
            let figures = line.figures.iter().zip(&scenario.figures);
            let figures = figures.map(|(spread, figure)| match spread {
                Some(spread) => figure.show(scenario, spread.median),
                None => "–".into(),
            });
            let name = format!("  {}", line.product.title());
            rows.push(std::iter::once(name).chain(figures).collect());
        }
        text += &table(&rows);
        text.push('\n');
    }
    let judged = judge(run);
    if !judged.is_empty() {
        let head = vec![ROW.map(str::to_owned).to_vec()];
        let rows = judged.iter().map(|one| row(run, one));
        text += &table(&head.into_iter().chain(rows).collect::<Vec<_>>());
    }
    for reservation in reservations(run) {
        let _ = writeln!(text, "{reservation}");
    }
    text
}

/// Columns as wide as their widest cell; names to the left, figures to the right.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell: &String| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns).filter_map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if column == 0 {
                let _ = write!(line, "{cell:<width$}");
            } else if rows[0][column] == ROW[1] {
                let _ = write!(line, "  {cell:<width$}");
            } else {
                let _ = write!(line, "  {cell:>width$}");
            }
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [["", "against", "µs"], ["long", "a", "1"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), "      against  µs\nlong  a         1\n");
    }
}
