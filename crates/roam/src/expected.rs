//! What the outcome of each story must be under each remedy, stated without having looked.
//!
//! It follows from four facts: which part of the address decides, whether the story changes it, how
//! the balancer maps keys to servers, and who has the state.

use crate::remedy::{Library, Mapping, Product, Remedy, State};
use crate::results::{Expected, Outcome};
use crate::story::Story;

/// What one client of `library` meets in this story, with so many servers at first.
pub(crate) fn expected(story: Story, remedy: &Remedy, library: Library, servers: u16) -> Expected {
    if counts_openings(story, remedy, library) {
        return opening(remedy, servers);
    }
    // Where there are no sessions in memory to be lost, every server goes on.
    let elsewhere = match remedy.state {
        State::Memory => Outcome::Lost,
        // Socket.IO's adapter writes a session into Redis when its client goes. A server that is
        // killed writes no more.
        State::Store if library == Library::SocketIo && story == Story::ServerLost => Outcome::Lost,
        State::Store | State::Token => Outcome::Recovered,
    };
    match elsewhere_share(story, remedy.balancer, servers) {
        None => Expected::All { outcome: Outcome::Kept },
        Some((share, why)) => {
            let why = why.to_owned();
            Expected::Draw { outcome: elsewhere, share, otherwise: Outcome::Kept, why }
        }
    }
}

/// Whether a Socket.IO client is in doubt before it has a session: its handshake, its first request
/// and its first poll are three connections, and each may meet another server.
pub(crate) fn counts_openings(story: Story, remedy: &Remedy, library: Library) -> bool {
    let each_elsewhere = story == Story::CarrierNat || remedy.balancer.mapping() == Mapping::InTurn;
    library == Library::SocketIo && each_elsewhere
}

fn opening(remedy: &Remedy, servers: u16) -> Expected {
    match remedy.balancer.mapping() {
        // One client at a time: what follows the handshake goes to the next server.
        Mapping::InTurn => Expected::All { outcome: Outcome::Refused },
        Mapping::Named => Expected::All { outcome: Outcome::Kept },
        Mapping::Minimal | Mapping::Modulo | Mapping::ModuloOfAll => Expected::Draw {
            outcome: Outcome::Refused,
            share: 1.0 - f64::from(servers).powi(-2),
            otherwise: Outcome::Kept,
            why: "1 - 1/N²: a request and a poll must meet the server of the handshake".to_owned(),
        },
    }
}

/// The share of clients that meet another server than before, and where it comes from; `None` where
/// nobody does.
fn elsewhere_share(story: Story, balancer: Product, servers: u16) -> Option<(f64, &'static str)> {
    let n = f64::from(servers);
    let drawn = Some(((n - 1.0) / n, "(N-1)/N"));
    let mapping = balancer.mapping();
    match (story, mapping) {
        (Story::WifiLte, Mapping::InTurn) => Some((1.0 - n.powi(-2), "1 - 1/N²: two draws")),
        (Story::ServerAdded, Mapping::InTurn | Mapping::Modulo | Mapping::ModuloOfAll) => {
            Some((n / (n + 1.0), "N/(N+1): a draw among one server more"))
        }
        (Story::ServerAdded, Mapping::Minimal) => {
            Some((1.0 / (n + 1.0), "1/(N+1): the share of the new server"))
        }
        // A server that is left in is met again by 1/N; modulo N and N-1 are independent.
        (Story::ServerDrained | Story::ServerLost, Mapping::InTurn | Mapping::Modulo) => drawn,
        (Story::ServerDrained | Story::ServerLost, Mapping::Minimal | Mapping::ModuloOfAll)
        | (Story::ServerLost, Mapping::Named) => {
            Some((1.0 / n, "1/N: the share of the server that is gone"))
        }
        (Story::ServerAdded | Story::ServerDrained, Mapping::Named) => None,
        (_, Mapping::InTurn) => drawn,
        (_, Mapping::Named) => None,
        (_, Mapping::Minimal | Mapping::Modulo | Mapping::ModuloOfAll) => {
            if key_changes(story, balancer) { drawn } else { None }
        }
    }
}

/// Whether the part of the address that decides is another one afterwards.
fn key_changes(story: Story, balancer: Product) -> bool {
    let key = balancer.key();
    match story {
        Story::DhcpRenewal => key.v4 > 24,
        Story::Ipv6Privacy => key.v6 > 64,
        Story::WifiLte | Story::CarrierNat => key.v4 > 0,
        Story::HappyEyeballs => true,
        Story::SameAddress
        | Story::Office
        | Story::ServerAdded
        | Story::ServerDrained
        | Story::ServerLost
        | Story::Stride => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(story: Story, remedy: &str, library: Library) -> Expected {
        expected(story, Remedy::named(remedy).expect("a remedy"), library, 3)
    }

    fn share(expected: &Expected, of: Outcome) -> f64 {
        match expected {
            Expected::All { outcome } => f64::from(u8::from(*outcome == of)),
            Expected::Draw { outcome, share, .. } if *outcome == of => *share,
            Expected::Draw { share, otherwise, .. } if *otherwise == of => 1.0 - share,
            Expected::Draw { .. } => 0.0,
        }
    }

    /// Measured once with Socket.IO and three servers, 300 sessions a cell, before this program was
    /// written: 68, 68, 0, 0 and 0 of 100 lost inside the /24, 62, 67, 66, 69 and 0 elsewhere.
    #[test]
    fn what_was_measured_before_is_what_is_stated() {
        for (remedy, inside, outside) in [
            ("haproxy-source", 0.67, 0.67),
            ("haproxy-consistent", 0.67, 0.67),
            ("haproxy-prefix", 0.0, 0.67),
            ("nginx-ip-hash", 0.0, 0.67),
            ("cookie", 0.0, 0.0),
        ] {
            for (story, lost) in [(Story::DhcpRenewal, inside), (Story::WifiLte, outside)] {
                let stated = share(&at(story, remedy, Library::Ws), Outcome::Lost);
                assert!((stated - lost).abs() < 0.01, "{remedy}, {story:?}: {stated}");
            }
        }
    }

    #[test]
    fn state_that_all_servers_have_is_never_lost() {
        for story in crate::story::ALL {
            for (remedy, library) in [("store", Library::Ws), ("token", Library::Websockets)] {
                assert_eq!(share(&at(story, remedy, library), Outcome::Lost), 0.0, "{story:?}");
            }
        }
    }

    /// A store does not help who is refused before.
    #[test]
    fn polling_is_refused_whoever_has_the_state() {
        let refused = share(&at(Story::CarrierNat, "store", Library::SocketIo), Outcome::Refused);
        assert!((refused - 8.0 / 9.0).abs() < 1e-12);
        let cookie = at(Story::CarrierNat, "cookie", Library::SocketIo);
        assert_eq!(cookie, Expected::All { outcome: Outcome::Kept });
    }

    #[test]
    fn a_width_of_64_bits_outlives_privacy_addresses() {
        for (remedy, lost) in [("address", 0.0), ("nginx-ip-hash", 2.0 / 3.0)] {
            let stated = share(&at(Story::Ipv6Privacy, remedy, Library::Ws), Outcome::Lost);
            assert!((stated - lost).abs() < 1e-12, "{remedy}: {stated}");
        }
    }
}
