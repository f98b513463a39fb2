//! Where what is in force outlives the engine: two memory files, of which the region's header says
//! which one counts. An engine writes the other one and then says so; a death in between leaves the
//! first. Text of JSON, because a newer version may have to read it after an upgrade.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use nix::sys::memfd::{MFdFlags, memfd_create};
use ringbolt_core::header::Header;
use ringbolt_core::kernel::Fd;
use ringbolt_core::roster::{Places, Roster};
use ringbolt_core::spec::Bind;
use serde::{Deserialize, Serialize};

use crate::accepted::Accepted;
use crate::listen::{Group, Listening};

/// The two files.
#[derive(Debug)]
pub(crate) struct Store([File; 2]);

/// What stands in a file.
#[derive(Serialize, Deserialize)]
struct Kept {
    text: String,
    listeners: Vec<Option<(String, bool)>>,
    pools: Vec<Option<(String, bool)>>,
    servers: Vec<Option<(String, bool)>>,
    sources: Vec<Option<(String, bool)>>,
    /// Host, port, and the address they had.
    resolved: Vec<(String, u16, SocketAddr)>,
    listening: Vec<KeptGroup>,
    /// Listening sockets that were open when the process started.
    inherited: Vec<Fd>,
}

#[derive(Serialize, Deserialize)]
struct KeptGroup {
    wanted: KeptBind,
    addr: SocketAddr,
    listener: String,
    sockets: Vec<Fd>,
}

#[derive(Serialize, Deserialize)]
enum KeptBind {
    Address(SocketAddr),
    Inherited(String),
}

impl Store {
    /// Two empty files, without close-on-exec, so that an upgrade finds them.
    pub(crate) fn create() -> io::Result<Self> {
        let file = || -> io::Result<File> {
            Ok(File::from(memfd_create(c"ringbolt-configuration", MFdFlags::empty())?))
        };
        Ok(Self([file()?, file()?]))
    }

    /// The numbers of the files.
    pub(crate) fn descriptors(&self) -> [Fd; 2] {
        self.0.each_ref().map(AsRawFd::as_raw_fd)
    }

    /// Keeps what is in force from now on. One thread at a time.
    pub(crate) fn keep(&self, header: &Header, accepted: &Accepted) -> io::Result<()> {
        let number = header.accepted() + 1;
        let file = self.file(number);
        file.set_len(0)?;
        file.write_all_at(&serde_json::to_vec(&Kept::of(accepted))?, 0)?;
        header.accept(number);
        Ok(())
    }

    /// What is in force.
    pub(crate) fn read(&self, header: &Header) -> io::Result<Accepted> {
        let file = self.file(header.accepted());
        let mut bytes = vec![0; usize::try_from(file.metadata()?.len()).unwrap_or(0)];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(serde_json::from_slice::<Kept>(&bytes)?.into())
    }

    fn file(&self, number: u64) -> &File {
        &self.0[(number % 2) as usize]
    }
}

impl Kept {
    fn of(accepted: &Accepted) -> Self {
        let held = |places: &Places| {
            places.holders().map(|place| place.map(|(name, gone)| (name.into(), gone))).collect()
        };
        let Accepted { text, roster, resolved, listening } = accepted;
        let resolved = resolved.iter().map(|((host, port), addr)| (host.clone(), *port, *addr));
        Self {
            text: text.clone(),
            listeners: held(&roster.listeners),
            pools: held(&roster.pools),
            servers: held(&roster.servers),
            sources: held(&roster.sources),
            resolved: resolved.collect(),
            listening: listening.groups().map(KeptGroup::of).collect(),
            inherited: listening.inherited().to_vec(),
        }
    }
}

impl From<Kept> for Accepted {
    fn from(kept: Kept) -> Self {
        let Kept { text, listeners, pools, servers, sources, resolved, listening, inherited } =
            kept;
        let roster = Roster {
            listeners: Places::held_by(listeners),
            pools: Places::held_by(pools),
            servers: Places::held_by(servers),
            sources: Places::held_by(sources),
        };
        let resolved = resolved.into_iter().map(|(host, port, addr)| ((host, port), addr));
        let groups = listening.into_iter().map(Group::from).collect();
        let listening = Listening::of(groups, inherited);
        Self { text, roster, resolved: resolved.collect(), listening }
    }
}

impl KeptGroup {
    fn of(group: &Group) -> Self {
        let Group { wanted, addr, listener, sockets } = group.clone();
        let wanted = match wanted {
            Bind::Address(addr) => KeptBind::Address(addr),
            Bind::Inherited(name) => KeptBind::Inherited(name),
        };
        Self { wanted, addr, listener, sockets }
    }
}

impl From<KeptGroup> for Group {
    fn from(kept: KeptGroup) -> Self {
        let KeptGroup { wanted, addr, listener, sockets } = kept;
        let wanted = match wanted {
            KeptBind::Address(addr) => Bind::Address(addr),
            KeptBind::Inherited(name) => Bind::Inherited(name),
        };
        Self { wanted, addr, listener, sockets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use ringbolt_core::region::{Extent, Region};

    // Goal: what is kept is what is read, time after time, also when it shrinks. Method: three
    // different ones through the two files.
    #[test]
    fn what_is_kept_is_read() {
        let extent = Extent { workers: 1, capacity: 1 };
        let bytes: &'static mut [u64] = vec![0; extent.bytes() / 8 + 8].leak();
        // The region wants to begin at a cache line.
        let skip = bytes.as_ptr().align_offset(64);
        let bytes = zerocopy::IntoBytes::as_mut_bytes(&mut bytes[skip..]);
        let region = Region::format(bytes, extent).unwrap();
        let store = Store::create().unwrap();
        for length in [1, 3, 2] {
            let names = |kind: &str| {
                let holder = |index| (index != 1).then(|| (format!("{kind}{index}"), index == 2));
                Places::held_by((0..length).map(holder))
            };
            let addr = ([127, 0, 0, 1], length).into();
            let wanted = [Bind::Address(addr), Bind::Inherited("WEB".into())];
            let group =
                |wanted| Group { wanted, addr, listener: "web".into(), sockets: vec![5, 6] };
            let accepted = Accepted {
                text: "text ".repeat(length.into()),
                roster: Roster {
                    listeners: names("l"),
                    pools: names("p"),
                    servers: names("s"),
                    sources: names("f"),
                },
                resolved: BTreeMap::from([(("host".into(), length), addr)]),
                listening: Listening::of(wanted.map(group).into(), vec![3, 4]),
            };
            store.keep(region.header, &accepted).unwrap();
            assert_eq!(store.read(region.header).unwrap(), accepted);
        }
    }
}
