//! `ringbolt explain`: whom a client meets, whom next, and why. It asks the mapping that serves, so it
//! cannot say anything else than what happens.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;

use ringbolt_config::pictures;
use ringbolt_core::key::Key;
use ringbolt_core::mapping::{Choice, RemoteAddr, version};
use ringbolt_core::plan::Outlook;
use ringbolt_core::spec::{Balance, Pool, Spec};
use serde::Serialize;

use crate::file::Configuration;
use crate::output::{self, coloured, tell};

/// What is to be explained, beside the addresses.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) pool: Option<String>,
    /// Each as `pool/server`.
    pub(crate) down: Vec<String>,
    pub(crate) json: bool,
}

/// One answer, as JSON has it.
#[derive(Debug, Serialize)]
struct Answer {
    address: IpAddr,
    pool: String,
    mapping: &'static str,
    key: Option<String>,
    hash: Option<String>,
    slot: Option<u64>,
    server: Option<String>,
    next: Vec<String>,
}

/// An answer with what people are told beside it.
struct Explained<'s> {
    pool: &'s Pool,
    /// No server is up, and the pool treats all as up then.
    open: bool,
    answer: Answer,
}

/// Explains; 0, or 1 when the file, an address, or a name is wrong.
pub(crate) fn explain(path: &Path, addresses: &[String], wish: &Wish) -> ExitCode {
    let Some(spec) = valid(Configuration::read(path)) else { return ExitCode::from(1) };
    match answers(&spec, addresses, wish) {
        Ok(answers) if wish.json => {
            let answers: Vec<&Answer> = answers.iter().map(|explained| &explained.answer).collect();
            let text = serde_json::to_string(&answers).expect("strings and numbers");
            output::answer(&format!("{text}\n"), ExitCode::SUCCESS)
        }
        Ok(answers) => {
            let texts: Vec<String> =
                answers.iter().map(|explained| text(explained, &wish.down)).collect();
            output::answer(&texts.join("\n"), ExitCode::SUCCESS)
        }
        Err(reasons) => {
            reasons.iter().for_each(|reason| tell(&format!("ringbolt: {reason}\n")));
            ExitCode::from(1)
        }
    }
}

/// The spec of a file that is valid; otherwise its errors are printed.
pub(crate) fn valid(file: Configuration) -> Option<Spec> {
    tell(&pictures(&file.source(), &file.checked.errors, coloured()));
    file.checked.spec.filter(|_| file.checked.errors.is_empty())
}

/// An answer for each address and pool, or everything that is wrong with what was typed.
fn answers<'s>(
    spec: &'s Spec,
    addresses: &[String],
    wish: &Wish,
) -> Result<Vec<Explained<'s>>, Vec<String>> {
    let mut wrong = Vec::new();
    let mut parsed = Vec::new();
    for text in addresses {
        match address(text) {
            Ok(address) => parsed.push(address),
            Err(reason) => wrong.push(reason),
        }
    }
    let named = |pool: &&Pool| wish.pool.as_ref().is_none_or(|name| *name == pool.name);
    let pools: Vec<&Pool> = spec.pools.iter().filter(named).collect();
    if let (Some(name), []) = (&wish.pool, &pools[..]) {
        wrong.push(format!("there is no pool \"{name}\"; known here: {}", names(spec)));
    }
    wrong.extend(wish.down.iter().filter_map(|name| unknown_server(spec, name)));
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let outlooks: Vec<(&Pool, Outlook, Vec<bool>)> = pools
        .iter()
        .map(|pool| (*pool, Outlook::of(pool, spec.global.seed), down(pool, &wish.down)))
        .collect();
    let of_address = |address: IpAddr| {
        let all = outlooks.iter();
        all.map(move |(pool, outlook, down)| Explained {
            pool,
            open: outlook.fails_open(down),
            answer: answer(pool, address, &outlook.choices(address, down)),
        })
    };
    Ok(parsed.into_iter().flat_map(of_address).collect())
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| match text.parse::<SocketAddr>() {
        Ok(addr) => {
            format!("\"{text}\" has a port, which no mapping looks at: write {}", addr.ip())
        }
        Err(_) => format!("\"{text}\" is not an address, such as 192.0.2.1 or 2001:db8::1"),
    })
}

fn names(spec: &Spec) -> String {
    let names: Vec<&str> = spec.pools.iter().map(|pool| pool.name.as_str()).collect();
    names.join(", ")
}

/// What is wrong with the name of a server that is to be down, if anything is.
fn unknown_server(spec: &Spec, name: &str) -> Option<String> {
    let known = || spec.pools.iter().flat_map(|pool| pool.servers.iter().map(move |it| (pool, it)));
    let full = |pool: &Pool, server: &str| format!("{}/{server}", pool.name);
    if known().any(|(pool, server)| full(pool, &server.name) == *name) {
        return None;
    }
    let known: Vec<String> =
        known().map(|(pool, server)| full(pool, &server.name)).take(8).collect();
    Some(format!("--down: there is no server \"{name}\"; known here: {}", known.join(", ")))
}

/// Which servers of a pool are to be down.
fn down(pool: &Pool, names: &[String]) -> Vec<bool> {
    let is_down = |server: &str| {
        names.iter().any(|name| name.split_once('/') == Some((pool.name.as_str(), server)))
    };
    pool.servers.iter().map(|server| is_down(&server.name)).collect()
}

