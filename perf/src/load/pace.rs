//! When units begin: each when the one before it is answered (closed loop), or by a schedule that
//! does not care for answers (open loop). An open loop is honest about a server that stalls: the units
//! that were due meanwhile count from when they were due, also if we are what is late.

use std::fs::File as StdFile;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_uring::fs::File;

use super::part::{Part, Turn};

/// Where tasks get their turns from. Tasks that have clones of one take turns at it.
#[derive(Clone)]
pub(super) enum Turns {
    /// Whenever they ask.
    Closed(Rc<Part>),
    /// From a schedule.
    Open(Rc<Mutex<UnboundedReceiver<Turn>>>),
}

impl Turns {
    /// Those of a schedule, and where it gives them.
    pub(super) fn open() -> (UnboundedSender<Turn>, Self) {
        let (give, turns) = unbounded_channel();
        (give, Self::Open(Rc::new(Mutex::new(turns))))
    }

    /// The next; `None`: there are no more.
    pub(super) async fn next(&self) -> Option<Turn> {
        match self {
            Self::Closed(part) => part.turn(Instant::now()),
            Self::Open(turns) => turns.lock().await.recv().await,
        }
    }
}

/// Gives turns at this rate (units a second) until there are no more.
///
/// # Errors
/// Those of timerfd_create(2) and timerfd_settime(2).
pub(super) async fn keep(rate: f64, part: &Part, mut give: impl FnMut(Turn)) -> io::Result<()> {
    let period = period(rate);
    let (clock, flags) = (ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC);
    let timer = TimerFd::new(clock, flags)?;
    let mut schedule = Schedule { due: Instant::now(), period };
    let every = TimeSpec::from_duration(period);
    timer.set(Expiration::Interval(every), TimerSetTimeFlags::empty())?;
    let timer = File::from_std(StdFile::from(OwnedFd::from(timer)));
    let mut count = vec![0; 8];
    loop {
        let result;
        (result, count) = timer.read_at(count, 0).await;
        result?;
        let expired = u64::from_ne_bytes(count[..].try_into().expect("eight bytes"));
        for due in schedule.take(expired) {
            match part.turn(due) {
                Some(turn) => give(turn),
                None => return Ok(()),
            }
        }
    }
}

/// Between two units; whole nanoseconds, as the timer counts them.
fn period(rate: f64) -> Duration {
    Duration::from_nanos((1e9 / rate).round().max(1.0) as u64)
}

/// When units are due.
struct Schedule {
    /// The last that was.
    due: Instant,
    period: Duration,
}

impl Schedule {
    /// The next so many; what was missed is among them, with the time at which it was due.
    fn take(&mut self, expired: u64) -> impl Iterator<Item = Instant> {
        (0..expired).map(|_| {
            self.due += self.period;
            self.due
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_look_loses_no_unit_and_moves_none() {
        let start = Instant::now();
        let mut schedule = Schedule { due: start, period: period(1000.0) };
        let mut due: Vec<_> = schedule.take(1).collect();
        due.extend(schedule.take(3));
        due.extend(schedule.take(1));
        let wanted: Vec<_> = (1..=5).map(|n| start + Duration::from_millis(n)).collect();
        assert_eq!(due, wanted);
    }

    #[test]
    fn periods() {
        assert_eq!(period(20_000.0), Duration::from_micros(50));
        assert_eq!(period(0.5), Duration::from_secs(2));
        assert_eq!(period(3.0), Duration::from_nanos(333_333_333));
        assert_eq!(period(1e12), Duration::from_nanos(1));
    }
}
