//! Which place in the region each listener, pool and server has. A place is an index that session
//! records hold and that gauges and counters stand at, so it belongs to a name for as long as
//! anything can refer to it, whatever a reload does to the order of the file.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::limits::{NAMES_MAX, SERVERS_MAX, SOURCES_MAX};
use crate::spec::Spec;

/// The places of everything that has a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// Of listeners.
    pub listeners: Places,
    /// Of pools.
    pub pools: Places,
    /// Of servers, by pool and server as in `echo/ws1`.
    pub servers: Places,
    /// Of the addresses that servers are connected to from, as in `echo/ws1/10.0.0.2`.
    pub sources: Places,
}

/// What may have a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A listener.
    Listener,
    /// A pool.
    Pool,
    /// A server.
    Server,
    /// An address that a server is connected to from.
    Source,
}

/// There are more names of this kind, those with sessions from before included, than places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full(pub Kind);

/// Places that have a new owner, whose counters begin at 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fresh {
    /// Of listeners.
    pub listeners: Vec<u16>,
    /// Of pools.
    pub pools: Vec<u16>,
    /// Of servers.
    pub servers: Vec<u16>,
}

impl Roster {
    /// The places of a first configuration: in its order.
    ///
    /// # Errors
    /// When there are more names than places.
    pub fn of(spec: &Spec) -> Result<Self, Full> {
        let mut roster = Self::default();
        roster.follow(spec, |_, _| true).map(|_| roster)
    }

    /// Follows a change of the configuration. What stays keeps its place. What is gone keeps it too
    /// until it is `idle`, which means that no session is left there, and not before the next change:
    /// by then every worker has taken this one, and none can begin another session there.
    ///
    /// # Errors
    /// When there are more names than places; then nothing has changed.
    pub fn follow(&mut self, spec: &Spec, idle: impl Fn(Kind, u16) -> bool) -> Result<Fresh, Full> {
        let mut next = self.clone();
        let listeners: Vec<String> = spec.listeners.iter().map(|it| it.name.clone()).collect();
        let pools: Vec<String> = spec.pools.iter().map(|it| it.name.clone()).collect();
        let servers: Vec<String> = spec
            .pools
            .iter()
            .flat_map(|pool| pool.servers.iter().map(|it| server_name(&pool.name, &it.name)))
            .collect();
        let sources: Vec<String> = spec
            .pools
            .iter()
            .flat_map(|pool| pool.servers.iter().map(move |server| (pool, server)))
            .flat_map(|(pool, server)| {
                let name = server_name(&pool.name, &server.name);
                server.source.iter().map(move |addr| source_name(&name, *addr))
            })
            .collect();
        // What a place of theirs counts is live sessions, and those were none.
        next.sources
            .follow(&sources, SOURCES_MAX, |place| idle(Kind::Source, place))
            .ok_or(Full(Kind::Source))?;
        let fresh = Fresh {
            listeners: next
                .listeners
                .follow(&listeners, NAMES_MAX, |place| idle(Kind::Listener, place))
                .ok_or(Full(Kind::Listener))?,
            pools: next
                .pools
                .follow(&pools, NAMES_MAX, |place| idle(Kind::Pool, place))
                .ok_or(Full(Kind::Pool))?,
            servers: next
                .servers
                .follow(&servers, SERVERS_MAX, |place| idle(Kind::Server, place))
                .ok_or(Full(Kind::Server))?,
        };
        *self = next;
        Ok(fresh)
    }
}

/// The name of a server among all servers.
pub fn server_name(pool: &str, server: &str) -> String {
    alloc::format!("{pool}/{server}")
}

/// The name of an address among all that servers are connected to from; `server` is
/// [`server_name`]'s.
pub fn source_name(server: &str, addr: IpAddr) -> String {
    alloc::format!("{server}/{addr}")
}

/// The places of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(Vec<Option<Holder>>);

/// Who holds a place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Holder {
    name: String,
    /// It is gone from the configuration.
    retired: bool,
}

