//! The engine: the process that the supervisor clones, with one thread a worker and one for
//! everything else.

use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{self, Duration, SystemTime};
use std::{panic, process, thread};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use ringbolt_core::adopt::Death;
use ringbolt_core::header::{Command, Header};
use ringbolt_core::health::ServerHealth;
use ringbolt_core::region::{Counted, Gauges};
use ringbolt_core::spec::Spec;
use ringbolt_core::time::Instant;

use crate::clock;
use crate::durations::Durations;
use crate::force::{Changed, Force, Renamed};
use crate::listen::Door;
use crate::machine::core_numbers;
use crate::mailbox::{Mailbox, Order};
use crate::start::StartError;
use crate::worker::Worker;

/// A dead worker in a living engine would be the worst of both: a panic ends the engine, whatever it was
/// built to do then, and the supervisor starts the next one.
fn end_with_any_thread() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        tell(panic);
        process::abort();
    }));
}

/// What the control thread sees of the engine it belongs to.
#[derive(Clone, Debug)]
pub struct Control {
    /// What is in force, and how to change it.
    pub force: Arc<Force>,
    /// Live sessions, engines so far, sessions lost.
    pub header: &'static Header,
    /// Live sessions, by what they belong to.
    pub gauges: Gauges<'static>,
    /// What is known of each server's health, by its place; for [`Force::undisturbed`] to write.
    pub health: &'static [ServerHealth],
    /// What each worker has counted since the supervisor started.
    pub counted: Vec<Counted<'static>>,
    /// Where HTTP is to be served. The supervisor's: to be duplicated, not closed.
    pub http: Option<Arc<TcpListener>>,
    /// The runtime socket, in the same way.
    pub admin: Option<Arc<UnixListener>>,
    /// When the supervisor started, with which all counting began.
    pub started: Started,
    pub(crate) starting: Arc<Starting>,
    /// Of the workers; empty until they run.
    pub(crate) mailboxes: Arc<[Mailbox]>,
}

impl Control {
    /// Asks every worker for what it has measured since it was last asked, in exchange for an empty
    /// one. `reply` is called once for each, mostly on the worker's thread, so it must not wait.
    pub fn collect_durations(
        &self,
        mut empty: impl FnMut() -> Box<Durations>,
        reply: impl FnOnce(Box<Durations>) + Clone + Send + 'static,
    ) {
        for mailbox in &*self.mailboxes {
            mailbox.hand_over(empty(), Box::new(reply.clone()));
        }
    }

    /// Puts another configuration in force; see [`Force::change`].
    ///
    /// # Errors
    /// When it cannot be; then nothing has changed.
    pub fn change(&self, text: &str, spec: &Spec) -> Result<Changed, StartError> {
        self.force.change(text, spec, &self.mailboxes)
    }

    /// Asks for the addresses of names again; see [`Force::follow_names`].
    ///
    /// # Errors
    /// When what has changed cannot be put in force.
    pub fn follow_names(&self) -> Result<Vec<Renamed>, StartError> {
        self.force.follow_names(&self.mailboxes)
    }

    /// Whether every thread of this engine is at work.
    pub fn is_serving(&self) -> bool {
        self.starting.left.load(Ordering::Acquire) == 0
    }

    /// Says that the control thread is at work. The engine is ready when all its threads are.
    pub fn is_up(&self) {
        self.starting.one_is_up();
    }
}

/// A moment by both clocks: one that never jumps, and the one on the wall.
#[derive(Clone, Copy, Debug)]
pub struct Started {
    /// For how long ago it was.
    pub instant: time::Instant,
    /// For when it was.
    pub wall: SystemTime,
}

impl Started {
    pub(crate) fn now() -> Self {
        Self { instant: time::Instant::now(), wall: SystemTime::now() }
    }
}

/// Threads of an engine that are not at work yet.
#[derive(Debug)]
pub(crate) struct Starting {
    left: AtomicUsize,
    ready: Arc<EventFd>,
}

impl Starting {
    /// Of so many threads; the last one rings `ready`.
    pub(crate) fn new(threads: usize, ready: Arc<EventFd>) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(threads), ready })
    }

    fn one_is_up(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            let _ = self.ready.write(1);
        }
    }
}

/// Everything an engine starts with.
#[derive(Debug)]
pub(crate) struct Engine<'a> {
    pub(crate) control: Control,
    pub(crate) control_thread: fn(Control),
    pub(crate) parts: Vec<&'static mut [u8]>,
    pub(crate) capacity: u32,
    pub(crate) doors: Vec<Vec<Door>>,
    /// How the engine before died, if there was one.
    pub(crate) death: Option<Death>,
    /// Connections that the engine before had accepted and not looked at.
    pub(crate) waiting: Vec<(i32, u16)>,
    /// Written when there is something to look at: an order in the header, a worker that ended.
    pub(crate) bell: &'a EventFd,
}

