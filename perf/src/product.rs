//! Who is measured.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::relay::Yardstick;

/// A product, with the settings it is measured with.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Product {
    /// Ringbolt as it is.
    Ringbolt,
    /// Ringbolt that never splices.
    RingboltCopy,
    /// Ringbolt that always splices.
    RingboltAlways,
    /// Ringbolt of another revision, for `--against`.
    Base,
    /// HAProxy, `balance source`, as installed.
    Haproxy,
    /// HAProxy with `option splice-auto`.
    HaproxyAuto,
    /// HAProxy that always splices, through pipes of 1 MiB.
    HaproxySplice,
    /// The same with the socket buffers that make it cheapest.
    HaproxyTuned,
    /// nginx stream, `hash $remote_addr consistent`, as installed.
    Nginx,
    /// nginx with buffers of 64 KiB.
    #[value(name = "nginx-64k")]
    #[serde(rename = "nginx-64k")]
    Nginx64k,
    /// No balancer: the client talks to the server.
    Direct,
    /// The yardstick of small messages: one thread, epoll, `recv` and `send`.
    RelayEpoll,
    /// The yardstick of bulk: one thread, epoll, `splice` through pipes of 1 MiB.
    RelaySplice,
    /// The yardstick of tokio-uring.
    RelayUring,
}

/// Whose program a product is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    /// Ours.
    Ringbolt,
    /// Ours, of another revision.
    Base,
    /// HAProxy.
    Haproxy,
    /// nginx.
    Nginx,
    /// This program.
    Relay(Yardstick),
    /// There is none.
    Nobody,
}

impl Product {
    /// Its name in tables.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Ringbolt => "ringbolt",
            Self::RingboltCopy => "ringbolt, splice off",
            Self::RingboltAlways => "ringbolt, splice always",
            Self::Base => "ringbolt, base",
            Self::Haproxy => "HAProxy",
            Self::HaproxyAuto => "HAProxy, splice-auto",
            Self::HaproxySplice => "HAProxy, splice, 1 MiB pipes",
            Self::HaproxyTuned => "HAProxy, the same, best buffers",
            Self::Nginx => "nginx",
            Self::Nginx64k => "nginx, 64 KiB buffers",
            Self::Direct => "no balancer",
            Self::RelayEpoll => "bare epoll relay",
            Self::RelaySplice => "bare splice relay",
            Self::RelayUring => "tokio-uring relay",
        }
    }

    /// Its name on the command line and in file names.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().expect("none is hidden").get_name().to_owned()
    }

    /// Whose program it is.
    pub(crate) const fn maker(self) -> Maker {
        match self {
            Self::Ringbolt | Self::RingboltCopy | Self::RingboltAlways => Maker::Ringbolt,
            Self::Base => Maker::Base,
            Self::Haproxy | Self::HaproxyAuto | Self::HaproxySplice | Self::HaproxyTuned => {
                Maker::Haproxy
            }
            Self::Nginx | Self::Nginx64k => Maker::Nginx,
            Self::RelayEpoll => Maker::Relay(Yardstick::Epoll),
            Self::RelaySplice => Maker::Relay(Yardstick::Splice),
            Self::RelayUring => Maker::Relay(Yardstick::Uring),
            Self::Direct => Maker::Nobody,
        }
    }

    /// What the names of the threads that move bytes begin with; anything where all of them do.
    pub(crate) const fn workers(self) -> &'static str {
        match self.maker() {
            Maker::Ringbolt | Maker::Base => "worker-",
            Maker::Haproxy | Maker::Nginx | Maker::Relay(_) | Maker::Nobody => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_everywhere() {
        for product in Product::value_variants() {
            let json = serde_json::to_string(product).unwrap();
            assert_eq!(json, format!("\"{}\"", product.name()));
        }
    }
}
