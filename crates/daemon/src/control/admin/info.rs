//! `show info`: the process as a whole, under HAProxy's names. Only what is true here is shown; what
//! HAProxy has beyond that is left out.

use std::fmt::Write;

use serde_json::Value as Json;

use super::super::counters::{Counters, Process};
use super::fields::{Field, Tags, Value};

use Value::{Large, Small, Text};

const PRODUCT: Tags = ["Product", "Output", "Service"];
const SETTING: Tags = ["Config", "Gauge", "Service"];
const LIMIT: Tags = ["Config", "Limit", "Process"];
const KEY: Tags = ["Key", "Gauge", "Process"];
const STATE: Tags = ["Status", "Gauge", "Process"];
const SPAN: Tags = ["Metric", "Duration", "Process"];
const LEVEL: Tags = ["Metric", "Gauge", "Process"];
const COUNT: Tags = ["Metric", "Counter", "Process"];
const RATE: Tags = ["Metric", "Rate", "Process"];
const PEAK: Tags = ["Metric", "Max", "Process"];
const NODE: Tags = ["Config", "Output", "Service"];

/// The fields, in HAProxy's order, with its positions and its spelling.
pub(super) fn fields(counters: &Counters) -> Vec<Field> {
    let Process { rate, .. } = counters.process;
    let process = &counters.process;
    let version = || Text(env!("CARGO_PKG_VERSION").into());
    [
        (0, "Name", PRODUCT, Text("Ringbolt".into())),
        (1, "Version", PRODUCT, version()),
        (3, "Nbthread", SETTING, Small(process.workers)),
        (4, "Nbproc", SETTING, Small(1)),
        (5, "Process_num", KEY, Small(1)),
        (6, "Pid", STATE, Small(u64::from(process.pid))),
        (7, "Uptime", SPAN, Text(in_words(process.uptime.as_secs()))),
        (8, "Uptime_sec", SPAN, Small(process.uptime.as_secs())),
        (13, "Ulimit-n", LIMIT, Small(process.descriptor_limit)),
        (14, "Maxsock", LIMIT, Small(process.descriptors_max)),
        (15, "Maxconn", LIMIT, Small(process.max_sessions)),
        (16, "Hard_maxconn", LIMIT, Small(process.max_sessions)),
        (17, "CurrConns", LEVEL, Small(process.sessions)),
        (18, "CumConns", COUNT, Small(process.accepted)),
        (26, "ConnRate", RATE, Small(rate.now)),
        (28, "MaxConnRate", PEAK, Small(rate.most)),
        (29, "SessRate", RATE, Small(rate.now)),
        (31, "MaxSessRate", RATE, Small(rate.most)),
        (50, "node", NODE, Text(process.host.clone())),
        (52, "Stopping", LEVEL, Small(u64::from(process.stopping))),
        (61, "TotalBytesOut", LEVEL, Large(counters.copied + counters.spliced)),
        (62, "TotalSplicdedBytesOut", LEVEL, Large(counters.spliced)),
        (66, "Build info", PRODUCT, version()),
        (70, "Start_time_sec", SPAN, Small(process.started.as_secs())),
    ]
    .map(|(position, name, tags, value)| Field { position, name, tags, value })
    .into()
}

/// A line each.
pub(super) fn text(fields: &[Field]) -> String {
    let mut text = String::new();
    for Field { name, value, .. } in fields {
        // A String takes everything.
        let _ = writeln!(text, "{name}: {value}");
    }
    text
}

/// One list of all of them.
pub(super) fn json(fields: &[Field]) -> String {
    let list: Vec<Json> = fields.iter().map(Field::json).collect();
    format!("{}\n", Json::from(list))
}

/// As HAProxy writes it: `1d 1h01m01s`.
fn in_words(seconds: u64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    format!("{}d {}h{:02}m{:02}s", hours / 24, hours % 24, minutes % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::super::super::counters::tests::sample;
    use super::*;

    // Goal: each number stands under its name. Method: a sample whose numbers differ.
    #[test]
    fn lines_are_names_and_values() {
        let text = text(&fields(&sample()));
        let lines = [
            "Name: Ringbolt",
            "Nbthread: 2",
            "Pid: 4242",
            "Uptime: 1d 1h01m01s",
            "Uptime_sec: 90061",
            "Ulimit-n: 20000",
            "Maxsock: 500",
            "Maxconn: 100",
            "CurrConns: 7",
            "CumConns: 70",
            "ConnRate: 3",
            "MaxConnRate: 30",
            "node: quay",
            "Stopping: 0",
            "TotalBytesOut: 1401",
            "TotalSplicdedBytesOut: 1",
            "Start_time_sec: 1700000000",
        ];
        for line in lines {
            assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
        }
    }

    // Goal: JSON says the same. Method: parse it and compare every value.
    #[test]
    fn json_says_the_same() {
        let fields = fields(&sample());
        let list: Vec<Json> = serde_json::from_str(&json(&fields)).unwrap();
        assert_eq!(list.len(), fields.len());
        for (json, field) in list.iter().zip(&fields) {
            assert_eq!(json["field"]["name"], field.name);
            let value = json["value"]["value"].to_string();
            assert_eq!(value.trim_matches('"'), field.value.to_string());
        }
    }
}
