//! Which pool and which server of one configuration is which of the other. Pools are the same when an
//! address that clients connect to leads to both, or else when their names are; servers of two pools
//! when they are at the same address and port, whatever they are called.

use std::collections::HashMap;

use ringbolt_core::spec::{Bind, Pool, Spec};

/// A pool before and after.
#[derive(Debug)]
pub(super) struct Pair<'s> {
    /// `None`: it is new.
    pub(super) old: Option<&'s Pool>,
    /// `None`: it is gone.
    pub(super) new: Option<&'s Pool>,
    /// Those of the new pool, then those that are only in the old one.
    pub(super) servers: Vec<Server>,
    /// For each server of the old and of the new pool its number among `servers`.
    pub(super) numbers: [Vec<u16>; 2],
}

/// A server before, after, or both.
#[derive(Debug)]
pub(super) struct Server {
    /// As it will be called; with its address where another one has the same name.
    pub(super) name: String,
    /// As it is written.
    pub(super) addr: String,
}

impl<'s> Pair<'s> {
    fn of(old: Option<&'s Pool>, new: Option<&'s Pool>) -> Self {
        let mut numbers: HashMap<String, u16> = HashMap::new();
        let mut servers: Vec<Server> = Vec::new();
        let mut number = |pool: Option<&Pool>| -> Vec<u16> {
            let all = pool.into_iter().flat_map(|pool| &pool.servers);
            all.map(|server| {
                *numbers.entry(server.addr.place.identity()).or_insert_with(|| {
                    servers
                        .push(Server { name: server.name.clone(), addr: server.addr.text.clone() });
                    (servers.len() - 1) as u16
                })
            })
            .collect()
        };
        let of_new = number(new);
        let of_old = number(old);
        tell_apart(&mut servers);
        Self { old, new, servers, numbers: [of_old, of_new] }
    }

    /// The name it has, or had.
    pub(super) fn name(&self) -> &'s str {
        self.new.or(self.old).map_or("", |pool| &pool.name)
    }
}

/// Adds its address to the name of every server whose name another one has.
fn tell_apart(servers: &mut [Server]) {
    let mut times: HashMap<String, usize> = HashMap::new();
    for server in servers.iter() {
        *times.entry(server.name.clone()).or_default() += 1;
    }
    for server in servers.iter_mut().filter(|server| times[&server.name] > 1) {
        server.name = format!("{} ({})", server.name, server.addr);
    }
}

/// Every pool of both, each with what it is in the other.
pub(super) fn pairs<'s>(old: &'s Spec, new: &'s Spec) -> Vec<Pair<'s>> {
    let mut found: Vec<(Option<usize>, Option<usize>)> = Vec::new();
    for before in &old.listeners {
        for after in new.listeners.iter().filter(|after| meet(&before.binds, &after.binds)) {
            let pair = (Some(before.pool), Some(after.pool));
            if !found.contains(&pair) {
                found.push(pair);
            }
        }
    }
    for (index, pool) in old.pools.iter().enumerate() {
        if found.iter().all(|(before, _)| *before != Some(index)) {
            let same = |(after, other): (usize, &Pool)| {
                let free = found.iter().all(|(_, taken)| *taken != Some(after));
                (free && other.name == pool.name).then_some(after)
            };
            let after = new.pools.iter().enumerate().find_map(same);
            found.push((Some(index), after));
        }
    }
    for index in 0..new.pools.len() {
        if found.iter().all(|(_, after)| *after != Some(index)) {
            found.push((None, Some(index)));
        }
    }
    let pool = |of: &'s Spec, index: Option<usize>| index.map(|index| &of.pools[index]);
    found.into_iter().map(|(a, b)| Pair::of(pool(old, a), pool(new, b))).collect()
}

/// Whether clients that come to one of these come to one of those. A port that the kernel is to choose
/// is nobody's in particular.
fn meet(one: &[Bind], other: &[Bind]) -> bool {
    let named = |bind: &&Bind| match bind {
        Bind::Address(addr) => addr.port() != 0,
        Bind::Inherited(_) => true,
    };
    one.iter().filter(named).any(|bind| other.contains(bind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringbolt_config::{Machine, check};

    fn spec(listeners: &[(&str, &str)], pools: &[(&str, &[(&str, &str)])]) -> Spec {
        let mut text = String::new();
        for (index, (bind, pool)) in listeners.iter().enumerate() {
            text += &format!("[listener.l{index}]\nbind = \"{bind}\"\npool = \"{pool}\"\n");
        }
        for (pool, servers) in pools {
            text += &format!("[pool.{pool}]\n");
            for (name, addr) in *servers {
                text += &format!("[[pool.{pool}.server]]\nname = \"{name}\"\naddr = \"{addr}\"\n");
            }
        }
        let checked = check(&text, &Machine { descriptors: 20_000, cores: 2 });
        checked.spec.unwrap_or_else(|| panic!("{:?}", checked.errors))
    }

    fn names<'s>(pairs: &[Pair<'s>]) -> Vec<(Option<&'s str>, Option<&'s str>)> {
        let name = |pool: Option<&'s Pool>| pool.map(|pool| &*pool.name);
        pairs.iter().map(|pair| (name(pair.old), name(pair.new))).collect()
    }

    const ONE: &[(&str, &str)] = &[("ws1", "10.0.0.1:80")];

    // Goal: pools are the same by an address of their listeners, or else by name, and others are gone or
    // new. Method: two files with one pool of each kind, and ports of the kernel's choice.
    #[test]
    fn pools() {
        let old = spec(
            &[("0.0.0.0:80", "web"), ("[::]:81", "by_name"), ("127.0.0.1:0", "gone")],
            &[("web", ONE), ("by_name", ONE), ("gone", ONE)],
        );
        let new = spec(
            &[("127.0.0.1:0", "fresh"), ("[::]:82", "by_name"), ("0.0.0.0:80", "echo")],
            &[("fresh", ONE), ("by_name", ONE), ("echo", ONE)],
        );
        assert_eq!(
            names(&pairs(&old, &new)),
            [
                (Some("web"), Some("echo")),
                (Some("by_name"), Some("by_name")),
                (Some("gone"), None),
                (None, Some("fresh")),
            ]
        );
    }

    // Goal: servers are the same by their place, however it or they are called. Method: one that stays
    // under another name, one that goes while its name goes to another, one written in another case.
    #[test]
    fn servers() {
        let old = spec(
            &[("0.0.0.0:80", "p")],
            &[("p", &[("a", "10.0.0.1:80"), ("b", "10.0.0.2:80"), ("c", "Quay:80")])],
        );
        let new = spec(
            &[("0.0.0.0:80", "p")],
            &[("p", &[("b", "10.0.0.3:80"), ("one", "10.0.0.1:80"), ("c", "quay:80")])],
        );
        let pairs = pairs(&old, &new);
        let [pair] = &pairs[..] else { panic!("{pairs:?}") };
        let names: Vec<&str> = pair.servers.iter().map(|server| &*server.name).collect();
        assert_eq!(names, ["b (10.0.0.3:80)", "one", "c", "b (10.0.0.2:80)"]);
        assert_eq!(pair.numbers, [vec![1, 3, 2], vec![0, 1, 2]]);
    }
}
