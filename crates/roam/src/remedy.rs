//! What can be done so that clients meet their state again: what stands in front of the servers,
//! and where they keep the state.

use crate::results;

/// A balancer and its setting, with servers that keep state in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remedy {
    /// One word.
    pub(crate) name: &'static str,
    pub(crate) balancer: Product,
    pub(crate) state: State,
    title: &'static str,
    how: &'static str,
    who_must_change: &'static str,
    /// What it costs that no measurement shows.
    pub(crate) note: &'static str,
}

/// A balancer with its decisive setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    /// ringbolt, `balance = "source"`, with a key of so many bits of an IPv4 address and 64 of an
    /// IPv6 one.
    Ringbolt { v4: u8 },
    /// HAProxy, `balance roundrobin`.
    HaproxyInTurn,
    /// HAProxy, `balance source`.
    HaproxySource,
    /// HAProxy, `balance source` with `hash-type consistent`.
    HaproxyConsistent,
    /// HAProxy, `balance hash src,ipmask(24,64)`.
    HaproxyMask,
    /// HAProxy, `cookie … insert`.
    HaproxyCookie,
    /// nginx, `ip_hash`.
    NginxIpHash,
}

/// Whose a balancer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    Ringbolt,
    Haproxy,
    Nginx,
}

/// Where servers keep the state of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// Each in its own memory.
    Memory,
    /// In a Redis that all share.
    Store,
    /// In the client's hands, signed.
    Token,
}

/// How a balancer comes from a key to a server; what it does when their number changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mapping {
    /// No key.
    InTurn,
    /// Only those keys move that must.
    Minimal,
    /// The key modulo the number of servers that can be used.
    Modulo,
    /// The key modulo the number of servers in the file; for one that cannot be used, hashed again.
    ModuloOfAll,
    /// The server that the cookie names, also one that is drained.
    Named,
}

/// A part of the address; none of it where the address does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) v4: u8,
    pub(crate) v6: u8,
}

/// All, in the order in which they are to be read.
pub(crate) const ALL: [Remedy; 10] = [
    Remedy {
        name: "round-robin",
        balancer: Product::HaproxyInTurn,
        state: State::Memory,
        title: "Round robin",
        how: "Each connection goes to the next server.",
        who_must_change: "nobody",
        note: "Nobody finds anything again, and Socket.IO's polling does not even begin.",
    },
    Remedy {
        name: "address",
        balancer: Product::Ringbolt { v4: 32 },
        state: State::Memory,
        title: "Address (ringbolt)",
        how: "The whole IPv4 address decides, or the /64 of an IPv6 one.",
        who_must_change: "nobody",
        note: "Everybody behind one address is on one server.",
    },
    Remedy {
        name: "haproxy-source",
        balancer: Product::HaproxySource,
        state: State::Memory,
        title: "Address (HAProxy)",
        how: "The whole address decides, modulo the number of servers.",
        who_must_change: "nobody",
        note: "The same, and a server more or less moves most clients.",
    },
    Remedy {
        name: "haproxy-consistent",
        balancer: Product::HaproxyConsistent,
        state: State::Memory,
        title: "Address, ring (HAProxy)",
        how: "The whole address decides, by its place on a ring.",
        who_must_change: "nobody",
        note: "The same; shares of servers are uneven.",
    },
    Remedy {
        name: "nginx-ip-hash",
        balancer: Product::NginxIpHash,
        state: State::Memory,
        title: "ip_hash (nginx)",
        how: "The /24 of an IPv4 address decides, or the whole of an IPv6 one.",
        who_must_change: "nobody",
        note: "Everybody in a /24 is on one server; an IPv6 client moves with each new address.",
    },
    Remedy {
        name: "prefix",
        balancer: Product::Ringbolt { v4: 24 },
        state: State::Memory,
        title: "Prefix (ringbolt)",
        how: "The /24 of an IPv4 address decides, or the /64 of an IPv6 one.",
        who_must_change: "nobody",
        note: "Everybody in a /24 is on one server.",
    },
    Remedy {
        name: "haproxy-prefix",
        balancer: Product::HaproxyMask,
        state: State::Memory,
        title: "Prefix (HAProxy)",
        how: "The same, modulo the number of servers.",
        who_must_change: "nobody",
        note: "The same, and a server more or less moves most clients.",
    },
    Remedy {
        name: "cookie",
        balancer: Product::HaproxyCookie,
        state: State::Memory,
        title: "Cookie (HAProxy)",
        how: "The first answer carries a cookie that names the server; the client brings it back.",
        who_must_change: "who runs the balancer: it parses HTTP and holds the TLS keys",
        note: "Needs clients that keep cookies; a server that dies takes its sessions with it.",
    },
    Remedy {
        name: "store",
        balancer: Product::Ringbolt { v4: 32 },
        state: State::Store,
        title: "Shared store (Redis)",
        how: "Every server reads and writes sessions in one Redis.",
        who_must_change: "who writes the servers, and who runs the store",
        note: "A round trip to the store for each change, and nothing works without it.",
    },
    Remedy {
        name: "token",
        balancer: Product::Ringbolt { v4: 32 },
        state: State::Token,
        title: "Resume token",
        how: "Every answer carries the signed state; the client shows it to whichever server it \
              meets, and sends again what was not acknowledged.",
        who_must_change: "who writes the servers and the clients",
        note: "The state is small, and its client can read it; an old token leads back in time.",
    },
];

