//! What the mappings of HAProxy and nginx answer, pinned: a result under a name never changes. How the
//! numbers were found stands at each test; that the real programs agree is shown end to end.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::net::IpAddr;
use core::time::Duration;

use crate::mapping::{Generation, HaproxyRing, Mapping, NginxRing, Question, Tables};
use crate::snapshot;
use crate::spec::{Balance, Health, Place, Pool, SendProxy, Server, ServerAddr, Splice};

/// A pool of servers 10.0.0.1:8765 and on.
pub(crate) fn pool(balance: Balance, weights: &[u16]) -> Pool {
    let server = |(index, weight): (usize, &u16)| {
        let text = format!("10.0.0.{}:8765", index + 1);
        Server {
            name: format!("ws{index}"),
            addr: ServerAddr { place: Place::Socket(text.parse().unwrap()), text },
            id: index as u32 + 1,
            weight: *weight,
            max_sessions: None,
            backup: false,
            source: Vec::new(),
        }
    };
    Pool {
        name: "echo".into(),
        balance,
        key: balance.key(),
        attempts: 3,
        connect_timeout: Duration::from_secs(5),
        send_proxy: SendProxy::Off,
        splice: Splice::Auto,
        keepalive: None,
        fail_open: false,
        health: Health::OFF,
        servers: weights.iter().enumerate().map(server).collect(),
    }
}

/// Who serves an address while these servers are down.
fn owner(pool: &snapshot::Pool, addr: &str, down: &[usize]) -> Option<usize> {
    let tables = RefCell::new(Tables::default());
    let up = |index: usize| !down.contains(&index);
    let asked = Question { up: &up, ..Question::of(pool, addr.parse().unwrap(), &tables) };
    pool.mapping.choose(&asked).map(|choice| choice.server)
}

/// Every server in the order in which an address is given them.
fn order(pool: &snapshot::Pool, addr: IpAddr, down: &[usize]) -> Vec<usize> {
    let tables = RefCell::new(Tables::default());
    let mut seen: Vec<usize> = Vec::new();
    loop {
        let asked = Question {
            up: &|index| !down.contains(&index),
            passed: &|index| seen.contains(&index),
            ..Question::of(pool, addr, &tables)
        };
        let Some(choice) = pool.mapping.choose(&asked) else { break seen };
        seen.push(choice.server);
    }
}

/// Addresses of every kind.
const ADDRESSES: [&str; 9] = [
    "192.0.2.1",
    "192.0.2.2",
    "198.51.100.77",
    "203.0.113.200",
    "10.0.0.1",
    "8.8.8.8",
    "2001:db8::1",
    "2001:db8:0:1:a:b:c:d",
    "::ffff:192.0.2.1",
];

// Goal: the mappings are those of HAProxy 2.6 and nginx 1.22, with all servers up, with the second one
// down, and with weights 1, 3 and 2. Method: vectors of a model that agreed with the running programs in
// 1,700 choices.
#[test]
fn choices() {
    use Balance::{
        HaproxySource as Map, HaproxySourceAvalanche as Avalanche,
        HaproxySourceConsistent as Consistent, NginxHash, NginxHashBinaryConsistent as Binary,
        NginxHashConsistent as Text, NginxIpHash as IpHash,
    };
    const EQUAL: [u16; 3] = [1, 1, 1];
    const OTHER: [u16; 3] = [1, 3, 2];
    #[rustfmt::skip]
    const COLUMNS: [(Balance, [u16; 3], &[usize], &str); 15] = [
        (Map,        EQUAL, &[],  "010022000"),
        (Map,        EQUAL, &[1], "202020220"),
        (Map,        OTHER, &[],  "111022110"),
        (Avalanche,  EQUAL, &[],  "202001022"),
        (Consistent, EQUAL, &[],  "002002022"),
        (Consistent, EQUAL, &[1], "002002022"),
        (Consistent, OTHER, &[],  "012011022"),
        (IpHash,     EQUAL, &[],  "000002200"),
        (IpHash,     EQUAL, &[1], "000002200"),
        (IpHash,     OTHER, &[],  "110012110"),
        (NginxHash,  EQUAL, &[],  "221110011"),
        (NginxHash,  EQUAL, &[1], "220220000"),
        (Text,       EQUAL, &[],  "221122221"),
        (Text,       EQUAL, &[1], "220022220"),
        (Binary,     OTHER, &[],  "120101221"),
    ];
    for (balance, weights, down, expected) in COLUMNS {
        let pool = snapshot::Pool::alone(&pool(balance, &weights), 0);
        let owner = |addr: &&str| owner(&pool, addr, down).unwrap().to_string();
        let owners: Vec<_> = ADDRESSES.iter().map(owner).collect();
        assert_eq!(owners.concat(), expected, "{} {weights:?} without {down:?}", balance.name());
    }
}

