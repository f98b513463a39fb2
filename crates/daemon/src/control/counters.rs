//! Everything that is counted, added up over the workers, as it is at one moment: plain numbers with
//! their names. What `show stat`, `show info` and `/metrics` are made of, so that they agree.

use std::cell::RefCell;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use ringbolt_core::adopt::Loss;
use ringbolt_core::close::Cause;
use ringbolt_core::gauge::SessionGauge;
use ringbolt_core::header::Command;
use ringbolt_core::health::{LastProbe, ServerHealth};
use ringbolt_core::limits::{DESCRIPTORS_PER_SESSION, fixed_descriptors};
use ringbolt_core::mapping::Mapping;
use ringbolt_core::pipes::Fallback;
use ringbolt_core::region::Counted;
use ringbolt_core::shortage::Shortage;
use ringbolt_core::snapshot::{self, Snapshot};
use ringbolt_core::spec::{self, Probe};
use ringbolt_core::stats::{Counter, ListenerStats, ServerStats, WorkerStats};
use ringbolt_engine::{Control, descriptor_limit, now};

use super::rates::{Rate, Rates};

/// Both ways: towards servers and towards clients.
type Bytes = [u64; 2];

/// Everything, at one moment. Counters begin with the supervisor; peaks do too.
#[derive(Clone, Debug)]
pub(super) struct Counters {
    pub(super) process: Process,
    pub(super) listeners: Vec<Listener>,
    pub(super) pools: Vec<Pool>,
    /// Live sessions, by worker.
    pub(super) worker_sessions: Vec<u64>,
    /// Both ways.
    pub(super) copied: u64,
    /// Both ways.
    pub(super) spliced: u64,
    /// Directions that were to be spliced and were copied, by reason.
    pub(super) fallbacks: [u64; Fallback::COUNT],
    /// Times something was not to be had, by what it was.
    pub(super) shortages: [u64; Shortage::COUNT],
    /// Sessions, by what ended them.
    pub(super) ended: [u64; Cause::COUNT],
    /// Sessions that went on after the death of their engine.
    pub(super) adopted: u64,
    /// Sessions that ended with their engine, by the reason.
    pub(super) lost: [u64; Loss::COUNT],
}

#[derive(Clone, Debug)]
pub(super) struct Process {
    /// The supervisor's: the one that is signalled, and that stays.
    pub(super) pid: u32,
    /// The name of the machine.
    pub(super) host: String,
    /// Since 1970.
    pub(super) started: Duration,
    pub(super) uptime: Duration,
    pub(super) workers: u64,
    pub(super) max_sessions: u64,
    pub(super) descriptor_limit: u64,
    /// The most that will be open, sessions included.
    pub(super) descriptors_max: u64,
    pub(super) sessions: u64,
    pub(super) accepted: u64,
    pub(super) rate: Rate,
    /// Started so far.
    pub(super) engines: u64,
    /// No new sessions are taken.
    pub(super) stopping: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Listener {
    pub(super) name: String,
    /// Takes new sessions.
    pub(super) open: bool,
    pub(super) sessions: u64,
    pub(super) most: u64,
    pub(super) limit: u64,
    pub(super) total: u64,
    pub(super) bytes: Bytes,
    /// Connections reset because their key had all the sessions it may have.
    pub(super) denied: u64,
    pub(super) rate: Rate,
}

#[derive(Clone, Debug)]
pub(super) struct Pool {
    pub(super) name: String,
    /// HAProxy's word for its mapping.
    pub(super) algorithm: &'static str,
    /// `None`: it keeps no affinity.
    pub(super) fingerprint: Option<u64>,
    pub(super) sessions: u64,
    pub(super) most: u64,
    pub(super) total: u64,
    pub(super) rate: Rate,
    pub(super) servers: Vec<Server>,
}

#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) name: String,
    pub(super) addr: String,
    /// In the region.
    pub(super) place: u16,
    pub(super) weight: u64,
    pub(super) backup: bool,
    pub(super) sessions: u64,
    pub(super) most: u64,
    pub(super) limit: Option<u64>,
    pub(super) total: u64,
    pub(super) bytes: Bytes,
    pub(super) connect_errors: u64,
    pub(super) redispatched: u64,
    /// Sessions that went on to their next choice because it had all it may have.
    pub(super) full: u64,
    /// By the client and by the server.
    pub(super) aborts: [u64; 2],
    pub(super) rate: Rate,
    /// `None`: it is not probed, and counts as up.
    pub(super) health: Option<Health>,
    /// Live sessions, by the address that it is connected to from.
    pub(super) sources: Vec<(String, u64)>,
}

