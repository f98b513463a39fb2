//! Whether a server is up: what probes and failed connects make of it, and when it is probed next.
//!
//! After HAProxy's server checks: bad results in a row bring a server down, good ones bring it up, and
//! one that nothing is known of yet is up and one bad result from being down. Not here: weights and the
//! administrative state, which are another axis; and what a probe is.

use alloc::collections::BTreeMap;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

use zerocopy::{FromBytes, IntoBytes, KnownLayout};

use crate::snapshot::{Pool, Server, Snapshot};
use crate::spec::Health;
use crate::stats::{Counter, Level};
use crate::time::Instant;

/// How a probe came out, by HAProxy's names for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// None has ended yet.
    None = 0,
    /// Connected; more was not asked for.
    Connected = 1,
    /// The server refused, or the way to it did.
    Refused = 2,
    /// No connection within the time limit.
    ConnectTimeout = 3,
    /// The answer was a good one.
    Answered = 4,
    /// No whole answer within the time limit.
    AnswerTimeout = 5,
    /// The answer was none: it broke off, or is something else.
    WrongAnswer = 6,
    /// The answer has a status that is not good.
    WrongStatus = 7,
    /// We had no descriptor, port or memory for it, so it says nothing of the server.
    LocalFault = 8,
}

impl Outcome {
    /// Number of outcomes.
    pub const COUNT: usize = 9;

    /// Every outcome, with HAProxy's name for it and what it means in words.
    pub const NAMES: [(Self, &'static str, &'static str); Self::COUNT] = [
        (Self::None, "INI", "not probed yet"),
        (Self::Connected, "L4OK", "connected"),
        (Self::Refused, "L4CON", "cannot be connected to"),
        (Self::ConnectTimeout, "L4TOUT", "no connection in time"),
        (Self::Answered, "L7OK", "a good answer"),
        (Self::AnswerTimeout, "L7TOUT", "no answer in time"),
        (Self::WrongAnswer, "L7RSP", "a wrong answer"),
        (Self::WrongStatus, "L7STS", "a wrong status"),
        (Self::LocalFault, "SOCKERR", "no descriptor, port or memory for a probe"),
    ];

    /// HAProxy's name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }

    /// What it means.
    pub fn words(self) -> &'static str {
        Self::NAMES[self as usize].2
    }

    /// Whether it speaks for the server; `None`: neither for nor against.
    pub fn is_good(self) -> Option<bool> {
        match self {
            Self::Connected | Self::Answered => Some(true),
            Self::Refused
            | Self::ConnectTimeout
            | Self::AnswerTimeout
            | Self::WrongAnswer
            | Self::WrongStatus => Some(false),
            Self::None | Self::LocalFault => None,
        }
    }
}

/// What is known of a server's health. It lies in the region, so the next engine goes on from it. The
/// control thread writes it; workers read whether the server is up for every new session. All zero is a
/// server that nothing is known of.
#[derive(Debug, Default, FromBytes, IntoBytes, KnownLayout)]
#[repr(C, align(64))]
pub struct ServerHealth {
    /// 0: up.
    down: AtomicU32,
    /// See [`next_level`].
    level: AtomicU32,
    /// Bad results while it was up.
    pub failures: Counter,
    /// Times it went down.
    pub downs: Counter,
    /// When it last went up or down, in nanoseconds since boot; 0: never.
    changed_at: Level,
    /// Nanoseconds that it was down, without this time.
    downtime: Counter,
    outcome: AtomicU32,
    /// The status of its last answer; 0: there was none.
    code: AtomicU32,
    took_micros: Level,
    _rest: [u64; 1],
}

/// How the last probe of a server went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastProbe {
    /// Its end.
    pub outcome: Outcome,
    /// The status of the answer, of kinds that have one.
    pub code: Option<u16>,
    /// From the connect to its end.
    pub took: Duration,
}

impl ServerHealth {
    /// Whether it may get new sessions.
    pub fn is_up(&self) -> bool {
        self.down.load(Ordering::Relaxed) == 0
    }

    /// Forgets everything: another server, or one that is probed in another way.
    pub fn begin(&self) {
        for counter in [&self.failures, &self.downs, &self.downtime] {
            counter.clear();
        }
        self.changed_at.set(0);
        self.took_micros.set(0);
        for word in [&self.level, &self.outcome, &self.code, &self.down] {
            word.store(0, Ordering::Relaxed);
        }
    }

    /// Takes a result in. Whether it went up (true) or down (false) by it.
    pub fn judge(&self, good: bool, policy: &Health, now: Instant) -> Option<bool> {
        let was_up = self.is_up();
        if was_up && !good {
            self.failures.add(1);
        }
        let level = next_level(self.level(policy), good, policy);
        let up = level >= policy.rise;
        self.level.store(level, Ordering::Relaxed);
        self.down.store(u32::from(!up), Ordering::Relaxed);
        if up == was_up {
            return None;
        }
        if up {
            self.downtime.add(now.as_nanos().saturating_sub(self.changed_at.read()));
        } else {
            self.downs.add(1);
        }
        self.changed_at.set(now.as_nanos());
        Some(up)
    }

