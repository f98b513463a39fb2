//! Does one job: opens the connections, warms up, says that it measures, measures, says what came of
//! it, and keeps the connections until standard input ends.
//!
//! Small things go through a ring, with tokio-uring, on one thread; bulk by calls that the kernel
//! answers without copying, on another (see `crate::bulk`).

mod bulk;
mod connection;
mod connects;
mod frames;
mod idle;
mod pace;
mod part;
mod ping_pong;
mod tally;

use std::io;
use std::process::ExitCode;
use std::rc::Rc;

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::job::{Amount, Job, Way, Work};
use crate::outcome::Report;
use crate::process::{raise_descriptors, say, wait_for_end_of_input};
use bulk::Bulk;
use connection::{Connection, done};
use part::Part;

/// What does the units; each task gives back the connection that it had, if it still stands.
type Tasks = JoinSet<io::Result<Option<Connection>>>;

/// Entries of the ring; what does not fit is submitted early.
const ENTRIES: u32 = 1024;

/// Highest rate: a turn each microsecond is more than any product answers on a core.
const MOST_A_SECOND: f64 = 1e6;

/// Does the job and says so on standard output.
pub(crate) fn load(job: Job) -> ExitCode {
    match run(job) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            say(&Report::Failed(reason));
            ExitCode::FAILURE
        }
    }
}

fn run(job: Job) -> Result<(), String> {
    if let Some(rate) = job.work.rate()
        && !(rate > 0.0 && rate <= MOST_A_SECOND)
    {
        return Err(format!("a rate of {rate}: it must be above 0 and at most {MOST_A_SECOND}"));
    }
    raise_descriptors().map_err(|error| format!("the limit of descriptors: {error}"))?;
    tokio_uring::builder().entries(ENTRIES).start(work(&Rc::new(job)))
}

async fn work(job: &Rc<Job>) -> Result<(), String> {
    let part = &Rc::new(Part::new());
    let mut beside = None;
    let mut tasks = match job.work {
        Work::PingPong { connections, size, rate } => {
            ping_pong::start(job, part, connections, size, rate).await?
        }
        Work::Mix { connections, size, rate, streams } => {
            let tasks = ping_pong::start(job, part, connections, size, rate).await?;
            let source = job.beside.ok_or("a mix needs `beside`: where its bulk comes from")?;
            beside = Some(Bulk::start(job, source, streams, Way::Down)?);
            tasks
        }
        Work::Connects { concurrency, size, rate } => {
            connects::start(job, part, concurrency, size, rate)
        }
        Work::WebSocketLike { connections, rate, burst_every } => {
            frames::start(job, part, connections, rate, burst_every).await?
        }
        Work::Idle { connections } => return idle::run(job, connections).await,
        Work::Bulk { streams, way } => return bulk::run(job, streams, way).await,
    };
    sleep(job.warm_up).await;
    let before = arrived(&mut beside)?;
    part.begin(job.amount);
    say(&Report::Measuring);
    if let Amount::For(time) = job.amount {
        sleep(time).await;
        part.end();
    }
    let mut kept = Vec::new();
    while let Some(task) = tasks.join_next().await {
        let result = done(task).map_err(|error| format!("the schedule: {error}"))?;
        kept.extend(result);
    }
    let mut outcome = part.tally().outcome();
    outcome.beside = arrived(&mut beside)? - before;
    outcome.failures += beside.as_ref().map_or(0, Bulk::failures);
    say(&Report::Measured(outcome));
    let _kept = beside.map(Bulk::stop).transpose()?;
    if let Some(path) = &job.hlog {
        let log = part.tally().write_log(path, tag(&job.work));
        log.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    wait_for_end_of_input();
    Ok(())
}

fn arrived(bulk: &mut Option<Bulk>) -> Result<u64, String> {
    bulk.as_mut().map_or(Ok(0), Bulk::arrived)
}

/// The name of a work in a histogram log.
fn tag(work: &Work) -> &'static str {
    match work {
        Work::PingPong { .. } => "ping-pong",
        Work::Connects { .. } => "connects",
        Work::Bulk { .. } => "bulk",
        Work::Idle { .. } => "idle",
        Work::Mix { .. } => "mix",
        Work::WebSocketLike { .. } => "web-socket-like",
    }
}
