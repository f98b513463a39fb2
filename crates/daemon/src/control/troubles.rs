//! What the workers counted that a healthy balancer does not count, as log lines. Workers log
//! nothing, so a flood of failures is one line a second.

use std::sync::Arc;

use ringbolt_core::close::Cause;
use ringbolt_core::pipes::Fallback;
use ringbolt_core::region::Counted;
use ringbolt_core::shortage::Shortage;
use ringbolt_core::snapshot::Snapshot;
use ringbolt_core::stats::{Counter, ListenerStats, ServerStats, WorkerStats};
use ringbolt_engine::Control;
use tracing::warn;

/// Counters that a healthy balancer leaves alone, and what was last said of each.
pub(super) struct Troubles<'a> {
    control: &'a Control,
    snapshot: Arc<Snapshot>,
    watched: Vec<(Source, String, u64)>,
}

type WorkerCounter = fn(&WorkerStats) -> &Counter;
type ListenerCounter = fn(&ListenerStats) -> &Counter;
type ServerCounter = fn(&ServerStats) -> &Counter;

/// Counters over all sessions, with what they mean.
const OF_WORKERS: [(WorkerCounter, &str); 16] = [
    (
        |stats| &stats.shortages[Shortage::Descriptors as usize],
        "out of descriptors: accepting pauses, and sessions wait for a server's side; raise the limit \
         (LimitNOFILE=, ulimit -n) or lower global.max_sessions",
    ),
    (
        |stats| &stats.shortages[Shortage::Memory as usize],
        "the kernel has no memory for sockets: accepting pauses, and sessions wait",
    ),
    (
        |stats| &stats.shortages[Shortage::Ports as usize],
        "no local port was left to connect to a server from; add addresses to its source, or widen \
         net.ipv4.ip_local_port_range",
    ),
    (
        |stats| &stats.fallbacks[Fallback::NoPipe as usize],
        "no pipe could be opened: bytes are copied instead of spliced",
    ),
    (
        |stats| &stats.fallbacks[Fallback::SmallPipe as usize],
        "pipes of this user are kept small: bytes are copied instead of spliced; see \
         fs.pipe-user-pages-soft",
    ),
    (|stats| &stats.faults, "operations of ours failed that never should"),
    (
        |stats| &stats.causes[Cause::LocalFault as usize],
        "sessions reset: no socket could be made for the server's side",
    ),
    (
        |stats| &stats.causes[Cause::Shortage as usize],
        "sessions reset: they waited for a descriptor or memory for as long as a connect may take",
    ),
    (
        |stats| &stats.causes[Cause::NoPort as usize],
        "sessions reset: no local port was left to connect to a server from",
    ),
    (|stats| &stats.causes[Cause::NoServer as usize], "sessions reset: no server is up"),
    (
        |stats| &stats.causes[Cause::ServersFull as usize],
        "sessions reset: every server has its max_sessions",
    ),
    (
        |stats| &stats.causes[Cause::ConnectFailed as usize],
        "sessions reset: no server could be reached",
    ),
    (
        |stats| &stats.causes[Cause::BadProxyHeader as usize],
        "sessions reset: no PROXY header, or a wrong one, from a source in accept_proxy",
    ),
    (
        |stats| &stats.causes[Cause::ProxyHeaderTimeout as usize],
        "sessions reset: no whole PROXY header within timeouts.proxy_header",
    ),
    (
        |stats| &stats.causes[Cause::ProxyHeaderCut as usize],
        "sessions reset: they ended before their PROXY header was whole",
    ),
    (
        |stats| &stats.causes[Cause::NoProxy as usize],
        "sessions reset: accept_proxy_only, and from no source in accept_proxy",
    ),
];

/// Where a counter is found.
enum Source {
    Worker(WorkerCounter),
    Listener(usize, ListenerCounter),
    Server(usize, ServerCounter),
}

impl<'a> Troubles<'a> {
    /// Begins with what has been counted so far.
    pub(super) fn watch(control: &'a Control) -> Self {
        let mut watched = Vec::new();
        for (counter, words) in OF_WORKERS {
            watched.push((Source::Worker(counter), words.to_owned(), 0));
        }
        let snapshot = control.force.snapshot();
        let listeners = snapshot.listeners.iter().enumerate();
        for (place, listener) in listeners.filter(|(_, listener)| listener.in_use) {
            let words =
                format!("{}: connections reset: their key has max_per_source", listener.name);
            watched.push((Source::Listener(place, |stats| &stats.denied), words, 0));
        }
        for (pool, server) in snapshot.servers() {
            let words = format!("{}/{} could not be connected to", pool.name, server.name);
            let source = Source::Server(usize::from(server.gauge), |stats| &stats.connect_errors);
            watched.push((source, words, 0));
        }
        let mut troubles = Self { control, snapshot, watched };
        // What earlier engines counted was told by them.
        for index in 0..troubles.watched.len() {
            troubles.watched[index].2 = troubles.sum(index);
        }
        troubles
    }

    /// A line for each counter that has moved since the last time.
    pub(super) fn tell(&mut self) {
        self.follow();
        for index in 0..self.watched.len() {
            let now = self.sum(index);
            let (_, words, before) = &mut self.watched[index];
            if now > *before {
                warn!(times = now - *before, in_all = now, "{words}");
                *before = now;
            }
        }
    }

    /// Watches the servers of another configuration when that has come into force. What was told of
    /// those that stay is not told again.
    fn follow(&mut self) {
        if Arc::ptr_eq(&self.snapshot, &self.control.force.snapshot()) {
            return;
        }
        let before = std::mem::replace(self, Self::watch(self.control)).watched;
        for (_, words, told) in &mut self.watched {
            let same = before.iter().find(|(_, other, _)| other == words);
            // A place that has a new owner began at 0 again.
            *told = same.map_or(0, |(_, _, told)| *told).min(*told);
        }
    }

    fn sum(&self, index: usize) -> u64 {
        let of = |counted: &Counted<'static>| match &self.watched[index].0 {
            Source::Worker(counter) => counter(counted.worker).read(),
            Source::Listener(place, counter) => counter(&counted.listeners[*place]).read(),
            Source::Server(gauge, counter) => counter(&counted.servers[*gauge]).read(),
        };
        self.control.counted.iter().map(of).sum()
    }
}
