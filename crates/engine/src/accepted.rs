//! What is in force: the configuration last accepted, and everything that was decided when it was:
//! the places of names, the addresses that names had, the sockets that listen.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use ringbolt_core::kernel::Fd;
use ringbolt_core::roster::{Fresh, Full, Kind, Roster};
use ringbolt_core::snapshot::Snapshot;
use ringbolt_core::spec::{Place, Spec};

use crate::listen::{Door, Listening};
use crate::start::StartError;

/// Addresses of names, by host and port.
pub(crate) type Resolved = BTreeMap<(String, u16), SocketAddr>;

/// A configuration in force.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) text: String,
    pub(crate) roster: Roster,
    pub(crate) resolved: Resolved,
    pub(crate) listening: Listening,
}

impl Accepted {
    /// The first one: resolves its names and listens on its addresses.
    ///
    /// # Errors
    /// When a name has no address, or an address cannot be listened on.
    pub(crate) fn first(text: &str, spec: &Spec, workers: usize) -> Result<Self, StartError> {
        Ok(Self {
            text: text.into(),
            roster: Roster::of(spec).map_err(too_many)?,
            resolved: resolve_all(spec)?,
            listening: Listening::open(spec, workers)?,
        })
    }

    /// The one that follows this: what stays keeps its places and sockets. `idle` tells whether no
    /// session is left at a place.
    ///
    /// # Errors
    /// As for the first one; then nothing has changed, and nothing was left open.
    pub(crate) fn follow(
        &self,
        text: &str,
        spec: &Spec,
        workers: usize,
        idle: impl Fn(Kind, u16) -> bool,
    ) -> Result<(Self, Fresh), StartError> {
        let mut roster = self.roster.clone();
        let fresh = roster.follow(spec, idle).map_err(too_many)?;
        let resolved = resolve_all(spec)?;
        let listening = self.listening.follow(spec, workers)?;
        Ok((Self { text: text.into(), roster, resolved, listening }, fresh))
    }

    /// What workers go by.
    ///
    /// # Errors
    /// When the spec asks for something that is not built yet.
    pub(crate) fn snapshot(
        &self,
        spec: &Spec,
        previous: Option<&Snapshot>,
        max_sessions: u64,
    ) -> Result<Snapshot, StartError> {
        let address =
            |pool: usize, server: usize| match &spec.pools[pool].servers[server].addr.place {
                Place::Socket(addr) => Some(*addr),
                Place::Name { host, port } => self.resolved.get(&(host.clone(), *port)).copied(),
                Place::Unix(_) => None,
            };
        Snapshot::new(spec, &self.roster, previous, max_sessions, address)
            .map_err(|missing| StartError::NotAvailable(missing.0))
    }

    /// What a worker listens on.
    pub(crate) fn doors(&self, worker: usize) -> Vec<Door> {
        self.listening.doors(worker, |name| self.roster.listeners.of(name))
    }

    /// The place of the listener whose address a connection came by.
    pub(crate) fn listener_of(&self, local: SocketAddr) -> Option<u16> {
        self.roster.listeners.of(self.listening.listener_of(local)?)
    }

    /// Whether a number is one of our listening sockets and still what it was.
    pub(crate) fn listens_on(&self, fd: Fd) -> bool {
        self.listening.contains(fd)
    }
}

fn too_many(full: Full) -> StartError {
    let kind = match full.0 {
        Kind::Listener => "listeners",
        Kind::Pool => "pools",
        Kind::Server => "servers",
    };
    StartError::TooManyNames(kind)
}

/// The addresses of all names in the spec.
fn resolve_all(spec: &Spec) -> Result<Resolved, StartError> {
    let mut resolved = BTreeMap::new();
    for pool in &spec.pools {
        for server in &pool.servers {
            let Place::Name { host, port } = &server.addr.place else { continue };
            let failed = |error| StartError::Resolve {
                server: format!("{}/{}", pool.name, server.name),
                host: host.clone(),
                error,
            };
            let mut found = (host.as_str(), *port).to_socket_addrs().map_err(failed)?;
            let nothing = || failed(io::Error::from(io::ErrorKind::NotFound));
            resolved.insert((host.clone(), *port), found.next().ok_or_else(nothing)?);
        }
    }
    Ok(resolved)
}
