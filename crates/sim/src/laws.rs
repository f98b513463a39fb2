//! What must hold at any moment of a game, and at its end: bytes out are a prefix of bytes in; a FIN
//! goes out only after an end came in and everything was delivered; an error in is a reset out; every
//! session ends exactly once; gauges return to 0; a stale completion is ignored and its resources come
//! back. What the kernel judges at each call is in `kernel`.

use std::net::IpAddr;

use ringbolt_core::close::Cause;
use ringbolt_core::kernel::{Fd, Span};
use ringbolt_core::proxy_header::{Ends, Heading, ProxyHeader};
use ringbolt_core::session::{DirectionId, Phase};

use crate::heading::parse;
use crate::kernel::{End, Faults, LOCAL, Socket};
use crate::world::World;

/// Sources of the server at place 1, at most.
pub const SOURCES: u8 = 3;

/// An address to connect from.
pub fn source(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

/// Ends a check with what is broken.
macro_rules! ensure {
    ($holds:expr) => {
        ensure!($holds, stringify!($holds))
    };
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err(format!($($why)+));
        }
    };
}

/// The same, for two things that must be equal.
macro_rules! equal {
    ($left:expr, $right:expr $(, $($why:tt)+)?) => {{
        let (left, right) = (&$left, &$right);
        let why = String::new() $(+ &format!($($why)+))?;
        ensure!(left == right, "{}: {left:?}, not {right:?}. {why}", stringify!($left));
    }};
}