    /// Takes note of how a probe went.
    pub fn note(&self, probe: LastProbe) {
        self.outcome.store(probe.outcome as u32, Ordering::Relaxed);
        self.code.store(probe.code.unwrap_or(0).into(), Ordering::Relaxed);
        self.took_micros.set(probe.took.as_micros() as u64);
    }

    /// How the last probe went.
    pub fn last_probe(&self) -> LastProbe {
        let outcome = self.outcome.load(Ordering::Relaxed) as usize;
        let code = self.code.load(Ordering::Relaxed) as u16;
        LastProbe {
            outcome: Outcome::NAMES.get(outcome).map_or(Outcome::None, |(outcome, ..)| *outcome),
            code: (code > 0).then_some(code),
            took: Duration::from_micros(self.took_micros.read()),
        }
    }

    /// How far it is from going down or up: HAProxy's `health`, 0 to rise + fall - 1; from rise on it is
    /// up. Within these bounds also after a reload that changed them.
    pub fn level(&self, policy: &Health) -> u32 {
        let level = self.level.load(Ordering::Relaxed);
        if self.is_up() {
            level.clamp(policy.rise, top(policy))
        } else {
            level.min(policy.rise - 1)
        }
    }

    /// For how long it has been as it is; `None`: it was never otherwise.
    pub fn unchanged_for(&self, now: Instant) -> Option<Duration> {
        let at = self.changed_at.read();
        (at > 0).then(|| now.since(Instant::from_nanos(at)))
    }

    /// How long it was down in all.
    pub fn downtime(&self, now: Instant) -> Duration {
        let running = self.unchanged_for(now).filter(|_| !self.is_up()).unwrap_or_default();
        Duration::from_nanos(self.downtime.read()) + running
    }

    /// Between the begin of the last probe and that of the next: the fast interval while it is changing
    /// its state. Up to a twentieth more or less, by the server and by `count`, so that probes of many
    /// servers do not come to be made all at once.
    pub fn interval(&self, policy: &Health, name_hash: u64, count: u64) -> Duration {
        let level = self.level(policy);
        let settled = level == 0 || level == top(policy);
        let base = if settled { policy.interval } else { policy.fast_interval };
        let share = spread(name_hash, count) % 1_001;
        base * 19 / 20 + base / 10 * share as u32 / 1_000
    }
}

/// When a server is first probed, counted from the start: somewhere within the fast interval, so that
/// many servers are not probed all at once.
pub fn first_wait(policy: &Health, name_hash: u64) -> Duration {
    policy.fast_interval / 1_000 * (spread(name_hash, 0) % 1_000) as u32
}

/// Servers that begin anew under the next snapshot, by their places: those that are new, that have
/// another address, or are probed in another way. The others keep what is known of them.
pub fn beginners<'a>(before: &'a Snapshot, next: &'a Snapshot) -> impl Iterator<Item = u16> + 'a {
    let identity = |(pool, server): (&'a Pool, &'a Server)| {
        (server.gauge, (&pool.name, &server.name, &server.addr, &pool.health.probe))
    };
    let known: BTreeMap<u16, _> = before.servers().map(identity).collect();
    let same = move |place, what| known.get(&place).is_some_and(|known| *known == what);
    next.servers().map(identity).filter(move |(place, what)| !same(*place, *what)).map(|(at, _)| at)
}

/// The level after a result. Good ones fill it up, bad ones empty it; it jumps to its end when the
/// server goes up or down, so that the way back is always `fall` or `rise` results long.
fn next_level(level: u32, good: bool, policy: &Health) -> u32 {
    let up = level >= policy.rise;
    match good {
        true if up || level + 1 == policy.rise => top(policy),
        true => level + 1,
        false if level > policy.rise => level - 1,
        false => 0,
    }
}

fn top(policy: &Health) -> u32 {
    policy.rise + policy.fall - 1
}

