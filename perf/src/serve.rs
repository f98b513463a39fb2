//! The servers that a measurement needs: small things on one thread, bulk on another that stands back.

mod echo;
pub(crate) mod frames;
pub(crate) mod sink;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;

use serde::{Deserialize, Serialize};

use crate::bulk::Pour;
use crate::events::{Events, Owner, Wait};
use crate::sockets::listen;
use crate::{pattern, process};
use echo::Echo;
use frames::Frames;
use sink::Sink;

/// Where they listen: the one line that `serve` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Addresses {
    /// Gives back what it gets; the first of `echoes`.
    pub(crate) echo: SocketAddr,
    /// Takes bulk and counts it.
    pub(crate) sink: SocketAddr,
    /// Sends bulk as fast as it is taken.
    pub(crate) source: SocketAddr,
    /// Answers frames, by an echo or by a burst.
    pub(crate) frames: SocketAddr,
    /// All echo servers, as many as were asked for.
    pub(crate) echoes: Vec<SocketAddr>,
}

/// Serves until standard input ends.
///
/// # Errors
/// The reason why it cannot.
pub(crate) fn serve(servers: u16) -> io::Result<()> {
    process::raise_descriptors()?;
    let pattern = Arc::new(pattern::file()?);
    let (mut small, mut bulk) = (Events::new()?, Events::new()?);
    let echoes = (0..servers.max(1))
        .map(|_| door(&mut small, || (Box::<Echo>::default(), Wait::Input)))
        .collect::<io::Result<Vec<_>>>()?;
    let (poured, total) = (Arc::clone(&pattern), Arc::new(AtomicU64::new(0)));
    let addresses = Addresses {
        echo: echoes[0],
        sink: door(&mut bulk, move || (Box::new(Sink::Asked(Arc::clone(&total))), Wait::Input))?,
        source: door(&mut bulk, move || (Box::new(Pour::new(Arc::clone(&poured))), Wait::Output))?,
        frames: door(&mut small, move || {
            (Box::new(Frames::new(Arc::clone(&pattern))), Wait::Input)
        })?,
        echoes,
    };
    process::say(&addresses);

    let stop = Arc::new(AtomicBool::new(false));
    let input_ended = Arc::clone(&stop);
    thread::spawn(move || {
        process::wait_for_end_of_input();
        input_ended.store(true, Relaxed);
    });
    let both = Arc::clone(&stop);
    let beside = thread::spawn(move || {
        let result = process::stand_back().and_then(|()| bulk.run(&both));
        both.store(true, Relaxed);
        result
    });
    small.run(&stop)?;
    beside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Listens on a free port; `welcome` makes what serves a connection, and says what it waits for
/// first.
fn door(
    events: &mut Events,
    welcome: impl FnMut() -> (Box<dyn Owner>, Wait) + Send + 'static,
) -> io::Result<SocketAddr> {
    let listener = listen((Ipv4Addr::LOCALHOST, 0).into())?;
    let addr = listener.local_addr()?;
    events.open(listener, Box::new(welcome))?;
    Ok(addr)
}
