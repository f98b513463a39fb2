//! Bulk, one way over several streams, counted where it arrives.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::Socket;
use tokio::time::sleep;

use super::connection::{DEADLINE, socket_of};
use crate::bulk::{Discard, Pour};
use crate::events::{Events, Owner, Wait};
use crate::job::{Amount, Job, Way};
use crate::outcome::{Outcome, Report};
use crate::pattern;
use crate::process::{self, say, wait_for_end_of_input};
use crate::serve::sink;

/// Between two looks at how much has arrived: seldom enough to cost nothing.
const LOOK: Duration = Duration::from_millis(20);

/// Does a job that is nothing but bulk.
///
/// # Errors
/// The reason why it cannot, or that nothing arrives any more.
pub(super) async fn run(job: &Job, streams: u32, way: Way) -> Result<(), String> {
    let mut bulk = Bulk::start(job, job.target, streams, way)?;
    sleep(job.warm_up).await;
    let (before, began) = (bulk.arrived()?, Instant::now());
    say(&Report::Measuring);
    let arrived = match job.amount {
        Amount::For(time) => {
            sleep(time).await;
            bulk.arrived()? - before
        }
        Amount::Units(units) => bulk.wait_for(before + units).await? - before,
    };
    let took = began.elapsed();
    let failures = bulk.failures();
    if arrived == 0 && failures == 0 {
        return Err("bulk: nothing arrived".into());
    }
    say(&Report::Measured(Outcome {
        units: arrived,
        bytes: arrived,
        took,
        failures,
        ..Outcome::default()
    }));
    let _kept = bulk.stop()?;
    wait_for_end_of_input();
    Ok(())
}

/// Streams that flow.
pub(super) struct Bulk {
    streams: u32,
    count: Count,
    closed: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Events>>,
}

/// Who counts what arrives.
enum Count {
    /// We do.
    Here(Arc<AtomicU64>),
    /// The sink; this is a connection that it tells its count on.
    There(TcpStream),
}

impl Bulk {
    /// Opens the streams; they flow from now on.
    ///
    /// # Errors
    /// What could not be opened, and why.
    pub(super) fn start(job: &Job, to: SocketAddr, streams: u32, way: Way) -> Result<Self, String> {
        let failed = |error| format!("bulk streams to {to}: {error}");
        let arrived = Arc::new(AtomicU64::new(0));
        let mut events = streams_to(job, to, streams, way, &arrived).map_err(failed)?;
        let count = match way {
            Way::Up => Count::There(connect(job, to, streams).map_err(failed)?.into()),
            Way::Down => Count::Here(arrived),
        };
        let (closed, stop) = (events.closed(), Arc::new(AtomicBool::new(false)));
        let (told, failed) = (Arc::clone(&stop), Arc::clone(&closed));
        let thread = thread::spawn(move || {
            let result = process::stand_back().and_then(|()| events.run(&told));
            if result.is_err() {
                failed.fetch_add(1, Relaxed);
            }
            result.map(|()| events)
        });
        Ok(Self { streams, count, closed, stop, thread })
    }

    /// Bytes that have arrived by now, over all streams.
    ///
    /// # Errors
    /// The sink does not answer.
    pub(super) fn arrived(&mut self) -> Result<u64, String> {
        match &mut self.count {
            Count::Here(arrived) => Ok(arrived.load(Relaxed)),
            Count::There(sink) => {
                ask(sink).map_err(|error| format!("the sink does not tell its count: {error}"))
            }
        }
    }

    /// Streams that have failed, and one more if what moves them has.
    pub(super) fn failures(&self) -> u64 {
        self.closed.load(Relaxed)
    }

    /// Stops the flow. The streams stand for as long as what it returns lives.
    ///
    /// # Errors
    /// Those of the loop that moved the bytes.
    pub(super) fn stop(self) -> Result<impl Sized, String> {
        self.stop.store(true, Relaxed);
        match self.thread.join() {
            Ok(events) => Ok((events.map_err(|error| format!("bulk: {error}"))?, self.count)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Waits until this many have arrived, or no stream is left; how many it were then.
    async fn wait_for(&mut self, wanted: u64) -> Result<u64, String> {
        let (mut arrived, mut since) = (self.arrived()?, Instant::now());
        while arrived < wanted && self.failures() < u64::from(self.streams) {
            sleep(LOOK).await;
            let now = self.arrived()?;
            if now > arrived {
                (arrived, since) = (now, Instant::now());
            } else if since.elapsed() > DEADLINE {
                return Err(format!("bulk: nothing arrives any more, after {arrived} bytes"));
            }
        }
        Ok(arrived)
    }
}

/// The streams, each known to stand at both ends.
fn streams_to(
    job: &Job,
    to: SocketAddr,
    streams: u32,
    way: Way,
    arrived: &Arc<AtomicU64>,
) -> io::Result<Events> {
    let mut events = Events::new()?;
    let pattern = Arc::new(pattern::file()?);
    for number in 0..streams {
        let mut socket = connect(job, to, number)?;
        let (owner, wait): (Box<dyn Owner>, _) = match way {
            Way::Up => {
                socket.write_all(&[sink::BULK])?;
                socket.read_exact(&mut [0])?;
                (Box::new(Pour::new(Arc::clone(&pattern))), Wait::Output)
            }
            Way::Down => {
                socket.peek(&mut [MaybeUninit::uninit()])?;
                (Box::new(Discard::new(Arc::clone(arrived))), Wait::Input)
            }
        };
        events.add(socket, owner, wait)?;
    }
    Ok(events)
}

/// A connection on which nothing takes longer than the deadline.
fn connect(job: &Job, to: SocketAddr, number: u32) -> io::Result<Socket> {
    let socket = socket_of(job, number)?;
    socket.connect_timeout(&to.into(), DEADLINE)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    socket.set_write_timeout(Some(DEADLINE))?;
    Ok(socket)
}

fn ask(sink: &mut TcpStream) -> io::Result<u64> {
    let mut count = [0; 8];
    sink.write_all(&[sink::COUNT])?;
    sink.read_exact(&mut count)?;
    Ok(u64::from_le_bytes(count))
}
