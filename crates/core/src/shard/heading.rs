//! Who a client is: by a PROXY header before its stream, where its connection comes from a source
//! that must send one, and by the connection itself everywhere else. And the header that tells its
//! server the same.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::close::Cause;
use crate::kernel::{Errno, Kernel};
use crate::key::{Key, address_bytes};
use crate::proxy_header::{Ends, Heading, ProxyHeader};
use crate::record::{Flags, Session};
use crate::session::{DirectionId, Phase, Side};
use crate::shard::Shard;
use crate::spec::SendProxy;
use crate::time::Instant;

impl Shard<'_> {
    /// The client of a session whose header is waited for did something.
    pub(super) fn read_header<K: Kernel>(&mut self, kernel: &mut K, slot: u32, now: Instant) {
        // Asked before the look: what came before an end can be read once that was told.
        let ended = self.slots[slot as usize].watches[Side::Client as usize].peer_ended;
        match self.take_header(kernel, slot) {
            Ok(Heading::Whole { ends, .. }) => {
                self.timers.clear(slot);
                self.session(slot).set_phase(Phase::Connecting);
                self.client_known(kernel, slot, ends.map(|ends| ends.destination), now);
            }
            Ok(Heading::Malformed) => self.close(kernel, slot, Cause::BadProxyHeader, now),
            // The poll tells when more comes.
            Ok(Heading::Incomplete) if !ended => {}
            Ok(Heading::Incomplete) | Err(_) => {
                self.close(kernel, slot, Cause::ProxyHeaderCut, now);
            }
        }
    }

    /// Begins the first attempt of a session whose client is written down, and which connected to
    /// `destination`; `None`: to our end of the connection. One whose key has all the sessions that it may
    /// have ends here.
    pub(super) fn client_known<K: Kernel>(
        &mut self,
        kernel: &mut K,
        slot: u32,
        destination: Option<SocketAddr>,
        now: Instant,
    ) {
        if self.slots[slot as usize].watches[Side::Client as usize].broken {
            return self.close(kernel, slot, Cause::ClientLeft, now);
        }
        if !self.enter_key(slot) {
            let listener = self.session(slot).listener.get();
            self.place.counted.listeners[usize::from(listener)].denied.add(1);
            return self.close(kernel, slot, Cause::SourceLimit, now);
        }
        self.watch(kernel, slot, Side::Client);
        self.put_header(kernel, slot, destination);
        self.connect_first(kernel, slot, now);
    }

    /// Writes down who the client of a session is.
    pub(super) fn name_client(&self, session: &Session, addr: SocketAddr) {
        session.client_addr.set(address_bytes(addr.ip()));
        session.note(Flags::MAPPED, addr.ip() != addr.ip().to_canonical());
        session.client_port.set(addr.port());
        self.name_key(session);
    }

    /// Writes down which part of its client's address is a session's key.
    pub(super) fn name_key(&self, session: &Session) -> Key {
        let prefix = self.snapshot.pools[usize::from(session.pool.get())].key;
        let addr = IpAddr::V6(Ipv6Addr::from(session.client_addr.get()));
        session.key_prefix.set(Key::bits(addr, prefix));
        Key::of(addr, prefix)
    }

    /// Looks for a header and, when it is whole, takes exactly its bytes off the stream.
    fn take_header<K: Kernel>(&self, kernel: &mut K, slot: u32) -> Result<Heading, Errno> {
        let session = self.session(slot);
        let socket = session.socket(Side::Client as usize);
        let found = kernel.heading(socket)?;
        if let Heading::Whole { length, ends } = found {
            if let Some(ends) = ends {
                self.name_client(session, ends.client);
            }
            // Who dies after the bytes were taken leaves all that they said.
            self.put_header(kernel, slot, ends.map(|ends| ends.destination));
            session.header_read.set(length as u16);
            let taken = kernel.receive(socket, &self.place.part.hot[..length])?;
            if taken != length {
                return Err(Errno::IO);
            }
        }
        Ok(found)
    }

    /// Puts a header before the stream to the server, where the pool sends one and none is there yet. It
    /// waits in its place as if it had been spilled, so it goes out first, to the server that is reached
    /// in the end.
    fn put_header<K: Kernel>(&self, kernel: &mut K, slot: u32, destination: Option<SocketAddr>) {
        let session = self.session(slot);
        let form = self.snapshot.pools[usize::from(session.pool.get())].send_proxy;
        if form == SendProxy::Off || session.spill(DirectionId::ToServer).1 > 0 {
            return;
        }
        let addr = IpAddr::V6(Ipv6Addr::from(session.client_addr.get()));
        let client = SocketAddr::new(addr, session.client_port.get());
        let own = || kernel.local(session.socket(Side::Client as usize)).ok();
        let header = match destination.or_else(own) {
            Some(destination) => ProxyHeader::of(form, Ends { client, destination }),
            None => ProxyHeader::local(form),
        };
        let Some(header) = header else { return };
        let bytes = header.as_bytes();
        let place = self.place.part.header(slot);
        place.iter().zip(bytes).for_each(|(place, byte)| place.set(*byte));
        session.header_sent.set(bytes.len() as u16);
        session.mark(Flags::HEADER, DirectionId::ToServer);
        session.set_spill(DirectionId::ToServer, 0, bytes.len());
    }
}