fn answer(pool: &Pool, address: IpAddr, choices: &[Choice]) -> Answer {
    let name = |choice: &Choice| pool.servers[choice.server].name.clone();
    let key = key(pool, address);
    // Of a pool without affinity nobody can say whom the next session meets.
    let (first, next) = match (&key, choices) {
        (Some(_), [first, next @ ..]) => (Some(first), next),
        (Some(_), []) => (None, choices),
        (None, all) => (None, all),
    };
    Answer {
        address,
        pool: pool.name.clone(),
        mapping: version(pool.balance),
        key,
        hash: first.and_then(|choice| choice.hash).map(|hash| format!("{hash:#x}")),
        slot: first.and_then(|choice| choice.slot),
        server: first.map(name),
        next: next.iter().map(name).collect(),
    }
}

/// What is hashed; `None`: nothing is.
fn key(pool: &Pool, address: IpAddr) -> Option<String> {
    let length = |of: IpAddr| if of.is_ipv4() { pool.key.v4 } else { pool.key.v6 };
    match pool.balance {
        Balance::Source => {
            let addr = Key::of(address, pool.key).addr();
            Some(format!("{addr}/{}", length(address.to_canonical())))
        }
        // An IPv4 address in the form of IPv6 is IPv6 there.
        Balance::HaproxySource
        | Balance::HaproxySourceAvalanche
        | Balance::HaproxySourceConsistent
        | Balance::HaproxySourceConsistentRaw
        | Balance::HaproxySourceConsistent30 => Some(format!("{address}/{}", length(address))),
        Balance::NginxIpHash if address.is_ipv6() => Some(format!("{address}/128")),
        Balance::NginxIpHash => Some(format!("{}/24", Key::of(address, pool.key).addr())),
        Balance::NginxHash | Balance::NginxHashConsistent => {
            Some(RemoteAddr::of(address).as_str().to_owned())
        }
        Balance::NginxHashBinaryConsistent => Some(match address {
            IpAddr::V4(v4) => format!("{:#010x}", v4.to_bits()),
            IpAddr::V6(v6) => format!("{:#034x}", v6.to_bits()),
        }),
        Balance::RoundRobin | Balance::LeastSessions => None,
    }
}

/// The same for people.
fn text(explained: &Explained<'_>, down: &[String]) -> String {
    let Explained { pool, open, answer } = explained;
    let Answer { address, mapping, key, hash, slot, server, next, .. } = answer;
    let place = |name: &str| {
        let server = pool.servers.iter().find(|server| server.name == name);
        server.map_or_else(String::new, |server| format!(" ({})", server.addr.text))
    };
    let meets = match (server, key) {
        (Some(server), _) => format!("meets {server}{}", place(server)),
        (None, Some(_)) => "meets nobody: no server is up".to_owned(),
        (None, None) if next.is_empty() => "meets nobody: no server is up".to_owned(),
        (None, None) => format!("meets any server: {mapping} keeps no affinity"),
    };
    let mut text = format!("{address} in pool {} {meets}\n", pool.name);
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            text.push_str(&format!("  {name:<8} {value}\n"));
        }
    };
    let mapping = if *mapping == pool.balance.name() {
        (*mapping).to_owned()
    } else {
        format!("{mapping} (balance = \"{}\")", pool.balance.name())
    };
    line("mapping", Some(mapping));
    line("key", key.clone());
    line("hash", hash.clone());
    line("slot", slot.map(|slot| slot.to_string()));
    line("next", Some(next.join(", ")));
    let of_pool = |name: &&String| name.split_once('/').is_some_and(|(it, _)| it == pool.name);
    let down: Vec<&str> = down.iter().filter(of_pool).map(String::as_str).collect();
    line("down", Some(down.join(", ")));
    let all_up = "no server is up, and with fail_open all are treated as if they were";
    line("open", open.then(|| all_up.to_owned()));
    line("why", server.as_ref().map(|_| why(pool.balance, slot.is_some()).to_owned()));
    text
}

/// Why a server is the one.
fn why(balance: Balance, has_slot: bool) -> &'static str {
    match balance {
        Balance::Source => "of all servers that are up it has the least cost for this key",
        Balance::HaproxySource | Balance::HaproxySourceAvalanche if has_slot => {
            "the hash modulo the slots of all servers that are up is its slot"
        }
        Balance::HaproxySourceConsistent
        | Balance::HaproxySourceConsistentRaw
        | Balance::HaproxySourceConsistent30
            if has_slot =>
        {
            "of all points of servers that are up its point is nearest to the hash"
        }
        Balance::HaproxySource
        | Balance::HaproxySourceAvalanche
        | Balance::HaproxySourceConsistent
        | Balance::HaproxySourceConsistentRaw
        | Balance::HaproxySourceConsistent30 => "no server is up but backups, and it is the first",
        Balance::NginxIpHash | Balance::NginxHash if has_slot => {
            "the hash modulo the weights of all servers, up or down, is its slot"
        }
        Balance::NginxHashConsistent | Balance::NginxHashBinaryConsistent if has_slot => {
            "its point is the first at or behind the hash whose server is up"
        }
        Balance::NginxIpHash
        | Balance::NginxHash
        | Balance::NginxHashConsistent
        | Balance::NginxHashBinaryConsistent => {
            "nginx would go round robin here; of all servers that are up it has the least cost for this \
             key, by rendezvous-1"
        }
        Balance::RoundRobin | Balance::LeastSessions => "",
    }
}
