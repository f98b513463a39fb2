//! The two ways of choosing that keep no affinity. The next choice is the next server in the order
//! of the file, so every server is tried once before one is tried again; backups come last.

use crate::mapping::{Choice, Question};

/// Each in turn, by weight: a server of weight 3 has three of the turns.
pub(super) fn in_turn(asked: &Question<'_>) -> Option<Choice> {
    if let Some(first) = asked.first {
        return next_in_order(first, asked);
    }
    let backup = first_set(asked)?;
    let set = || asked.candidates().filter(|index| asked.servers[*index].backup == backup);
    let total: u64 = set().map(|index| u64::from(asked.servers[index].weight)).sum();
    let mut turn = u64::from(asked.ticket) % total;
    let chosen = set().find(|index| {
        let weight = u64::from(asked.servers[*index].weight);
        let here = turn < weight;
        turn = turn.saturating_sub(weight);
        here
    });
    chosen.map(plain)
}

/// The server whose sessions are fewest for its weight; of equal ones the first in the file.
pub(super) fn least_sessions(asked: &Question<'_>) -> Option<Choice> {
    if let Some(first) = asked.first {
        return next_in_order(first, asked);
    }
    let backup = first_set(asked)?;
    let load = |index: usize| u128::from((asked.sessions)(index) + 1);
    let weight = |index: usize| u128::from(asked.servers[index].weight);
    let set = asked.candidates().filter(|index| asked.servers[*index].backup == backup);
    let least = |best, other| {
        if load(other) * weight(best) < load(best) * weight(other) { other } else { best }
    };
    set.reduce(least).map(plain)
}

/// A choice that no hash led to.
fn plain(server: usize) -> Choice {
    Choice { server, hash: None, slot: None }
}

/// Whether the backups are the ones to choose from; `None` when nobody is left.
fn first_set(asked: &Question<'_>) -> Option<bool> {
    asked.candidates().map(|index| asked.servers[index].backup).min()
}

/// The primaries from the first choice on and around, then the backups in the order of the file. Who may
/// be chosen can have changed since the first choice; where that stands has not.
fn next_in_order(first: usize, asked: &Question<'_>) -> Option<Choice> {
    let count = asked.servers.len();
    let from_first = |index: usize| (index + count - first) % count;
    let place = |index: &usize| match asked.servers[*index].backup {
        true => (true, *index),
        false => (false, from_first(*index)),
    };
    asked.candidates().min_by_key(place).map(plain)
}

#[cfg(test)]
mod tests {
    use crate::key::Key;
    use crate::mapping::{Mapping, Question, Tables};
    use crate::snapshot::Server;
    use alloc::vec::Vec;
    use core::cell::RefCell;
    use core::net::{IpAddr, Ipv4Addr};

    /// Whom a session is given that has tried `seen`, the first of it first.
    fn next(
        mapping: &Mapping,
        servers: &[Server],
        load: &[u64],
        ticket: u32,
        seen: &[usize],
    ) -> Option<usize> {
        let tables = RefCell::new(Tables::default());
        let asked = Question {
            key: Key([0; 16]),
            addr: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            servers,
            up: &|_| true,
            passed: &|index| seen.contains(&index),
            first: seen.first().copied(),
            sessions: &|index| load[index],
            ticket,
            tables: &tables,
        };
        mapping.choose(&asked).map(|choice| choice.server)
    }

    fn chosen(mapping: &Mapping, servers: &[Server], load: &[u64], tickets: u32) -> Vec<usize> {
        (0..tickets).filter_map(|ticket| next(mapping, servers, load, ticket, &[])).collect()
    }

    // Goal: turns follow the weights, a weight of 0 gets none, backups wait. Method: ten turns.
    #[test]
    fn turns_follow_weights() {
        let servers = [
            Server::sample("a", 1),
            Server::sample("b", 0),
            Server::sample("c", 3),
            Server { backup: true, ..Server::sample("d", 5) },
        ];
        let got = chosen(&Mapping::RoundRobin, &servers, &[0; 4], 8);
        assert_eq!(got, [0, 2, 2, 2, 0, 2, 2, 2]);
    }

    // Goal: the fewest sessions for the weight win. Method: loads by hand.
    #[test]
    fn least_loaded_for_its_weight() {
        let servers = [Server::sample("a", 1), Server::sample("b", 2)];
        assert_eq!(chosen(&Mapping::LeastSessions, &servers, &[1, 2], 1), [1]);
        assert_eq!(chosen(&Mapping::LeastSessions, &servers, &[1, 4], 1), [0]);
    }

    // Goal: a session that reaches nobody has tried everybody once, in the order of the file from its
    // first choice on, backups last. Method: follow the choices, from every first one, of five servers.
    #[test]
    fn next_choices_visit_everyone() {
        let servers = ["a", "b", "c", "d", "e"]
            .map(|name| Server { backup: name == "c", ..Server::sample(name, 1) });
        for ticket in 0..4 {
            let mut seen: Vec<usize> = Vec::new();
            while let Some(index) = next(&Mapping::RoundRobin, &servers, &[], ticket, &seen) {
                seen.push(index);
            }
            let around = [0, 1, 3, 4].into_iter().cycle().skip(ticket as usize).take(4);
            assert_eq!(seen, around.chain([2]).collect::<Vec<_>>());
        }
    }
}
