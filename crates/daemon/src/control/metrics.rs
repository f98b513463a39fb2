//! Which metrics there are: the names of HAProxy's exporter where it has one for the same number,
//! with `ringbolt` in front, and a few of our own. What has no number yet is left out.

use hdrhistogram::Histogram;
use ringbolt_core::adopt::Loss;
use ringbolt_core::close::Cause;
use ringbolt_core::health::Outcome;
use ringbolt_core::pipes::Fallback;
use ringbolt_core::shortage::Shortage;
use ringbolt_engine::Durations;

use super::counters::{Counters, Health, Listener, Pool, Server};
use super::exposition::{Exposition, Format, Kind};

use Kind::{Counter, Gauge};

const QUANTILES: [(&str, f64); 4] = [("0.5", 0.5), ("0.9", 0.9), ("0.99", 0.99), ("0.999", 0.999)];

/// What ends a session before it has a server.
const REFUSALS: [Cause; 12] = [
    Cause::BadProxyHeader,
    Cause::ProxyHeaderTimeout,
    Cause::ProxyHeaderCut,
    Cause::NoProxy,
    Cause::SourceLimit,
    Cause::NoServer,
    Cause::ServersFull,
    Cause::ConnectFailed,
    Cause::ConnectTimeout,
    Cause::NoPort,
    Cause::Shortage,
    Cause::LocalFault,
];

/// A family over things of one kind: name, what kind of number, help, and the number.
type Family<T> = (&'static str, Kind, &'static str, fn(&T) -> u64);

/// The whole text.
pub(super) fn render(counters: &Counters, lengths: &Durations, format: Format) -> String {
    let mut out = Exposition::new(format);
    process(&mut out, counters);
    listeners(&mut out, &counters.listeners);
    pools(&mut out, &counters.pools);
    servers(&mut out, &counters.pools);
    health(&mut out, &counters.pools);
    sources(&mut out, &counters.pools);
    own(&mut out, counters);
    durations(&mut out, &counters.pools, lengths);
    out.finish()
}

const PROCESS: [Family<Counters>; 15] = [
    ("nbthread", Gauge, "Workers.", |all| all.process.workers),
    ("start_time_seconds", Gauge, "When the supervisor started, in seconds since 1970.", |all| {
        all.process.started.as_secs()
    }),
    ("uptime_seconds", Gauge, "For how long the supervisor has run.", |all| {
        all.process.uptime.as_secs()
    }),
    ("max_fds", Gauge, "Descriptors that may be open.", |all| all.process.descriptor_limit),
    ("max_sockets", Gauge, "Descriptors that are needed with all sessions.", |all| {
        all.process.descriptors_max
    }),
    ("max_connections", Gauge, "Sessions that may live at a time.", |all| all.process.max_sessions),
    ("hard_max_connections", Gauge, "The same: it is not changed while running.", |all| {
        all.process.max_sessions
    }),
    ("current_connections", Gauge, "Live sessions.", |all| all.process.sessions),
    ("connections", Counter, "Connections accepted.", |all| all.process.accepted),
    ("current_connection_rate", Gauge, "Connections accepted in the last second.", |all| {
        all.process.rate.now
    }),
    ("max_connection_rate", Gauge, "The same in this engine's fastest second.", |all| {
        all.process.rate.most
    }),
    ("bytes_out", Counter, "Bytes relayed, both ways.", |all| all.copied + all.spliced),
    ("spliced_bytes_out", Counter, "Bytes spliced, both ways.", |all| all.spliced),
    ("stopping", Gauge, "1 while no new sessions are taken.", |all| {
        u64::from(all.process.stopping)
    }),
    ("engines", Counter, "Engines started.", |all| all.process.engines),
];

fn process(out: &mut Exposition, counters: &Counters) {
    out.family("ringbolt_process_build_info", Gauge, "What runs here; always 1.");
    out.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    for (name, kind, help, number) in PROCESS {
        out.family(&format!("ringbolt_process_{name}"), kind, help);
        out.sample(&[], number(counters));
    }
}

