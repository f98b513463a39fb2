//! What nginx's mappings have in common: servers share a row of slots by their weights, those that are
//! down keep theirs, and a key that has met too many of those goes its own way.

use crate::mapping::{Choice, Question, rendezvous};
use crate::snapshot::Server;

/// Slots that a key is given one after the other; then nginx goes round robin.
pub(super) const TRIES: u32 = 21;

/// Slots in all.
pub(super) fn slots(servers: &[Server]) -> u64 {
    servers.iter().map(|server| u64::from(server.weight)).sum()
}

/// The server that has a slot.
pub(super) fn server_at(servers: &[Server], slot: u64) -> Option<usize> {
    let mut end = 0;
    servers.iter().position(|server| {
        end += u64::from(server.weight);
        slot < end
    })
}

/// The server of the first of these hashes that leads to one that may be chosen. What nginx would send
/// round robin stays with its key: the first that is up by `rendezvous-1`.
pub(super) fn first_of(
    hashes: impl Iterator<Item = u32>,
    seed: u64,
    asked: &Question<'_>,
) -> Option<Choice> {
    let slots = slots(asked.servers);
    if slots == 0 {
        return None;
    }
    let tried = hashes.take(TRIES as usize).find_map(|hash| {
        let slot = u64::from(hash) % slots;
        let server = server_at(asked.servers, slot)?;
        let choice = Choice { server, hash: Some(hash.into()), slot: Some(slot) };
        asked.may_choose(server).then_some(choice)
    });
    tried.or_else(|| rendezvous::choose(seed, asked))
}
