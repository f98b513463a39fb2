//! What a shard asks of the kernel in memory, and what it is judged by.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ringbolt_core::adopt::Counts;
use ringbolt_core::kernel::{Errno, Fd, Kernel, Readiness, Remote, Span};
use ringbolt_core::limits::PIPE_BYTES;
use ringbolt_core::pipes::Pipe;
use ringbolt_core::proxy_header::Heading;
use ringbolt_core::token::{Op, Token};

use super::{Answer, Call, End, LISTENER, LOCAL, MemoryKernel, PIPE_FULL, PipeModel, PipeSupply};
use crate::heading;
use crate::plant::Plant;

impl Kernel for MemoryKernel {
    fn accept(&mut self, listener: Fd, token: Token) {
        assert_eq!(listener, LISTENER);
        assert!(self.accepting.replace(token).is_none(), "two accepts at once");
        while let Some(fd) = self.queue.pop_front() {
            self.completions.push((token, fd, true));
        }
    }

    fn connect(&mut self, fd: Fd, to: SocketAddr, token: Token) {
        self.tell(Call::Connect(fd));
        let result = if self.sockets[&fd].from.is_some_and(|from| self.exhausted.contains(&from)) {
            -Errno::ADDR_NOT_AVAILABLE.0
        } else {
            match self.answers.get(&to).copied().unwrap_or(Answer::Accepts) {
                Answer::Accepts => 0,
                Answer::Refuses => -Errno::CONNECTION_REFUSED.0,
                Answer::IsSilent => return self.connects.push((fd, token)),
            }
        };
        self.completions.push((token, result, false));
    }

    fn poll(&mut self, fd: Fd, token: Token) {
        if fd == LISTENER {
            assert!(self.accepting.replace(token).is_none(), "two polls at once");
            if !self.queue.is_empty() {
                self.completions.push((token, Readiness::IN.0 as i32, true));
            }
            return;
        }
        assert!(self.socket(fd).poll.replace(token).is_none(), "two polls on {fd}");
        self.edge(fd);
    }

    fn cancel(&mut self, token: Token) {
        self.cancels += 1;
        if self.faults.strikes(self.faults.late) && self.was_done(token) {
            self.completions.push((token.with(Op::Silent), -2, false));
            return;
        }
        let ended = if self.accepting == Some(token) {
            self.accepting = None;
            true
        } else if let Some(place) = self.connects.iter().position(|(_, other)| *other == token) {
            self.connects.remove(place);
            true
        } else {
            let polled = self.sockets.values_mut().find(|socket| socket.poll == Some(token));
            polled.is_some_and(|socket| socket.poll.take().is_some())
        };
        if ended {
            self.completions.push((token, -Errno::CANCELED.0, false));
        } else {
            self.completions.push((token.with(Op::Silent), -2, false));
        }
    }

    fn close(&mut self, fd: Fd) {
        if fd == LISTENER {
            assert!(self.accepting.is_none(), "closed while an accept is in flight");
            self.listener_closed = true;
            for waiting in self.queue.split_off(0) {
                self.sockets.get_mut(&waiting).expect("it waits").closed = Some(End::Reset);
            }
            return;
        }
        self.tell(Call::Close(fd));
        if let Some(pipe) = self.pipes.get_mut(&(fd & !1)).filter(|pipe| pipe.ends > 0) {
            pipe.ends -= 1;
            return;
        }
        let socket = self.socket(fd);
        assert!(socket.poll.is_none(), "{fd} is closed while its poll is in flight");
        let clean = (socket.forgiven || socket.unix) && socket.read == socket.sent_by_peer.len();
        socket.closed = Some(if clean { End::Fin } else { End::Reset });
        socket.shut |= clean;
        if !clean && !socket.unix {
            // A reset destroys what the peer's kernel has not acknowledged.
            socket.written.truncate(socket.taken);
        }
    }

    fn accept_now(&mut self, _listener: Fd) -> Result<Fd, Errno> {
        if self.accept_fails && !self.queue.is_empty() {
            return Err(Errno::MFILE);
        }
        if !self.queue.is_empty()
            && let Some(lack) = self.descriptors_lack()
        {
            return Err(lack);
        }
        self.queue.pop_front().ok_or(Errno::AGAIN)
    }

