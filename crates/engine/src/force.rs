//! What is in force in this engine, and its change in place: addresses that are new are listened on,
//! the rest keeps its sockets; what is then in force is kept for the engine after this one; every
//! worker takes it between two turns. No session is touched.
//!
//! It happens in the engine, which has the threads to wait for name servers, and not in the supervisor:
//! sockets opened here are in the supervisor's descriptor table all the same, and those of a change
//! that an engine died of are swept like all orphans.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::eventfd::EventFd;
use ringbolt_core::header::{Command, Header};
use ringbolt_core::region::Gauges;
use ringbolt_core::roster::{Fresh, Kind};
use ringbolt_core::snapshot::Snapshot;
use ringbolt_core::spec::Spec;

use crate::accepted::Accepted;
use crate::mailbox::{Mailbox, Renewal};
use crate::start::StartError;
use crate::store::Store;

/// Workers take a change between two turns.
const TAKEN_LIMIT: Duration = Duration::from_secs(5);

/// What is in force.
#[derive(Debug)]
pub struct Force {
    file: PathBuf,
    header: &'static Header,
    store: Arc<Store>,
    /// Rung by the supervisor when the operator asks for the file to be read again.
    bell: Arc<EventFd>,
    workers: usize,
    /// Sessions that there is room for; a change cannot make it more.
    capacity: u64,
    /// Never held while anything is waited for.
    now: Mutex<Arc<Now>>,
    /// Held for the length of a change: one at a time.
    changing: Mutex<()>,
}

#[derive(Debug)]
struct Now {
    accepted: Accepted,
    snapshot: Arc<Snapshot>,
}

/// What a change has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Places that have a new owner.
    pub fresh: Fresh,
    /// More sessions were asked for than the region has room for, which is this many.
    pub capped_at: Option<u64>,
}

impl Force {
    pub(crate) fn new(
        file: PathBuf,
        header: &'static Header,
        store: Arc<Store>,
        bell: Arc<EventFd>,
        (workers, capacity): (usize, u64),
        accepted: Accepted,
        snapshot: Snapshot,
    ) -> Self {
        let now = Mutex::new(Arc::new(Now { accepted, snapshot: Arc::new(snapshot) }));
        Self { file, header, store, bell, workers, capacity, now, changing: Mutex::new(()) }
    }

    /// What the workers go by.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.now().snapshot.clone()
    }

    /// The text that was accepted.
    pub fn text(&self) -> String {
        self.now().accepted.text.clone()
    }

    /// Addresses that clients connect to.
    pub fn addresses(&self) -> Vec<std::net::SocketAddr> {
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
        gauges: Gauges<'_>,
        mailboxes: &[Mailbox],
    ) -> Result<Changed, StartError> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.header.command() != Command::Run {
            return Err(StartError::Ending);
        }
        let now = self.now();
        let idle = |kind, place: u16| {
            let gauges = match kind {
                Kind::Listener => gauges.listeners,
                Kind::Pool => gauges.pools,
                Kind::Server => gauges.servers,
                Kind::Source => gauges.sources,
            };
            gauges[usize::from(place)].sessions() == 0
        };
        let (accepted, fresh) = now.accepted.follow(text, spec, self.workers, idle)?;
        let wanted = spec.global.max_sessions.map_or(self.capacity, u64::from);
        let max_sessions = wanted.min(self.capacity);
        let snapshot = accepted
            .snapshot(spec, Some(&now.snapshot), max_sessions)
            .and_then(|snapshot| {
                let kept = self.store.keep(self.header, &accepted);
                kept.map_err(StartError::system("the configuration cannot be kept"))?;
                Ok(Arc::new(snapshot))
            })
            .inspect_err(|_| accepted.listening.close_beyond(&now.accepted.listening))?;
        let now = Arc::new(Now { accepted, snapshot });
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = now.clone();
        let fresh = Arc::new(fresh);
        now.tell(mailboxes, &fresh);
        let capped_at = (wanted > max_sessions).then_some(max_sessions);
        Ok(Changed { fresh: Arc::unwrap_or_clone(fresh), capped_at })
    }

    fn now(&self) -> Arc<Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Now {
    /// Hands it to every worker and waits until all that still work have taken it.
    fn tell(&self, mailboxes: &[Mailbox], fresh: &Arc<Fresh>) {
        let (taken, all_taken) = channel();
        for (worker, mailbox) in mailboxes.iter().enumerate() {
            mailbox.renew(Box::new(Renewal {
                snapshot: self.snapshot.clone(),
                doors: self.accepted.doors(worker),
                fresh: fresh.clone(),
                taken: taken.clone(),
            }));
        }
        drop(taken);
        // Ends when the last of them has answered or ended.
        while all_taken.recv_timeout(TAKEN_LIMIT).is_ok() {}
    }
}