const LISTENERS: [Family<Listener>; 8] = [
    ("current_sessions", Gauge, "Live sessions.", |it| it.sessions),
    ("max_sessions", Gauge, "The most live sessions there were.", |it| it.most),
    ("limit_sessions", Gauge, "Sessions that may live at a time.", |it| it.limit),
    ("sessions", Counter, "Sessions begun.", |it| it.total),
    ("bytes_in", Counter, "Bytes from clients, passed on.", |it| it.bytes[0]),
    ("bytes_out", Counter, "Bytes to clients.", |it| it.bytes[1]),
    ("denied_connections", Counter, "Connections reset: their key had max_per_source.", |it| {
        it.denied
    }),
    ("max_session_rate", Gauge, "Sessions in this engine's fastest second.", |it| it.rate.most),
];

fn listeners(out: &mut Exposition, listeners: &[Listener]) {
    for (name, kind, help, number) in LISTENERS {
        out.family(&format!("ringbolt_frontend_{name}"), kind, help);
        for listener in listeners {
            out.sample(&[("proxy", &listener.name)], number(listener));
        }
    }
    out.family("ringbolt_frontend_status", Gauge, "1 at the state it is in.");
    for listener in listeners {
        for (state, is) in [("DOWN", !listener.open), ("UP", listener.open)] {
            out.sample(&[("proxy", &listener.name), ("state", state)], u64::from(is));
        }
    }
}

const POOLS: [Family<Pool>; 13] = [
    ("current_sessions", Gauge, "Live sessions.", |it| it.sessions),
    ("max_sessions", Gauge, "The most live sessions there were.", |it| it.most),
    ("sessions", Counter, "Sessions begun.", |it| it.total),
    ("bytes_in", Counter, "Bytes to servers.", |it| it.sum(|server| server.bytes[0])),
    ("bytes_out", Counter, "Bytes from servers, passed on.", |it| it.sum(|it| it.bytes[1])),
    ("connection_errors", Counter, "Connect attempts that failed.", |it| {
        it.sum(|server| server.connect_errors)
    }),
    ("redispatch_warnings", Counter, "Sessions that went on to their next choice.", |it| {
        it.sum(|server| server.redispatched)
    }),
    ("weight", Gauge, "Weights of the servers that share the clients.", Pool::weight),
    ("active_servers", Gauge, "Servers that take new sessions.", |it| it.usable(false)),
    ("backup_servers", Gauge, "Backup servers that take new sessions.", |it| it.usable(true)),
    ("client_aborts", Counter, "Sessions that the client reset or left.", |it| {
        it.sum(|server| server.aborts[0])
    }),
    ("server_aborts", Counter, "Sessions that the server reset.", |it| {
        it.sum(|server| server.aborts[1])
    }),
    ("max_session_rate", Gauge, "Sessions in this engine's fastest second.", |it| it.rate.most),
];

fn pools(out: &mut Exposition, pools: &[Pool]) {
    for (name, kind, help, number) in POOLS {
        out.family(&format!("ringbolt_backend_{name}"), kind, help);
        for pool in pools {
            out.sample(&[("proxy", &pool.name)], number(pool));
        }
    }
    out.family("ringbolt_backend_status", Gauge, "1 at the state it is in.");
    for pool in pools {
        for (state, is) in [("DOWN", !pool.is_up()), ("UP", pool.is_up())] {
            out.sample(&[("proxy", &pool.name), ("state", state)], u64::from(is));
        }
    }
}

const SERVERS: [Family<Server>; 14] = [
    ("current_sessions", Gauge, "Live sessions, and those being connected.", |it| it.sessions),
    ("max_sessions", Gauge, "The most of those there were.", |it| it.most),
    ("sessions", Counter, "Sessions that reached it.", |it| it.total),
    ("bytes_in", Counter, "Bytes to it.", |it| it.bytes[0]),
    ("bytes_out", Counter, "Bytes from it, passed on.", |it| it.bytes[1]),
    ("connection_errors", Counter, "Connect attempts that failed.", |it| it.connect_errors),
    ("redispatch_warnings", Counter, "Sessions that went on to their next choice.", |it| {
        it.redispatched
    }),
    ("full", Counter, "Sessions that went on to their next choice: it had max_sessions.", |it| {
        it.full
    }),
    ("weight", Gauge, "Its weight.", |it| it.weight),
    ("active", Gauge, "1 for a server that is no backup.", |it| u64::from(!it.backup)),
    ("backup", Gauge, "1 for a backup.", |it| u64::from(it.backup)),
    ("client_aborts", Counter, "Sessions that the client reset or left.", |it| it.aborts[0]),
    ("server_aborts", Counter, "Sessions that it reset.", |it| it.aborts[1]),
    ("max_session_rate", Gauge, "Sessions in this engine's fastest second.", |it| it.rate.most),
];

