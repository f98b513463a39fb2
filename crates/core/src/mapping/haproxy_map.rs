//! `haproxy-source`, `haproxy-source-avalanche`: HAProxy's `balance source` with `hash-type map-based`,
//! which is its default.
//!
//! A table names the server of every slot: for each slot in turn every server's score grows by its
//! weight, the server whose score has passed the sum of the weights most often has the slot (of equal
//! ones the first), and the sum is taken off its score. A client's slot is its hash modulo the length.
//! The table is made of the servers that are up, so whenever one comes or goes nearly everybody moves.
//! That is what HAProxy does.
//!
//! The pattern repeats after the sum of the weights divided by what they have in common. HAProxy writes
//! it down several times when a server that is not up has another weight; that changes nobody's server,
//! and neither does its division by what the weights of the whole configuration have in common.

use alloc::vec;
use alloc::vec::Vec;
use core::mem::take;

use crate::mapping::{Choice, Question, haproxy};

/// Tables that are kept: of who is up now, and of those whom sessions find unreachable at the moment.
const TABLES_KEPT: usize = 8;

/// Tables made lately. Servers of equal weight need none.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// Whom the next answer is taken from.
    members: Vec<Member>,
    /// The latest used first.
    made: Vec<Table>,
}

/// A server in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Member {
    server: u16,
    weight: u32,
}

/// A table is that of its members, whatever pool or snapshot they are of.
#[derive(Clone, Debug, Default)]
struct Table {
    members: Vec<Member>,
    /// Index of the server of each slot.
    owners: Vec<u16>,
}

pub(super) fn choose(avalanche: bool, asked: &Question<'_>) -> Option<Choice> {
    let hash = haproxy::hash(asked.addr, avalanche);
    let mut tables = asked.tables.borrow_mut();
    tables.begin(asked);
    while let Some((server, slot)) = tables.owner(hash) {
        if !(asked.passed)(server) {
            return Some(Choice { server, hash: Some(hash.into()), slot: Some(slot as u64) });
        }
        tables.members.retain(|member| usize::from(member.server) != server);
    }
    let server = backup(asked)?;
    Some(Choice { server, hash: Some(hash.into()), slot: None })
}

/// The backup that serves alone while no other server is up. HAProxy takes it for the first, but the table
/// it makes for it is as long as the first one's weight (divided by what all weights have in common), and
/// the slot that it looks at goes to whoever's score passes that most often: to a later one that is at least
/// twice as heavy. Only a table of one slot is the first one's for certain.
fn backup(asked: &Question<'_>) -> Option<usize> {
    let weight = |server: usize| asked.servers[server].weight;
    let backups = || asked.candidates().filter(|server| asked.servers[*server].backup);
    let first = backups().next()?;
    let common = asked.servers.iter().fold(0, |common, server| divisor(common, server.weight));
    if weight(first) == common {
        return Some(first);
    }
    let passes = |server: usize| weight(server) / weight(first);
    backups().reduce(|best, other| if passes(other) > passes(best) { other } else { best })
}

impl Tables {
    /// From now on of the servers of a question that are up and no backups.
    fn begin(&mut self, asked: &Question<'_>) {
        let all = asked.servers.iter().enumerate();
        let active = all.filter(|(_, server)| server.weight > 0 && !server.backup);
        let up = active.filter(|(index, _)| (asked.up)(*index));
        self.members.clear();
        self.members.extend(
            up.map(|(index, server)| Member { server: index as u16, weight: server.weight }),
        );
    }

    /// The server of a hash, and its slot.
    fn owner(&mut self, hash: u32) -> Option<(usize, usize)> {
        let first = self.members.first()?;
        if self.members.iter().all(|member| member.weight == first.weight) {
            let slot = hash as usize % self.members.len();
            return Some((self.members[slot].server.into(), slot));
        }
        let owners = &self.table().owners;
        let slot = hash as usize % owners.len();
        Some((owners[slot].into(), slot))
    }