impl World<'_> {
    /// Everybody takes everything and then ends, on a machine that has recovered.
    ///
    /// # Errors
    ///
    /// The law that is broken then.
    pub fn finish(&mut self) -> Result<(), String> {
        self.kernel.faults = Faults::default();
        self.kernel.descriptors(true);
        self.settle();
        self.check_delivered()?;
        // Clients that waited for a place get one when others end, so this takes several rounds.
        while let Some(fd) = self.pick(0) {
            let before = self.kernel.sockets.len();
            let open: Vec<Fd> = self.kernel.sockets.keys().copied().collect();
            open.into_iter().for_each(|fd| self.kernel.peer_ends(fd));
            self.settle();
            ensure!(
                self.pick(0) != Some(fd) || self.kernel.sockets.len() > before,
                "{fd} is never closed"
            );
        }
        self.check_prefixes()?;
        self.check_ends()?;
        self.check_nothing_left()
    }

    /// Nothing sleeps: what live peers sent has arrived although nobody did anything more, and an
    /// end has been passed on.
    fn check_delivered(&self) -> Result<(), String> {
        for (slot, session) in self.shard.sessions() {
            if session.phase() != Some(Phase::Relaying) {
                continue;
            }
            let [client, server] = [0, 1].map(|side| &self.kernel.sockets[&session.socket(side)]);
            for (from, to) in [(client, server), (server, client)] {
                if !from.peer_reset && !to.peer_reset {
                    ensure!(from.stream_in() == to.stream_out(), "{} sleeps", slot);
                    equal!(from.peer_fin, to.shut, "an end in {} is not passed on", slot);
                }
                ensure!(!from.peer_reset || from.peer_fin, "a reset in {} is not passed on", slot);
            }
        }
        Ok(())
    }

    /// Bytes out are a prefix of bytes in.
    ///
    /// # Errors
    ///
    /// That they are not.
    pub fn check_prefixes(&self) -> Result<(), String> {
        for socket in self.kernel.sockets.values() {
            if let Some(mate) = socket.mate {
                ensure!(
                    self.kernel.sockets[&mate].stream_in().starts_with(socket.stream_out()),
                    "bytes out are no prefix of bytes in"
                );
            }
        }
        Ok(())
    }

    /// Every source has as many sessions as the gauge says.
    ///
    /// # Errors
    ///
    /// That it has not.
    pub fn check_sources(&self) -> Result<(), String> {
        for last in 1..=SOURCES {
            let bound =
                |socket: &&Socket| socket.from == Some(source(last)) && socket.closed.is_none();
            let bound = self.kernel.sockets.values().filter(bound).count() as u64;
            equal!(self.region.gauges.sources[usize::from(last)].sessions(), bound);
        }
        Ok(())
    }

    /// Whoever shared a session with a broken connection has everything that came before the break,
    /// and then a reset; whoever shared one with two that ended has everything, and then an end.
    fn check_ends(&self) -> Result<(), String> {
        let causes = &self.region.counted.worker.causes;
        let cuts = [Cause::FinTimeout, Cause::IdleTimeout, Cause::Stopped, Cause::EngineDied];
        let cut_short = cuts.iter().any(|cause| causes[*cause as usize].read() > 0);
        for (fd, socket) in self.kernel.sockets.iter().filter(|(_, socket)| socket.relayed) {
            let mate = &self.kernel.sockets[&socket.mate.unwrap()];
            let reset = |socket: &Socket| socket.peer_reset && !socket.peer_fin;
            if cut_short || mate.peer_reset {
                continue;
            }
            if reset(socket) {
                // A UNIX socket cannot be told of a reset unless it had something to say.
                let told = mate.unix || mate.closed == Some(End::Reset);
                ensure!(told, "{} was reset, its mate was not", fd);
            } else if !socket.peer_reset {
                equal!(mate.closed, Some(End::Fin));
            }
            ensure!(mate.stream_out() == socket.stream_in(), "bytes are missing");
        }
        Ok(())
    }

    fn check_nothing_left(&self) -> Result<(), String> {
        for (fd, socket) in &self.kernel.sockets {
            ensure!(socket.closed.is_some(), "{} was never closed", fd);
        }
        ensure!(self.kernel.all_judged(), "a FIN for nobody");
        equal!(self.region.header.total.sessions(), 0);
        let gauges = self.region.gauges;
        let all = gauges.servers.iter().chain(gauges.listeners).chain(gauges.pools);
        let mut all = all.chain(gauges.sources);
        ensure!(all.all(|gauge| gauge.sessions() == 0));
        equal!(gauges.keys.sessions(), 0);
        equal!(self.shard.sessions().count(), 0);
        equal!(self.kernel.pipes_in_use(), 0, "an open pipe has something in it");
        let stats = self.region.counted.worker;
        equal!(stats.sessions.read(), 0);
        equal!(stats.faults.read(), 0);
        for slot in 0..self.place.part.sessions.len() as u32 {
            let mut spills =
                DirectionId::BOTH.map(|id| self.place.part.spill(slot, id)).into_iter();
            // This kernel gives memory back by making it zero.
            ensure!(
                spills.all(|block| block.iter().all(|byte| byte.get() == 0)),
                "the memory of a spill of {} was not given back",
                slot
            );
        }
        if self.deaths > 0 {
            // What an engine was about to count is not counted.
            return Ok(());
        }
        let ends: u64 = stats.causes.iter().map(|cause| cause.read()).sum();
        equal!(ends, stats.ended.read());
        equal!(stats.ended.read() + stats.vanished.read(), stats.accepted.read());
        let measured = &self.kernel.measured;
        let lengths = measured.iter().filter(|(what, _)| *what == Span::Session).count() as u64;
        equal!(lengths, stats.ended.read(), "every session has one length");
        let reached: u64 = self.region.counted.servers.iter().map(|it| it.sessions.read()).sum();
        equal!(measured.len() as u64 - lengths, reached, "every success has one time");
        equal!(stats.stale.read(), self.replayed);
        Ok(())
    }

    /// Nothing is connected to before a header is whole, and servers get the header that is due.
    ///
    /// # Errors
    ///
    /// Whose is not.
    pub fn check_headers(&self) -> Result<(), String> {
        for (_, session) in self.shard.sessions() {
            let client = session.socket(0);
            if self.unsent.get(&client).is_some_and(|unsent| !unsent.is_empty()) {
                let waits = matches!(session.phase(), Some(Phase::Heading | Phase::Closing));
                ensure!(waits && session.attempts.get() == 0, "{} does not wait", client);
            }
        }
        for (fd, socket) in self.kernel.sockets.iter().filter(|(_, socket)| socket.relayed) {
            let Some(client) = socket.mate.filter(|mate| mate < fd) else { continue };
            let expected = self.header_of(client);
            let expected = expected.as_ref().map_or(&[][..], ProxyHeader::as_bytes);
            equal!(socket.preface, expected.len());
            let sent = &socket.written[..socket.written.len().min(expected.len())];
            ensure!(expected.starts_with(sent), "a wrong header for {}", fd);
        }
        Ok(())
    }

    /// The header that the server of a client is due.
    pub fn header_of(&self, client: Fd) -> Option<ProxyHeader> {
        let socket = &self.kernel.sockets[&client];
        let own = Ends { client: self.kernel.peers[&client], destination: LOCAL.into() };
        let ends = match parse(&socket.sent_by_peer[..socket.heading]) {
            Heading::Whole { ends: Some(ends), .. } => ends,
            Heading::Incomplete | Heading::Malformed | Heading::Whole { ends: None, .. } => own,
        };
        ProxyHeader::of(self.snapshot.pools[0].send_proxy, ends)
    }
}
