//! What is in force in this engine, and its change in place: addresses that are new are listened on,
//! the rest keeps its sockets; what is then in force is kept for the engine after this one; every
//! worker takes it between two turns. No session is touched.
//!
//! It happens in the engine, which has the threads to wait for name servers, and not in the supervisor:
//! sockets opened here are in the supervisor's descriptor table all the same, and those of a change
//! that an engine died of are swept like all orphans.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::eventfd::EventFd;
use ringbolt_core::header::{Command, Header};
use ringbolt_core::health::{ServerHealth, beginners};
use ringbolt_core::region::{Gauges, Region};
use ringbolt_core::roster::{Fresh, Kind};
use ringbolt_core::snapshot::Snapshot;
use ringbolt_core::spec::Spec;

use crate::accepted::Accepted;
use crate::mailbox::{Mailbox, Renewal};
use crate::names::{has_names, resolve};
use crate::start::StartError;
use crate::store::Store;

/// Workers take a change between two turns.
const TAKEN_LIMIT: Duration = Duration::from_secs(5);

/// What is in force.
#[derive(Debug)]
pub struct Force {
    file: PathBuf,
    header: &'static Header,
    gauges: Gauges<'static>,
    health: &'static [ServerHealth],
    store: Arc<Store>,
    /// Rung by the supervisor when the operator asks for the file to be read again.
    bell: Arc<EventFd>,
    workers: usize,
    /// Sessions that there is room for; a change cannot make it more.
    capacity: u64,
    /// Never held while anything is waited for. Held while orders and changes are told to workers and
    /// while health is written, so that these never come amid each other.
    now: Mutex<Arc<Now>>,
    /// Held for the length of a change: one at a time.
    changing: Mutex<()>,
}

/// What is in force at one moment.
#[derive(Debug)]
pub(crate) struct Now {
    pub(crate) accepted: Accepted,
    pub(crate) spec: Arc<Spec>,
    pub(crate) snapshot: Arc<Snapshot>,
}

/// What a change has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Places that have a new owner.
    pub fresh: Fresh,
    /// More sessions were asked for than the region has room for, which is this many.
    pub capped_at: Option<u64>,
}

/// A name that has another address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// The name.
    pub host: String,
    /// The address it had.
    pub from: SocketAddr,
    /// The one it has.
    pub to: SocketAddr,
}

impl Force {
    pub(crate) fn new(
        file: PathBuf,
        region: &Region<'static>,
        store: Arc<Store>,
        bell: Arc<EventFd>,
        capacity: u64,
        now: Now,
    ) -> Self {
        let Region { header, gauges, health, ref stats, .. } = *region;
        let (workers, now) = (stats.len(), Mutex::new(Arc::new(now)));
        let changing = Mutex::new(());
        Self { file, header, gauges, health, store, bell, workers, capacity, now, changing }
    }

