//! Goal: every work counts its units and bytes exactly, by every path. Method: small amounts of each,
//! and the histogram log read by hdrhistogram's own reader.

use std::os::unix::fs::MetadataExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::{Value, json};

use crate::processes::{Process, file, job, measured, outcome, relay, serve};
use crate::skip::skip;

const MIB: u64 = 1024 * 1024;
const BURST: u64 = 256 * 1024;
const FRAME: u64 = 64;

#[test]
fn straight() {
    every_work("straight", |servers| (None, servers.clone()));
}

#[test]
fn through_the_uring_relay() {
    every_work("uring", |servers| through("uring", servers));
}

#[test]
fn through_the_epoll_relay() {
    every_work("epoll", |servers| through("epoll", servers));
}

/// Idle sessions alone have more pipes of 1 MiB than a user may have who is not root.
#[test]
fn through_the_splice_relay() {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return skip("the splice relay needs root: 300 pipes of 1 MiB");
    }
    every_work("splice", |servers| through("splice", servers));
}

fn through(yardstick: &str, servers: &Value) -> (Option<Process>, Value) {
    let (process, doors) = relay(yardstick, servers);
    (Some(process), doors)
}

/// Every work by this path: where to go instead of to the servers.
fn every_work(name: &str, path: impl Fn(&Value) -> (Option<Process>, Value)) {
    let (mut serving, servers) = serve();
    let (_process, doors) = path(&servers);
    let [echo, sink, source, frames] =
        ["echo", "sink", "source", "frames"].map(|door| doors[door].clone());

    for rate in [json!(null), json!(1000.0)] {
        let work = json!({"kind": "ping-pong", "connections": 5, "size": 128, "rate": rate});
        units_of(name, job(&echo, work, 203), 2 * 128);
        let work = json!({"kind": "connects", "concurrency": 4, "size": 64, "rate": rate});
        units_of(name, job(&echo, work, 101), 2 * 64);
    }
    // Larger than what the sockets between hold: it must be received while it is sent.
    let large = json!({"kind": "ping-pong", "connections": 2, "size": 16 * MIB, "rate": null});
    units_of(name, job(&echo, large, 5), 2 * 16 * MIB);

    let mut mix = job(
        &echo,
        json!({"kind": "mix", "connections": 3, "size": 64, "rate": 200.0, "streams": 2}),
        200,
    );
    mix["beside"] = source.clone();
    let mixed = units_of(name, mix, 2 * 64);
    assert!(mixed["beside"].as_u64().unwrap() > 0, "{mixed}");

    web_socket_like(name, &frames);
    bulk(&sink, "up");
    bulk(&source, "down");
    idle(&echo);
    assert_eq!(serving.end(), Some(0));
}

/// All units, each with so many bytes both ways, nothing wrong, and as many in the log.
fn units_of(path: &str, mut job: Value, bytes: u64) -> Value {
    let units = job["amount"]["units"].as_u64().unwrap();
    let kind = job["work"]["kind"].as_str().unwrap().to_owned();
    let log = file(&format!("{path}-{kind}.hlog"));
    job["hlog"] = json!(log);
    let outcome = outcome(&job);
    assert_eq!(outcome["units"], units, "{job}");
    assert_eq!(outcome["bytes"], units * bytes, "{job}");
    assert_eq!(outcome["failures"], 0, "{job}");
    let latency = |name: &str| outcome["latency"][name].as_u64().unwrap();
    assert!(0 < latency("p50") && latency("p50") <= latency("p99"), "{outcome}");
    assert!(latency("p99") <= latency("p999") && latency("p999") <= latency("max"), "{outcome}");
    assert_eq!(logged(&log, &kind), units, "{job}");
    outcome
}

/// How many times a histogram log holds.
fn logged(log: &std::path::Path, tag: &str) -> u64 {
    let log = std::fs::read(log).unwrap();
    let intervals = IntervalLogIterator::new(&log).filter_map(|entry| match entry.unwrap() {
        LogEntry::Interval(interval) => Some(interval),
        LogEntry::StartTime(_) | LogEntry::BaseTime(_) => None,
    });
    let lengths = intervals.map(|interval| {
        assert_eq!(interval.tag().unwrap().as_str(), tag);
        let packed = STANDARD.decode(interval.encoded_histogram()).unwrap();
        let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut &packed[..]).unwrap();
        histogram.len()
    });
    lengths.sum()
}

