//! The supervisor: binds the listeners, owns the session region, clones the engine, and starts it
//! again when it dies. It has one thread for ever and carries no traffic, so there is nothing in it
//! that traffic could break.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, close};
use ringbolt_core::adopt::Death;
use ringbolt_core::census::Census;
use ringbolt_core::header::Command;
use ringbolt_core::kernel::Fd;
use ringbolt_core::limits::{SESSIONS_MAX, sessions_for};
use ringbolt_core::region::{Extent, Part};
use ringbolt_core::spec::Spec;
use ringbolt_core::stats::{Counter, WorkerStats};
use ringbolt_core::time::Instant;

use crate::accepted::Accepted;
use crate::clock;
use crate::engine::{Control, Engine, Started, Starting};
use crate::force::{Force, Now};
use crate::machine::{cores, raise_descriptor_limit};
use crate::operator::OperatorSockets;
use crate::orphans::{Spare, open_descriptors, sweep};
use crate::process::{clone_with_shared_descriptors, status_in_words};
use crate::region::SessionMemory;
use crate::ring;
use crate::start::StartError;
use crate::store::Store;

/// What a supervisor is started with.
pub struct Launch<'a> {
    /// Where the configuration comes from, for reloads.
    pub file: &'a Path,
    /// The configuration that was accepted.
    pub text: &'a str,
    /// Makes a spec of such a text; every engine starts from the text last accepted.
    pub parse: &'a dyn Fn(&str) -> Result<Spec, String>,
    /// Runs on the engine's control thread.
    pub control: fn(Control),
    /// Told of everything that a log should have.
    pub notice: &'a dyn Fn(&Notice),
}

impl std::fmt::Debug for Launch<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Launch").field("text", &self.text).finish_non_exhaustive()
    }
}

/// What happened to the process as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The first engine takes connections.
    Ready {
        /// Where.
        addresses: Vec<SocketAddr>,
        /// With how many workers.
        workers: usize,
        /// Up to how many sessions.
        max_sessions: u64,
        /// Where HTTP is served.
        http: Option<SocketAddr>,
    },
    /// A later engine takes connections.
    Restarted {
        /// Its process id.
        pid: i32,
        /// Engines so far.
        epoch: u64,
        /// Sessions that it went on with.
        adopted: u64,
        /// Sessions that were lost.
        lost: u64,
    },
    /// An engine died.
    EngineDied {
        /// Its process id.
        pid: i32,
        /// How, in words.
        how: String,
        /// Sessions that it had; the next one goes on with them, or resets what nothing proves.
        sessions: u64,
        /// Connections that it had accepted and not looked at; the next engine serves them.
        waiting: usize,
        /// Until the next one starts.
        pause: Duration,
    },
    /// No new sessions are taken any more.
    Draining {
        /// What is left then is reset.
        timeout: Option<Duration>,
    },
    /// What is left is being reset.
    Stopping {
        /// The signal that asked for it.
        signal: &'static str,
    },
    /// A signal asked for something that is not built yet.
    NotAvailable {
        /// The signal and what it asked for.
        what: &'static str,
    },
    /// An engine could not be started; the supervisor tries again.
    NoEngine {
        /// Why.
        error: String,
        /// Until it does.
        pause: Duration,
    },
}

/// How a supervisor ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was told to stop.
    Stopped,
    /// It was told to drain, and the last session has ended.
    Drained,
}

/// Serves until a signal ends it.
///
/// # Errors
/// When it cannot start. Once it has served it goes on whatever happens to its engines.
pub fn supervise(launch: Launch<'_>) -> Result<Outcome, StartError> {
    Supervisor::start(launch)?.run()
}

const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_LONGEST: Duration = Duration::from_secs(1);
/// An engine that lived this long was no failed start: it has served.
const LIVED: Duration = Duration::from_millis(500);
/// An engine that was told to stop and has not by then is killed; its sockets reset all the same.
const STOP_LIMIT: Duration = Duration::from_secs(2);

struct Supervisor<'a> {
    launch: Launch<'a>,
    memory: SessionMemory,
    store: Arc<Store>,
    extent: Extent,
    max_sessions: u64,
    operator: OperatorSockets,
    started: Started,
    signals: SignalFd,
    bell: EventFd,
    /// Rung when the configuration is to be read again.
    reload: Arc<EventFd>,
    ready: Arc<EventFd>,
    /// Open before the first engine was cloned, beside the listening sockets.
    own: BTreeSet<Fd>,
    spare: Spare,
    engine: Option<Running>,
    /// How the last engine died.
    death: Option<Death>,
    /// Sessions that were gone on with, and lost, up to then.
    before: Survival,
    /// Sessions for the next engine.
    left: u64,
    /// Connections for the next engine.
    waiting: Vec<(Fd, u16)>,
    pause: Duration,
    next_start: Instant,
    served: bool,
    kill_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    pid: Pid,
    since: Instant,
}

