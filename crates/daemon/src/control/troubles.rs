//! What the workers counted that a healthy balancer does not count, as log lines. Workers log
//! nothing, so a flood of failures is one line a second.

use std::sync::Arc;

use ringbolt_core::close::Cause;
use ringbolt_core::region::Counted;
use ringbolt_core::snapshot::Snapshot;
use ringbolt_core::stats::{Counter, ServerStats, WorkerStats};
use ringbolt_engine::Control;
use tracing::warn;

/// Counters that a healthy balancer leaves alone, and what was last said of each.
pub(super) struct Troubles<'a> {
    control: &'a Control,
    snapshot: Arc<Snapshot>,
    watched: Vec<(Source, String, u64)>,
}

type WorkerCounter = fn(&WorkerStats) -> &Counter;
type ServerCounter = fn(&ServerStats) -> &Counter;

/// Where a counter is found.
enum Source {
    Worker(WorkerCounter),
    Server(usize, ServerCounter),
}

impl<'a> Troubles<'a> {
    /// Begins with what has been counted so far.
    pub(super) fn watch(control: &'a Control) -> Self {
        let mut watched = Vec::new();
        let workers: [(WorkerCounter, &str); 9] = [
            (|stats| &stats.accept_pauses, "accepting paused: out of descriptors or memory"),
            (|stats| &stats.faults, "operations of ours failed that never should"),
            (
                |stats| &stats.causes[Cause::LocalFault as usize],
                "sessions reset: no descriptor or port for the server's side",
            ),
            (
                |stats| &stats.causes[Cause::NoServer as usize],
                "sessions reset: no server takes new ones",
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
        for (counter, words) in workers {
            watched.push((Source::Worker(counter), words.to_owned(), 0));
        }
        let snapshot = control.force.snapshot();
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
            Source::Server(gauge, counter) => counter(&counted.servers[*gauge]).read(),
        };
        self.control.counted.iter().map(of).sum()
    }
}