    fn peer(&mut self, fd: Fd) -> Result<SocketAddr, Errno> {
        if self.socket(fd).peer_reset {
            return Err(Errno(107));
        }
        Ok(self.peers[&fd])
    }

    fn local(&mut self, fd: Fd) -> Result<SocketAddr, Errno> {
        self.socket(fd);
        Ok(LOCAL.into())
    }

    fn heading(&mut self, fd: Fd) -> Result<Heading, Errno> {
        self.tell(Call::Receive(fd));
        let socket = self.socket(fd);
        let unread = &socket.sent_by_peer[socket.read..];
        if unread.is_empty() && socket.peer_reset && !socket.peer_fin && !socket.error_taken {
            socket.error_taken = true;
            return Err(Errno::CONNECTION_RESET);
        }
        let found = heading::parse(unread);
        if let Heading::Whole { length, .. } = found {
            socket.heading = length;
        }
        Ok(found)
    }

    fn open(
        &mut self,
        to: &Remote,
        from: Option<IpAddr>,
        _keepalive: Option<Duration>,
    ) -> Result<Fd, Errno> {
        if self.open_fails {
            return Err(Errno::MFILE);
        }
        if let Some(lack) = self.descriptors_lack() {
            return Err(lack);
        }
        if from.is_some_and(|from| self.unknown.contains(&from)) {
            return Err(Errno::ADDR_NOT_AVAILABLE);
        }
        // Some servers take more in one go than a turn may move.
        let window = if self.next_fd % 3 == 0 { 1 << 20 } else { 40_000 };
        let fd = self.create(self.server_window.unwrap_or(window), address(to));
        let socket = self.socket(fd);
        (socket.unix, socket.from) = (matches!(to, Remote::Unix(_)), from);
        socket.active = true;
        Ok(fd)
    }

    fn connect_now(&mut self, fd: Fd, path: &str) -> Result<(), Errno> {
        self.tell(Call::Connect(fd));
        assert!(self.socket(fd).unix, "{fd} is no UNIX socket");
        let to = address(&Remote::Unix(path.into()));
        match self.answers.get(&to).copied().unwrap_or(Answer::Accepts) {
            Answer::Accepts => Ok(()),
            Answer::Refuses => Err(Errno::CONNECTION_REFUSED),
            Answer::IsSilent => Err(Errno::AGAIN),
        }
    }

    fn receive(&mut self, fd: Fd, into: &[Cell<u8>]) -> Result<usize, Errno> {
        self.tell(Call::Receive(fd));
        // Of what a look has found nothing is missing.
        let seen = self.socket(fd).read < self.socket(fd).heading;
        let most = if seen { into.len() } else { self.faults.part_of(into.len()) };
        let taken = self.socket(fd).take(&into[..most]);
        self.tell(Call::Done);
        match (taken, self.plant) {
            (Err(Errno::AGAIN), Some(Plant::FalseEnd)) => Ok(0),
            (Ok(bytes @ 2..), Some(Plant::LostByte)) => Ok(bytes - 1),
            (taken, _) => taken,
        }
    }

    fn send(&mut self, fd: Fd, from: &[Cell<u8>]) -> Result<usize, Errno> {
        let sent = self.give(fd, from);
        self.tell(Call::Done);
        sent
    }

    fn pipe(&mut self) -> Result<(Pipe, usize), Errno> {
        if let PipeSupply::AtMost(most) = self.supply
            && self.open_pipes() >= most
        {
            return Err(Errno::MFILE);
        }
        if let Some(lack) = self.descriptors_lack() {
            return Err(lack);
        }
        // An even number, so that both ends lead to the pipe.
        let read = self.next_fd + self.next_fd % 2;
        self.next_fd = read + 2;
        self.pipes.insert(read, PipeModel { ends: 2, ..PipeModel::default() });
        let size = if self.supply == PipeSupply::Small { 8 * 1024 } else { PIPE_BYTES };
        Ok((Pipe { read, write: read + 1 }, size))
    }