// Goal: the two other rings of HAProxy's, that without avalanche and that of 3.0, keep their results.
// Method: vectors of a model in another language, made from the same rules; the first is compared with the
// running program end to end, of the second's age there is none at hand.
#[test]
fn other_generations() {
    use Balance::{HaproxySourceConsistent30 as Of30, HaproxySourceConsistentRaw as Raw};
    const COLUMNS: [(Balance, [u16; 3], &str); 4] = [
        (Raw, [1, 1, 1], "221022002"),
        (Raw, [1, 3, 2], "221122002"),
        (Of30, [1, 1, 1], "202111212"),
        (Of30, [1, 3, 2], "201212111"),
    ];
    for (balance, weights, expected) in COLUMNS {
        let pool = snapshot::Pool::alone(&pool(balance, &weights), 0);
        let owner = |addr: &&str| owner(&pool, addr, &[]).unwrap().to_string();
        let owners: Vec<_> = ADDRESSES.iter().map(owner).collect();
        assert_eq!(owners.concat(), expected, "{} {weights:?}", balance.name());
    }
}

// Goal: points stand where those of HAProxy and nginx do. Method: the lowest of each ring, of the same
// model.
#[test]
fn points() {
    let servers = pool(Balance::Source, &[1, 1, 1]).servers;
    let haproxy = HaproxyRing::of(Generation::Avalanche, &servers);
    assert_eq!(
        haproxy.first_points(4),
        [(0x048e_6a3d, 2), (0x1631_2e7f, 2), (0x18b6_6546, 1), (0x1d80_4ea4, 0)]
    );
    let nginx = NginxRing::of(false, &servers);
    assert_eq!(
        nginx.first_points(4),
        [(0x0075_0baa, 0), (0x008e_ff44, 0), (0x01be_f6fd, 2), (0x01e9_03e3, 1)]
    );
}

// Goal: for every mapping the next choice is what it answers when all choices before are down, everybody
// has a turn, and whoever is down or without weight has none. Method: orders of many addresses against
// owners with ever more servers down.
#[test]
fn next_choices() {
    let sticky = Balance::NAMES.iter().map(|(balance, _)| *balance);
    let sticky = sticky.filter(|it| !matches!(it, Balance::RoundRobin | Balance::LeastSessions));
    for balance in sticky {
        let mut pool = pool(balance, &[1, 3, 0, 2, 2, 7]);
        pool.servers[3].backup = !is_nginx(balance);
        let pool = snapshot::Pool::alone(&pool, 0);
        for number in 0..300_u32 {
            let addr = IpAddr::V4((number.wrapping_mul(2_654_435_761)).into());
            let order = order(&pool, addr, &[4]);
            let mut down = Vec::from([4]);
            for server in &order {
                let first = owner(&pool, &addr.to_string(), &down);
                assert_eq!(first, Some(*server), "{} {addr} {down:?}", balance.name());
                down.push(*server);
            }
            assert_eq!(owner(&pool, &addr.to_string(), &down), None);
            let seen: BTreeSet<usize> = order.iter().copied().collect();
            assert_eq!(seen, BTreeSet::from([0, 1, 3, 5]), "{}", balance.name());
        }
    }
}

