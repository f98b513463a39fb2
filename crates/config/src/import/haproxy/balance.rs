//! `balance` and `hash-type`: which mapping of ringbolt gives every client the server that HAProxy
//! gave it, or what comes nearest where none does.

use std::ops::Range;

use ringbolt_core::spec::Balance;

use crate::import::model::At;
use crate::import::notes::Notes;
use crate::import::word::{Word, shown, span};

/// A mapping, with the prefix lengths of its key where it has some.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) balance: At<Balance>,
    pub(super) key: Option<At<(u8, u8)>>,
}

/// Chooses. `balance` are the words of that line, `hash_type` those of the other; `pool` is where the
/// proxy begins. `affinity` is a table or a cookie that keeps clients at their servers.
pub(super) fn choose(
    balance: Option<&At<Vec<Word>>>,
    hash_type: Option<&At<Vec<Word>>>,
    affinity: Option<&At<String>>,
    pool: &Range<usize>,
    notes: &mut Notes,
) -> Choice {
    let at = balance.map_or(pool, |balance| &balance.at);
    let words = balance.map_or(&[][..], |balance| &balance.value);
    let algorithm = words.get(1).map_or("roundrobin", |word| &*word.text);
    let plain = |balance| Choice { balance: At::new(balance, at), key: None };
    if let Some(affinity) = affinity.filter(|_| algorithm != "source") {
        let message = format!(
            "{} is not carried: clients keep their servers by a mapping of their addresses instead",
            affinity.value
        );
        let mend = "nothing to do, if an address is what a client is known by; every client is mapped anew";
        notes.note(&affinity.at, message, mend);
        return Choice { balance: At::new(Balance::Source, &affinity.at), key: None };
    }
    if let Some(affinity) = affinity {
        let message = format!(
            "{} is not carried: clients keep their servers by balance source alone",
            affinity.value
        );
        let mend = "nothing to do; who is kept at another server than the address has moves once";
        notes.note(&affinity.at, message, mend);
    }
    match algorithm {
        "source" => return plain(source(hash_type, at, notes)),
        "roundrobin" | "static-rr" => return plain(Balance::RoundRobin),
        "leastconn" => return plain(Balance::LeastSessions),
        random if random == "random" || random.starts_with("random(") => {
            let message = "balance random is carried as round-robin, which spreads more evenly";
            notes.note(at, message, "nothing to do, or balance = \"least-sessions\"");
            return plain(Balance::RoundRobin);
        }
        "first" => {
            let message =
                "balance first is not carried: servers take turns instead of one after another";
            notes.note(
                at,
                message,
                "nothing to do, unless servers are switched off when they are idle",
            );
            return plain(Balance::RoundRobin);
        }
        "hash" => {
            if let Some(choice) = address_hash(words, at, notes) {
                return choice;
            }
        }
        _ => {}
    }
    let message = format!(
        "{} needs what Layer 4 does not see: carried as a mapping of the client's address",
        shown(words)
    );
    let mend =
        "nothing to do, if an address is what a client is known by; every client is mapped anew";
    notes.note(at, message, mend);
    plain(Balance::Source)
}

/// `balance hash src` and the same with `ipmask`: a mapping of addresses that no name here stands for.
fn address_hash(words: &[Word], at: &Range<usize>, notes: &mut Notes) -> Option<Choice> {
    let expression: String = words[2..].iter().map(|word| word.text.as_str()).collect();
    let key = match expression.strip_prefix("src") {
        Some("") => (32, 128),
        Some(converter) => {
            let lengths = converter.strip_prefix(",ipmask(")?.strip_suffix(')')?;
            let (v4, v6) = lengths.split_once(',').unwrap_or((lengths, "128"));
            let length = |text: &str, most: u8| text.parse().ok().filter(|it: &u8| *it <= most);
            (length(v4, 32)?, length(v6, 128)?)
        }
        None => return None,
    };
    let message = format!("{} is carried as balance = \"source\" with the same key", shown(words));
    let mend = "nothing to do; every client is mapped anew, once";
    notes.note(at, message, mend);
    Some(Choice { balance: At::new(Balance::Source, at), key: Some(At::new(key, at)) })
}