    fn splice_in(&mut self, from: Fd, pipe: Fd, most: usize) -> Result<usize, Errno> {
        self.tell(Call::SpliceIn(from, pipe - 1));
        if self.splice_refused {
            return Err(Errno(22));
        }
        assert!(self.pipe_at(pipe - 1).bytes.is_empty(), "a pipe with residue is filled");
        // It stops at an urgent mark and, other than a read, never passes it.
        let socket = self.socket(from);
        if socket.urgent == Some(socket.read) && !socket.unix {
            return if socket.peer_fin { Ok(0) } else { Err(Errno::AGAIN) };
        }
        let unread = socket.sent_by_peer.len() - socket.read;
        let room = self.faults.slots_for(most.min(PIPE_FULL).min(unread));
        let buffer = vec![Cell::new(0); self.faults.part_of(room)];
        let bytes = self.socket(from).take(&buffer)?;
        let spliced = buffer[..bytes].iter().map(Cell::get);
        self.pipe_at(pipe - 1).bytes.extend(spliced);
        self.tell(Call::Done);
        Ok(bytes)
    }

    fn splice_out(&mut self, pipe: Fd, to: Fd, most: usize) -> Result<usize, Errno> {
        self.tell(Call::SpliceOut(to, pipe));
        let waiting = most.min(self.pipe_at(pipe).bytes.len());
        assert!(waiting > 0, "nothing is in the pipe");
        // Now and then it takes less than there is room for, which does not mean that there is none.
        let part = self.faults.part_of(if waiting > 30_000 { waiting / 2 } else { waiting });
        let bytes: Vec<Cell<u8>> =
            self.pipe_at(pipe).bytes.iter().take(part).copied().map(Cell::new).collect();
        let sent = self.give(to, &bytes)?;
        self.pipe_at(pipe).bytes.drain(..sent);
        self.tell(Call::Done);
        Ok(sent)
    }

    fn shut_down(&mut self, fd: Fd) -> Result<(), Errno> {
        self.tell(Call::ShutDown(fd));
        self.unjudged.push(fd);
        self.judge_fins();
        let socket = self.socket(fd);
        assert!(!socket.shut || socket.unix, "two FINs");
        if socket.peer_reset && !socket.unix {
            return Err(Errno(107));
        }
        socket.shut = true;
        self.tell(Call::Done);
        Ok(())
    }

    fn forgive(&mut self, fd: Fd) {
        let socket = self.socket(fd);
        assert!(socket.peer_fin, "{fd} would be closed cleanly before both ended");
        socket.forgiven = true;
        // Its close will be a FIN, if none has gone out before.
        if !socket.shut {
            self.unjudged.push(fd);
            self.judge_fins();
        }
    }

    fn unacknowledged(&mut self, fd: Fd) -> u32 {
        let socket = self.socket(fd);
        (socket.written.len() - socket.taken) as u32
    }

    fn counts(&mut self, fd: Fd) -> Option<Counts> {
        self.tell(Call::Ask);
        let socket = self.sockets.get(&fd).filter(|socket| !socket.unix)?;
        Some(socket.counts())
    }

    // The real kernel says the same of a peer that has ended in order and gone.
    fn is_deserted(&mut self, fd: Fd) -> bool {
        let socket = self.socket(fd);
        socket.unix && socket.peer_reset && socket.error_taken
    }

    fn waiting_in(&mut self, pipe: Fd) -> usize {
        self.tell(Call::Ask);
        self.pipe_at(pipe).bytes.len()
    }

    fn fin_received(&mut self, fd: Fd) -> bool {
        let socket = self.socket(fd);
        // A UNIX socket does not tell.
        socket.peer_fin && !socket.unix
    }

    fn release(&mut self, block: &[Cell<u8>]) {
        block.iter().for_each(|byte| byte.set(0));
    }

    fn wake(&mut self, worker: usize) {
        self.wakes.push(worker);
    }

    fn measure(&mut self, what: Span, took: Duration) {
        self.measured.push((what, took));
    }
}

/// A server on a UNIX socket answers as the one whose port its path is.
fn address(remote: &Remote) -> SocketAddr {
    match remote {
        Remote::Inet(addr) => *addr,
        Remote::Unix(path) => ([192, 0, 2, 1], path[1..].parse().expect("a port")).into(),
    }
}