fn is_nginx(balance: Balance) -> bool {
    balance.name().starts_with("nginx-")
}

// Goal: while nobody else is up one backup serves, of HAProxy's ring the first one, of its map the first
// one unless a later one weighs twice as much. Method: two pools of which HAProxy 2.6 has shown whom it
// gives all its clients, and three more by the same rule.
#[test]
fn backups() {
    const CASES: [(&[u16], &[usize], usize); 5] = [
        (&[71, 97, 203, 98, 190, 112, 125, 139], &[0, 4, 7], 4),
        (&[161, 148, 104, 9, 79, 42, 147, 88, 82, 209], &[3, 7], 7),
        (&[1, 2, 2], &[1, 2], 1),
        (&[1, 2, 3], &[1, 2], 1),
        (&[5, 1, 9], &[1, 2], 1),
    ];
    for (weights, backups, of_map) in CASES {
        for (balance, expected) in
            [(Balance::HaproxySource, of_map), (Balance::HaproxySourceConsistent, backups[0])]
        {
            let mut pool = pool(balance, weights);
            backups.iter().for_each(|index| pool.servers[*index].backup = true);
            let pool = snapshot::Pool::alone(&pool, 0);
            let active = (0..weights.len()).filter(|index| !backups.contains(index));
            let down: Vec<usize> = active.collect();
            for addr in ADDRESSES {
                assert_eq!(owner(&pool, addr, &down), Some(expected), "{weights:?}");
                assert!(!backups.contains(&owner(&pool, addr, &[]).unwrap()));
            }
        }
    }
}

// Goal: a full server is passed over and changes nobody else's server, where a server that is down
// changes nearly everybody's. Method: HAProxy's map of ten with one of them in each state.
#[test]
fn full_is_not_down() {
    let pool = snapshot::Pool::alone(&pool(Balance::HaproxySource, &[1; 10]), 0);
    let tables = RefCell::new(Tables::default());
    let (mut full, mut down) = (0, 0);
    for number in 0..1_000_u32 {
        let addr = IpAddr::V4((number.wrapping_mul(2_654_435_761)).into());
        let asked = Question::of(&pool, addr, &tables);
        let other = |index: usize| index != 4;
        let before = pool.mapping.choose(&asked);
        let without = pool.mapping.choose(&Question { up: &other, ..asked });
        let passed = pool.mapping.choose(&Question { passed: &|index| index == 4, ..asked });
        let server = |choice: Option<crate::mapping::Choice>| choice.unwrap().server;
        full += usize::from(server(before) != server(passed));
        down += usize::from(server(before) != server(without));
        let expected = if server(before) == 4 { without } else { before };
        assert_eq!(server(passed), server(expected));
    }
    assert!((60..150).contains(&full), "{full}");
    assert!((850..950).contains(&down), "{down}");
}

// Goal: what nginx sends round robin stays with its key, and one that is up is always found. Method: 16
// servers of which one is up; a key with a slot has met it within nginx's tries, one without has not.
#[test]
fn beyond_the_tries() {
    for balance in [Balance::NginxIpHash, Balance::NginxHash, Balance::NginxHashConsistent] {
        let pool = snapshot::Pool::alone(&pool(balance, &[1; 16]), 0);
        let tables = RefCell::new(Tables::default());
        let mut without_slot = 0;
        for number in 0..300_u32 {
            let addr = IpAddr::V4((number.wrapping_mul(2_654_435_761)).into());
            let up = |index| index == 9;
            let asked = Question { up: &up, ..Question::of(&pool, addr, &tables) };
            let choice = pool.mapping.choose(&asked).unwrap();
            assert_eq!(choice.server, 9);
            without_slot += usize::from(choice.slot.is_none());
        }
        assert!((20..200).contains(&without_slot), "{}: {without_slot}", balance.name());
    }
}

