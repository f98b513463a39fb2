//! What happens to clients and to servers: each story told once, for people and for the program.

use crate::results;

/// Something that happens between two connections of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Story {
    SameAddress,
    DhcpRenewal,
    WifiLte,
    CarrierNat,
    Ipv6Privacy,
    HappyEyeballs,
    Office,
    ServerAdded,
    ServerDrained,
    ServerLost,
    Stride,
}

/// All, in the order in which they are to be read.
pub(crate) const ALL: [Story; 11] = [
    Story::SameAddress,
    Story::DhcpRenewal,
    Story::WifiLte,
    Story::CarrierNat,
    Story::Ipv6Privacy,
    Story::HappyEyeballs,
    Story::Office,
    Story::ServerAdded,
    Story::ServerDrained,
    Story::ServerLost,
    Story::Stride,
];

/// What becomes of the servers while clients are away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    /// One more is in the configuration.
    Added,
    /// One has weight 0 in it.
    Drained,
    /// One is killed, while clients are connected to it.
    Lost,
}

impl Story {
    /// As `roam run` takes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SameAddress => "same-address",
            Self::DhcpRenewal => "dhcp-renewal",
            Self::WifiLte => "wifi-lte",
            Self::CarrierNat => "carrier-nat",
            Self::Ipv6Privacy => "ipv6-privacy",
            Self::HappyEyeballs => "happy-eyeballs",
            Self::Office => "office",
            Self::ServerAdded => "server-added",
            Self::ServerDrained => "server-drained",
            Self::ServerLost => "server-lost",
            Self::Stride => "stride",
        }
    }

    /// Whether its clients have IPv6 addresses, which loopback alone has not.
    pub(crate) fn needs_ipv6(self) -> bool {
        matches!(self, Self::Ipv6Privacy | Self::HappyEyeballs)
    }

    /// Whether clients come back in it; where none does, it is about how sessions lie on the
    /// servers.
    pub(crate) fn has_reconnects(self) -> bool {
        self != Self::Stride
    }

    pub(crate) fn change(self) -> Change {
        match self {
            Self::ServerAdded => Change::Added,
            Self::ServerDrained => Change::Drained,
            Self::ServerLost => Change::Lost,
            Self::SameAddress
            | Self::DhcpRenewal
            | Self::WifiLte
            | Self::CarrierNat
            | Self::Ipv6Privacy
            | Self::HappyEyeballs
            | Self::Office
            | Self::Stride => Change::Nothing,
        }
    }

    /// For people.
    pub(crate) fn described(self) -> results::Story {
        let (title, told, changes) = match self {
            Self::SameAddress => (
                "Same address",
                "A connection breaks and the client comes back from the address that it had. This \
                 is what stickiness by address is made for.",
                "nothing",
            ),
            Self::DhcpRenewal => (
                "DHCP renewal",
                "A home router is restarted and its provider gives it another address of the same \
                 /24. The client comes back from there.",
                "the last octet",
            ),
            Self::WifiLte => (
                "Wi-Fi to LTE and back",
                "Somebody leaves the house with a telephone: Wi-Fi ends, the client comes back \
                 over LTE, and a little later over Wi-Fi again. Counted is the worse of the two \
                 returns.",
                "the whole address, twice",
            ),
            Self::CarrierNat => (
                "Carrier NAT",
                "A carrier's NAT gives each connection the next address of a pool of eight, which \
                 lie in eight networks. The client has not moved at all. For Socket.IO every HTTP \
                 request of its polling is such a connection, so a session breaks before it has \
                 begun; counted is whether it comes about.",
                "the whole address, with each connection",
            ),
            Self::Ipv6Privacy => (
                "IPv6 privacy address",
                "A system gives itself a new IPv6 address each day, so that it cannot be followed \
                 (RFC 8981). The first 64 bits stay.",
                "the last 64 bits",
            ),
            Self::HappyEyeballs => (
                "Happy Eyeballs",
                "A client has both families and takes the one that answers first (RFC 8305). It \
                 came over IPv6, and this time the first packet was slow: it comes back over \
                 IPv4.",
                "the family",
            ),
            Self::Office => (
                "Office behind one address",
                "Five hundred people in an office share one public address. They find their \
                 sessions again, all of them on one server.",
                "nothing; but all have one key",
            ),
            Self::ServerAdded => (
                "Server added",
                "A server is added by a reload. Then connections break, and clients come back from \
                 the addresses that they had.",
                "one server more",
            ),
            Self::ServerDrained => (
                "Server drained",
                "A server is drained before maintenance: it gets weight 0 by a reload (`down` in \
                 nginx). Then connections break, and clients come back from the addresses that \
                 they had.",
                "one server takes no new sessions",
            ),
            Self::ServerLost => (
                "Server lost",
                "A server is killed, and with it what it had in memory. All clients come back from \
                 the addresses that they had.",
                "one server less",
            ),
            Self::Stride => (
                "Addresses in a stride",
                "A provider gives each customer a /30, so customers' addresses are four apart. \
                 There are four servers. HAProxy's default hash is the address modulo the number \
                 of servers.",
                "nothing; but keys share a factor with N",
            ),
        };
        let [title, told, changes] = [title, told, changes].map(str::to_owned);
        results::Story { name: self.name().to_owned(), title, told, changes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_story_has_a_name_and_is_told_once() {
        for story in ALL {
            assert_eq!(ALL.iter().filter(|other| other.name() == story.name()).count(), 1);
            let telling = |other: &Story| other.described().told == story.described().told;
            assert_eq!(ALL.iter().filter(|other| telling(other)).count(), 1);
        }
    }
}
