//! What is in force: the configuration last accepted, and everything that was decided when it was:
//! the places of names, the addresses that names had, the sockets that listen.

use std::io;
use std::net::{IpAddr, SocketAddr};

use ringbolt_core::kernel::{Fd, Remote};
use ringbolt_core::roster::{Fresh, Full, Kind, Roster, server_name};
use ringbolt_core::snapshot::Snapshot;
use ringbolt_core::spec::{Place, Server, Spec};
use socket2::{Domain, Protocol, Socket, Type};

use crate::listen::{Door, Listening};
use crate::names::{Resolved, resolve};
use crate::socket::bind_source;
use crate::start::StartError;

/// A configuration in force.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// When a name has no address, or an address cannot be listened on or connected from.
    pub(crate) fn first(text: &str, spec: &Spec, workers: usize) -> Result<Self, StartError> {
        let resolved = resolve(spec, &Resolved::new())?;
        check_sources(spec, &resolved)?;
        Ok(Self {
            text: text.into(),
            roster: Roster::of(spec).map_err(too_many)?,
            resolved,
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
        let resolved = resolve(spec, &self.resolved)?;
        check_sources(spec, &resolved)?;
        let listening = self.listening.follow(spec, workers)?;
        Ok((Self { text: text.into(), roster, resolved, listening }, fresh))
    }

    /// What workers go by.
    ///
    /// # Errors
    /// When a server has no address.
    pub(crate) fn snapshot(
        &self,
        spec: &Spec,
        previous: Option<&Snapshot>,
        max_sessions: u64,
    ) -> Result<Snapshot, StartError> {
        let address = |pool: usize, server: usize| {
            let server = &spec.pools[pool].servers[server];
            match &server.addr.place {
                Place::Unix(path) => Some(Remote::Unix(path.clone())),
                Place::Socket(_) | Place::Name { .. } => {
                    address_of(server, &self.resolved).map(Remote::Inet)
                }
            }
        };
        Snapshot::new(spec, &self.roster, previous, max_sessions, address)
            .map_err(|missing| StartError::NoAddress(missing.0))
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
        Kind::Source => "sources",
    };
    StartError::TooManyNames(kind)
}

/// The address of a server that has one.
fn address_of(server: &Server, resolved: &Resolved) -> Option<SocketAddr> {
    match &server.addr.place {
        Place::Socket(addr) => Some(*addr),
        Place::Name { host, port } => resolved.get(&(host.clone(), *port)).copied(),
        Place::Unix(_) => None,
    }
}

/// Binds once to every source: one that this machine does not have, or that cannot reach its server,
/// would otherwise show in sessions that fail.
fn check_sources(spec: &Spec, resolved: &Resolved) -> Result<(), StartError> {
    for pool in &spec.pools {
        for server in &pool.servers {
            let Some(addr) = address_of(server, resolved) else { continue };
            for source in &server.source {
                let name = server_name(&pool.name, &server.name);
                if source.is_ipv4() != addr.is_ipv4() {
                    return Err(StartError::SourceFamily { server: name, source: *source, addr });
                }
                try_source(*source, addr).map_err(|error| StartError::Source {
                    server: name,
                    source: *source,
                    error,
                })?;
            }
        }
    }
    Ok(())
}

fn try_source(source: IpAddr, to: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    bind_source(&socket, source, to)
}