impl Engine<'_> {
    /// Serves; returns the exit code. Everything happens in a fresh thread, because the C library's
    /// idea of the calling one is still the supervisor's.
    pub(crate) fn run(self) -> i32 {
        end_with_any_thread();
        let served = thread::scope(|scope| {
            let engine = thread::Builder::new().name("engine".into());
            engine.spawn_scoped(scope, || self.serve()).map(|thread| thread.join())
        });
        match served {
            Ok(Ok(Ok(()))) => 0,
            Ok(Ok(Err(error))) | Err(error) => {
                eprintln!("ringbolt: engine: {error}");
                3
            }
            Ok(Err(_panicked)) => 3,
        }
    }

    fn serve(self) -> io::Result<()> {
        let workers = self.parts.len();
        let mailboxes: Arc<[Mailbox]> =
            (0..workers).map(|_| Mailbox::new()).collect::<io::Result<Vec<_>>>()?.into();
        let running = AtomicUsize::new(workers);
        let bell = self.bell;
        let cores = core_numbers();
        thread::scope(|scope| {
            for (number, (part, doors)) in self.parts.into_iter().zip(self.doors).enumerate() {
                let waiting = self.waiting.iter().skip(number).step_by(workers).copied().collect();
                let worker = Worker {
                    death: self.death,
                    waiting,
                    number,
                    core: cores[number % cores.len()],
                    header: self.control.header,
                    gauges: self.control.gauges,
                    health: self.control.health,
                    counted: self.control.counted[number],
                    part,
                    capacity: self.capacity,
                    snapshot: self.control.force.snapshot(),
                    doors,
                    mailboxes: mailboxes.clone(),
                };
                let (running, starting) = (&running, self.control.starting.clone());
                let thread = thread::Builder::new().name(format!("worker-{number}"));
                let started = thread.spawn_scoped(scope, move || {
                    let ended = worker.run(|| starting.one_is_up());
                    // A worker that cannot go on takes the engine with it: half an engine would
                    // leave half of the clients waiting.
                    ended.expect("a worker's ring works");
                    running.fetch_sub(1, Ordering::AcqRel);
                    let _ = bell.write(1);
                });
                // Not an error to return: the scope would wait for the workers that did start.
                started.expect("a worker's thread starts");
            }
            let control = Control { mailboxes: mailboxes.clone(), ..self.control.clone() };
            let control_thread = self.control_thread;
            let thread = thread::Builder::new().name("control".into());
            thread.spawn(move || control_thread(control)).expect("the control thread starts");
            let header = self.control.header;
            obey(header, bell, &mailboxes, &running, &self.control.force)
                .expect("an eventfd can be waited for");
        });
        Ok(())
    }
}

/// Passes the supervisor's orders on until the last worker has ended.
fn obey(
    header: &Header,
    bell: &EventFd,
    mailboxes: &[Mailbox],
    running: &AtomicUsize,
    force: &Force,
) -> io::Result<()> {
    let mut obeyed = Command::Run;
    let mut deadline = None;
    while running.load(Ordering::Acquire) > 0 {
        let due = deadline.is_some_and(|at| at <= clock::now());
        let stop = due || obeyed == Command::Stop;
        // A change comes before an order or, when it sees that one is given, not at all.
        force.undisturbed(|snapshot| {
            let wanted = if stop { Command::Stop } else { header.command() };
            if wanted == obeyed {
                return;
            }
            for mailbox in mailboxes {
                match wanted {
                    Command::Run => {}
                    Command::Drain => mailbox.send(Order::Drain),
                    Command::Stop => mailbox.send(Order::Stop),
                }
            }
            let timeout = snapshot.drain_timeout.filter(|_| wanted == Command::Drain);
            // Since the order, which may have been given to an engine before this one.
            deadline = timeout.map(|span| header.drain_began() + span);
            obeyed = wanted;
        });
        if wait_for(bell, deadline)? {
            bell.read()?;
        }
    }
    Ok(())
}

/// Waits until the bell rings (true) or a time has come.
fn wait_for(bell: &EventFd, deadline: Option<Instant>) -> io::Result<bool> {
    let mut descriptors = [PollFd::new(bell.as_fd(), PollFlags::POLLIN)];
    let left = deadline.map(|at| at.since(clock::now()) + Duration::from_millis(1));
    let limit = left
        .map_or(PollTimeout::NONE, |left| PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
    match poll(&mut descriptors, limit) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}