/// Which of the mappings of `balance source` a `hash-type` asks for.
fn source(hash_type: Option<&At<Vec<Word>>>, at: &Range<usize>, notes: &mut Notes) -> Balance {
    let Some(hash_type) = hash_type else { return Balance::HaproxySource };
    let words: Vec<&str> = hash_type.value[1..].iter().map(|word| word.text.as_str()).collect();
    let avalanche = words.contains(&"avalanche");
    let balance = match words.first() {
        Some(&"consistent") if avalanche || words.len() == 1 => Balance::HaproxySourceConsistent,
        Some(&"consistent") => Balance::HaproxySourceConsistentRaw,
        Some(_) | None if avalanche => Balance::HaproxySourceAvalanche,
        Some(_) | None => Balance::HaproxySource,
    };
    if words.first() == Some(&"consistent") {
        let message = "HAProxy from 3.0 to 3.2 maps consistently in another way, until its repair";
        let mend = "if that is the HAProxy you leave, write balance = \
                    \"haproxy-source-consistent-3.0\"";
        notes.note(&(at.start..at.end), message, mend);
    }
    let known = ["consistent", "map-based", "avalanche", "sdbm", "djb2", "wt6", "crc32", "none"];
    if let Some(word) = hash_type.value[1..].iter().find(|word| !known.contains(&&*word.text)) {
        let message = format!("hash-type {:?} is not known here", word.text);
        notes.note(&span(std::slice::from_ref(word)), message, "compare with `ringbolt plan`");
    }
    balance
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> At<Vec<Word>> {
        let words = text.split(' ').map(|word| Word { text: word.into(), at: 1..2 }).collect();
        At { value: words, at: 1..2 }
    }

    fn chosen(
        balance: &str,
        hash_type: &str,
        affinity: bool,
    ) -> (Balance, Option<(u8, u8)>, usize) {
        let mut notes = Notes::default();
        let balance = (!balance.is_empty()).then(|| words(balance));
        let hash_type = (!hash_type.is_empty()).then(|| words(hash_type));
        let affinity = affinity.then(|| At { value: "stick on src".to_owned(), at: 5..6 });
        let choice =
            choose(balance.as_ref(), hash_type.as_ref(), affinity.as_ref(), &(0..1), &mut notes);
        let key = choice.key.map(|key| key.value);
        (choice.balance.value, key, notes.into_lists().1.len())
    }

    /// Goal: what decides the mapping in HAProxy decides it here. Method: every combination that its
    /// manual has.
    #[test]
    fn mappings_are_those_of_haproxy() {
        use Balance::{
            HaproxySource, HaproxySourceAvalanche, HaproxySourceConsistent,
            HaproxySourceConsistentRaw,
        };
        for (hash_type, balance, notes) in [
            ("", HaproxySource, 0),
            ("hash-type map-based", HaproxySource, 0),
            ("hash-type map-based sdbm", HaproxySource, 0),
            ("hash-type map-based djb2 avalanche", HaproxySourceAvalanche, 0),
            ("hash-type consistent", HaproxySourceConsistent, 1),
            ("hash-type consistent wt6", HaproxySourceConsistentRaw, 1),
            ("hash-type consistent wt6 avalanche", HaproxySourceConsistent, 1),
            ("hash-type map-based xxh", HaproxySource, 1),
        ] {
            assert_eq!(
                chosen("balance source", hash_type, false),
                (balance, None, notes),
                "{hash_type}"
            );
            assert_eq!(
                chosen("balance source", hash_type, true),
                (balance, None, notes + 1),
                "{hash_type}"
            );
        }
    }

    /// Goal: whatever else there is has the nearest that there is, and a note where it is another.
    /// Method: each algorithm.
    #[test]
    fn other_algorithms_have_the_nearest() {
        use Balance::{LeastSessions, RoundRobin, Source};
        for (balance, expected, key, notes) in [
            ("", RoundRobin, None, 0),
            ("balance roundrobin", RoundRobin, None, 0),
            ("balance static-rr", RoundRobin, None, 0),
            ("balance leastconn", LeastSessions, None, 0),
            ("balance random(2)", RoundRobin, None, 1),
            ("balance random", RoundRobin, None, 1),
            ("balance first", RoundRobin, None, 1),
            ("balance uri whole", Source, None, 1),
            ("balance hdr(host)", Source, None, 1),
            ("balance hash src", Source, Some((32, 128)), 1),
            ("balance hash src,ipmask(24,64)", Source, Some((24, 64)), 1),
            ("balance hash src,ipmask(24)", Source, Some((24, 128)), 1),
            ("balance hash src,ipmask(99)", Source, None, 1),
            ("balance hash req.hdr(x)", Source, None, 1),
        ] {
            assert_eq!(chosen(balance, "", false), (expected, key, notes), "{balance}");
        }
        assert_eq!(chosen("balance roundrobin", "", true), (Source, None, 1));
        assert_eq!(chosen("", "", true), (Source, None, 1));
    }
}