/// HAProxy's states of a server.
const STATES: [&str; 5] = ["DOWN", "UP", "MAINT", "DRAIN", "NOLB"];

fn servers(out: &mut Exposition, pools: &[Pool]) {
    for (name, kind, help, number) in SERVERS {
        out.family(&format!("ringbolt_server_{name}"), kind, help);
        for (pool, server) in each_server(pools) {
            out.sample(&[("proxy", &pool.name), ("server", &server.name)], number(server));
        }
    }
    let help = "Sessions that may live at a time, of servers with a limit.";
    out.family("ringbolt_server_limit_sessions", Gauge, help);
    for (pool, server) in each_server(pools) {
        if let Some(limit) = server.limit {
            out.sample(&[("proxy", &pool.name), ("server", &server.name)], limit);
        }
    }
    out.family("ringbolt_server_status", Gauge, "1 at the state it is in.");
    for (pool, server) in each_server(pools) {
        let names = [("proxy", pool.name.as_str()), ("server", &server.name)];
        for state in STATES {
            let is = state == if server.is_up() { "UP" } else { "DOWN" };
            out.sample(&[&names[..], &[("state", state)]].concat(), u64::from(is));
        }
    }
}

const HEALTH: [Family<Health>; 5] = [
    ("check_failures", Counter, "Bad results while it was up.", |it| it.failures),
    ("check_up_down", Counter, "Times it went down.", |it| it.downs),
    ("check_last_change_seconds", Gauge, "For how long it has been up or down.", |it| {
        it.unchanged.as_secs()
    }),
    ("downtime_seconds", Counter, "How long it was down in all.", |it| it.downtime.as_secs()),
    ("check_code", Gauge, "The status of its last answer; 0: there was none.", |it| {
        it.last.code.unwrap_or(0).into()
    }),
];

/// Of servers that are probed.
fn health(out: &mut Exposition, pools: &[Pool]) {
    let probed =
        || each_server(pools).filter_map(|(pool, it)| Some((pool, it, it.health.as_ref()?)));
    for (name, kind, help, number) in HEALTH {
        out.family(&format!("ringbolt_server_{name}"), kind, help);
        for (pool, server, health) in probed() {
            out.sample(&[("proxy", &pool.name), ("server", &server.name)], number(health));
        }
    }
    out.family("ringbolt_server_check_duration_seconds", Gauge, "How long its last probe took.");
    for (pool, server, health) in probed() {
        let seconds = health.last.took.as_secs_f64();
        out.sample(&[("proxy", &pool.name), ("server", &server.name)], seconds);
    }
    out.family("ringbolt_server_check_status", Gauge, "1 at how its last probe ended.");
    for (pool, server, health) in probed() {
        for (outcome, state, _) in Outcome::NAMES {
            let labels =
                [("proxy", pool.name.as_str()), ("server", &server.name), ("state", state)];
            out.sample(&labels, u64::from(outcome == health.last.outcome));
        }
    }
}

fn each_server(pools: &[Pool]) -> impl Iterator<Item = (&Pool, &Server)> {
    pools.iter().flat_map(|pool| pool.servers.iter().map(move |server| (pool, server)))
}

/// With `proxy` as everywhere, because the name of a server is its own only within its pool.
fn sources(out: &mut Exposition, pools: &[Pool]) {
    let help = "Sessions connected from an address, each with a port of its own.";
    out.family("ringbolt_source_ports_used", Gauge, help);
    for (pool, server) in each_server(pools) {
        for (source, sessions) in &server.sources {
            let labels =
                [("proxy", pool.name.as_str()), ("server", &server.name), ("source", source)];
            out.sample(&labels, sessions);
        }
    }
}

