//! Where a balancer listens, and which servers are behind it: a door a kind of work.

use std::net::{Ipv4Addr, SocketAddr};

use crate::job::{Way, Work};
use crate::serve::Addresses;

/// One listener of a balancer.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    /// Its name in configurations.
    pub(crate) name: &'static str,
    /// Where clients connect to.
    pub(crate) addr: SocketAddr,
    /// The servers of its pool.
    pub(crate) servers: Vec<SocketAddr>,
}

/// All of them.
#[derive(Clone, Debug)]
pub(crate) struct Doors {
    /// Messages come back.
    pub(crate) echo: Door,
    /// Bulk goes in.
    pub(crate) sink: Door,
    /// Bulk comes out.
    pub(crate) source: Door,
    /// Frames are answered.
    pub(crate) frames: Door,
}

impl Doors {
    /// Those of a balancer before these servers. The ports lie below those that the kernel gives
    /// away, in a network that nobody else is in.
    pub(crate) fn before(servers: &Addresses) -> Self {
        let door = |name, port, servers: &[SocketAddr]| Door {
            name,
            addr: (Ipv4Addr::LOCALHOST, port).into(),
            servers: servers.to_vec(),
        };
        Self {
            echo: door("echo", 7101, &servers.echoes),
            sink: door("sink", 7102, &[servers.sink]),
            source: door("source", 7103, &[servers.source]),
            frames: door("frames", 7104, &[servers.frames]),
        }
    }

    /// Those that lead straight to the servers.
    pub(crate) fn direct(servers: &Addresses) -> Self {
        let mut doors = Self::before(servers);
        for door in [&mut doors.echo, &mut doors.sink, &mut doors.source, &mut doors.frames] {
            door.addr = door.servers[0];
        }
        doors
    }

    /// In the order of configurations.
    pub(crate) fn all(&self) -> [&Door; 4] {
        [&self.echo, &self.sink, &self.source, &self.frames]
    }

    /// The one that work goes through, and the one that the bulk beside it does.
    pub(crate) fn of(&self, work: &Work) -> (&Door, Option<&Door>) {
        match work {
            Work::PingPong { .. } | Work::Connects { .. } | Work::Idle { .. } => (&self.echo, None),
            Work::Bulk { way: Way::Up, .. } => (&self.sink, None),
            Work::Bulk { way: Way::Down, .. } => (&self.source, None),
            Work::Mix { .. } => (&self.echo, Some(&self.source)),
            Work::WebSocketLike { .. } => (&self.frames, None),
        }
    }
}