/// What is known of a server that is probed.
#[derive(Clone, Debug)]
pub(super) struct Health {
    pub(super) up: bool,
    /// HAProxy's `health`: 0 to rise + fall - 1, from rise on it is up.
    pub(super) level: u64,
    pub(super) rise: u64,
    pub(super) fall: u64,
    /// Bad results while it was up.
    pub(super) failures: u64,
    /// Times it went down.
    pub(super) downs: u64,
    /// For how long it has been up or down.
    pub(super) unchanged: Duration,
    /// How long it was down in all.
    pub(super) downtime: Duration,
    pub(super) last: LastProbe,
}

impl Server {
    /// Whether it gets new sessions.
    pub(super) fn is_usable(&self) -> bool {
        self.weight > 0 && self.is_up()
    }

    /// Whether nothing speaks against it.
    pub(super) fn is_up(&self) -> bool {
        self.health.as_ref().is_none_or(|health| health.up)
    }
}

impl Pool {
    /// A number added up over the servers.
    pub(super) fn sum(&self, of: impl Fn(&Server) -> u64) -> u64 {
        self.servers.iter().map(of).sum()
    }

    /// Servers that take new sessions, with `backup` or without.
    pub(super) fn usable(&self, backup: bool) -> u64 {
        self.sum(|server| u64::from(server.backup == backup && server.is_usable()))
    }

    /// The weights of those that share the clients: the others, as long as there are any.
    pub(super) fn weight(&self) -> u64 {
        let backup = self.usable(false) == 0;
        let shares = |server: &Server| server.backup == backup && server.is_usable();
        self.sum(|server| if shares(server) { server.weight } else { 0 })
    }

    /// Whether any server takes new sessions.
    pub(super) fn is_up(&self) -> bool {
        self.usable(false) + self.usable(true) > 0
    }
}

/// Reads the counters.
pub(super) struct Meter {
    pub(super) control: Control,
    rates: RefCell<Rates>,
    /// What the rates are of.
    snapshot: RefCell<Arc<Snapshot>>,
    host: String,
    pid: u32,
}