impl Remedy {
    /// The one of that name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|remedy| remedy.name == name)
    }

    /// For people.
    pub(crate) fn described(&self) -> results::Remedy {
        results::Remedy {
            name: self.name.to_owned(),
            title: self.title.to_owned(),
            how: self.how.to_owned(),
            who_must_change: self.who_must_change.to_owned(),
            balancer: self.balancer.title().to_owned(),
        }
    }
}

impl Product {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Ringbolt { v4: 32 } => "ringbolt, balance = \"source\"",
            Self::Ringbolt { .. } => "ringbolt, key = { v4 = 24, v6 = 64 }",
            Self::HaproxyInTurn => "HAProxy, balance roundrobin",
            Self::HaproxySource => "HAProxy, balance source",
            Self::HaproxyConsistent => "HAProxy, balance source, hash-type consistent",
            Self::HaproxyMask => "HAProxy, balance hash src,ipmask(24,64)",
            Self::HaproxyCookie => "HAProxy, cookie SERVER insert",
            Self::NginxIpHash => "nginx, ip_hash",
        }
    }

    pub(crate) fn maker(self) -> Maker {
        match self {
            Self::Ringbolt { .. } => Maker::Ringbolt,
            Self::HaproxyInTurn
            | Self::HaproxySource
            | Self::HaproxyConsistent
            | Self::HaproxyMask
            | Self::HaproxyCookie => Maker::Haproxy,
            Self::NginxIpHash => Maker::Nginx,
        }
    }

    pub(crate) fn mapping(self) -> Mapping {
        match self {
            Self::HaproxyInTurn => Mapping::InTurn,
            Self::Ringbolt { .. } | Self::HaproxyConsistent => Mapping::Minimal,
            Self::HaproxySource | Self::HaproxyMask => Mapping::Modulo,
            Self::NginxIpHash => Mapping::ModuloOfAll,
            Self::HaproxyCookie => Mapping::Named,
        }
    }

    /// How many bits of a client's address decide.
    pub(crate) fn key(self) -> Key {
        match self {
            Self::Ringbolt { v4 } => Key { v4, v6: 64 },
            Self::HaproxySource | Self::HaproxyConsistent => Key { v4: 32, v6: 128 },
            Self::HaproxyMask => Key { v4: 24, v6: 64 },
            Self::NginxIpHash => Key { v4: 24, v6: 128 },
            Self::HaproxyInTurn | Self::HaproxyCookie => Key { v4: 0, v6: 0 },
        }
    }
}

/// A library whose servers and clients take part. What takes longest comes first, so that nobody
/// waits for it in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Library {
    /// npm's `socket.io`, which polls first and upgrades then.
    SocketIo,
    /// npm's `ws`.
    Ws,
    /// Python's `websockets`.
    Websockets,
}

impl Library {
    pub(crate) const ALL: [Self; 3] = [Self::SocketIo, Self::Ws, Self::Websockets];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Websockets => "websockets",
            Self::SocketIo => "socket.io",
        }
    }

    /// Whether its servers here can keep state like that.
    pub(crate) fn keeps(self, state: State) -> bool {
        state != State::Token || self == Self::Websockets
    }
}
