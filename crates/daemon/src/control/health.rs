//! Health: every server of a pool that wants it is probed, one probe at a time, and sessions that could
//! not be connected count too. What comes of it is written where workers look for every new session.
//!
//! What a result means is `core/health`'s business, what a probe does is `attempt`'s.

mod attempt;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use ringbolt_core::health::{LastProbe, beginners, first_wait};
use ringbolt_core::limits::PROBES_MAX;
use ringbolt_core::snapshot::{Pool, Server, Snapshot};
use ringbolt_core::spec::{Health, Probe, SendProxy};
use ringbolt_engine::{Control, now};
use tokio::select;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until};
use tracing::{error, info, warn};

use super::LOOK;
use attempt::{Way, attempt};

/// Probes until the engine ends.
pub(super) async fn run(control: Control) {
    let (sender, mut ended) = unbounded_channel();
    let mut checks = Checks::new(control, sender);
    loop {
        checks.follow();
        checks.look();
        checks.start_due();
        select! {
            Some(ended) = ended.recv() => checks.take(ended),
            () = sleep_until(checks.next()) => {}
        }
    }
}

/// Everything that is probed.
struct Checks {
    control: Control,
    snapshot: Arc<Snapshot>,
    /// By the servers' places.
    all: BTreeMap<u16, Check>,
    /// When each is probed next, unless it is being probed.
    due: BTreeSet<(Instant, u16)>,
    /// Probes under way, those for servers that are gone included.
    running: usize,
    ended: UnboundedSender<Ended>,
    /// Of the checks so far.
    last_id: u64,
    look_at: Instant,
}

/// A server that is probed.
struct Check {
    /// Tells its probes from those for another server that had the place before.
    id: u64,
    pool: String,
    server: Server,
    health: Rc<Health>,
    send_proxy: SendProxy,
    probes: u64,
    /// When the last probe began.
    probed_at: Instant,
    /// When the next one begins, unless one is under way.
    due: Option<Instant>,
    /// Failed connects that were seen, and when one was last counted.
    failed: u64,
    counted_at: Option<Instant>,
}

/// A probe that is over.
struct Ended {
    place: u16,
    id: u64,
    probe: LastProbe,
}

/// What speaks for or against a server.
enum Evidence {
    Probe(LastProbe),
    FailedConnects,
}

impl Checks {
    fn new(control: Control, ended: UnboundedSender<Ended>) -> Self {
        let nothing = Snapshot {
            listeners: Vec::new(),
            pools: Vec::new(),
            max_sessions: 0,
            drain_timeout: None,
        };
        Self {
            control,
            snapshot: Arc::new(nothing),
            all: BTreeMap::new(),
            due: BTreeSet::new(),
            running: 0,
            ended,
            last_id: 0,
            look_at: Instant::now() + LOOK,
        }
    }

    /// Goes over to what is in force now. Servers that stay keep their turn.
    fn follow(&mut self) {
        let snapshot = self.control.force.snapshot();
        if Arc::ptr_eq(&snapshot, &self.snapshot) {
            return;
        }
        let new: BTreeSet<u16> = beginners(&self.snapshot, &snapshot).collect();
        let (mut before, now) = (std::mem::take(&mut self.all), Instant::now());
        before.retain(|place, _| !new.contains(place));
        let probed = |pool: &&Pool| pool.in_use && pool.health.probe != Probe::Off;
        for pool in snapshot.pools.iter().filter(probed) {
            let health = Rc::new(pool.health.clone());
            for server in &pool.servers {
                let check = match before.remove(&server.gauge) {
                    Some(check) => Check {
                        server: server.clone(),
                        // The interval may be a shorter one now.
                        due: check.due.map(|due| due.min(now + health.interval)),
                        health: health.clone(),
                        send_proxy: pool.send_proxy,
                        ..check
                    },
                    None => self.begin(pool, server, health.clone()),
                };
                self.all.insert(server.gauge, check);
            }
        }
        let due = self.all.iter().filter_map(|(place, check)| Some((check.due?, *place)));
        self.due = due.collect();
        self.snapshot = snapshot;
    }

    fn begin(&mut self, pool: &Pool, server: &Server, health: Rc<Health>) -> Check {
        self.last_id += 1;
        let now = Instant::now();
        Check {
            id: self.last_id,
            pool: pool.name.clone(),
            server: server.clone(),
            probes: 0,
            probed_at: now,
            due: Some(now + first_wait(&health, server.name_hash)),
            failed: self.failed_connects(server.gauge),
            counted_at: None,
            health,
            send_proxy: pool.send_proxy,
        }
    }

