//! A worker: one thread, one core, one ring, one shard.

use std::collections::BTreeSet;
use std::io;
use std::mem::replace;
use std::sync::Arc;

use ringbolt_core::adopt::Death;
use ringbolt_core::header::{Command, Header};
use ringbolt_core::health::ServerHealth;
use ringbolt_core::kernel::Fd;
use ringbolt_core::region::{Counted, Gauges, Part};
use ringbolt_core::shard::{Place, Shard};
use ringbolt_core::snapshot::Snapshot;
use ringbolt_core::time::Instant;
use ringbolt_core::token::{Op, Token};

use crate::clock;
use crate::durations::Durations;
use crate::kernel::RingKernel;
use crate::listen::Door;
use crate::machine::pin_to;
use crate::mailbox::{Mailbox, Order, Renewal};
use crate::ring::{self, Submissions, Wait};

/// What a worker's thread starts with.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) number: usize,
    pub(crate) core: usize,
    pub(crate) header: &'static Header,
    pub(crate) gauges: Gauges<'static>,
    pub(crate) health: &'static [ServerHealth],
    pub(crate) counted: Counted<'static>,
    /// Its own bytes of the region, viewed in its own thread.
    pub(crate) part: &'static mut [u8],
    pub(crate) capacity: u32,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) doors: Vec<Door>,
    /// How the engine before died, if there was one: its sessions are gone on with.
    pub(crate) death: Option<Death>,
    /// Connections, with their listeners, that the engine before had accepted and not looked at.
    pub(crate) waiting: Vec<(Fd, u16)>,
    pub(crate) mailboxes: Arc<[Mailbox]>,
}

const WAKE: Token = Token { op: Op::Wake, slot: 0, generation: 0 };

impl Worker {
    /// Serves until it is told to end and its last session has ended. `ready` is called once the
    /// worker takes connections.
    ///
    /// # Errors
    /// When the ring cannot be had, or stops working.
    pub(crate) fn run(self, ready: impl FnOnce()) -> io::Result<()> {
        pin_to(self.core);
        let number = self.number;
        let part = Part::view(self.part, self.capacity)
            .map_err(|refused| io::Error::other(format!("session region: {refused:?}")))?;
        let place = Place {
            worker: number,
            workers: self.mailboxes.len(),
            header: self.header,
            gauges: self.gauges,
            health: self.health,
            counted: self.counted,
            part,
        };
        let mut ring = ring::create()?;
        let (submitter, submissions, mut completions) = ring.split();
        let ring = Submissions::new(submitter, submissions);
        let durations = Box::<Durations>::default();
        let mut kernel = RingKernel { ring, mailboxes: self.mailboxes, durations };
        let doors = self.doors.iter().map(|door| (door.socket, door.listener));
        let mut now = clock::now();
        let mut shard = Shard::new(place, self.snapshot, doors, now);
        kernel.ring.read_event(kernel.mailboxes[number].event(), WAKE);
        if let Some(death) = self.death {
            shard.adopt(&mut kernel, death, now);
        }
        for (socket, listener) in self.waiting {
            shard.take_over(&mut kernel, socket, listener, now);
        }
        if self.header.command() == Command::Drain {
            shard.drain(&mut kernel, now);
        }
        shard.turn(&mut kernel, now);
        kernel.ring.enter(Wait::No)?;
        ready();
        while !shard.is_over() {
            kernel.ring.enter(until(shard.next_turn(now), now))?;
            now = clock::now();
            completions.sync();
            for completion in &mut completions {
                let Some(token) = Token::from_bits(completion.user_data()) else { continue };
                if token.op == Op::Wake {
                    take_orders(&mut shard, &mut kernel, number, now);
                    kernel.ring.read_event(kernel.mailboxes[number].event(), WAKE);
                    continue;
                }
                let more = io_uring::cqueue::more(completion.flags());
                shard.complete(&mut kernel, token, completion.result(), more, now);
            }
            // The kernel learns here that they are taken; otherwise the next wait would return at
            // once for their sake.
            completions.sync();
            shard.turn(&mut kernel, now);
        }
        // The closes of the last turn are still queued.
        kernel.ring.enter(Wait::No)?;
        kernel.mailboxes[number].close(kernel.durations);
        Ok(())
    }
}

fn take_orders(shard: &mut Shard<'_>, kernel: &mut RingKernel<'_>, number: usize, now: Instant) {
    while let Some(order) = kernel.mailboxes[number].take() {
        match order {
            Order::Drain => shard.drain(kernel, now),
            Order::Stop => shard.stop(kernel, now),
            Order::Renew(renewal) => renew(shard, kernel, *renewal, now),
            Order::HandOver { empty, reply } => reply(replace(&mut kernel.durations, empty)),
        }
    }
}

fn renew(
    shard: &mut Shard<'_>,
    kernel: &mut RingKernel<'_>,
    Renewal { snapshot, doors, fresh, taken }: Renewal,
    now: Instant,
) {
    let used: BTreeSet<u16> = snapshot.servers().map(|(_, server)| server.gauge).collect();
    kernel.durations.forget(|place| !used.contains(&place) || fresh.servers.contains(&place));
    let doors: Vec<(Fd, u16)> = doors.iter().map(|door| (door.socket, door.listener)).collect();
    shard.renew(kernel, snapshot, &doors, &fresh, now);
    // Who asked may have given up waiting.
    let _ = taken.send(());
}

fn until(next: Option<Instant>, now: Instant) -> Wait {
    match next {
        None => Wait::ForOne,
        Some(at) if at <= now => Wait::No,
        Some(at) => Wait::AtMost(at.since(now)),
    }
}
