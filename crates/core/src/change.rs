//! What is different between two configurations, by name: what a reload adds, takes away and changes.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::roster::server_name;
use crate::spec::{Balance, Global, Listener, Pool, Server, Spec};

/// How a thing is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It was not there before.
    Added,
    /// It is not there any more.
    Removed,
    /// Something about it is different.
    Changed,
}

/// A thing that is different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// How.
    pub how: How,
    /// `key`, `listener`, `pool` or `server`.
    pub kind: &'static str,
    /// Its name; a server's with its pool, as in `echo/ws1`, and a key's with its table.
    pub name: String,
}

impl fmt::Display for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.how {
            How::Added => "added",
            How::Removed => "removed",
            How::Changed => "changed",
        };
        write!(out, "{how} {} {}", self.kind, self.name)
    }
}

/// Every difference that comes into force at once: keys of the whole process, then listeners, pools and
/// servers, in the order of the old configuration and then of the new one.
pub fn changes(old: &Spec, new: &Spec) -> Vec<Change> {
    let mut found = globals(&old.global, &new.global);
    let pool_of = |spec: &Spec, listener: &Listener| spec.pools[listener.pool].name.clone();
    let listeners = |spec: &Spec| -> Vec<(String, (Listener, String))> {
        let all = spec.listeners.iter();
        // Its pool by name: the index says only where that stands in the file.
        all.map(|it| (it.name.clone(), (Listener { pool: 0, ..it.clone() }, pool_of(spec, it))))
            .collect()
    };
    compare("listener", &listeners(old), &listeners(new), &mut found);
    let pools = |spec: &Spec, other: &Spec| -> Vec<(String, (Pool, Vec<String>))> {
        let only = |it: &Pool| (Pool { servers: Vec::new(), ..it.clone() }, order(it, other));
        spec.pools.iter().map(|it| (it.name.clone(), only(it))).collect()
    };
    compare("pool", &pools(old, new), &pools(new, old), &mut found);
    let servers = |spec: &Spec| -> Vec<(String, Server)> {
        let of_pool = |pool: &Pool| -> Vec<(String, Server)> {
            // An id is mostly the place in the file.
            let id = |server: &Server| if counts_places(pool.balance) { server.id } else { 0 };
            let named = |server: &Server| {
                let name = server_name(&pool.name, &server.name);
                (name, Server { id: id(server), ..server.clone() })
            };
            pool.servers.iter().map(named).collect()
        };
        spec.pools.iter().flat_map(of_pool).collect()
    };
    compare("server", &servers(old), &servers(new), &mut found);
    found
}

/// Whether clients may move when servers stand in another order: under the mappings of others.
fn counts_places(balance: Balance) -> bool {
    !matches!(balance, Balance::Source | Balance::RoundRobin | Balance::LeastSessions)
}

/// The servers that the pool has in the other configuration too, in its own order where that counts.
fn order(pool: &Pool, other: &Spec) -> Vec<String> {
    let there = other.pools.iter().find(|it| it.name == pool.name);
    let stays = |name: &&String| {
        there.is_some_and(|it| it.servers.iter().any(|server| server.name == **name))
    };
    let names = pool.servers.iter().map(|it| &it.name).filter(stays);
    if counts_places(pool.balance) { names.cloned().collect() } else { Vec::new() }
}

fn globals(old: &Global, new: &Global) -> Vec<Change> {
    let keys = [
        ("global.max_sessions", old.max_sessions != new.max_sessions),
        ("global.seed", old.seed != new.seed),
        ("timeouts.drain", old.drain_timeout != new.drain_timeout),
    ];
    let changed = |key: &str| Change { how: How::Changed, kind: "key", name: key.into() };
    differing(keys).map(changed).collect()
}

fn differing<const N: usize>(
    keys: [(&'static str, bool); N],
) -> impl Iterator<Item = &'static str> {
    keys.into_iter().filter_map(|(key, differs)| differs.then_some(key))
}

fn compare<T: PartialEq>(
    kind: &'static str,
    old: &[(String, T)],
    new: &[(String, T)],
    found: &mut Vec<Change>,
) {
    let of = |list: &'_ [(String, T)], name: &str| list.iter().position(|(other, _)| other == name);
    for (name, before) in old {
        let how = match of(new, name) {
            None => How::Removed,
            Some(index) if new[index].1 != *before => How::Changed,
            Some(_) => continue,
        };
        found.push(Change { how, kind, name: name.clone() });
    }
    for (name, _) in new.iter().filter(|(name, _)| of(old, name).is_none()) {
        found.push(Change { how: How::Added, kind, name: name.clone() });
    }
}

/// Keys of `global` that differ and that only a start reads.
pub fn only_at_start(old: &Global, new: &Global) -> Vec<&'static str> {
    let keys = [
        ("workers", old.workers != new.workers),
        ("admin", old.admin != new.admin),
        ("http", old.http != new.http),
        ("user", old.user != new.user),
        ("group", old.group != new.group),
        ("log", old.log != new.log),
    ];
    differing(keys).collect()
}