impl Meter {
    pub(super) fn new(control: Control) -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        // The supervisor's, and not whoever takes its children when it has gone.
        let pid = std::os::unix::process::parent_id();
        let host = host.trim_end().into();
        let snapshot = RefCell::new(control.force.snapshot());
        Self { control, rates: RefCell::default(), snapshot, host, pid }
    }

    /// Takes the rates; to be called once a second.
    pub(super) fn look(&self) {
        let snapshot = self.control.force.snapshot();
        // Other listeners and servers stand in the places of the list: begin anew.
        if !Arc::ptr_eq(&snapshot, &self.snapshot.replace(snapshot.clone())) {
            self.rates.take();
        }
        let counters = self.read();
        self.rates.borrow_mut().look(Instant::now(), totals(&counters));
    }

    /// All of it, now.
    pub(super) fn read(&self) -> Counters {
        // One for all: a reload may put another in force at any moment.
        let snapshot = &self.control.force.snapshot();
        let mut counters = Counters {
            process: self.process(snapshot),
            listeners: self.listeners(snapshot),
            pools: Vec::new(),
            worker_sessions: self.counted().map(|it| it.worker.sessions.read()).collect(),
            copied: self.of_workers(|worker| sum(&worker.copied)),
            spliced: self.of_workers(|worker| sum(&worker.spliced)),
            fallbacks: std::array::from_fn(|it| self.of_workers(|w| w.fallbacks[it].read())),
            shortages: std::array::from_fn(|it| self.of_workers(|w| w.shortages[it].read())),
            ended: std::array::from_fn(|it| self.of_workers(|worker| worker.causes[it].read())),
            adopted: self.of_workers(|worker| worker.adopted.read()),
            lost: self.lost(),
        };
        counters.pools = self.pools(snapshot, &counters.listeners);
        self.fill_rates(&mut counters);
        counters
    }

    /// Sessions that did not, by the reason. A record that was none contradicts what is counted, too.
    fn lost(&self) -> [u64; Loss::COUNT] {
        let mut lost = std::array::from_fn(|it| self.of_workers(|worker| worker.lost[it].read()));
        lost[Loss::Mismatch as usize] += self.control.header.lost();
        lost
    }

    fn process(&self, snapshot: &Snapshot) -> Process {
        let control = &self.control;
        let binds = control.force.addresses().len() as u64;
        let workers = control.counted.len() as u64;
        let max_sessions = snapshot.max_sessions;
        Process {
            pid: self.pid,
            host: self.host.clone(),
            started: control.started.wall.duration_since(UNIX_EPOCH).unwrap_or_default(),
            uptime: control.started.instant.elapsed(),
            workers,
            max_sessions,
            descriptor_limit: descriptor_limit(),
            descriptors_max: fixed_descriptors(workers, binds)
                + DESCRIPTORS_PER_SESSION * max_sessions,
            sessions: control.header.total.sessions(),
            accepted: self.of_workers(|worker| worker.accepted.read()),
            rate: Rate::default(),
            engines: control.header.epoch(),
            stopping: control.header.command() != Command::Run,
        }
    }

    fn listeners(&self, snapshot: &Snapshot) -> Vec<Listener> {
        let one = |(index, listener): (usize, &snapshot::Listener)| {
            let gauge = &self.control.gauges.listeners[index];
            let sum = |of: fn(&ListenerStats) -> &Counter| -> u64 {
                self.counted().map(|counted| of(&counted.listeners[index]).read()).sum()
            };
            Listener {
                name: listener.name.clone(),
                open: self.control.header.command() == Command::Run,
                sessions: gauge.sessions(),
                most: gauge.most(),
                limit: listener.max_sessions.min(snapshot.max_sessions),
                total: sum(|it| &it.sessions),
                bytes: [sum(|it| &it.bytes[0]), sum(|it| &it.bytes[1])],
                denied: sum(|it| &it.denied),
                rate: Rate::default(),
            }
        };
        let all = snapshot.listeners.iter().enumerate();
        all.filter(|(_, listener)| listener.in_use).map(one).collect()
    }

    fn pools(&self, snapshot: &Snapshot, listeners: &[Listener]) -> Vec<Pool> {
        let one = |(index, pool): (usize, &snapshot::Pool)| {
            let gauge: &SessionGauge = &self.control.gauges.pools[index];
            let in_use = snapshot.listeners.iter().filter(|listener| listener.in_use);
            let of_pool = in_use.zip(listeners);
            let of_pool = of_pool.filter(|(listener, _)| usize::from(listener.pool) == index);
            Pool {
                name: pool.name.clone(),
                algorithm: algorithm(&pool.mapping),
                fingerprint: pool.mapping.is_sticky().then_some(pool.fingerprint),
                sessions: gauge.sessions(),
                most: gauge.most(),
                total: of_pool.map(|(_, listener)| listener.total).sum(),
                rate: Rate::default(),
                servers: pool.servers.iter().map(|server| self.server(pool, server)).collect(),
            }
        };
        let all = snapshot.pools.iter().enumerate();
        all.filter(|(_, pool)| pool.in_use).map(one).collect()
    }

    fn server(&self, pool: &snapshot::Pool, server: &snapshot::Server) -> Server {
        let index = usize::from(server.gauge);
        let gauge: &SessionGauge = &self.control.gauges.servers[index];
        let sum = |of: fn(&ServerStats) -> &Counter| -> u64 {
            self.counted().map(|counted| of(&counted.servers[index]).read()).sum()
        };
        let source = |source: &snapshot::Source| {
            let gauge = &self.control.gauges.sources[usize::from(source.gauge)];
            (source.addr.to_string(), gauge.sessions())
        };
        Server {
            name: server.name.clone(),
            addr: server.addr.to_string(),
            place: server.gauge,
            weight: u64::from(server.weight),
            backup: server.backup,
            sessions: gauge.sessions(),
            most: gauge.most(),
            limit: server.max_sessions,
            total: sum(|it| &it.sessions),
            bytes: [sum(|it| &it.bytes[0]), sum(|it| &it.bytes[1])],
            connect_errors: sum(|it| &it.connect_errors),
            redispatched: sum(|it| &it.redispatched),
            full: sum(|it| &it.full),
            aborts: [sum(|it| &it.aborts[0]), sum(|it| &it.aborts[1])],
            rate: Rate::default(),
            health: self.health(&pool.health, &self.control.health[index]),
            sources: server.sources.iter().map(source).collect(),
        }
    }

    fn health(&self, policy: &spec::Health, health: &ServerHealth) -> Option<Health> {
        let now = now();
        (policy.probe != Probe::Off).then(|| Health {
            up: health.is_up(),
            level: health.level(policy).into(),
            rise: policy.rise.into(),
            fall: policy.fall.into(),
            failures: health.failures.read(),
            downs: health.downs.read(),
            unchanged: health
                .unchanged_for(now)
                .unwrap_or_else(|| self.control.started.instant.elapsed()),
            downtime: health.downtime(now),
            last: health.last_probe(),
        })
    }

    fn fill_rates(&self, counters: &mut Counters) {
        let rates = self.rates.borrow();
        let servers = counters.pools.iter_mut().flat_map(|pool| {
            let servers = pool.servers.iter_mut().map(|server| &mut server.rate);
            std::iter::once(&mut pool.rate).chain(servers)
        });
        let listeners = counters.listeners.iter_mut().map(|listener| &mut listener.rate);
        let all = std::iter::once(&mut counters.process.rate).chain(listeners).chain(servers);
        for (place, rate) in all.zip(rates.all()) {
            *place = *rate;
        }
    }

    fn counted(&self) -> impl Iterator<Item = &Counted<'static>> {
        self.control.counted.iter()
    }

    fn of_workers(&self, number: impl Fn(&WorkerStats) -> u64) -> u64 {
        self.counted().map(|counted| number(counted.worker)).sum()
    }
}