impl Places {
    /// The place of a name that is in the configuration.
    pub fn of(&self, name: &str) -> Option<u16> {
        let held = |place: &Option<Holder>| {
            place.as_ref().is_some_and(|holder| !holder.retired && holder.name == name)
        };
        self.0.iter().position(held).map(|place| place as u16)
    }

    /// Every place in order: the name that holds it, and whether that is gone from the
    /// configuration; `None` for a free one.
    pub fn holders(&self) -> impl Iterator<Item = Option<(&str, bool)>> {
        self.0.iter().map(|place| place.as_ref().map(|it| (it.name.as_str(), it.retired)))
    }

    /// The places that somebody holds as [`Places::holders`] tells.
    pub fn held_by(holders: impl IntoIterator<Item = Option<(String, bool)>>) -> Self {
        let holder =
            |place: Option<(String, bool)>| place.map(|(name, retired)| Holder { name, retired });
        Self(holders.into_iter().map(holder).collect())
    }

    /// Gives every name its place; the places that have a new owner.
    fn follow(
        &mut self,
        names: &[String],
        most: usize,
        idle: impl Fn(u16) -> bool,
    ) -> Option<Vec<u16>> {
        for (index, place) in self.0.iter_mut().enumerate() {
            let Some(holder) = place else { continue };
            let stays = names.contains(&holder.name);
            if !stays && holder.retired && idle(index as u16) {
                *place = None;
            } else {
                holder.retired = !stays;
            }
        }
        let mut fresh = Vec::new();
        for name in names.iter().filter(|name| self.of(name).is_none()).collect::<Vec<_>>() {
            let free = self.0.iter().position(Option::is_none).unwrap_or(self.0.len());
            if free == most {
                return None;
            }
            if free == self.0.len() {
                self.0.push(None);
            }
            self.0[free] = Some(Holder { name: name.clone(), retired: false });
            fresh.push(free as u16);
        }
        Some(fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(Into::into).collect()
    }

    fn shown(places: &Places) -> Vec<Option<(&str, bool)>> {
        places.holders().collect()
    }

    // Goal: what stays keeps its place, what is new takes a free one. Method: three changes.
    #[test]
    fn names_keep_their_places() {
        let mut places = Places::default();
        assert_eq!(places.follow(&names("a b c"), 8, |_| true), Some(alloc::vec![0, 1, 2]));
        assert_eq!(places.follow(&names("c d a"), 8, |_| true), Some(alloc::vec![3]));
        assert_eq!(places.of("b"), None);
        assert_eq!((places.of("a"), places.of("c"), places.of("d")), (Some(0), Some(2), Some(3)));
        // The place of b is free now, and not before: some worker may have begun a session there.
        assert_eq!(places.follow(&names("c e a d"), 8, |_| true), Some(alloc::vec![1]));
        assert_eq!(places.of("e"), Some(1));
    }

    // Goal: a place with sessions has no new owner, and its name gets it back. Method: sessions at
    // place 1 that stay through many changes.
    #[test]
    fn sessions_hold_a_place() {
        let mut places = Places::default();
        places.follow(&names("a b"), 8, |_| true).unwrap();
        for _ in 0..4 {
            places.follow(&names("a"), 8, |place| place != 1).unwrap();
        }
        assert_eq!(shown(&places), [Some(("a", false)), Some(("b", true))]);
        assert_eq!(places.follow(&names("a c"), 8, |place| place != 1), Some(alloc::vec![2]));
        assert_eq!(places.follow(&names("b"), 8, |place| place != 1), Some(alloc::vec![]));
        assert_eq!(places.of("b"), Some(1));
        let told = places.holders().map(|place| place.map(|(name, gone)| (name.into(), gone)));
        assert_eq!(Places::held_by(told), places);
    }

    // Goal: places run out by name and not by change. Method: two places, many changes.
    #[test]
    fn places_come_back() {
        let mut places = Places::default();
        for round in 0..100 {
            let name = alloc::format!("n{round}");
            assert!(places.follow(&[name], 2, |_| true).is_some(), "{places:?}");
        }
        assert_eq!(places.follow(&names("x y z"), 2, |_| true), None);
    }
}
