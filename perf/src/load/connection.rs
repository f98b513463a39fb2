//! A client's connection: made with socket2, then in the hands of the ring.

use std::io::{self, ErrorKind};
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use socket2::{Domain, Socket, Type};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_uring::net::TcpStream;

use crate::job::Job;
use crate::sockets::begin_to_connect;

/// No answer takes longer; if one does the connection has failed.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// Connections that are opened at the same time: fewer than any server's queue takes.
const AT_A_TIME: usize = 64;
/// Bytes of one read.
const PIECE: usize = 64 * 1024;

/// A socket that is bound to the address of the client with this number; not connected.
///
/// # Errors
/// Those of socket(2) and bind(2).
pub(super) fn socket_of(job: &Job, number: u32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_tcp_nodelay(true)?;
    // The port is chosen when it connects, so that sources of many connections do not run out early.
    setsockopt(&socket, IpBindAddressNoPort, &true)?;
    socket.bind(&SocketAddr::from((source_of(job.sources, number), 0)).into())?;
    Ok(socket)
}

/// The address that the client with this number comes from.
fn source_of(sources: u32, number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + number % sources.max(1)))
}

/// What must come back for what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Bytes.
    pub(super) length: usize,
    /// The first byte and the last.
    pub(super) ends: (u8, u8),
}

/// One connection, with what is sent on it.
pub(super) struct Connection {
    stream: TcpStream,
    /// The only one that was ever allocated for it; empty while the ring has it.
    message: Vec<u8>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Begins to connect; the ring waits for the connection when it sends the first bytes. `longest`
    /// is the length of the longest answer.
    ///
    /// # Errors
    /// Those of socket(2), bind(2) and connect(2).
    pub(super) fn open(
        job: &Job,
        number: u32,
        message: Vec<u8>,
        longest: usize,
    ) -> io::Result<Self> {
        let socket = socket_of(job, number)?;
        socket.set_nonblocking(true)?;
        begin_to_connect(&socket, job.target)?;
        let buffer = Vec::with_capacity(longest.clamp(1, PIECE));
        Ok(Self { stream: TcpStream::from_std(socket.into()), message, buffer })
    }

    /// What is sent.
    pub(super) fn message(&mut self) -> &mut [u8] {
        &mut self.message
    }

    /// Sends the message and receives its answer. Both at the same time: a large message would
    /// otherwise wait for a server that waits until its answer is taken.
    ///
    /// # Errors
    /// The connection has failed, and is of no more use: refused, reset, ended, a wrong answer
    /// (`InvalidData`), or none within [`DEADLINE`] (`TimedOut`).
    pub(super) async fn exchange(&mut self, answer: Answer) -> io::Result<()> {
        let Self { stream, message, buffer } = self;
        let send = stream.write_all(mem::take(message));
        let receive = receive(stream, mem::take(buffer), answer);
        let mut both = pin!(async { tokio::join!(send, receive) });
        let in_time = timeout(DEADLINE, &mut both).await;
        let Ok(((sent, out), (received, into))) = in_time else {
            // An operation of the ring is not cancelled by dropping it; this completes it.
            let _ = stream.shutdown(Shutdown::Both);
            let _ = both.await;
            return Err(ErrorKind::TimedOut.into());
        };
        (*message, *buffer) = (out, into);
        sent.and(received)
    }

    /// Returns when the connection ends or anything comes in.
    pub(super) async fn ended(&self) {
        let _ = self.stream.read(vec![0]).await;
    }
}

/// Opens so many connections, [`AT_A_TIME`] at a time. Each has had one answer: so it stands at both
/// ends, whatever lies between.
///
/// # Errors
/// Which could not be opened, and why.
pub(super) async fn open_all(
    job: &Rc<Job>,
    count: u32,
    message: &[u8],
    answer: Answer,
    longest: usize,
) -> Result<Vec<Connection>, String> {
    let mut standing = Vec::new();
    let mut opening = JoinSet::new();
    for number in 0..count {
        if opening.len() == AT_A_TIME {
            standing.extend(opening.join_next().await.map(done).transpose()?);
        }
        let (job, message) = (Rc::clone(job), message.to_vec());
        opening.spawn_local(async move {
            let opened = Connection::open(&job, number, message, longest);
            let result = match opened {
                Ok(mut connection) => connection.exchange(answer).await.map(|()| connection),
                Err(error) => Err(error),
            };
            result.map_err(|error| {
                let source = source_of(job.sources, number);
                format!("connection {number}, from {source} to {}: {error}", job.target)
            })
        });
    }
    while let Some(opened) = opening.join_next().await {
        standing.push(done(opened)?);
    }
    Ok(standing)
}

/// What a task has to say; one that panicked takes us along.
pub(super) fn done<T>(result: Result<T, JoinError>) -> T {
    result.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

async fn receive(
    stream: &TcpStream,
    mut buffer: Vec<u8>,
    answer: Answer,
) -> (io::Result<()>, Vec<u8>) {
    let mut received = 0;
    while received < answer.length {
        let result;
        (result, buffer) = stream.read(buffer).await;
        match result {
            Ok(0) => return (Err(ErrorKind::UnexpectedEof.into()), buffer),
            Ok(length) => {
                let first_is_wrong = received == 0 && buffer[0] != answer.ends.0;
                received += length;
                let last_is_wrong =
                    received == answer.length && buffer[length - 1] != answer.ends.1;
                if first_is_wrong || last_is_wrong || received > answer.length {
                    return (Err(ErrorKind::InvalidData.into()), buffer);
                }
            }
            Err(error) => return (Err(error), buffer),
        }
    }
    (Ok(()), buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_go_round() {
        let of = |sources, number| source_of(sources, number).to_string();
        assert_eq!(of(1, 7), "127.0.0.1");
        assert_eq!(of(0, 7), "127.0.0.1");
        assert_eq!((of(300, 0), of(300, 299), of(300, 300)).0, "127.0.0.1");
        assert_eq!(of(300, 299), "127.0.1.44");
        assert_eq!(of(300, 300), "127.0.0.1");
    }
}