/// What rates are taken of, in the order in which they are filled in.
fn totals(counters: &Counters) -> Vec<u64> {
    let servers = counters.pools.iter().flat_map(|pool| {
        std::iter::once(pool.total).chain(pool.servers.iter().map(|server| server.total))
    });
    let listeners = counters.listeners.iter().map(|listener| listener.total);
    std::iter::once(counters.process.accepted).chain(listeners).chain(servers).collect()
}

fn sum(ways: &[Counter; 2]) -> u64 {
    ways.iter().map(Counter::read).sum()
}

fn algorithm(mapping: &Mapping) -> &'static str {
    match mapping {
        Mapping::Rendezvous1 { .. } | Mapping::HaproxyMap { .. } | Mapping::HaproxyRing(_) => {
            "source"
        }
        Mapping::NginxIpHash { .. } | Mapping::NginxHash { .. } | Mapping::NginxRing { .. } => {
            "hash"
        }
        Mapping::RoundRobin => "roundrobin",
        Mapping::LeastSessions => "leastconn",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use ringbolt_core::health::Outcome;

    /// Numbers that differ from each other, so that a test sees which one stands where.
    pub(in super::super) fn sample() -> Counters {
        let server = |name: &str, weight, backup, base: u64| Server {
            place: u16::from(backup),
            name: name.into(),
            addr: "192.0.2.1:80".into(),
            weight,
            backup,
            sessions: base,
            most: base + 1,
            limit: backup.then_some(base + 12),
            total: base + 2,
            bytes: [base + 3, base + 4],
            connect_errors: base + 5,
            redispatched: base + 6,
            full: base + 13,
            aborts: [base + 7, base + 8],
            rate: Rate { now: base + 9, most: base + 10 },
            health: backup.then(|| Health {
                up: true,
                level: 3,
                rise: 2,
                fall: 3,
                failures: base + 18,
                downs: base + 17,
                unchanged: Duration::from_secs(base + 14),
                downtime: Duration::from_secs(base + 15),
                last: LastProbe {
                    outcome: Outcome::WrongStatus,
                    code: Some(405),
                    took: Duration::from_millis(base + 16),
                },
            }),
            sources: vec![("10.0.0.2".into(), base + 11)],
        };
        Counters {
            process: Process {
                pid: 4242,
                host: "quay".into(),
                started: Duration::from_secs(1_700_000_000),
                uptime: Duration::from_secs(90_061),
                workers: 2,
                max_sessions: 100,
                descriptor_limit: 20_000,
                descriptors_max: 500,
                sessions: 7,
                accepted: 70,
                rate: Rate { now: 3, most: 30 },
                engines: 6,
                stopping: false,
            },
            listeners: vec![Listener {
                name: "web".into(),
                open: true,
                sessions: 7,
                most: 8,
                limit: 100,
                total: 70,
                bytes: [700, 701],
                denied: 702,
                rate: Rate { now: 3, most: 30 },
            }],
            pools: vec![Pool {
                name: "echo".into(),
                algorithm: "source",
                fingerprint: Some(4_503_599_627_370_495),
                sessions: 7,
                most: 8,
                total: 70,
                rate: Rate { now: 3, most: 30 },
                servers: vec![server("ws1", 2, false, 1_000), server("ws2", 1, true, 2_000)],
            }],
            worker_sessions: vec![3, 4],
            copied: 1_400,
            spliced: 1,
            fallbacks: [1, 2, 3, 4],
            shortages: [11, 12, 13],
            ended: std::array::from_fn(|index| index as u64),
            adopted: 7,
            lost: [1, 2, 5],
        }
    }

    // Goal: backups count when nobody else is left. Method: with and without the other one.
    #[test]
    fn backups_stand_in() {
        let mut pool = sample().pools.remove(0);
        assert_eq!((pool.usable(false), pool.usable(true), pool.weight()), (1, 1, 2));
        pool.servers[0].weight = 0;
        assert_eq!((pool.usable(false), pool.usable(true), pool.weight()), (0, 1, 1));
        assert!(pool.is_up());
        pool.servers[1].health.as_mut().unwrap().up = false;
        assert!(!pool.is_up());
    }

    // Goal: a rate is found at the place whose total it was taken of. Method: as many of each.
    #[test]
    fn every_total_has_a_rate() {
        assert_eq!(totals(&sample()), [70, 70, 70, 1_002, 2_002]);
    }
}