// Goal: servers whose addresses have the same text share their points, and a key stays with one of them.
// Method: four servers of which two have one text; who owns what with and without each of the two.
#[test]
fn one_text_for_two() {
    let mut pool = pool(Balance::NginxHashConsistent, &[1, 1, 1, 1]);
    pool.servers[3].addr = pool.servers[1].addr.clone();
    let twins = snapshot::Pool::alone(&pool, 0);
    pool.servers.pop();
    let three = snapshot::Pool::alone(&pool, 0);
    let mut met = [0; 4];
    for number in 0..300_u32 {
        let addr = IpAddr::V4((number.wrapping_mul(2_654_435_761)).into()).to_string();
        let (with, without) = (owner(&twins, &addr, &[]).unwrap(), owner(&three, &addr, &[]));
        met[with] += 1;
        assert_eq!(Some(if with == 3 { 1 } else { with }), without);
        for lost in [1, 3] {
            let other = owner(&twins, &addr, &[lost]).unwrap();
            assert_eq!(other, if with == lost { 4 - lost } else { with });
        }
    }
    assert!(met.iter().all(|count| *count > 20), "{met:?}");
}

// Goal: shares say how many hashes lead to each server. Method: against the choices of many hashes, for
// rings of uneven weights.
#[test]
fn shares() {
    const KEYS: u32 = 40_000;
    for balance in [
        Balance::HaproxySourceConsistent,
        Balance::HaproxySourceConsistent30,
        Balance::NginxHashConsistent,
    ] {
        let spec = pool(balance, &[1, 3, 2, 1]);
        let pool = snapshot::Pool::alone(&spec, 0);
        let shares = if let Mapping::HaproxyRing(ring) = &pool.mapping {
            ring.shares(4)
        } else if let Mapping::NginxRing { ring, .. } = &pool.mapping {
            ring.shares(4)
        } else {
            panic!("{} has a ring", balance.name())
        };
        assert_eq!(shares.iter().sum::<u64>(), 1 << 32);
        let tables = RefCell::new(Tables::default());
        let mut met = [0_u32; 4];
        for number in 0..KEYS {
            let addr = IpAddr::V4((number.wrapping_mul(2_654_435_761)).into());
            let choice = pool.mapping.choose(&Question::of(&pool, addr, &tables));
            met[choice.unwrap().server] += 1;
        }
        for (met, share) in met.iter().zip(shares) {
            let expected = share as f64 / (1_u64 << 32) as f64;
            let got = f64::from(*met) / f64::from(KEYS);
            assert!((expected - got).abs() < 0.02, "{}: {expected} {got}", balance.name());
        }
    }
}

// Goal: rings are as uneven as those of HAProxy and nginx are. Method: the largest share beside the mean, in
// percent, of the same model; of 16 servers of nginx's it gave 120, from a sample.
#[test]
fn unevenness() {
    use Balance::{HaproxySourceConsistent as Haproxy, NginxHashConsistent as Nginx};
    const CASES: [(Balance, u16, usize, u64); 12] = [
        (Haproxy, 1, 3, 106),
        (Haproxy, 1, 4, 116),
        (Haproxy, 1, 5, 120),
        (Haproxy, 1, 10, 134),
        (Haproxy, 100, 3, 105),
        (Haproxy, 100, 4, 104),
        (Haproxy, 100, 5, 102),
        (Haproxy, 100, 10, 102),
        (Nginx, 1, 3, 105),
        (Nginx, 1, 5, 112),
        (Nginx, 1, 10, 109),
        (Nginx, 1, 16, 119),
    ];
    for (balance, weight, count, expected) in CASES {
        let servers = pool(balance, &alloc::vec![weight; count]).servers;
        let shares = if balance == Nginx {
            NginxRing::of(false, &servers).shares(count)
        } else {
            HaproxyRing::of(Generation::Avalanche, &servers).shares(count)
        };
        let most = shares.iter().max().unwrap() * count as u64 * 100;
        assert_eq!((most + (1 << 31)) >> 32, expected, "{} {count} of {weight}", balance.name());
    }
}

