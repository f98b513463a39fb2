//! `upstream NAME { … }`: a pool's servers and mapping.

use ringbolt_core::spec::Balance;

use super::left_out;
use super::tree::Directive;
use crate::family::Family;
use crate::import::model::{At, Server};
use crate::import::notes::Notes;
use crate::import::settle;
use crate::import::word::{Word, number, shown};

/// Port of http where none is written.
const HTTP_PORT: u16 = 80;

/// What an upstream says.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) name: At<String>,
    pub(super) balance: At<Balance>,
    pub(super) servers: Vec<Server>,
}

/// Reads an upstream.
pub(super) fn read(directive: &Directive, is_http: bool, notes: &mut Notes) -> Option<Upstream> {
    let Some(name) = directive.value() else {
        let message = "an upstream without a name is not carried";
        notes.note(&directive.at(), message, "give it one");
        return None;
    };
    let balance = balance(directive, &name.at, notes);
    let lines = directive.inner().iter().filter(|inner| inner.name() == "server");
    let mut servers: Vec<Server> =
        lines.filter_map(|line| server(line, is_http, balance.value, notes)).collect();
    leave_out_backups(&mut servers, &balance, notes);
    if let Some(first) = servers.first() {
        let message = format!(
            "servers of upstream {} have no names in nginx: here a server's address is its name, such as \
             {}",
            name.text, first.name.value
        );
        let mend =
            "nothing to do; names of your own are safe under this mapping, as it does not use them";
        let own = "nothing to do; under balance = \"source\" a name is what clients are mapped to: keep it \
                   when an address changes";
        notes.note(&name.at, message, if balance.value == Balance::Source { own } else { mend });
    }
    Some(Upstream { name: name.placed(), balance, servers })
}

/// nginx refuses backups of a mapping, but only where they come after its line; before it they serve
/// when nobody else does, which a mapping here has no word for.
fn leave_out_backups(servers: &mut Vec<Server>, balance: &At<Balance>, notes: &mut Notes) {
    if Family::of(balance.value) != Family::Nginx {
        return;
    }
    servers.retain(|server| {
        if let Some(backup) = &server.backup {
            let message = format!(
                "server {} is not carried: it is a backup, which {} has not",
                server.name.value,
                balance.value.name()
            );
            let mend = "leave it out, or write balance = \"source\" with backup = true: every client is \
                        mapped anew, once";
            notes.note(&backup.at, message, mend);
        }
        server.backup.is_none()
    });
}

/// The mapping that the method of an upstream is.
fn balance(directive: &Directive, name: &std::ops::Range<usize>, notes: &mut Notes) -> At<Balance> {
    let mut balance = At::new(Balance::RoundRobin, name);
    for line in directive.inner() {
        let chosen = match line.name() {
            "ip_hash" => Balance::NginxIpHash,
            "least_conn" => Balance::LeastSessions,
            "hash" => hash(line, notes),
            "random" | "least_time" | "fair" => {
                let least =
                    line.name() != "random" || line.arguments().iter().any(|it| it.text == "two");
                let chosen = if least { Balance::LeastSessions } else { Balance::RoundRobin };
                let message = format!("`{}` is carried as {}", shown(&line.words), chosen.name());
                notes.note(
                    &line.at(),
                    message,
                    "nothing to do: neither keeps clients at their servers",
                );
                chosen
            }
            "sticky" | "sticky_cookie_insert" => {
                let message = format!(
                    "`{}` is not carried: clients keep their servers by a mapping of their addresses \
                     instead",
                    shown(&line.words)
                );
                let mend = "nothing to do, if an address is what a client is known by; every client is mapped anew";
                notes.note(&line.at(), message, mend);
                Balance::Source
            }
            "server" => continue,
            _ => {
                left_out::upstream(line, notes);
                continue;
            }
        };
        balance = At::new(chosen, &line.at());
    }
    balance
}

/// The mapping that `hash KEY [consistent]` is.
fn hash(line: &Directive, notes: &mut Notes) -> Balance {
    let key = line.value().map_or("", |word| &*word.text).replace(['{', '}'], "");
    let consistent = line.arguments().iter().any(|word| word.text == "consistent");
    let text = if consistent { Balance::NginxHashConsistent } else { Balance::NginxHash };
    match key.as_str() {
        "$remote_addr" => text,
        "$binary_remote_addr" if consistent => Balance::NginxHashBinaryConsistent,
        "$proxy_protocol_addr" => {
            let message =
                "$proxy_protocol_addr is the client's address here, where its header is accepted";
            notes.note(&line.at(), message, "see that the listener has accept_proxy");
            text
        }
        "$binary_remote_addr" => {
            let message = "hash $binary_remote_addr without consistent is no mapping of ringbolt's: \
                           carried as balance = \"source\"";
            notes.note(&line.at(), message, "nothing to do; every client is mapped anew, once");
            Balance::Source
        }
        _ => {
            let message = format!(
                "`{}` needs what Layer 4 does not see: carried as a mapping of the client's address",
                shown(&line.words)
            );
            let mend = "nothing to do, if an address is what a client is known by; every client is mapped anew";
            notes.note(&line.at(), message, mend);
            Balance::Source
        }
    }
}

