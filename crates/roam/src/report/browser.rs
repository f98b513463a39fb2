//! The page in a real browser, on the widths of a desk and of a phone: nothing overlaps, nothing is
//! cut off, nothing is too small to read, and nobody must scroll sideways.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use maud::{Markup, html};

use super::{lanes, page, sample};

/// Holds the page in a frame and writes down what is wrong with it.
const FRAME: &str = include_str!("browser.html");

/// What the browser finds wrong with a page at these widths, a line each; `None` without one.
fn faults(page: Markup, widths: &[u32]) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let page = page.into_string().replace('&', "&amp;").replace('"', "&quot;");
    let frame = folder.path().join("frame.html");
    let frame_text = FRAME.replace("WIDTHS", &format!("{widths:?}")).replace("PAGE", &page);
    fs::write(&frame, frame_text).unwrap();
    let text = dump(&frame, folder.path())?;
    let (_, found) = text.split_once("<pre>").expect("the frame's script did not end");
    let (found, _) = found.split_once("</pre>").unwrap();
    Some(found.lines().map(str::to_owned).collect())
}

/// The document as the browser has it when its scripts have run.
fn dump(frame: &Path, folder: &Path) -> Option<String> {
    let run = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--dump-dom"])
        .args(["--window-size=1400,1000", "--virtual-time-budget=5000"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("file://{}", frame.display()))
        .output();
    match run {
        Ok(output) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(error) => {
            skip(&format!("no chromium ({error}): scripts/setup"));
            None
        }
    }
}

/// Says it where `scripts/test` looks for it; `RINGBOLT_REQUIRE_ALL=1` makes it an error.
fn skip(why: &str) {
    let line = format!("SKIPPED {}: {why}\n", std::thread::current().name().unwrap_or_default());
    assert!(env::var_os("RINGBOLT_REQUIRE_ALL").is_none_or(|value| value != "1"), "{line}");
    // Not by a macro, whose output the test runner keeps to itself.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(path) = env::var_os("RINGBOLT_SKIPPED") {
        let file = OpenOptions::new().append(true).create(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("RINGBOLT_SKIPPED");
    }
}

#[test]
fn the_page_fits_a_desk_and_a_phone() {
    let page = page::page(&sample::results());
    let widths = [1920, 1280, 1080, 1079, 900, 861, 860, 768, 390, 375];
    let Some(faults) = faults(page, &widths) else { return };
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_picture_has_room_for_what_it_says() {
    let results = sample::results();
    let pictures = results.lanes.iter().map(|lane| lanes::picture(&results, lane));
    let page = html! { style { "body { margin: 0 }" } @for picture in pictures { (picture) } };
    let Some(faults) = faults(page, &[850]) else { return };
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_fault_is_found() {
    let page = html! {
        style {
            "body { margin: 0 } text, p { font: 12px monospace } "
            ".wide { width: 50px; white-space: nowrap }"
        }
        div style="width: 500px" { "x" }
        p.wide { "much wider than its place" }
        svg viewBox="0 0 100 100" width="100" height="100" {
            text x="0" y="40" { "one" }
            text x="4" y="42" { "other" }
            text x="80" y="70" { "far out" }
            g { rect.bar x="0" y="75" width="10" height="20" {} text.on x="2" y="90" { "narrow" } }
            g.badge { circle cx="70" cy="10" r="8" {} }
            text x="60" y="14" { "hidden" }
        }
        svg viewBox="0 0 200 20" width="100" height="10" { text x="0" y="14" { "small" } }
    };
    let Some(faults) = faults(page, &[390]) else { return };
    for wanted in [
        "must be scrolled sideways: 500 pixels",
        "“one” and “other” overlap",
        "“far out” runs out of its drawing",
        "“narrow” runs out of its bar",
        "“hidden” lies under a sign",
        "“small” has 6.0 pixels",
        "“much wider than its place” is wider than its place",
    ] {
        let wanted = format!("390 wide: {wanted}");
        assert!(faults.contains(&wanted), "{wanted} is not among {faults:#?}");
    }
}
