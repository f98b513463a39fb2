//! What both products may say of names, addresses and sources and ringbolt takes in a stricter form:
//! made to fit, and said.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use super::model::{At, Server, Wish};
use super::notes::Notes;

/// The name, with a note where it is another.
pub(super) fn fit(name: &At<String>, notes: &mut Notes) -> At<String> {
    let fits = |c: char| !(c.is_whitespace() || c.is_control() || "/,;\"'\\".contains(c));
    let mut value: String = name.value.chars().map(|c| if fits(c) { c } else { '-' }).collect();
    if value.is_empty() {
        value.push_str("unnamed");
    }
    if value != name.value {
        let message = format!("the name {:?} is carried as {value:?}", name.value);
        let mend =
            "nothing to do; names stand in runtime commands, without spaces, quotes and slashes";
        notes.note(&name.at, message, mend);
    }
    At::new(value, &name.at)
}

/// Makes the names of listeners, of pools, and of the servers of each pool fit and differ; listeners
/// go on leading to their pools. Of pools of one name the first is meant, as nothing else can be told.
pub(super) fn settle(wish: &mut Wish, notes: &mut Notes) {
    leave_out_covered(wish, notes);
    let mut taken = HashMap::new();
    for listener in &mut wish.listeners {
        listener.name = distinct(fit(&listener.name, notes), &mut taken, notes);
        listener.pool.value = fit(&listener.pool, &mut Notes::default()).value;
    }
    taken.clear();
    for pool in &mut wish.pools {
        pool.name = distinct(fit(&pool.name, notes), &mut taken, notes);
        let mut servers = HashMap::new();
        for server in &mut pool.servers {
            server.name = distinct(server.name.clone(), &mut servers, notes);
            keep_fitting_sources(server, notes);
        }
    }
}

/// Leaves out addresses at whose port every address is listened on too: the kernel refuses the second
/// of such listeners, unless both share their ports, and then takes the nearer one.
fn leave_out_covered(wish: &mut Wish, notes: &mut Notes) {
    let parsed = |bind: &At<String>| bind.value.parse::<SocketAddr>().ok();
    let all = wish.listeners.iter().flat_map(|it| it.binds.iter().filter_map(parsed));
    let everywhere: HashSet<(bool, u16)> = all
        .filter(|addr| addr.ip().is_unspecified() && addr.port() != 0)
        .map(|addr| (addr.is_ipv4(), addr.port()))
        .collect();
    for listener in &mut wish.listeners {
        listener.binds.retain(|bind| {
            let Some(addr) = parsed(bind) else { return true };
            let covered = everywhere.contains(&(addr.is_ipv4(), addr.port()));
            let stays = !covered || addr.ip().is_unspecified();
            if !stays {
                let message = format!(
                    "{addr} is not listened on beside every address with this port: its clients are led \
                     where those are"
                );
                notes.note(&bind.at, message, "give one of them a port of its own");
            }
            stays
        });
    }
    wish.listeners.retain(|listener| !listener.binds.is_empty());
}

/// A source that is said for all servers may be of another family than one of them.
fn keep_fitting_sources(server: &mut Server, notes: &mut Notes) {
    let (name, addr) = (&server.name, &server.addr.value);
    server.source.retain(|source| {
        let is_v4 = source.value.parse::<IpAddr>().map(|source| source.is_ipv4());
        let fits = match (addr.parse::<SocketAddr>(), is_v4) {
            (Ok(addr), Ok(is_v4)) => addr.is_ipv4() == is_v4,
            (Ok(_) | Err(_), _) => !addr.starts_with("unix:"),
        };
        if !fits {
            let message = format!(
                "server {}: {} is no source for {addr}, so it is not carried there",
                name.value, source.value
            );
            notes.note(&name.at, message, "write a source of the server's family, or none");
        }
        fits
    });
}

/// `taken` are the names so far, with the last number that each was given.
fn distinct(name: At<String>, taken: &mut HashMap<String, usize>, notes: &mut Notes) -> At<String> {
    let Some(last) = taken.get(&name.value).copied() else {
        taken.insert(name.value.clone(), 1);
        return name;
    };
    let mut number = last + 1;
    while taken.contains_key(&format!("{}-{number}", name.value)) {
        number += 1;
    }
    let other = format!("{}-{number}", name.value);
    taken.insert(name.value.clone(), number);
    taken.insert(other.clone(), 1);
    let message =
        format!("there is a {:?} before this one, which is carried as {other:?}", name.value);
    notes.note(&name.at, message, "nothing to do, or give each its own name");
    At::new(other, &name.at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> At<String> {
        At { value: name.into(), at: 3..4 }
    }

    /// Goal: a name that fits stays, any other fits afterwards, each told once. Method: both kinds.
    #[test]
    fn names_fit() {
        let mut notes = Notes::default();
        for name in ["ws1", "10.0.0.1:80", "größe"] {
            assert_eq!(fit(&named(name), &mut notes).value, name);
        }
        assert_eq!(fit(&named("unix:/a b"), &mut notes).value, "unix:-a-b");
        assert_eq!(fit(&named(""), &mut notes).value, "unnamed");
        let mut taken = HashMap::new();
        let names = [(); 3].map(|()| distinct(named("a"), &mut taken, &mut notes).value);
        assert_eq!(names, ["a", "a-2", "a-3"]);
        assert_eq!(notes.into_lists().1.len(), 4);
    }
}
