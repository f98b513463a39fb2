//! The mappings of HAProxy and nginx against HAProxy and nginx: the real programs, started on random
//! configurations, meet clients of many addresses, and every one has to meet the server that `ringbolt
//! explain` names. Not a module of the end-to-end tests, because it is for other versions of those
//! programs too: HAPROXY and NGINX name other binaries.
//!
//! What is random comes from a seed, which is printed; RINGBOLT_SEED names one. Two kinds of keys are left
//! out and counted: those whose point on a ring is shared by two servers, which nginx leaves to the C
//! library, and those that nginx sends round robin.

#![forbid(unsafe_code)]

/// Servers that say which one they are.
mod answering;
/// A random pool, as each program has it.
mod case;
/// Clients of every kind of address.
mod clients;
/// HAProxy with many pools.
mod haproxy;
/// nginx with many pools.
mod nginx;
/// Points that two servers share.
mod points;

use std::net::IpAddr;

use ringbolt_script::Dice;
use ringbolt_tests::{need, say, seed};

use answering::Answering;
use case::{Case, Explained};
use clients::{clients, meet};
use points::SharedPoints;

/// Pools of each program.
const CASES: usize = 24;
/// Clients of each pool.
const CLIENTS: usize = 300;

/// How many choices were compared, and how many were not.
#[derive(Debug, Default)]
struct Count {
    equal: usize,
    shared_points: usize,
    round_robin: usize,
}

/// Goal: the mappings of HAProxy are HAProxy's. Method: maps and rings, with and without avalanche, of 2 to
/// 16 servers with random weights, ids and backups; some have weight 0, some are disabled in the file, some
/// are drained or in maintenance by its runtime socket; 300 clients each, of IPv4, IPv6, and mapped.
#[test]
fn haproxy_agrees() {
    need!(Binary, Haproxy);
    let seed = seed("mapping of HAProxy");
    let mut dice = Dice::new(seed);
    let servers = Answering::start(case::SERVERS_MAX);
    let cases: Vec<Case> =
        (0..CASES).map(|number| Case::of_haproxy(number, &mut dice, &servers)).collect();
    let program = haproxy::Haproxy::start(&cases);
    let mut count = Count::default();
    for (number, case) in cases.iter().enumerate() {
        let clients = clients(CLIENTS, &mut dice);
        let met: Vec<usize> = clients.iter().map(|client| program.meet(number, *client)).collect();
        let compare = |balance: &str| compare(case, balance, &clients, &met);
        let names = program.names_of(case.balance);
        let outcomes: Vec<Result<Count, String>> = names.iter().map(|name| compare(name)).collect();
        match outcomes.into_iter().reduce(Result::or) {
            Some(Ok(of_case)) => count.add(&of_case),
            Some(Err(wrong)) => panic!("seed {seed}, pool {number}: {wrong}"),
            None => unreachable!("every mapping has a name"),
        }
    }
    tell("HAProxy", &program.version(), seed, &count);
    assert!(count.equal > CASES * CLIENTS * 9 / 10, "{count:?}");
}

/// Goal: the mappings of nginx are nginx's. Method: the same with `ip_hash` in its HTTP module and `hash` in
/// its stream module, of the address as text and as bytes, consistent and not, with random weights and
/// some servers `down`.
#[test]
fn nginx_agrees() {
    need!(Binary, Nginx);
    let seed = seed("mapping of nginx");
    let mut dice = Dice::new(seed);
    let servers = Answering::start(case::SERVERS_MAX);
    let cases: Vec<Case> =
        (0..CASES).map(|number| Case::of_nginx(number, &mut dice, &servers)).collect();
    let program = nginx::Nginx::start(&cases);
    let mut count = Count::default();
    for (number, case) in cases.iter().enumerate() {
        let clients = clients(CLIENTS, &mut dice);
        let met: Vec<usize> = clients.iter().map(|client| program.meet(number, *client)).collect();
        match compare(case, case.balance, &clients, &met) {
            Ok(of_case) => count.add(&of_case),
            Err(wrong) => panic!("seed {seed}, pool {number}: {wrong}"),
        }
    }
    tell("nginx", &nginx::version(), seed, &count);
    assert!(count.equal > CASES * CLIENTS * 8 / 10, "{count:?}");
}