fn own(out: &mut Exposition, counters: &Counters) {
    let help = "The same on every machine that gives every client the same server.";
    out.family("ringbolt_mapping_fingerprint", Gauge, help);
    for pool in &counters.pools {
        if let Some(fingerprint) = pool.fingerprint {
            out.sample(&[("pool", &pool.name)], fingerprint);
        }
    }
    out.family("ringbolt_worker_sessions", Gauge, "Live sessions of each worker.");
    for (worker, sessions) in counters.worker_sessions.iter().enumerate() {
        out.sample(&[("worker", &worker.to_string())], sessions);
    }
    out.family("ringbolt_relay_bytes", Counter, "Bytes relayed, both ways, by how they crossed.");
    out.sample(&[("path", "copy")], counters.copied);
    out.sample(&[("path", "splice")], counters.spliced);
    let help = "Times a direction was copied although it was to be spliced.";
    out.family("ringbolt_splice_fallback", Counter, help);
    for (reason, name) in Fallback::NAMES {
        out.sample(&[("reason", name)], counters.fallbacks[reason as usize]);
    }
    let help = "Times something was not to be had from the system.";
    out.family("ringbolt_shortages", Counter, help);
    for (shortage, name) in Shortage::NAMES {
        out.sample(&[("resource", name)], counters.shortages[shortage as usize]);
    }
    let help = "Sessions that went on after the death of their engine.";
    out.family("ringbolt_sessions_adopted", Counter, help);
    out.sample(&[], counters.adopted);
    out.family("ringbolt_sessions_lost", Counter, "Sessions that ended with their engine.");
    for (loss, name) in Loss::NAMES {
        out.sample(&[("reason", name)], counters.lost[loss as usize]);
    }
    let help = "Sessions that were reset before they had a server.";
    out.family("ringbolt_sessions_refused", Counter, help);
    for cause in REFUSALS {
        out.sample(&[("reason", cause.name())], counters.ended[cause as usize]);
    }
    out.family("ringbolt_sessions_ended", Counter, "Sessions by what ended them.");
    for (cause, name, _) in Cause::NAMES {
        out.sample(&[("reason", name)], counters.ended[cause as usize]);
    }
}

fn durations(out: &mut Exposition, pools: &[Pool], lengths: &Durations) {
    let help = "How long connects to a server took, of those that succeeded.";
    out.summaries("ringbolt_server_connect_seconds", help);
    for (pool, server) in each_server(pools) {
        let labels = [("proxy", &*pool.name), ("server", &*server.name)];
        summary(out, &labels, lengths.connects(server.place));
    }
    out.summaries("ringbolt_session_seconds", "How long sessions lasted, of those that ended.");
    summary(out, &[], Some(&lengths.sessions));
}

