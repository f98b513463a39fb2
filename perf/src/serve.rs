//! The servers that a measurement needs, all on one thread: they share a core with the load anyway,
//! and a loop that goes round takes turns between small and large in microseconds, where a scheduler
//! would take milliseconds.

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
use crate::events::{Events, Wait, Welcome};
use crate::listener::listen;
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
    let mut events = Events::new()?;
    let pattern = Arc::new(pattern::file()?);
    let mut echoes = Vec::new();
    for _ in 0..servers.max(1) {
        echoes.push(door(&mut events, Box::new(|| (Box::<Echo>::default(), Wait::Input)))?);
    }
    let total = Arc::new(AtomicU64::new(0));
    let sink = door(
        &mut events,
        Box::new(move || (Box::new(Sink::Asked(Arc::clone(&total))), Wait::Input)),
    )?;
    let poured = Arc::clone(&pattern);
    let source = door(
        &mut events,
        Box::new(move || (Box::new(Pour::new(Arc::clone(&poured))), Wait::Output)),
    )?;
    let frames = door(
        &mut events,
        Box::new(move || (Box::new(Frames::new(Arc::clone(&pattern))), Wait::Input)),
    )?;
    let addresses = Addresses { echo: echoes[0], sink, source, frames, echoes };
    process::say(&addresses);
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    thread::spawn(move || {
        process::wait_for_end_of_input();
        told.store(true, Relaxed);
    });
    events.run(&stop)
}

fn door(events: &mut Events, welcome: Welcome) -> io::Result<SocketAddr> {
    let listener = listen((Ipv4Addr::LOCALHOST, 0).into())?;
    let addr = listener.local_addr()?;
    events.open(listener, welcome)?;
    Ok(addr)
}
