//! One probe: connect, say something, hear the answer. Within its time limit, with one descriptor, and
//! nothing is left of it afterwards: dropping an operation of tokio-uring cancels nothing, so what is
//! parked in the ring is brought to its end by shutting the socket down.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Shutdown};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use ringbolt_core::health::{LastProbe, Outcome};
use ringbolt_core::kernel::Remote;
use ringbolt_core::limits::PROBE_ANSWER_BYTES_MAX;
use ringbolt_core::spec::{Health, Probe, SendProxy};
use ringbolt_engine::begin_connect;
use tokio::time::{Instant, timeout_at};
use tokio_uring::net::TcpStream;

use super::words::{farewell, greeting, judge};

/// For a server to end its side after a good answer. Then it is reset.
const FAREWELL_LIMIT: Duration = Duration::from_millis(100);

/// Bytes of one read.
const READ_BYTES: usize = 1024;

/// Where a server is probed, and from where.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) to: Remote,
    pub(super) from: Option<IpAddr>,
    /// What servers of the pool expect before anything else.
    pub(super) send_proxy: SendProxy,
}

/// Probes a server once.
pub(super) async fn attempt(way: Way, health: Rc<Health>) -> LastProbe {
    let began = Instant::now();
    let deadline = began + health.timeout;
    let stream = match connect(&way, deadline).await {
        Ok(stream) => TcpStream::from_std(stream),
        Err(outcome) => return LastProbe { outcome, code: None, took: began.elapsed() },
    };
    let verdict = converse(&stream, &health.probe, &way, deadline).await;
    let (outcome, code) = verdict.unwrap_or((Outcome::AnswerTimeout, None));
    let took = began.elapsed();
    if outcome == Outcome::Answered {
        let deadline = Instant::now() + FAREWELL_LIMIT;
        // What comes of it says nothing more.
        let _ = part(&stream, farewell(&health.probe), deadline).await;
    }
    LastProbe { outcome, code, took }
}

async fn connect(way: &Way, deadline: Instant) -> Result<std::net::TcpStream, Outcome> {
    let stream = begin_connect(&way.to, way.from).and_then(tokio::net::TcpStream::from_std);
    let stream = stream.map_err(|error| fault(&error))?;
    // When time is up the socket is closed, which ends the connect.
    let writable = timeout_at(deadline, stream.writable()).await;
    let writable = writable.map_err(|_| Outcome::ConnectTimeout)?;
    match writable.and_then(|()| stream.take_error()) {
        Ok(None) => stream.into_std().map_err(|error| fault(&error)),
        Ok(Some(error)) | Err(error) => Err(fault(&error)),
    }
}

/// Whose fault it is that there is no connection.
fn fault(error: &io::Error) -> Outcome {
    let ours = [
        Errno::EMFILE,
        Errno::ENFILE,
        Errno::ENOMEM,
        Errno::ENOBUFS,
        Errno::EADDRNOTAVAIL, // the source has no port left, or this machine not that source
    ];
    match error.raw_os_error().map(Errno::from_raw) {
        Some(errno) if ours.contains(&errno) => Outcome::LocalFault,
        Some(Errno::ETIMEDOUT) => Outcome::ConnectTimeout,
        _ => Outcome::Refused,
    }
}

/// Greets, and reads until the answer can be judged; `None` when time is up.
async fn converse(
    stream: &TcpStream,
    probe: &Probe,
    way: &Way,
    deadline: Instant,
) -> Option<(Outcome, Option<u16>)> {
    let greeting = greeting(probe, way.send_proxy, &way.to);
    let (said, _) = bounded(stream, deadline, stream.write_all(greeting)).await?;
    let mut answer = Vec::new();
    let mut over = said.is_err();
    loop {
        if let Some(verdict) = judge(probe, &answer, over || answer.len() > PROBE_ANSWER_BYTES_MAX)
        {
            return Some(verdict);
        }
        over = !read(stream, deadline, &mut answer).await?;
    }
}

/// Says farewell, and waits for the server's.
async fn part(stream: &TcpStream, farewell: Vec<u8>, deadline: Instant) -> Option<()> {
    let (said, _) = bounded(stream, deadline, stream.write_all(farewell)).await?;
    said.and_then(|()| stream.shutdown(Shutdown::Write)).ok()?;
    let mut rest = Vec::new();
    while rest.len() <= PROBE_ANSWER_BYTES_MAX && read(stream, deadline, &mut rest).await? {}
    Some(())
}

/// Reads some more; false at the end. `None` when time is up.
async fn read(stream: &TcpStream, deadline: Instant, into: &mut Vec<u8>) -> Option<bool> {
    let reading = stream.read(Vec::with_capacity(READ_BYTES));
    let (read, bytes) = bounded(stream, deadline, reading).await?;
    into.extend_from_slice(&bytes[..read.as_ref().map_or(0, |count| *count)]);
    Some(read.is_ok_and(|count| count > 0))
}

/// Waits for an operation of the ring. When time is up the socket is shut down, which completes it.
async fn bounded<T>(
    stream: &TcpStream,
    deadline: Instant,
    operation: impl Future<Output = T>,
) -> Option<T> {
    let mut operation = pin!(operation);
    match timeout_at(deadline, &mut operation).await {
        Ok(done) => Some(done),
        Err(_) => {
            // It fails when the connection is over already, and then so is the operation.
            let _ = stream.shutdown(Shutdown::Both);
            operation.await;
            None
        }
    }
}