// Goal: when one of N equal servers leaves HAProxy's map, (N-1)/N of all clients move, whichever it is. Method:
// every hash modulo what both maps have in common.
#[test]
fn a_map_loses_one() {
    for count in 2..=10 {
        let pool = snapshot::Pool::alone(&pool(Balance::HaproxySource, &alloc::vec![1; count]), 0);
        for lost in 0..count {
            let all = (count * (count - 1)) as u32;
            let moves = |hash: &u32| {
                let addr = IpAddr::V4((*hash).into()).to_string();
                owner(&pool, &addr, &[]) != owner(&pool, &addr, &[lost])
            };
            let moved = (0..all).filter(moves).count();
            assert_eq!(moved, (count - 1) * (count - 1), "{lost} of {count}");
        }
    }
}

// Goal: what is weak about other products' mappings is weak here. Method: addresses of which the running programs
// or the model have shown whom they meet: neighbours on a ring without avalanche, addresses that end alike on a map
// of 64, a /24 and the same in the form of IPv6 under ip_hash.
#[test]
fn weak_spots() {
    let met = |balance, count: usize, addrs: &mut dyn Iterator<Item = [u8; 4]>| {
        let pool = snapshot::Pool::alone(&pool(balance, &alloc::vec![1; count]), 0);
        let owner = |addr: [u8; 4]| owner(&pool, &IpAddr::from(addr).to_string(), &[]);
        addrs.map(owner).collect::<BTreeSet<_>>().len()
    };
    let raw = Balance::HaproxySourceConsistentRaw;
    assert_eq!(met(raw, 3, &mut (0..40).map(|number| [10, 0, 6 * number, 1])), 1);
    assert_eq!(met(raw, 3, &mut (0..20).map(|number| [203, 12 * number, 0, 1])), 1);
    let ends_alike = || (0..4_096).map(|number| [10, (number / 64) as u8, (number % 64) as u8, 1]);
    assert_eq!(met(Balance::HaproxySource, 64, &mut ends_alike()), 1);
    assert_eq!(met(Balance::HaproxySourceAvalanche, 64, &mut ends_alike()), 64);
    assert_eq!(met(Balance::NginxIpHash, 3, &mut (0..=255).map(|last| [198, 51, 100, last])), 1);
    let pool = snapshot::Pool::alone(&pool(Balance::NginxIpHash, &[1, 1, 1]), 0);
    let mapped = |last| owner(&pool, &format!("::ffff:198.51.100.{last}"), &[]);
    assert_eq!((0..=255).map(mapped).collect::<BTreeSet<_>>().len(), 3);
}

// Goal: as many keys run out of tries as nginx sends round robin. Method: shares that the model gives, with 9 of
// 10 servers down, 2 of 3, and 8 of 10 on the ring.
#[test]
fn tries_run_out() {
    const CASES: [(Balance, usize, usize, [usize; 2]); 3] = [
        (Balance::NginxIpHash, 10, 1, [100, 120]),
        (Balance::NginxIpHash, 3, 1, [0, 1]),
        (Balance::NginxHashConsistent, 10, 2, [5, 11]),
    ];
    for (balance, count, left, [least, most]) in CASES {
        let pool = snapshot::Pool::alone(&pool(balance, &alloc::vec![1; count]), 0);
        let tables = RefCell::new(Tables::default());
        let without_slot = |number: &u32| {
            let addr = IpAddr::V4((number.wrapping_mul(2_654_435_761)).into());
            // Each time others.
            let up = |index: usize| (index + *number as usize) % count < left;
            let asked = Question { up: &up, ..Question::of(&pool, addr, &tables) };
            pool.mapping.choose(&asked).unwrap().slot.is_none()
        };
        let of_thousand = (0..10_000).filter(without_slot).count() / 10;
        assert!((least..=most).contains(&of_thousand), "{}: {of_thousand}", balance.name());
    }
}
