//! Clients that come while engines die: one after the other, each with a question, an answer and an end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use ringbolt_tests::{Client, End, until};

use crate::roles::NEWCOMER;

/// Between two of them.
const PACE: Duration = Duration::from_millis(10);

/// They come until they are stopped.
#[derive(Debug)]
pub(crate) struct Newcomers {
    served: Arc<AtomicUsize>,
    enough: Arc<AtomicBool>,
    thread: JoinHandle<Fared>,
}

/// How they fared.
#[derive(Debug, Default)]
pub(crate) struct Fared {
    pub(crate) served: usize,
    pub(crate) failed: Vec<String>,
}

impl Newcomers {
    pub(crate) fn start(to: SocketAddr) -> Self {
        let (served, enough) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (count, stop) = (served.clone(), enough.clone());
        let thread = std::thread::spawn(move || {
            let mut fared = Fared::default();
            while !stop.load(Ordering::SeqCst) {
                match come(to) {
                    Ok(()) => fared.served = count.fetch_add(1, Ordering::SeqCst) + 1,
                    Err(trouble) => fared.failed.push(trouble),
                }
                #[allow(clippy::disallowed_methods)] // a pace, not a wait
                std::thread::sleep(PACE);
            }
            fared
        });
        Self { served, enough, thread }
    }

    /// Waits until another one has been served.
    pub(crate) fn wait_for_one_more(&self) {
        let before = self.served.load(Ordering::SeqCst);
        let more = || (self.served.load(Ordering::SeqCst) > before).then_some(());
        until("a newcomer is served", || self.thread.is_finished().then_some(()).or_else(more));
    }

    pub(crate) fn stop(self) -> Fared {
        self.enough.store(true, Ordering::SeqCst);
        self.thread.join().expect("no newcomer panics")
    }
}

fn come(to: SocketAddr) -> Result<(), String> {
    let mut client = Client::default().try_connect(to).map_err(|error| error.to_string())?;
    let hello = NEWCOMER.to_le_bytes();
    client.try_send(&hello).map_err(|end| format!("{end:?} instead of a question"))?;
    client.try_finish();
    match client.receive_all() {
        (bytes, End::Fin) if bytes == hello => Ok(()),
        (bytes, end) => Err(format!("{} bytes and then {end:?} as an answer", bytes.len())),
    }
}
