//! Counting the living anew, between two engines. What a session had taken of limits is in its record,
//! and a dead engine may have been about to give something back.

use crate::kernel::Fd;
use crate::key::Key;
use crate::keys::UNLIMITED;
use crate::record::{Flags, Session};
use crate::region::{Gauges, Part};

/// Who was found.
#[derive(Debug, Default)]
pub struct Census {
    /// Sessions that are not over.
    pub sessions: u64,
    /// Records that are no sessions: they were ended, and what they named has no owner.
    pub broken: u64,
}

impl Census {
    /// Counts the sessions of one worker. All gauges were cleared before the first.
    pub fn count(&mut self, part: &Part<'_>, gauges: &Gauges<'_>, mut owned: impl FnMut(Fd)) {
        for (_, session) in part.live() {
            if session.phase().is_some() && enter(session, gauges).is_some() {
                self.sessions += 1;
                session.descriptors().for_each(&mut owned);
            } else {
                self.broken += 1;
                session.end();
            }
        }
    }
}

/// Counts what a session has; `None`, and nothing is counted, when it names a place that is none.
fn enter(session: &Session, gauges: &Gauges<'_>) -> Option<()> {
    let listener = gauges.listeners.get(usize::from(session.listener.get()))?;
    let pool = gauges.pools.get(usize::from(session.pool.get()))?;
    let server = gauges.servers.get(usize::from(session.server.get()))?;
    let source = match session.source() {
        Some(place) => Some(gauges.sources.get(usize::from(place))?),
        None => None,
    };
    listener.add();
    pool.add();
    if session.has(Flags::AT_SERVER) {
        server.add();
    }
    if let Some(source) = source {
        source.add();
    }
    let keyed = session.has(Flags::KEYED);
    let key = Key::of_bits(session.client_addr.get(), session.key_prefix.get());
    let take = || gauges.keys.take(session.listener.get(), key, UNLIMITED);
    session.set_key_place(keyed.then(take).flatten());
    Some(())
}
