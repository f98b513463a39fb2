//! The two ways of choosing that keep no affinity. The next choice is the next server in the order
//! of the file, so every server is tried once before one is tried again; backups come last.

use crate::mapping::Question;

/// Each in turn, by weight: a server of weight 3 has three of the turns.
pub(super) fn in_turn(asked: &Question<'_>) -> Option<usize> {
    if asked.after.is_some() {
        return next_in_order(asked);
    }
    let backup = first_set(asked)?;
    let set = || asked.candidates().filter(|index| asked.servers[*index].backup == backup);
    let total: u64 = set().map(|index| u64::from(asked.servers[index].weight)).sum();
    let mut turn = u64::from(asked.ticket) % total;
    set().find(|index| {
        let weight = u64::from(asked.servers[*index].weight);
        let here = turn < weight;
        turn = turn.saturating_sub(weight);
        here
    })
}

/// The server whose sessions are fewest for its weight; of equal ones the first in the file.
pub(super) fn least_sessions(asked: &Question<'_>) -> Option<usize> {
    if asked.after.is_some() {
        return next_in_order(asked);
    }
    let backup = first_set(asked)?;
    let load = |index: usize| u128::from((asked.sessions)(index) + 1);
    let weight = |index: usize| u128::from(asked.servers[index].weight);
    asked.candidates().filter(|index| asked.servers[*index].backup == backup).reduce(
        |best, other| {
            if load(other) * weight(best) < load(best) * weight(other) { other } else { best }
        },
    )
}

/// Whether the backups are the ones to choose from; `None` when nobody is left.
fn first_set(asked: &Question<'_>) -> Option<bool> {
    asked.candidates().map(|index| asked.servers[index].backup).min()
}

/// The primaries from the first choice on and around, then the backups in the order of the file. Who may
/// be chosen can have changed since the first choice; where that stands has not.
fn next_in_order(asked: &Question<'_>) -> Option<usize> {
    let (after, count) = (asked.after?, asked.servers.len());
    let is_backup = |index: &usize| asked.servers[*index].backup;
    let mut backups = asked.candidates().filter(is_backup);
    if is_backup(&after) {
        return backups.find(|index| *index > after);
    }
    let first = asked.first.filter(|index| !is_backup(index)).unwrap_or(after);
    // How many stand between the choice before and another one, going around.
    let between = |index: usize| (index + count - after - 1) % count;
    asked
        .candidates()
        .filter(|index| !is_backup(index) && between(*index) < between(first))
        .min_by_key(|index| between(*index))
        .or_else(|| backups.next())
}

#[cfg(test)]
mod tests {
    use crate::key::Key;
    use crate::mapping::{Mapping, Question};
    use crate::snapshot::Server;
    use alloc::vec::Vec;

    fn chosen(mapping: Mapping, servers: &[Server], load: &[u64], tickets: u32) -> Vec<usize> {
        (0..tickets)
            .filter_map(|ticket| {
                mapping.choose(&Question {
                    key: Key([0; 16]),
                    servers,
                    after: None,
                    first: None,
                    eligible: &|_| true,
                    sessions: &|index| load[index],
                    ticket,
                })
            })
            .collect()
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
        let got = chosen(Mapping::RoundRobin, &servers, &[0; 4], 8);
        assert_eq!(got, [0, 2, 2, 2, 0, 2, 2, 2]);
    }

    // Goal: the fewest sessions for the weight win. Method: loads by hand.
    #[test]
    fn least_loaded_for_its_weight() {
        let servers = [Server::sample("a", 1), Server::sample("b", 2)];
        assert_eq!(chosen(Mapping::LeastSessions, &servers, &[1, 2], 1), [1]);
        assert_eq!(chosen(Mapping::LeastSessions, &servers, &[1, 4], 1), [0]);
    }

    // Goal: a session that reaches nobody has tried everybody once. Method: follow the choices.
    #[test]
    fn next_choices_visit_everyone() {
        let servers = [
            Server::sample("a", 1),
            Server { backup: true, ..Server::sample("b", 1) },
            Server::sample("c", 1),
        ];
        let mut asked = Question {
            key: Key([0; 16]),
            servers: &servers,
            after: None,
            first: None,
            eligible: &|_| true,
            sessions: &|_| 0,
            ticket: 1,
        };
        let mut seen = Vec::new();
        while let Some(index) = Mapping::RoundRobin.choose(&asked) {
            seen.push(index);
            asked.after = Some(index);
            asked.first = asked.first.or(asked.after);
        }
        assert_eq!(seen, [2, 0, 1]);
    }

    // Goal: nobody is left out when servers go down while a session is being connected. Method: five
    // servers, each of which goes down when it was tried, from every first choice.
    #[test]
    fn servers_that_go_down_meanwhile() {
        let servers = ["a", "b", "c", "d", "e"]
            .map(|name| Server { backup: name == "c", ..Server::sample(name, 1) });
        for ticket in 0..4 {
            let mut seen: Vec<usize> = Vec::new();
            loop {
                let asked = Question {
                    key: Key([0; 16]),
                    servers: &servers,
                    after: seen.last().copied(),
                    first: seen.first().copied(),
                    eligible: &|index| !seen.contains(&index),
                    sessions: &|_| 0,
                    ticket,
                };
                let Some(index) = Mapping::RoundRobin.choose(&asked) else { break };
                seen.push(index);
            }
            let around = [0, 1, 3, 4].into_iter().cycle().skip(ticket as usize).take(4);
            assert_eq!(seen, around.chain([2]).collect::<Vec<_>>());
        }
    }
}