    /// The table of the members.
    fn table(&mut self) -> &Table {
        let known = self.made.iter().position(|table| table.members == self.members);
        let place = known.unwrap_or_else(|| {
            if self.made.len() < TABLES_KEPT {
                self.made.push(Table::default());
            }
            let last = self.made.len() - 1;
            self.made[last].fill(&self.members);
            last
        });
        self.made[..=place].rotate_right(1);
        &self.made[0]
    }
}

impl Table {
    /// Makes it that of these members.
    fn fill(&mut self, members: &[Member]) {
        self.members.clear();
        self.members.extend_from_slice(members);
        let common = members.iter().fold(0, |common, member| divisor(common, member.weight));
        let weights: Vec<usize> =
            members.iter().map(|member| (member.weight / common) as usize).collect();
        let sum: usize = weights.iter().sum();
        let mut owners = take(&mut self.owners);
        owners.clear();
        let mut passes = Passes::new(members.len());
        let mut due = Due::new(&weights, sum);
        for slot in 0..sum {
            due.at(slot, |member| passes.one_more(member));
            let best = passes.most();
            owners.push(members[best].server);
            passes.one_less(best);
        }
        self.owners = owners;
    }
}

/// How often the score of each member has passed the sum. To look at every score for every slot would take
/// milliseconds where servers are some hundreds.
struct Passes {
    /// Of each member, and one more: it is -1 at the least, of who had a slot with a score below the sum.
    of: Vec<usize>,
    /// By that number the members that have it, as bits.
    having: Vec<Vec<u64>>,
}

impl Passes {
    fn new(members: usize) -> Self {
        let mut passes = Self { of: vec![1; members], having: Vec::new() };
        (0..members).for_each(|member| passes.set(member));
        passes
    }

    fn one_more(&mut self, member: usize) {
        self.clear(member);
        self.of[member] += 1;
        self.set(member);
    }

    fn one_less(&mut self, member: usize) {
        self.clear(member);
        self.of[member] -= 1;
        self.set(member);
    }

    /// The first of those with the most.
    fn most(&self) -> usize {
        let first = |bits: &Vec<u64>| {
            let word = bits.iter().position(|word| *word > 0)?;
            Some(word * 64 + bits[word].trailing_zeros() as usize)
        };
        self.having.iter().rev().find_map(first).unwrap_or(0)
    }

    fn set(&mut self, member: usize) {
        let passes = self.of[member];
        while self.having.len() <= passes {
            self.having.push(vec![0; self.of.len().div_ceil(64)]);
        }
        self.having[passes][member / 64] |= 1 << (member % 64);
    }

    fn clear(&mut self, member: usize) {
        self.having[self.of[member]][member / 64] &= !(1 << (member % 64));
    }
}

/// When scores pass the sum: that of a weight w for the kth time at the first slot up to which it has grown by
/// k sums, slots taken apart.
struct Due<'a> {
    weights: &'a [usize],
    sum: usize,
    /// How often each has.
    times: Vec<usize>,
    /// The first member of those that are due at a slot, and the one behind each; `NOBODY` ends it.
    first: Vec<usize>,
    next: Vec<usize>,
}

const NOBODY: usize = usize::MAX;

impl<'a> Due<'a> {
    fn new(weights: &'a [usize], sum: usize) -> Self {
        let mut due = Self {
            weights,
            sum,
            times: vec![0; weights.len()],
            first: vec![NOBODY; sum],
            next: vec![NOBODY; weights.len()],
        };
        (0..weights.len()).for_each(|member| due.note(member));
        due
    }

    /// Tells of everybody who is due at a slot.
    fn at(&mut self, slot: usize, mut tell: impl FnMut(usize)) {
        let mut member = self.first[slot];
        while member != NOBODY {
            let next = self.next[member];
            tell(member);
            self.times[member] += 1;
            if self.times[member] < self.weights[member] {
                self.note(member);
            }
            member = next;
        }
    }

