//! What the kernel has counted on a connection, and how to ask without changing anything. Unsafe: calls
//! on descriptor numbers that a session record holds, with structures that the kernel fills.

use std::io;
use std::mem::{size_of, size_of_val, zeroed};

use ringbolt_core::adopt::{Counts, State};
use ringbolt_core::kernel::Fd;

nix::ioctl_read_bad!(siocoutq, libc::TIOCOUTQ, libc::c_int);
nix::ioctl_read_bad!(siocinq, libc::FIONREAD, libc::c_int);

/// Looks at a connection on which bytes still arrive. It comes to rest by itself, since nobody reads and
/// the window closes; a look takes about two microseconds.
const LOOKS_MOST: u32 = 20_000;

/// What is counted on a TCP connection. The parts come from several calls while packets go on arriving,
/// so the counts are read before and after the queues until both are the same.
pub(crate) fn counts(fd: Fd) -> Option<Counts> {
    let mut before = totals(fd)?;
    for _ in 0..LOOKS_MOST {
        let (unread, queued) = (unread(fd), unacknowledged(fd));
        let error_pending = has_error(fd);
        let after = totals(fd)?;
        if after == before {
            let state = State::of(after.state)?;
            return Some(Counts {
                state,
                received: after.received,
                acknowledged: after.acknowledged,
                unread,
                queued,
                fin_received: state == State::Closed && fin_received_behind(fd, unread),
                error_pending,
            });
        }
        before = after;
    }
    None
}

/// Bytes that the peer's kernel has not acknowledged, FIN included.
pub(crate) fn unacknowledged(fd: Fd) -> u32 {
    let mut bytes = 0;
    // SAFETY: SIOCOUTQ writes one int to the place given.
    let answered = unsafe { siocoutq(fd, &raw mut bytes) };
    // A socket that cannot tell has nothing that is worth waiting for.
    answered.map_or(0, |_| bytes.max(0) as u32)
}

/// Bytes received and not read, of a socket or a pipe.
pub(crate) fn unread(fd: Fd) -> u32 {
    let mut bytes = 0;
    // SAFETY: SIOCINQ, which is FIONREAD, writes one int to the place given.
    let answered = unsafe { siocinq(fd, &raw mut bytes) };
    answered.map_or(0, |_| bytes.max(0) as u32)
}

/// Whether the peer's FIN was received, asked of a connection whose unread bytes are all read.
pub(crate) fn fin_received(fd: Fd) -> bool {
    zero_copy_probe(fd).is_err_and(|error| error == libc::EIO)
}

/// Whether anything was ever read from or written to an accepted connection.
pub(crate) fn is_untouched(fd: Fd) -> bool {
    let Some(totals) = totals(fd) else { return false };
    let state = State::of(totals.state);
    let received = totals.received - u64::from(state == Some(State::CloseWait));
    let open = matches!(state, Some(State::Established | State::CloseWait));
    let written = totals.acknowledged + u64::from(unacknowledged(fd));
    open && received == u64::from(unread(fd)) && written == 0
}

/// The same as [`fin_received`] with bytes still to be read: whoever counts the FIN counts one more.
fn fin_received_behind(fd: Fd, unread: u32) -> bool {
    match zero_copy_probe(fd) {
        Err(libc::EIO) => unread == 0,
        Ok(queued) => queued == unread + 1,
        // It refuses where a page or more waits.
        Err(_) => unread > 0 && peeked_queue(fd) == Some(unread + 1),
    }
}