/// Numbers without a pattern: SplitMix64.
fn spread(seed: u64, count: u64) -> u64 {
    let mut z = seed.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Probe;
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    fn policy(rise: u32, fall: u32) -> Health {
        Health {
            probe: Probe::Tcp,
            interval: Duration::from_secs(2),
            fast_interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            rise,
            fall,
        }
    }

    /// The rule in plain words: `fall` bad results in a row bring it down, `rise` good ones up; the very
    /// first bad one is enough.
    struct Plain {
        up: bool,
        against: u32,
    }

    impl Plain {
        fn judge(&mut self, good: bool, rise: u32, fall: u32) {
            self.against = if good == self.up { 0 } else { self.against + 1 };
            if self.against == if self.up { fall } else { rise } {
                *self = Self { up: good, against: 0 };
            }
        }
    }

    // Goal: a server goes down and up when the rule says so. Method: every sequence of ten results,
    // for every rise and fall up to four, against the rule in plain words.
    #[test]
    fn rise_and_fall() {
        for (rise, fall) in (1..=4).flat_map(|rise| (1..=4).map(move |fall| (rise, fall))) {
            for results in 0..1_u32 << 10 {
                let (health, policy) = (ServerHealth::default(), policy(rise, fall));
                let mut plain = Plain { up: true, against: fall - 1 };
                for result in 0..10 {
                    let good = results >> result & 1 == 1;
                    let was_up = plain.up;
                    plain.judge(good, rise, fall);
                    let turned = health.judge(good, &policy, Instant::default());
                    assert_eq!(turned, (plain.up != was_up).then_some(plain.up));
                    assert_eq!(health.is_up(), plain.up, "{results:b} {rise} {fall}");
                }
            }
        }
    }

    // Goal: what is counted is HAProxy's: failures only while it is up, each way down, and the time
    // between. Method: down at 10 s, up at 14 s, down at 20 s, a look at 21 s.
    #[test]
    fn times_and_counts() {
        let (health, policy) = (ServerHealth::default(), policy(2, 1));
        let at = |seconds: u64| Instant::from_millis(seconds * 1_000);
        assert_eq!(health.unchanged_for(at(9)), None);
        for (seconds, good) in [(10, false), (12, false), (13, true), (14, true), (20, false)] {
            health.judge(good, &policy, at(seconds));
        }
        assert_eq!((health.failures.read(), health.downs.read()), (2, 2));
        assert_eq!(health.downtime(at(21)), Duration::from_secs(5));
        assert_eq!(health.unchanged_for(at(21)), Some(Duration::from_secs(1)));
        health.begin();
        assert!(health.is_up());
        assert_eq!((health.downs.read(), health.downtime(at(30))), (0, Duration::ZERO));
    }

    // Goal: a reload that changes rise and fall turns nobody. Method: a server in each state, under
    // every other policy.
    #[test]
    fn other_bounds_turn_nobody() {
        for results in [&[true][..], &[], &[true, false], &[false], &[false, true, true, true]] {
            for (rise, fall) in (1..=4).flat_map(|rise| (1..=4).map(move |fall| (rise, fall))) {
                let health = ServerHealth::default();
                results.iter().for_each(|good| {
                    health.judge(*good, &policy(4, 4), Instant::default());
                });
                let level = health.level(&policy(rise, fall));
                assert_eq!(level >= rise, health.is_up());
                assert!(level < rise + fall);
            }
        }
    }

    // Goal: probes follow at the interval, faster in transition, and are spread. Method: each state's
    // interval over many counts stays within a twentieth and is not always the same.
    #[test]
    fn intervals() {
        let (health, policy) = (ServerHealth::default(), policy(2, 3));
        let expect = |good, base: Duration| {
            health.judge(good, &policy, Instant::default());
            let waits: BTreeSet<Duration> =
                (0..100).map(|count| health.interval(&policy, 7, count)).collect();
            assert!(waits.len() > 50);
            assert!(waits.iter().all(|wait| *wait >= base * 19 / 20 && *wait <= base * 21 / 20));
        };
        let (slow, fast) = (policy.interval, policy.fast_interval);
        for (good, base) in [(true, slow), (false, fast), (false, fast), (false, slow)] {
            expect(good, base);
        }
        for (good, base) in [(true, fast), (true, slow)] {
            expect(good, base);
        }
    }

    // Goal: a thousand servers are first probed all over the fast interval. Method: tenths of it.
    #[test]
    fn first_probes_are_spread() {
        let policy = policy(2, 3);
        let mut tenths = [0; 10];
        for name in 0..1_000 {
            let wait = first_wait(&policy, spread(name, 1));
            tenths[(wait.as_millis() / 100) as usize] += 1;
        }
        assert!(tenths.iter().all(|count| (50..150).contains(count)), "{tenths:?}");
    }

    // Goal: an outcome stands at the place by which it is kept. Method: all of them.
    #[test]
    fn outcomes_stand_at_their_place() {
        let health = ServerHealth::default();
        for (place, (outcome, ..)) in Outcome::NAMES.into_iter().enumerate() {
            assert_eq!(outcome as usize, place);
            let probe = LastProbe { outcome, code: Some(405), took: Duration::from_millis(7) };
            health.note(probe);
            assert_eq!(health.last_probe(), probe);
        }
        let good: Vec<_> =
            Outcome::NAMES.iter().filter(|it| it.0.is_good() == Some(true)).collect();
        assert_eq!(good.len(), 2);
    }
}