    /// Begins the probes whose time has come, as many as may be under way.
    fn start_due(&mut self) {
        let now = Instant::now();
        while self.running < PROBES_MAX
            && let Some((_, place)) = self.due.first().copied().filter(|(at, _)| *at <= now)
        {
            self.due.pop_first();
            let Some(check) = self.all.get_mut(&place) else { continue };
            let sources = &check.server.sources;
            let from = sources.get(check.probes as usize % sources.len().max(1));
            let way = Way {
                to: check.server.addr.clone(),
                from: from.map(|source| source.addr),
                send_proxy: check.send_proxy,
            };
            check.probes += 1;
            check.probed_at = now;
            check.due = None;
            let (id, health, ended) = (check.id, check.health.clone(), self.ended.clone());
            self.running += 1;
            tokio_uring::spawn(async move {
                let probe = attempt(way, health).await;
                // Nobody listens any more when the engine ends.
                let _ = ended.send(Ended { place, id, probe });
            });
        }
    }

    /// When there is something to do without a probe that ends.
    fn next(&self) -> Instant {
        let first = self.due.first().filter(|_| self.running < PROBES_MAX);
        first.map_or(self.look_at, |(at, _)| self.look_at.min(*at))
    }

    /// Takes in how a probe has ended.
    fn take(&mut self, ended: Ended) {
        self.running -= 1;
        let Ended { place, id, probe } = ended;
        if self.all.get(&place).is_none_or(|check| check.id != id) {
            return; // The server is gone.
        }
        self.judge(place, &Evidence::Probe(probe));
        let Some(check) = self.all.get_mut(&place) else { return };
        let health = &self.control.health[usize::from(place)];
        let wait = health.interval(&check.health, check.server.name_hash, check.probes);
        let due = check.probed_at + wait;
        check.due = Some(due);
        self.due.insert((due, place));
    }

    /// Once a second: sessions that could not be connected are a bad result, however many there were,
    /// but not more often than probes would be made; and the next probe is made soon.
    fn look(&mut self) {
        let now = Instant::now();
        if now < self.look_at {
            return;
        }
        self.look_at = now + LOOK;
        let places: Vec<u16> = self.all.keys().copied().collect();
        for place in places {
            let failed = self.failed_connects(place);
            let Some(check) = self.all.get_mut(&place) else { continue };
            let rests = check.counted_at.is_some_and(|at| now < at + check.health.fast_interval);
            // Counters of a place begin at 0 with a new owner.
            if failed <= check.failed || rests {
                check.failed = check.failed.min(failed);
                continue;
            }
            check.failed = failed;
            check.counted_at = Some(now);
            let soon = now + check.health.fast_interval;
            if let Some(due) = check.due.filter(|due| *due > soon) {
                check.due = Some(soon);
                self.due.remove(&(due, place));
                self.due.insert((soon, place));
            }
            self.judge(place, &Evidence::FailedConnects);
        }
    }

    fn failed_connects(&self, place: u16) -> u64 {
        let of = |counted: &ringbolt_core::region::Counted<'_>| {
            counted.servers[usize::from(place)].connect_errors.read()
        };
        self.control.counted.iter().map(of).sum()
    }

    /// Writes down what a result makes of a server, and says so when it has gone up or down.
    fn judge(&self, place: u16, evidence: &Evidence) {
        let (Some(check), health) =
            (self.all.get(&place), &self.control.health[usize::from(place)])
        else {
            return;
        };
        let turned = self.control.force.undisturbed(|snapshot| {
            // Another configuration has come into force, and the place may have another owner.
            if !Arc::ptr_eq(snapshot, &self.snapshot) {
                return None;
            }
            let good = match evidence {
                Evidence::Probe(probe) => {
                    health.note(*probe);
                    probe.outcome.is_good()
                }
                Evidence::FailedConnects => Some(false),
            };
            health.judge(good?, &check.health, now())
        });
        if let Some(up) = turned {
            self.tell(check, up, evidence);
        }
    }

    fn tell(&self, check: &Check, up: bool, evidence: &Evidence) {
        let reason = match evidence {
            Evidence::Probe(probe) => in_words(*probe),
            Evidence::FailedConnects => "sessions could not be connected".into(),
        };
        let pool = self.snapshot.pools.iter().find(|pool| pool.in_use && pool.name == check.pool);
        let Some(pool) = pool else { return };
        let with_weight = || pool.servers.iter().filter(|server| server.weight > 0);
        let is_up = |server: &&Server| self.control.health[usize::from(server.gauge)].is_up();
        let (left, all) = (with_weight().filter(is_up).count(), with_weight().count());
        let (pool, fail_open) = (&pool.name, pool.fail_open);
        let server = format!("{pool}/{}", check.server.name);
        if up {
            info!("server {server} is up: {reason}; {left} of {all} are");
        } else {
            warn!("server {server} is down: {reason}; {left} of {all} left");
        }
        match (left, fail_open) {
            (0, false) => error!("pool {pool} has no server left: new sessions are reset"),
            (0, true) => error!("pool {pool} has no server left: all are treated as up"),
            _ => {}
        }
    }
}

fn in_words(LastProbe { outcome, code, took }: LastProbe) -> String {
    let code = code.map(|code| format!(" {code}")).unwrap_or_default();
    let (words, name) = (outcome.words(), outcome.name());
    format!("{words}{code} ({name}, {} ms)", took.as_millis())
}