/// A zero-copy receive of nothing: fails with EIO if nothing but a FIN is there, and tells the length of
/// the queue, FIN included, otherwise. The structure's first 20 bytes are used, because with its `err`
/// field the call takes a pending error.
fn zero_copy_probe(fd: Fd) -> Result<u32, i32> {
    const TCP_ZEROCOPY_RECEIVE: libc::c_int = 35;
    let mut structure = [0u32; 5];
    let mut length = size_of_val(&structure) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `structure`, which has as many.
    let answer = unsafe {
        libc::getsockopt(
            fd,
            libc::IPPROTO_TCP,
            TCP_ZEROCOPY_RECEIVE,
            structure.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if answer == -1 {
        return Err(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO));
    }
    Ok(structure[4])
}

/// The length of the queue as a receive tells it (TCP_INQ), by looking at one byte. Only where bytes wait:
/// a look at an empty queue takes a pending error.
fn peeked_queue(fd: Fd) -> Option<u32> {
    const TCP_INQ: libc::c_int = 36;
    /// A control message with one int.
    #[repr(C)]
    struct Control {
        head: libc::cmsghdr,
        value: libc::c_int,
        _pad: libc::c_int,
    }
    let switch = |on: libc::c_int| {
        let length = size_of_val(&on) as libc::socklen_t;
        // SAFETY: the kernel reads `length` bytes of `on`, which has as many.
        unsafe {
            libc::setsockopt(fd, libc::IPPROTO_TCP, TCP_INQ, (&raw const on).cast(), length) == 0
        }
    };
    if !switch(1) {
        return None;
    }
    let mut byte = 0u8;
    let mut place = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // SAFETY: all zero is a valid `Control` and a valid `msghdr`: integers and null pointers.
    let (mut control, mut message): (Control, libc::msghdr) = unsafe { (zeroed(), zeroed()) };
    message.msg_iov = &raw mut place;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = size_of::<Control>();
    // SAFETY: `message` points to one byte and to `Control`, with their lengths, for this call.
    let got = unsafe { libc::recvmsg(fd, &raw mut message, libc::MSG_PEEK | libc::MSG_DONTWAIT) };
    switch(0);
    let told = got == 1
        && message.msg_controllen > 0
        && (control.head.cmsg_level, control.head.cmsg_type) == (libc::IPPROTO_TCP, TCP_INQ);
    told.then(|| control.value.max(0) as u32)
}

fn has_error(fd: Fd) -> bool {
    condition(fd) & libc::POLLERR != 0
}

/// Whether both directions of a UNIX socket are over, which its peer's close brings about, and no error waits
/// in it.
pub(crate) fn is_deserted(fd: Fd) -> bool {
    condition(fd) & (libc::POLLHUP | libc::POLLERR) == libc::POLLHUP
}

/// What a poll tells whatever it is asked for.
fn condition(fd: Fd) -> libc::c_short {
    let mut poll = libc::pollfd { fd, events: 0, revents: 0 };
    // SAFETY: one structure, for the length of the call, which does not wait.
    let answer = unsafe { libc::poll(&raw mut poll, 1, 0) };
    if answer == 1 { poll.revents } else { 0 }
}

/// What TCP has counted on a connection in all.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Totals {
    state: u8,
    /// With the peer's FIN.
    received: u64,
    /// With our SYN, if we connected, and our FIN.
    acknowledged: u64,
}

/// The head of the kernel's `struct tcp_info`, whose later fields libc does not have: 8 bytes, 24
/// words of 32 bits, then pacing rates and the two totals as words of 64 bits.
#[repr(C)]
struct TcpInfo {
    state: u8,
    _bytes: [u8; 7],
    _words: [u32; 24],
    _rates: [u64; 2],
    bytes_acked: u64,
    bytes_received: u64,
}

fn totals(fd: Fd) -> Option<Totals> {
    // SAFETY: all zero is a valid `TcpInfo`: every field is an integer.
    let mut seen: TcpInfo = unsafe { zeroed() };
    let mut length = size_of::<TcpInfo>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `seen`, which has as many.
    let answer = unsafe {
        let place = (&raw mut seen).cast();
        libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, place, &raw mut length)
    };
    let whole = answer == 0 && length as usize == size_of::<TcpInfo>();
    whole.then_some(Totals {
        state: seen.state,
        received: seen.bytes_received,
        acknowledged: seen.bytes_acked,
    })
}

#[cfg(test)]
mod tests {
    //! Goal: the kernel counts as `adopt` has it, and asking changes nothing. Method: real connections,
    //! brought into each state; what is counted on them, and what they tell afterwards.

    use super::*;
    use std::io::{ErrorKind, Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::os::fd::AsRawFd;
    use std::time::{Duration, Instant};

    use socket2::SockRef;

    /// Who connected, and who was connected to.
    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let active = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (passive, _) = listener.accept().unwrap();
        for socket in [&active, &passive] {
            SockRef::from(socket).set_out_of_band_inline(true).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        }
        (active, passive)
    }

    fn reset(socket: TcpStream) {
        SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// What is counted once it is as wanted: state, received, acknowledged, unread, queued.
    fn comes_to(socket: &TcpStream, wanted: (State, u64, u64, u32, u32)) -> Counts {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let seen = counts(socket.as_raw_fd()).expect("a TCP connection");
            let Counts { state, received, acknowledged, unread, queued, .. } = seen;
            if (state, received, acknowledged, unread, queued) == wanted {
                return seen;
            }
            assert!(Instant::now() < deadline, "{seen:?} instead of {wanted:?}");
        }
    }

    #[test]
    fn bytes_and_ends() {
        let (mut active, mut passive) = pair();
        comes_to(&active, (State::Established, 0, 1, 0, 0));
        comes_to(&passive, (State::Established, 0, 0, 0, 0));
        active.write_all(&[1; 100]).unwrap();
        passive.write_all(&[2; 70]).unwrap();
        comes_to(&active, (State::Established, 70, 101, 70, 0));
        comes_to(&passive, (State::Established, 100, 70, 100, 0));
        active.shutdown(Shutdown::Write).unwrap();
        comes_to(&active, (State::FinWait, 70, 102, 70, 0));
        comes_to(&passive, (State::CloseWait, 101, 70, 100, 0));
        passive.read_exact(&mut [0; 40]).unwrap();
        comes_to(&passive, (State::CloseWait, 101, 70, 60, 0));
        passive.read_to_end(&mut Vec::new()).unwrap();
        comes_to(&passive, (State::CloseWait, 101, 70, 0, 0));
        assert_eq!(passive.read(&mut [0; 9]).unwrap(), 0, "the end once more");
        comes_to(&passive, (State::CloseWait, 101, 70, 0, 0));
        passive.write_all(&[2; 5]).unwrap();
        passive.shutdown(Shutdown::Write).unwrap();
        comes_to(&passive, (State::Closed, 101, 76, 0, 0));
        let seen = comes_to(&active, (State::Closed, 76, 102, 75, 0));
        assert!(seen.fin_received && !seen.error_pending);
    }