    /// Notes when a member is due next.
    fn note(&mut self, member: usize) {
        let sums = (self.times[member] + 1) * self.sum;
        let slot = sums.div_ceil(self.weights[member]) - 1;
        self.next[member] = self.first[slot];
        self.first[slot] = member;
    }
}

/// The greatest common divisor.
fn divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(weights: &[u32]) -> Vec<Member> {
        let member =
            |(server, weight): (usize, &u32)| Member { server: server as u16, weight: *weight };
        weights.iter().enumerate().map(member).collect()
    }

    fn owners(weights: &[u32]) -> Vec<u16> {
        let mut table = Table::default();
        table.fill(&members(weights));
        table.owners
    }

    // Goal: tables are HAProxy's. Method: those that it showed, and equal weights by hand.
    #[test]
    fn known_tables() {
        assert_eq!(owners(&[10, 30, 20]), [0, 1, 2, 1, 1, 2]);
        assert_eq!(owners(&[1, 3, 2]), [0, 1, 2, 1, 1, 2]);
        assert_eq!(owners(&[7, 7, 7]), [0, 1, 2]);
        assert_eq!(owners(&[256]), [0]);
    }

    // Goal: the members of more than one word of bits have their slots. Method: 150 of weights 1 to 150 against
    // the rule.
    #[test]
    fn many_members() {
        let weights: Vec<u32> = (1..=150).collect();
        assert_eq!(owners(&weights), by_the_rule(&weights));
    }

    // Goal: a shorter table that repeats is the same as HAProxy's longer one, and every server has as
    // many slots as its weight says. Method: against the rule without the division, for many weights.
    #[test]
    fn tables_repeat() {
        let mut state = 1u32;
        let mut random = |most: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % most + 1
        };
        for round in 0..200 {
            let factor = random(4);
            let most = [9, 256][round % 2];
            let weights: Vec<u32> =
                (0..random(6)).map(|_| random(most)).map(|weight| weight * factor).collect();
            let sum: u32 = weights.iter().sum();
            let short = owners(&weights);
            let long = by_the_rule(&weights);
            assert_eq!(sum as usize % short.len(), 0);
            for (slot, owner) in long.iter().enumerate() {
                assert_eq!(short[slot % short.len()], *owner, "{weights:?} at {slot}");
            }
            for (server, weight) in weights.iter().enumerate() {
                let slots = long.iter().filter(|owner| usize::from(**owner) == server).count();
                assert_eq!(slots, *weight as usize, "{weights:?}");
            }
        }
    }

    fn by_the_rule(weights: &[u32]) -> Vec<u16> {
        let sum: i64 = weights.iter().map(|weight| i64::from(*weight)).sum();
        let mut scores = vec![0; weights.len()];
        let slot = |_| {
            scores.iter_mut().zip(weights).for_each(|(score, weight)| *score += i64::from(*weight));
            let passes = |index: &usize| (scores[*index] + sum) / sum;
            let most = (0..scores.len()).map(|index| passes(&index)).max().unwrap();
            let best = (0..scores.len()).find(|index| passes(index) == most).unwrap();
            scores[best] -= sum;
            best as u16
        };
        (0..sum).map(slot).collect()
    }

    // Goal: a table that was made is used again, whoever asks, and few are kept. Method: more sets of
    // members than are kept, each asked for twice in a row, and the oldest once more.
    #[test]
    fn tables_are_kept() {
        let mut tables = Tables::default();
        for heaviest in (2..30).chain([2]) {
            tables.members = members(&[1, heaviest]);
            let made = tables.table().owners.clone();
            assert_eq!(made.len(), heaviest as usize + 1);
            assert_eq!(tables.table().owners, made);
            assert_eq!(tables.made[0].members, tables.members);
            assert!(tables.made.len() <= TABLES_KEPT);
        }
        let mut kept: Vec<usize> = tables.made.iter().map(|table| table.owners.len()).collect();
        kept.dedup();
        assert_eq!(kept, [3, 30, 29, 28, 27, 26, 25, 24]);
    }
}