/// Goal: the programs' own files mean what they mean there: importing moves nobody. Method: pools of both
/// programs as above, as files of the programs; what `explain` says of each is what it says of our file,
/// which the programs agree with.
#[test]
fn imported_files_agree() {
    need!(Binary);
    let seed = seed("imported files");
    let mut dice = Dice::new(seed);
    let servers = Answering::start(case::SERVERS_MAX);
    for number in 0..CASES {
        for case in [
            Case::of_haproxy(number, &mut dice, &servers),
            Case::of_nginx(number, &mut dice, &servers),
        ] {
            let clients = clients(CLIENTS, &mut dice);
            let (ours, imported) =
                (case.explain(case.balance, &clients), case.explain_imported(&clients));
            // Where nginx goes round robin ours is by names, which nginx's servers do not have.
            let counts = |it: &Explained| !case.is_nginx() || it.slot.is_some();
            let met = |all: Vec<Explained>| -> Vec<_> {
                all.into_iter().map(|it| it.server.filter(|_| counts(&it))).collect()
            };
            assert_eq!(met(ours), met(imported), "seed {seed}, {number}: {case:?}");
        }
    }
}

/// Goal: the comparison finds a difference. Method: a pool under the name of another mapping.
#[test]
fn another_mapping_is_found_out() {
    need!(Binary, Haproxy);
    let mut dice = Dice::new(1);
    let servers = Answering::start(5);
    let case = Case::plain(&servers);
    let program = haproxy::Haproxy::start(std::slice::from_ref(&case));
    let clients = clients(40, &mut dice);
    let met: Vec<usize> = clients.iter().map(|client| program.meet(0, *client)).collect();
    assert!(compare(&case, case.balance, &clients, &met).is_ok());
    for other in ["haproxy-source-avalanche", "haproxy-source-consistent", "source"] {
        let wrong = compare(&case, other, &clients, &met).expect_err("another mapping");
        assert!(wrong.contains("meets"), "{wrong}");
    }
}

/// Whether each of these clients, which met these servers, is said by `explain` to meet them.
fn compare(case: &Case, balance: &str, clients: &[IpAddr], met: &[usize]) -> Result<Count, String> {
    let explained = case.explain(balance, clients);
    let shared = SharedPoints::of(case);
    let mut count = Count::default();
    let mut wrong = Vec::new();
    for ((client, met), Explained { server, slot }) in clients.iter().zip(met).zip(explained) {
        if case.is_nginx() && slot.is_none() {
            count.round_robin += 1;
        } else if shared.decide(*client) {
            count.shared_points += 1;
        } else if server == Some(*met) {
            count.equal += 1;
        } else {
            wrong.push(format!("{client} meets {met}, and explain says {server:?}"));
        }
    }
    println!("{balance} {:?}: {count:?}", case.servers);
    if wrong.is_empty() {
        return Ok(count);
    }
    let (some, all) = (wrong[..wrong.len().min(5)].join("\n"), wrong.len());
    Err(format!("{balance}: {all} are wrong:\n{some}\n{}", case.toml(balance)))
}

fn tell(program: &str, version: &str, seed: u64, count: &Count) {
    say(&format!(
        "{program} {version}, seed {seed}: {} choices equal; left out: {} on points of two servers, {} \
         round robin",
        count.equal, count.shared_points, count.round_robin
    ));
}

impl Count {
    fn add(&mut self, other: &Self) {
        self.equal += other.equal;
        self.shared_points += other.shared_points;
        self.round_robin += other.round_robin;
    }
}

/// The index in an answer that a client got through a program's UNIX socket.
fn index_through(socket: &str, client: IpAddr) -> usize {
    let answer = meet(socket, client);
    let body = answer.rsplit("\r\n\r\n").next().expect("a body");
    body.parse().unwrap_or_else(|_| panic!("{client} through {socket}: {answer:?}"))
}