    #[test]
    fn an_end_behind_a_closed_window() {
        let (mut active, passive) = pair();
        active.set_nonblocking(true).unwrap();
        let mut written = 0;
        let full = loop {
            match active.write(&[3; 65_536]) {
                Ok(bytes) => written += bytes as u64,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        let sum = |fin: u64| {
            let seen = counts(active.as_raw_fd()).unwrap();
            assert_eq!(seen.acknowledged + u64::from(seen.queued), 1 + written + fin);
            seen.state
        };
        assert_eq!(sum(0), State::Established);
        active.shutdown(Shutdown::Write).unwrap();
        assert_eq!(sum(1), State::FinWait);
        drop(passive);
    }

    // Every combination: nothing, less than a page and more are unread, with a FIN and without, and the
    // error of those that were reset is still there afterwards.
    #[test]
    fn whether_there_was_a_fin() {
        for unread in [0_u32, 1, 4_095, 4_096, 60_000] {
            let (mut active, mut passive) = pair();
            active.shutdown(Shutdown::Write).unwrap();
            passive.write_all(&vec![4; unread as usize]).unwrap();
            passive.shutdown(Shutdown::Write).unwrap();
            let received = u64::from(unread) + 1;
            let seen = comes_to(&active, (State::Closed, received, 2, unread, 0));
            assert!(seen.fin_received, "{unread}");
            let mut all = Vec::new();
            active.read_to_end(&mut all).unwrap();
            assert!(all.len() == unread as usize && fin_received(active.as_raw_fd()));

            let (mut active, mut passive) = pair();
            passive.write_all(&vec![4; unread as usize]).unwrap();
            comes_to(&active, (State::Established, u64::from(unread), 1, unread, 0));
            reset(passive);
            let seen = comes_to(&active, (State::Closed, u64::from(unread), 1, unread, 0));
            assert!(!seen.fin_received, "{unread}");
            let mut all = vec![0; unread as usize];
            active.read_exact(&mut all).unwrap();
            assert!(counts(active.as_raw_fd()).unwrap().error_pending, "{unread}");
            let error = active.read(&mut [0; 9]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "the probe took the error");
        }
    }

    // The trap: a reset whose error was taken reads as an end.
    #[test]
    fn an_error_that_was_taken() {
        let (mut active, passive) = pair();
        reset(passive);
        comes_to(&active, (State::Closed, 0, 1, 0, 0));
        assert!(active.take_error().unwrap().is_some());
        assert_eq!(active.read(&mut [0; 9]).unwrap(), 0, "a lie");
        let seen = counts(active.as_raw_fd()).unwrap();
        assert!(!seen.error_pending && !seen.fin_received);
    }

    // Nobody reads, so whatever arrives meanwhile is received and unread; a torn reading would say that
    // something was read, or more than came.
    #[test]
    fn counts_agree_while_bytes_arrive() {
        let arrivals: u32 = (0..10).map(|_| look_while_bytes_arrive()).sum();
        assert!(arrivals > 10, "it was asked while bytes arrived");
    }

    fn look_while_bytes_arrive() -> u32 {
        let (active, passive) = pair();
        active.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        active.set_nodelay(true).unwrap();
        std::thread::scope(|scope| {
            // Until the window is closed.
            let sender = scope.spawn(|| while (&active).write(&[5; 16]).is_ok() {});
            let (mut before, mut arrivals) = (0, 0);
            while !sender.is_finished() {
                let seen = counts(passive.as_raw_fd()).expect("it comes to rest");
                assert_eq!(seen.received, u64::from(seen.unread));
                arrivals += u32::from(seen.received > before);
                before = seen.received;
            }
            arrivals
        })
    }

    // A UNIX socket whose peer has gone: in order, or with something unread, which is an error once.
    #[test]
    fn a_deserted_unix_socket() {
        use std::os::unix::net::UnixStream;
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.shutdown(Shutdown::Write).unwrap();
        assert!(!is_deserted(ours.as_raw_fd()), "it can be written to");
        drop(theirs);
        assert!(is_deserted(ours.as_raw_fd()));
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(b"for nobody").unwrap();
        assert!(!is_deserted(ours.as_raw_fd()));
        drop(theirs);
        assert!(!is_deserted(ours.as_raw_fd()), "its error waits");
        assert_eq!(ours.read(&mut [0; 9]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert!(is_deserted(ours.as_raw_fd()));
        assert_eq!(ours.read(&mut [0; 9]).unwrap(), 0, "a lie");
    }

    #[test]
    fn what_is_no_tcp_connection_has_no_counts() {
        let (unix, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(counts(unix.as_raw_fd()), None);
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        assert_eq!(counts(listener.as_raw_fd()), None);
    }
}
