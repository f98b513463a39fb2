//! Servers on UNIX sockets in the hands of a test, and their ends of connections.

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixListener, UnixStream};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use socket2::SockRef;

use crate::{BOUND, End, Folder, Pattern};

/// A listening UNIX socket in a folder of its own.
#[derive(Debug)]
pub struct UnixServer {
    listener: UnixListener,
    /// Connections that keep its queue full.
    queued: Vec<UnixStream>,
    folder: Folder,
}

impl UnixServer {
    /// One that listens.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn listen() -> Self {
        let folder = Folder::new();
        let listener = UnixListener::bind(folder.file("server.sock")).expect("a free path");
        Self { listener, queued: Vec::new(), folder }
    }

    /// Its path.
    pub fn path(&self) -> String {
        self.folder.file("server.sock")
    }

    /// Where it listens, as a configuration has it.
    pub fn place(&self) -> String {
        format!("unix:{}", self.path())
    }

    /// The next connection.
    ///
    /// # Panics
    ///
    /// When none comes.
    pub fn accept(&self) -> UnixPeer {
        let mut fds = [PollFd::new(self.listener.as_fd(), PollFlags::POLLIN)];
        let bound = PollTimeout::try_from(BOUND).expect("in range");
        assert_eq!(poll(&mut fds, bound), Ok(1), "nobody connected");
        UnixPeer::new(self.listener.accept().expect("a connection").0)
    }

    /// Whether nobody has connected since the last accept.
    ///
    /// # Panics
    ///
    /// When the kernel does not tell.
    pub fn nobody(&self) -> bool {
        let mut fds = [PollFd::new(self.listener.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).expect("a live socket") == 0
    }

    /// Stops listening and leaves the path behind, in the folder that this gives.
    pub fn close(self) -> Folder {
        self.folder
    }

    /// Fills its queue: nobody can connect from now on.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn fill(&mut self) {
        SockRef::from(&self.listener).listen(0).expect("a smaller backlog");
        self.queued.push(UnixStream::connect(self.path()).expect("a place for one"));
    }
}

/// A server's end of a connection. Dropping it closes it: a reset for the other end if something was
/// not read.
#[derive(Debug)]
pub struct UnixPeer(UnixStream);

impl UnixPeer {
    fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(BOUND)).expect("a live socket");
        stream.set_write_timeout(Some(BOUND)).expect("a live socket");
        Self(stream)
    }

    /// The same end once more, for another thread.
    ///
    /// # Panics
    ///
    /// When no descriptor is left.
    pub fn other(&self) -> Self {
        Self(self.0.try_clone().expect("a descriptor"))
    }

    /// Sends all of `bytes`.
    ///
    /// # Panics
    ///
    /// When the connection does not take them.
    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the connection takes the bytes");
    }

    /// Sends `bytes` and a descriptor with them, which ends a read of the receiver's.
    ///
    /// # Panics
    ///
    /// When the connection does not take them.
    pub fn send_with_descriptor(&mut self, bytes: &[u8]) {
        let (parts, this) = ([IoSlice::new(bytes)], [self.0.as_raw_fd()]);
        let rights = [ControlMessage::ScmRights(&this)];
        let sent = sendmsg::<()>(self.0.as_raw_fd(), &parts, &rights, MsgFlags::empty(), None);
        assert_eq!(sent, Ok(bytes.len()));
    }

    /// Sends the bytes of a stream from its beginning, in pieces.
    ///
    /// # Panics
    ///
    /// When the connection does not take them.
    pub fn send_pattern(&mut self, pattern: Pattern, length: usize) {
        for start in (0..length).step_by(PIECE) {
            self.send(&pattern.bytes(start, PIECE.min(length - start)));
        }
    }

    /// Sends what the connection takes at once and says how much that was; 0 when it is full.
    ///
    /// # Panics
    ///
    /// When the connection is broken.
    pub fn send_some(&mut self, bytes: &[u8]) -> usize {
        self.0.set_nonblocking(true).expect("a live socket");
        let sent = self.0.write(bytes);
        self.0.set_nonblocking(false).expect("a live socket");
        match sent {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => panic!("sending: {error}"),
        }
    }

    /// Receives exactly `length` bytes.
    ///
    /// # Panics
    ///
    /// When the other side ends earlier or they do not come.
    pub fn receive(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).unwrap_or_else(|e| panic!("{length} bytes: {e}"));
        bytes
    }

    /// Receives `length` bytes and checks that they are those of a stream from its beginning.
    ///
    /// # Panics
    ///
    /// When they are not.
    pub fn receive_pattern(&mut self, pattern: Pattern, length: usize) {
        for start in (0..length).step_by(PIECE) {
            pattern.check(start, &self.receive(PIECE.min(length - start)));
        }
    }

    /// How the other side ended, which must have sent nothing more.
    ///
    /// # Panics
    ///
    /// When something comes, or it neither ends nor resets.
    pub fn end(&mut self) -> End {
        let mut bytes = Vec::new();
        let end = match self.0.read_to_end(&mut bytes) {
            Ok(_) => End::Fin,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => End::Reset,
            Err(error) => panic!("neither an end nor a reset: {error}"),
        };
        assert!(bytes.is_empty(), "{} bytes before the {end:?}", bytes.len());
        end
    }

    /// Half-closes, and goes on receiving.
    ///
    /// # Panics
    ///
    /// When the connection is gone.
    pub fn finish(&self) {
        self.0.shutdown(Shutdown::Write).expect("a connected socket");
    }

    /// Whether nothing has come so far, neither a byte nor an end.
    ///
    /// # Panics
    ///
    /// When the kernel does not tell.
    pub fn silent(&self) -> bool {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).expect("a live socket") == 0
    }
}

const PIECE: usize = 256 * 1024;
