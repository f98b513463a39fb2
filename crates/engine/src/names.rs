//! What address each name has: which of several answers is taken, and when an old one is kept. It waits
//! for name servers, so never on a thread that has other things to do.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use ringbolt_core::roster::server_name;
use ringbolt_core::spec::{Place, Spec};

use crate::start::StartError;

/// Addresses of names, by host and port.
pub(crate) type Resolved = BTreeMap<(String, u16), SocketAddr>;

/// A name of the configuration.
struct Name {
    /// The first server that has it.
    server: String,
    /// Whether what its servers are connected to from is IPv4; `None`: the system's choice.
    v4: Option<bool>,
}

/// The addresses of all names in the spec. One that cannot be resolved now keeps the address it had.
///
/// # Errors
/// When a name has no address and never had one.
pub(crate) fn resolve(spec: &Spec, before: &Resolved) -> Result<Resolved, StartError> {
    let answer = |((host, port), name): ((String, u16), Name)| {
        let key = (host, port);
        let had = before.get(&key).copied();
        let found = (key.0.as_str(), port).to_socket_addrs().map(Vec::from_iter);
        let addr = found.and_then(|found| {
            choose(&found, had, name.v4).ok_or_else(|| io::ErrorKind::NotFound.into())
        });
        match addr.or_else(|error| had.ok_or(error)) {
            Ok(addr) => Ok((key, addr)),
            Err(error) => Err(StartError::Resolve { server: name.server, host: key.0, error }),
        }
    };
    names(spec).into_iter().map(answer).collect()
}

/// Whether there is a name to ask for.
pub(crate) fn has_names(spec: &Spec) -> bool {
    !names(spec).is_empty()
}

fn names(spec: &Spec) -> BTreeMap<(String, u16), Name> {
    let mut names = BTreeMap::new();
    for pool in &spec.pools {
        for server in &pool.servers {
            let Place::Name { host, port } = &server.addr.place else { continue };
            let first = || Name { server: server_name(&pool.name, &server.name), v4: None };
            let name: &mut Name = names.entry((host.clone(), *port)).or_insert_with(first);
            name.v4 = server.source.first().map(|source| source.is_ipv4()).or(name.v4);
        }
    }
    names
}

/// The one it has already, while that is among the answers: the order of answers means nothing and
/// changes all the time. Otherwise the least of the family that sources have, or that the system puts
/// first because it is reached best (RFC 6724).
fn choose(found: &[SocketAddr], had: Option<SocketAddr>, v4: Option<bool>) -> Option<SocketAddr> {
    let fits = |addr: &SocketAddr| v4.is_none_or(|v4| addr.is_ipv4() == v4);
    let family = v4.or_else(|| found.first().map(SocketAddr::is_ipv4))?;
    let kept = had.filter(|had| found.contains(had) && fits(had));
    let least = || found.iter().filter(|addr| addr.is_ipv4() == family).min().copied();
    kept.or_else(least).or(had).or_else(|| found.first().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addrs(text: &str) -> Vec<SocketAddr> {
        text.split_whitespace().map(|addr| addr.parse().unwrap()).collect()
    }

    // Goal: the order of answers does not matter, an address stays while it is among them, families are
    // the sources' or the system's. Method: answers by hand.
    #[test]
    fn one_of_several() {
        let cases = [
            ("10.0.0.2:1 10.0.0.1:1", None, None, "10.0.0.1:1"),
            ("10.0.0.1:1 10.0.0.2:1", None, None, "10.0.0.1:1"),
            ("10.0.0.1:1 10.0.0.2:1", Some("10.0.0.2:1"), None, "10.0.0.2:1"),
            ("10.0.0.1:1 10.0.0.2:1", Some("10.0.0.3:1"), None, "10.0.0.1:1"),
            ("[::2]:1 [::1]:1 10.0.0.1:1", None, None, "[::1]:1"),
            ("[::1]:1 10.0.0.1:1", None, Some(true), "10.0.0.1:1"),
            ("[::1]:1 10.0.0.1:1", Some("10.0.0.1:1"), None, "10.0.0.1:1"),
            ("[::1]:1 10.0.0.1:1", Some("[::1]:1"), Some(true), "10.0.0.1:1"),
            // Nobody that the sources could reach: what there was, or a reason to complain.
            ("[::1]:1", Some("10.0.0.1:1"), Some(true), "10.0.0.1:1"),
            ("[::1]:1", None, Some(true), "[::1]:1"),
        ];
        for (found, had, v4, expected) in cases {
            let had = had.map(|had: &str| had.parse().unwrap());
            let chosen = choose(&addrs(found), had, v4);
            assert_eq!(chosen, Some(addrs(expected)[0]), "{found}, {had:?}, {v4:?}");
        }
        assert_eq!(choose(&[], None, None), None);
    }
}