    /// What the workers go by.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.now().snapshot.clone()
    }

    /// The configuration that was accepted.
    pub fn spec(&self) -> Arc<Spec> {
        self.now().spec.clone()
    }

    /// Whether a server has a name instead of an address.
    pub fn has_names(&self) -> bool {
        has_names(&self.now().spec)
    }

    /// Does something while nothing else can come into force than what is now; it must not wait.
    pub fn undisturbed<T>(&self, act: impl FnOnce(&Arc<Snapshot>) -> T) -> T {
        act(&self.lock().snapshot)
    }

    /// Addresses that clients connect to.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.now().accepted.listening.addresses()
    }

    /// Where the configuration comes from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// An eventfd that the supervisor rings when it is asked to have the file read again. A read of
    /// it waits for that, and a wish outlives an engine that died before it got to it.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Puts another configuration in force. Waits for name servers and workers, so not on a thread
    /// that has other things to do. One at a time.
    pub(crate) fn change(
        &self,
        text: &str,
        spec: &Spec,
        mailboxes: &[Mailbox],
    ) -> Result<Changed, StartError> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.header.command() != Command::Run {
            return Err(StartError::Ending);
        }
        let before = self.now();
        let idle = |kind, place: u16| {
            let gauges = match kind {
                Kind::Listener => self.gauges.listeners,
                Kind::Pool => self.gauges.pools,
                Kind::Server => self.gauges.servers,
                Kind::Source => self.gauges.sources,
            };
            gauges[usize::from(place)].sessions() == 0
        };
        let (accepted, fresh) = before.accepted.follow(text, spec, self.workers, idle)?;
        self.come_into_force(&before, accepted, Arc::new(spec.clone()), &fresh, mailboxes)?;
        let wanted = spec.global.max_sessions.map_or(self.capacity, u64::from);
        let capped_at = (wanted > self.capacity).then_some(self.capacity);
        Ok(Changed { fresh, capped_at })
    }

    /// Asks for the addresses of all names again, and puts those that have changed in force. Waits as a
    /// change does. A name that has no answer keeps its address.
    pub(crate) fn follow_names(&self, mailboxes: &[Mailbox]) -> Result<Vec<Renamed>, StartError> {
        // Without a lock: a reload does not wait for these answers.
        let before = self.now();
        let resolved = resolve(&before.spec, &before.accepted.resolved)?;
        let renamed: Vec<Renamed> = before
            .accepted
            .resolved
            .iter()
            .zip(resolved.values())
            .filter(|((_, from), to)| from != to)
            .map(|(((host, _), from), to)| Renamed { host: host.clone(), from: *from, to: *to })
            .collect();
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        // A reload that came meanwhile has asked too.
        if renamed.is_empty() || !Arc::ptr_eq(&before, &self.now()) {
            return Ok(Vec::new());
        }
        let accepted = Accepted { resolved, ..before.accepted.clone() };
        let spec = before.spec.clone();
        self.come_into_force(&before, accepted, spec, &Fresh::default(), mailboxes)?;
        Ok(renamed)
    }

    /// Keeps what shall be in force from now on, and tells the workers. When it cannot be, what `before`
    /// does not have is closed again.
    fn come_into_force(
        &self,
        before: &Now,
        accepted: Accepted,
        spec: Arc<Spec>,
        fresh: &Fresh,
        mailboxes: &[Mailbox],
    ) -> Result<(), StartError> {
        let undo = |accepted: &Accepted| {
            accepted.listening.close_beyond(&before.accepted.listening);
        };
        let max_sessions = spec.global.max_sessions.map_or(self.capacity, u64::from);
        let snapshot = accepted
            .snapshot(&spec, Some(&before.snapshot), max_sessions.min(self.capacity))
            .inspect_err(|_| undo(&accepted))?;
        let beginners: Vec<u16> = beginners(&before.snapshot, &snapshot).collect();
        let next = Arc::new(Now { accepted, spec, snapshot: Arc::new(snapshot) });
        let mut now = self.lock();
        // Once more: an order may have been given while names and sockets were waited for.
        if self.header.command() != Command::Run {
            undo(&next.accepted);
            return Err(StartError::Ending);
        }
        self.store.keep(self.header, &next.accepted).map_err(|error| {
            undo(&next.accepted);
            StartError::system("the configuration cannot be kept")(error)
        })?;
        for place in beginners {
            self.health[usize::from(place)].begin();
        }
        *now = next.clone();
        let taken = next.tell(mailboxes, fresh);
        drop(now);
        // Ends when the last worker has answered or ended.
        while taken.recv_timeout(TAKEN_LIMIT).is_ok() {}
        Ok(())
    }

    fn now(&self) -> Arc<Now> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Now>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Now {
    /// Hands it to every worker. The receiver hears of each that has taken it, and ends with the last
    /// that still works.
    fn tell(&self, mailboxes: &[Mailbox], fresh: &Fresh) -> Receiver<()> {
        let (sender, taken) = channel();
        let fresh = Arc::new(fresh.clone());
        for (worker, mailbox) in mailboxes.iter().enumerate() {
            mailbox.renew(Box::new(Renewal {
                snapshot: self.snapshot.clone(),
                doors: self.accepted.doors(worker),
                fresh: fresh.clone(),
                taken: sender.clone(),
            }));
        }
        taken
    }
}