/// One frame in ten has a burst for an answer, and the others themselves.
fn web_socket_like(path: &str, frames: &Value) {
    let work =
        json!({"kind": "web-socket-like", "connections": 40, "rate": 500.0, "burst_every": 10});
    let mut job = job(frames, work, 100);
    let log = file(&format!("{path}-frames.hlog"));
    job["hlog"] = json!(log);
    let outcome = outcome(&job);
    assert_eq!((&outcome["units"], &outcome["failures"]), (&json!(100), &json!(0)), "{outcome}");
    let beyond_echoes = outcome["bytes"].as_u64().unwrap() - 100 * 2 * FRAME;
    // The warm-up, which ends when it can, has taken some of the round of ten.
    let bursts = beyond_echoes / (BURST - FRAME);
    assert!((9..=11).contains(&bursts), "{outcome}");
    assert_eq!(beyond_echoes % (BURST - FRAME), 0, "{outcome}");
    assert_eq!(logged(&log, "web-socket-like"), 100);
}

/// Enough for several samples of every stream to be read and checked.
fn bulk(to: &Value, way: &str) {
    let work = json!({"kind": "bulk", "streams": 3, "way": way});
    let outcome = outcome(&job(to, work, 120 * MIB));
    let units = outcome["units"].as_u64().unwrap();
    assert!(units >= 120 * MIB, "{outcome}");
    assert_eq!(outcome["bytes"], units, "{outcome}");
    assert_eq!((&outcome["failures"], &outcome["latency"]), (&json!(0), &json!(null)), "{outcome}");
}

/// They are held until the generator's input ends.
fn idle(to: &Value) {
    let (mut process, outcome) = measured(&job(to, json!({"kind": "idle", "connections": 150}), 1));
    assert_eq!((&outcome["units"], &outcome["failures"]), (&json!(150), &json!(0)), "{outcome}");
    assert!(process.descriptors() >= 150);
    assert_eq!(process.end(), Some(0));
}

/// A job may also be of a length in time; the warm-up is none of it.
#[test]
fn for_a_time() {
    let (_serving, servers) = serve();
    let work = json!({"kind": "ping-pong", "connections": 2, "size": 16, "rate": 200.0});
    let mut job = job(&servers["echo"], work, 0);
    job["amount"] = json!({"for": {"secs": 1, "nanos": 500_000_000}});
    job["warm_up"] = json!({"secs": 0, "nanos": 500_000_000});
    let log = file("for-a-time.hlog");
    job["hlog"] = json!(log);
    let outcome = outcome(&job);
    // By the schedule 300 are due, and none is left out, however late it is answered.
    let units = outcome["units"].as_u64().unwrap();
    assert!((295..=305).contains(&units), "{outcome}");
    assert_eq!(logged(&log, "ping-pong"), units);
    assert!(outcome["took"]["secs"].as_u64().unwrap() >= 1, "{outcome}");

    for (server, way) in [("sink", "up"), ("source", "down")] {
        job["target"] = servers[server].clone();
        job["work"] = json!({"kind": "bulk", "streams": 2, "way": way});
        let outcome = crate::processes::outcome(&job);
        assert!(outcome["units"].as_u64().unwrap() > 0, "{outcome}");
    }
}

/// One process is all the servers that a growing pool needs.
#[test]
fn many_echo_servers() {
    let mut serving = Process::start(&["serve", "--servers", "5"]);
    let servers = serving.says();
    let echoes = servers["echoes"].as_array().unwrap();
    assert_eq!((echoes.len(), &echoes[0]), (5, &servers["echo"]));
    for echo in echoes {
        let work = json!({"kind": "ping-pong", "connections": 1, "size": 8, "rate": null});
        assert_eq!(outcome(&job(echo, work, 3))["units"], 3);
    }
    assert_eq!(serving.end(), Some(0));
}