/// From a histogram of microseconds, if anything was measured. Its sum is as exact as its buckets:
/// within one percent.
fn summary(
    out: &mut Exposition,
    labels: &[(&'static str, &str)],
    histogram: Option<&Histogram<u64>>,
) {
    let measured = histogram.filter(|histogram| !histogram.is_empty());
    let value =
        |share: f64| measured.map_or(f64::NAN, |it| seconds(it.value_at_quantile(share) as f64));
    let quantiles = QUANTILES.map(|(name, share)| (name, value(share)));
    let (sum, count) = measured.map_or((0.0, 0), |it| (it.mean() * it.len() as f64, it.len()));
    out.summary(labels, quantiles, seconds(sum), count);
}

fn seconds(micros: f64) -> f64 {
    micros.round() / 1_000_000.0
}

#[cfg(test)]
mod tests {
    use super::super::counters::tests::sample;
    use super::*;
    use std::time::Duration;

    use ringbolt_core::kernel::Span;

    fn rendered() -> String {
        let mut lengths = Durations::default();
        lengths.record(Span::Connect { gauge: 1 }, Duration::from_millis(2));
        render(&sample(), &lengths, Format::Prometheus)
    }

    // Goal: each number stands under its name. Method: a sample whose numbers all differ, a line
    // for each kind of thing.
    #[test]
    fn numbers_stand_under_their_names() {
        let text = rendered();
        let lines = [
            "ringbolt_process_connections_total 70",
            "ringbolt_process_bytes_out_total 1401",
            "ringbolt_frontend_bytes_out_total{proxy=\"web\"} 701",
            "ringbolt_frontend_denied_connections_total{proxy=\"web\"} 702",
            "ringbolt_frontend_status{proxy=\"web\",state=\"UP\"} 1",
            "ringbolt_backend_bytes_in_total{proxy=\"echo\"} 3006",
            "ringbolt_backend_weight{proxy=\"echo\"} 2",
            "ringbolt_server_current_sessions{proxy=\"echo\",server=\"ws1\"} 1000",
            "ringbolt_server_max_sessions{proxy=\"echo\",server=\"ws1\"} 1001",
            "ringbolt_server_sessions_total{proxy=\"echo\",server=\"ws1\"} 1002",
            "ringbolt_server_bytes_in_total{proxy=\"echo\",server=\"ws2\"} 2003",
            "ringbolt_server_bytes_out_total{proxy=\"echo\",server=\"ws2\"} 2004",
            "ringbolt_server_connection_errors_total{proxy=\"echo\",server=\"ws2\"} 2005",
            "ringbolt_server_redispatch_warnings_total{proxy=\"echo\",server=\"ws2\"} 2006",
            "ringbolt_server_client_aborts_total{proxy=\"echo\",server=\"ws2\"} 2007",
            "ringbolt_server_server_aborts_total{proxy=\"echo\",server=\"ws2\"} 2008",
            "ringbolt_server_max_session_rate{proxy=\"echo\",server=\"ws2\"} 2010",
            "ringbolt_server_limit_sessions{proxy=\"echo\",server=\"ws2\"} 2012",
            "ringbolt_server_full_total{proxy=\"echo\",server=\"ws2\"} 2013",
            "ringbolt_server_weight{proxy=\"echo\",server=\"ws1\"} 2",
            "ringbolt_source_ports_used{proxy=\"echo\",server=\"ws2\",source=\"10.0.0.2\"} 2011",
            "ringbolt_server_check_failures_total{proxy=\"echo\",server=\"ws2\"} 2018",
            "ringbolt_server_check_up_down_total{proxy=\"echo\",server=\"ws2\"} 2017",
            "ringbolt_server_downtime_seconds_total{proxy=\"echo\",server=\"ws2\"} 2015",
            "ringbolt_server_check_status{proxy=\"echo\",server=\"ws2\",state=\"L7STS\"} 1",
            "ringbolt_server_check_status{proxy=\"echo\",server=\"ws2\",state=\"L7OK\"} 0",
            "ringbolt_server_check_duration_seconds{proxy=\"echo\",server=\"ws2\"} 2.016",
            "ringbolt_mapping_fingerprint{pool=\"echo\"} 4503599627370495",
            "ringbolt_worker_sessions{worker=\"1\"} 4",
            "ringbolt_relay_bytes_total{path=\"splice\"} 1",
            "ringbolt_splice_fallback_total{reason=\"refused\"} 4",
            "ringbolt_shortages_total{resource=\"ports\"} 13",
            "ringbolt_sessions_adopted_total 7",
            "ringbolt_sessions_lost_total{reason=\"mismatch\"} 5",
            "ringbolt_sessions_refused_total{reason=\"no-server\"} 7",
            "ringbolt_sessions_ended_total{reason=\"stopped\"} 10",
            "ringbolt_server_connect_seconds{proxy=\"echo\",server=\"ws1\",quantile=\"0.5\"} NaN",
            "ringbolt_server_connect_seconds_count{proxy=\"echo\",server=\"ws2\"} 1",
            "ringbolt_session_seconds_count 0",
        ];
        for line in lines {
            assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
        }
        let median =
            "ringbolt_server_connect_seconds{proxy=\"echo\",server=\"ws2\",quantile=\"0.5\"} ";
        let median = text.lines().find_map(|line| line.strip_prefix(median)).unwrap();
        let median: f64 = median.parse().unwrap();
        assert!((0.001_98..=0.002_02).contains(&median), "{median}");
    }

    // Goal: no family comes twice, which parsers refuse. Method: the names in the heads.
    #[test]
    fn families_come_once() {
        let text = rendered();
        let mut names: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