/// Reads `server ADDR …`.
fn server(line: &Directive, is_http: bool, balance: Balance, notes: &mut Notes) -> Option<Server> {
    let Some(address) = line.value() else {
        notes.note(&line.at(), "a server without an address is not carried", "write ADDRESS:PORT");
        return None;
    };
    let addr = server_address(address, is_http.then_some(HTTP_PORT), notes)?;
    if addr.value != address.text
        && matches!(balance, Balance::NginxHashConsistent | Balance::NginxHashBinaryConsistent)
    {
        let message = format!(
            "{} is carried as {}, and this mapping is by the text of addresses: clients move",
            address.text, addr.value
        );
        notes.note(
            &address.at,
            message,
            "write the port in nginx first, or accept it: `plan` says who moves",
        );
    }
    let mut server = Server {
        name: settle::fit(&addr, &mut Notes::default()),
        addr,
        id: None,
        weight: None,
        max_sessions: None,
        backup: None,
        source: Vec::new(),
    };
    let mut down = None;
    for parameter in &line.arguments()[1..] {
        let (name, value) = parameter.text.split_once('=').unwrap_or((&parameter.text, ""));
        let count = number(value).map(|value| At::new(value, &parameter.at));
        match name {
            "weight" if count.is_some() => server.weight = count,
            "max_conns" if count.is_some() => {
                server.max_sessions = count.filter(|it| it.value > 0);
                let message = "max_conns is counted over all workers here";
                notes.note(&parameter.at, message, "nothing to do, if the upstream has a zone");
            }
            "backup" => server.backup = Some(At::new((), &parameter.at)),
            "down" => down = Some(&parameter.at),
            other => left_out::server(other, parameter, notes),
        }
    }
    if let Some(at) = down {
        explain_down(&server, balance, at, notes);
        server.weight = Some(At::new(0, at));
    }
    Some(server)
}

/// What is down must get nobody, so it has no weight; under a mapping that costs places.
fn explain_down(server: &Server, balance: Balance, at: &std::ops::Range<usize>, notes: &mut Notes) {
    let name = &server.name.value;
    let (moves, mend) = if matches!(balance, Balance::NginxIpHash | Balance::NginxHash) {
        let moves = "; nginx keeps the place of one that is down among the others, weight 0 does not, so \
                     clients of the others move";
        let mend = "to move nobody, give it its weight back and the pool a health of kind \"tcp\", if it is \
                    really off; `plan` says who moves";
        (moves, mend)
    } else {
        ("", "give it its weight back to let it serve; `plan` says who moves")
    };
    notes.note(at, format!("server {name} is down: carried with weight = 0{moves}"), mend);
}

/// The address of a server in the form that ringbolt has for it, as written where that is one.
pub(super) fn server_address(
    word: &Word,
    port: Option<u16>,
    notes: &mut Notes,
) -> Option<At<String>> {
    let text = &word.text;
    if text.contains('$') {
        let message = format!("{text} is not carried: what a variable holds is not known here");
        notes.note(&word.at, message, "write the address itself");
        return None;
    }
    if text.starts_with("unix:") {
        return Some(word.placed());
    }
    let has_port = !text.ends_with(']')
        && text.rsplit_once(':').is_some_and(|(_, port)| number(port).is_some());
    match (has_port, port) {
        (true, _) => Some(named(word.placed(), notes)),
        (false, Some(port)) => Some(named(At::new(format!("{text}:{port}"), &word.at), notes)),
        (false, None) => {
            let message = format!("server {text} is not carried: it has no port");
            notes.note(&word.at, message, "write ADDRESS:PORT");
            None
        }
    }
}

/// The same address, with a note where it is a name.
fn named(addr: At<String>, notes: &mut Notes) -> At<String> {
    if addr.value.parse::<std::net::SocketAddr>().is_err() {
        let message = format!(
            "{} is a name: nginx makes a server of each of its addresses, here it is one server",
            addr.value
        );
        let mend = "nothing to do, if it has one address; otherwise write a server for each";
        notes.note(&addr.at, message, mend);
    }
    addr
}