impl<'a> Supervisor<'a> {
    fn start(launch: Launch<'a>) -> Result<Self, StartError> {
        let spec = (launch.parse)(launch.text).map_err(StartError::Configuration)?;
        let descriptors = raise_descriptor_limit()
            .map_err(|errno| StartError::system("descriptor limit")(errno.into()))?;
        drop(ring::create().map_err(StartError::NoRing)?);
        let workers = usize::from(spec.global.workers.unwrap_or_else(cores));
        let max_sessions = max_sessions(&spec, descriptors, workers)?;
        let accepted = Accepted::first(launch.text, &spec, workers)?;
        let operator = OperatorSockets::open(&spec.global)?;
        let extent = Extent { workers, capacity: max_sessions as u32 };
        let memory = SessionMemory::create(extent).map_err(StartError::system("session region"))?;
        let store = Store::create()
            .and_then(|store| store.keep(memory.region.header, &accepted).map(|()| store))
            .map_err(StartError::system("memory for the configuration"))?;
        let signals = signals().map_err(StartError::system("signals"))?;
        let event =
            || EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK);
        let bell = event().map_err(|errno| StartError::system("event")(errno.into()))?;
        // Blocking, because a ring waits in a read of it.
        let reload = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC)
            .map_err(|errno| StartError::system("event")(errno.into()))?;
        let ready = event().map_err(|errno| StartError::system("event")(errno.into()))?;
        let spare = Spare::open().map_err(StartError::system("spare descriptor"))?;
        let mut own = open_descriptors().map_err(StartError::system("list of descriptors"))?;
        own.retain(|fd| !accepted.listens_on(*fd));
        debug_assert!(own.contains(&memory.fd()));
        debug_assert!(store.descriptors().iter().all(|fd| own.contains(fd)));
        Ok(Self {
            launch,
            memory,
            store: Arc::new(store),
            extent,
            max_sessions,
            operator,
            started: Started::now(),
            signals,
            bell,
            reload: Arc::new(reload),
            ready: Arc::new(ready),
            own,
            spare,
            engine: None,
            death: None,
            before: Survival::default(),
            left: 0,
            waiting: Vec::new(),
            pause: PAUSE_FIRST,
            next_start: clock::now(),
            served: false,
            kill_at: None,
        })
    }

    fn run(mut self) -> Result<Outcome, StartError> {
        loop {
            if self.engine.is_none() && clock::now() >= self.next_start {
                self.start_engine()?;
            }
            self.wait();
            if self.ready.read().is_ok() {
                self.engine_is_ready();
            }
            while let Ok(Some(signal)) = self.signals.read_signal() {
                if let Some(outcome) = self.signalled(signal.ssi_signo as i32)? {
                    return Ok(outcome);
                }
            }
            if self.kill_at.is_some_and(|at| clock::now() >= at)
                && let Some(engine) = self.engine
            {
                let _ = kill(engine.pid, Signal::SIGKILL);
            }
        }
    }

    /// Clones an engine. A first one that cannot be started ends the supervisor; later ones are
    /// tried again.
    fn start_engine(&mut self) -> Result<(), StartError> {
        match self.clone_engine() {
            Ok(pid) => {
                self.waiting.clear();
                self.engine = Some(Running { pid, since: clock::now() });
                Ok(())
            }
            Err(error) if self.served => {
                let pause = self.pause;
                (self.launch.notice)(&Notice::NoEngine { error: error.to_string(), pause });
                self.back_off();
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn clone_engine(&mut self) -> Result<Pid, StartError> {
        let accepted = self.accepted()?;
        let spec = (self.launch.parse)(&accepted.text).map_err(StartError::Configuration)?;
        let wanted = spec.global.max_sessions.map_or(self.max_sessions, u64::from);
        let snapshot = accepted.snapshot(&spec, None, wanted.min(self.max_sessions))?;
        let workers = self.extent.workers;
        let doors = (0..workers).map(|worker| accepted.doors(worker)).collect();
        let region = &mut self.memory.region;
        region.header.begin_epoch(self.left);
        let force = Force::new(
            self.launch.file.into(),
            region,
            self.store.clone(),
            self.reload.clone(),
            self.max_sessions,
            Now { accepted, spec: Arc::new(spec), snapshot: Arc::new(snapshot) },
        );
        let control = Control {
            force: Arc::new(force),
            header: region.header,
            gauges: region.gauges,
            health: region.health,
            counted: region.stats.clone(),
            http: self.operator.http.clone(),
            admin: self.operator.admin(),
            started: self.started,
            // Every worker, and the control thread.
            starting: Starting::new(workers + 1, self.ready.clone()),
            mailboxes: Arc::default(),
        };
        let bell = &self.bell;
        let (capacity, control_thread) = (self.extent.capacity, self.launch.control);
        let parts = &mut region.parts;
        let (death, waiting) = (self.death, &self.waiting);
        clone_with_shared_descriptors(|| {
            let engine = Engine {
                control,
                control_thread,
                // The child's copy of the list; the supervisor keeps its own.
                parts: std::mem::take(parts),
                capacity,
                doors,
                death,
                waiting: waiting.clone(),
                bell,
            };
            engine.run()
        })
        .map_err(StartError::system("the engine cannot be cloned"))
    }

    /// What is in force. It may have been changed by an engine since the last look.
    fn accepted(&self) -> Result<Accepted, StartError> {
        let kept = self.store.read(self.memory.region.header);
        kept.map_err(StartError::system("the accepted configuration"))
    }

    fn engine_is_ready(&mut self) {
        let Some(engine) = self.engine else { return };
        let notice = if self.served {
            let epoch = self.memory.region.header.epoch();
            let now = self.survival();
            Notice::Restarted {
                pid: engine.pid.as_raw(),
                epoch,
                adopted: now.adopted - self.before.adopted,
                lost: now.lost - self.before.lost,
            }
        } else {
            let accepted = self.accepted().map(|accepted| accepted.listening.addresses());
            Notice::Ready {
                addresses: accepted.unwrap_or_default(),
                workers: self.extent.workers,
                max_sessions: self.max_sessions,
                http: self.operator.http_address(),
            }
        };
        self.served = true;
        (self.launch.notice)(&notice);
    }

    fn signalled(&mut self, number: i32) -> Result<Option<Outcome>, StartError> {
        match Signal::try_from(number) {
            Ok(Signal::SIGCHLD) => return self.reap(),
            Ok(Signal::SIGTERM) => self.stop("TERM"),
            Ok(Signal::SIGINT) => self.stop("INT"),
            Ok(Signal::SIGUSR1) => self.drain(),
            Ok(Signal::SIGHUP) => drop(self.reload.write(1)),
            Ok(Signal::SIGUSR2) => {
                (self.launch.notice)(&Notice::NotAvailable { what: "USR2: upgrade" });
            }
            _ => {}
        }
        // Without an engine there is nobody to wait for.
        Ok(self.outcome().filter(|_| self.engine.is_none()))
    }

    fn drain(&mut self) {
        if self.memory.region.header.command() != Command::Run {
            return self.stop("USR1");
        }
        let accepted = self.accepted().ok();
        let timeout = accepted.and_then(|accepted| (self.launch.parse)(&accepted.text).ok());
        let timeout = timeout.and_then(|spec| spec.global.drain_timeout);
        (self.launch.notice)(&Notice::Draining { timeout });
        self.memory.region.header.order_drain(clock::now());
        let _ = self.bell.write(1);
        self.leave_inherited();
    }

    /// Closes the inherited sockets under the numbers they came with. Once the workers have closed
    /// theirs, clients are refused, or wait for whoever else holds the socket.
    fn leave_inherited(&mut self) {
        let Ok(accepted) = self.accepted() else { return };
        for fd in accepted.listening.taken_in() {
            if self.own.remove(&fd) {
                let _ = close(fd);
            }
        }
    }

    fn stop(&mut self, signal: &'static str) {
        if self.memory.region.header.command() != Command::Stop {
            (self.launch.notice)(&Notice::Stopping { signal });
            self.kill_at = Some(clock::now() + STOP_LIMIT);
        }
        self.memory.region.header.order(Command::Stop);
        let _ = self.bell.write(1);
    }

    /// What the supervisor ends with once no engine is left, if it was told to end.
    fn outcome(&self) -> Option<Outcome> {
        match self.memory.region.header.command() {
            Command::Run => None,
            Command::Drain => Some(Outcome::Drained),
            Command::Stop => Some(Outcome::Stopped),
        }
    }

    fn reap(&mut self) -> Result<Option<Outcome>, StartError> {
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            let Some(pid) = status.pid() else { break };
            let Some(engine) = self.engine.filter(|engine| engine.pid == pid) else { continue };
            self.engine = None;
            let orderly = matches!(status, WaitStatus::Exited(_, 0));
            if let Some(outcome) = self.outcome()
                && (orderly || outcome == Outcome::Stopped)
            {
                return Ok(Some(outcome));
            }
            if !self.served {
                return Err(StartError::Engine(status_in_words(status)));
            }
            self.engine_died(engine, status);
        }
        Ok(None)
    }

    fn engine_died(&mut self, engine: Running, status: WaitStatus) {
        if clock::now().since(engine.since) > LIVED {
            self.pause = PAUSE_FIRST;
        }
        self.before = self.survival();
        let (sessions, named) = self.take_census();
        (self.death, self.left) = (Some(death(status)), sessions);
        let accepted = self.accepted();
        let spare = &mut self.spare;
        // What was accepted was written in full; should it not be readable all the same, nothing is
        // closed, since it may be a listening socket.
        self.waiting = accepted.map_or_else(
            |_| Vec::new(),
            |accepted| {
                let swept = spare.lend(&mut self.own, |own| sweep(own, &named, &accepted));
                swept.unwrap_or_default()
            },
        );
        (self.launch.notice)(&Notice::EngineDied {
            pid: engine.pid.as_raw(),
            how: status_in_words(status),
            sessions,
            waiting: self.waiting.len(),
            pause: self.pause,
        });
        // The bell may have rung for the engine that is gone.
        let _ = self.bell.read();
        let _ = self.ready.read();
        self.back_off();
    }

    /// Counts the sessions in the records anew, and lists what they own.
    fn take_census(&mut self) -> (u64, BTreeSet<Fd>) {
        let region = &mut self.memory.region;
        region.gauges.clear();
        let (mut census, mut owned) = (Census::default(), BTreeSet::new());
        for bytes in &mut region.parts {
            let Ok(part) = Part::view(bytes, self.extent.capacity) else { continue };
            census.count(&part, &region.gauges, |fd| {
                owned.insert(fd);
            });
        }
        region.header.lose(census.broken);
        (census.sessions, owned)
    }

    /// Sessions that engines have gone on with and lost.
    fn survival(&self) -> Survival {
        let region = &self.memory.region;
        let lost = |stats: &WorkerStats| stats.lost.iter().map(Counter::read).sum::<u64>();
        let workers = || region.stats.iter().map(|counted| counted.worker);
        Survival {
            adopted: workers().map(|stats| stats.adopted.read()).sum(),
            lost: workers().map(lost).sum::<u64>() + region.header.lost(),
        }
    }

    fn back_off(&mut self) {
        self.next_start = clock::now() + self.pause;
        self.pause = (self.pause * 2).min(PAUSE_LONGEST);
    }

    /// Waits for a signal, for the engine's word that it is ready, or until something is due.
    fn wait(&self) {
        let start = Some(self.next_start).filter(|_| self.engine.is_none());
        let due = start.into_iter().chain(self.kill_at).min();
        let limit = due.map_or(PollTimeout::NONE, |at| {
            let left = at.since(clock::now()) + Duration::from_millis(1);
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        let mut descriptors = [
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.ready.as_fd(), PollFlags::POLLIN),
        ];
        // An interruption, or a moment without memory, is a reason to look again.
        let _ = poll(&mut descriptors, limit);
    }
}

/// What became of the sessions of dead engines.
#[derive(Clone, Copy, Debug, Default)]
struct Survival {
    adopted: u64,
    lost: u64,
}

/// Nobody but the kernel and its users sends KILL.
fn death(status: WaitStatus) -> Death {
    let killed = matches!(status, WaitStatus::Signaled(_, Signal::SIGKILL, _));
    if killed { Death::Outside } else { Death::OwnFault }
}

/// Blocks the signals that mean something to us and takes them from a descriptor. The engine
/// inherits the mask: a Ctrl-C reaches the whole process group, and it acts on orders alone.
fn signals() -> io::Result<SignalFd> {
    let mut mask = SigSet::empty();
    for signal in [
        Signal::SIGCHLD,
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
    ] {
        mask.add(signal);
    }
    mask.thread_block()?;
    Ok(SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?)
}

fn max_sessions(spec: &Spec, descriptors: u64, workers: usize) -> Result<u64, StartError> {
    let binds: usize = spec.listeners.iter().map(|listener| listener.binds.len()).sum();
    let possible = sessions_for(descriptors, workers as u64, binds as u64);
    let wanted = spec.global.max_sessions.map_or_else(|| possible.max(1), u64::from);
    if wanted > possible {
        return Err(StartError::TooManySessions { wanted, possible, descriptors });
    }
    Ok(wanted.min(u64::from(SESSIONS_MAX)))
}
