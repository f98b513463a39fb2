//! A thousand sessions, their clients in one thread and their servers in another. Both ends are here,
//! so what one has received can be held against what the other has sent, and an end against whether
//! the other has ended.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ringbolt_tests::{Tape, fresh_address, raise_descriptor_limit, until};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};

use crate::pauses::Pauses;
use crate::roles::{attend, visit};

/// What a session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing, until the very end.
    Quiet = 0,
    /// Small questions and answers.
    Talk = 1,
    /// Bulk one way, to be copied.
    Copied = 2,
    /// Bulk one way, to be spliced.
    Spliced = 3,
    /// More than its reader takes, to be copied.
    SlowCopied = 4,
    /// More than its reader takes, to be spliced.
    SlowSpliced = 5,
    /// One way has ended, the other goes on.
    Half = 6,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Quiet,
        Self::Talk,
        Self::Copied,
        Self::Spliced,
        Self::SlowCopied,
        Self::SlowSpliced,
        Self::Half,
    ];

    /// How many there are of it: a thousand in all.
    fn count(self) -> usize {
        match self {
            Self::Quiet => 500,
            Self::Talk => 150,
            Self::Copied | Self::Spliced => 75,
            Self::SlowCopied | Self::SlowSpliced => 50,
            Self::Half => 100,
        }
    }
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) number: u64,
    pub(crate) kind: Kind,
    /// The client's end and the server's.
    pub(crate) ends: [End; 2],
    /// It was reset.
    lost: AtomicBool,
}

/// One end of a session.
#[derive(Debug, Default)]
pub(crate) struct End {
    /// Bytes that it has sent; all of them once it has ended.
    pub(crate) sent: AtomicU64,
    /// It is about to send its end, or has.
    pub(crate) ended: AtomicBool,
    /// Bytes that it has received and checked.
    pub(crate) received: AtomicU64,
    /// It has seen the other's end, or a reset.
    pub(crate) done: AtomicBool,
}

impl Session {
    /// It was reset, as one of its ends has seen.
    pub(crate) fn is_reset(&self) {
        self.lost.store(true, Ordering::SeqCst);
    }

    /// The stream that an end sends.
    pub(crate) fn stream(&self, from: usize) -> u64 {
        self.number * 2 + from as u64
    }
}

/// What all ends know.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) tape: Tape,
    pub(crate) sessions: Vec<Session>,
    pub(crate) pauses: Pauses,
    /// Bulk leaves the machine to others.
    pub(crate) calm: AtomicBool,
    /// It is time to end.
    pub(crate) over: watch::Sender<bool>,
    /// Sessions whose server has met its client.
    pub(crate) met: AtomicUsize,
    wrongs: Mutex<Vec<String>>,
}

impl Shared {
    pub(crate) fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Something that must never be.
    pub(crate) fn wrong(&self, session: &Session, what: &str) {
        let Session { number, kind, .. } = session;
        let mut wrongs = self.wrongs.lock().unwrap_or_else(PoisonError::into_inner);
        wrongs.push(format!("session {number}, {kind:?}: {what}"));
    }
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Fleet {
    shared: Arc<Shared>,
    server: SocketAddr,
    clients: Mutex<Vec<Ends>>,
    _servers: Ends,
}

impl std::ops::Deref for Fleet {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Fleet {
    /// The server, which knows every session that will come.
    pub(crate) fn new() -> Self {
        raise_descriptor_limit();
        let kinds = Kind::ALL.into_iter().flat_map(|kind| std::iter::repeat_n(kind, kind.count()));
        let session = |(number, kind): (usize, Kind)| Session {
            number: number as u64,
            kind,
            ends: Default::default(),
            lost: AtomicBool::new(false),
        };
        let shared = Arc::new(Shared {
            tape: Tape::new(),
            sessions: kinds.enumerate().map(session).collect(),
            pauses: Pauses::new(),
            calm: AtomicBool::new(true),
            over: watch::Sender::new(false),
            met: AtomicUsize::new(0),
            wrongs: Mutex::default(),
        });
        let listener = std::net::TcpListener::bind((fresh_address(), 0)).expect("a port");
        socket2::SockRef::from(&listener).listen(4096).expect("a larger backlog");
        listener.set_nonblocking(true).expect("a live socket");
        let server = listener.local_addr().expect("a bound socket");
        let all = shared.clone();
        let servers = Ends::run(async move {
            let listener = TcpListener::from_std(listener).expect("a live socket");
            loop {
                let (stream, _) = listener.accept().await.expect("descriptors are left");
                tokio::spawn(attend(all.clone(), stream));
            }
        });
        Self { shared, server, clients: Mutex::default(), _servers: servers }
    }

    /// Where the server is.
    pub(crate) fn server(&self) -> SocketAddr {
        self.server
    }

    /// Every session begins, at the listener for its kind.
    pub(crate) fn connect(&self, listener: impl Fn(Kind) -> SocketAddr) {
        let addresses: Vec<SocketAddr> =
            self.sessions.iter().map(|session| listener(session.kind)).collect();
        let all = self.shared.clone();
        let clients = Ends::run(async move {
            for (number, address) in addresses.into_iter().enumerate() {
                tokio::spawn(visit(all.clone(), number, address));
            }
            std::future::pending::<()>().await;
        });
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).push(clients);
        let count = self.sessions.len();
        until("every server has met its client", || {
            (self.met.load(Ordering::SeqCst) == count).then_some(())
        });
    }

    /// Lets them go on for so long.
    pub(crate) fn goes_on_for(&self, span: Duration) {
        #[allow(clippy::disallowed_methods)] // it is the moment that is to be random
        std::thread::sleep(span);
    }

    /// Everybody ends, and sees the other's end.
    ///
    /// # Panics
    ///
    /// When somebody does not.
    pub(crate) fn finish(&self) {
        self.over.send_replace(true);
        let left = || {
            let open = |session: &&Session| {
                let seen = |end: &End| end.done.load(Ordering::SeqCst);
                !session.lost.load(Ordering::SeqCst) && !session.ends.iter().all(seen)
            };
            self.sessions.iter().filter(open)
        };
        let mut last = usize::MAX;
        until("every session ends", || {
            let count = left().count();
            if count != last {
                println!("{count} sessions left, the first {:?}", left().next());
                last = count;
            }
            (count == 0).then_some(())
        });
    }

    /// Sessions of a kind that were reset.
    pub(crate) fn lost(&self, kind: Kind) -> usize {
        self.of(kind).filter(|session| session.lost.load(Ordering::SeqCst)).count()
    }

    /// Sessions of a kind that were not.
    pub(crate) fn alive(&self, kind: Kind) -> usize {
        kind.count() - self.lost(kind)
    }

    /// Bytes that both ends of a kind have received.
    pub(crate) fn received(&self, kind: Kind) -> u64 {
        let ends = self.of(kind).flat_map(|session| &session.ends);
        ends.map(|end| end.received.load(Ordering::SeqCst)).sum()
    }

    /// What must never have been, the first few.
    pub(crate) fn wrongs(&self) -> Vec<String> {
        let wrongs = self.wrongs.lock().unwrap_or_else(PoisonError::into_inner);
        wrongs.iter().take(20).cloned().collect()
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = &Session> {
        self.sessions.iter().filter(move |session| session.kind == kind)
    }
}

/// One side's ends, on a thread of their own.
#[derive(Debug)]
struct Ends {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ends {
    fn run(work: impl Future<Output = ()> + Send + 'static) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                tokio::spawn(work);
                let _ = stopped.await; // it only ever ends by our dropping the other half
            });
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Ends {
    /// Ends the thread with the runtime, and so all connections.
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
