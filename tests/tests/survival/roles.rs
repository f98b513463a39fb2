//! What the two ends of a session do: how each sends, how each receives, and what it makes of what comes.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, sleep_until};

use crate::fleet::{Kind, Session, Shared};
use crate::pauses::Longest;

/// Says in place of a session's number that it is none of them.
pub(crate) const NEWCOMER: u64 = u64::MAX;

/// Of the two ends.
const CLIENT: usize = 0;
const SERVER: usize = 1;

/// A question, an answer.
const WORDS: usize = 128;
/// Between two questions.
const TALK_PACE: Duration = Duration::from_millis(25);
/// Bulk comes in bursts.
const BURST: usize = 256 * 1024;
/// Of 150 sessions this is all that two cores can move.
const BURST_PACE: Duration = Duration::from_millis(60);
/// This is a tenth of it.
const CALM_PACE: Duration = Duration::from_millis(1_000);
/// What a half-closed session's other direction brings at a time.
const DRIP: usize = 1_000;
const DRIP_PACE: Duration = Duration::from_millis(20);
/// A slow reader takes this much at a time.
const SIP: usize = 16 * 1024;
const SIP_PACE: Duration = Duration::from_millis(50);
/// What a slow reader's kernel takes for it, about.
const SLOW_BUFFER: u32 = 32 * 1024;

/// The client's end of a session.
pub(crate) async fn visit(shared: Arc<Shared>, number: usize, to: SocketAddr) {
    let session = &shared.sessions[number];
    match connect(session, to).await {
        Ok(stream) => play(&shared, number, CLIENT, stream).await,
        Err(error) => shared.wrong(session, &format!("cannot connect: {error}")),
    }
}

async fn connect(session: &Session, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if is_slow(session, CLIENT) {
        socket.set_recv_buffer_size(SLOW_BUFFER)?;
    }
    let mut stream = socket.connect(to).await?;
    stream.write_all(&session.number.to_le_bytes()).await?;
    Ok(stream)
}

/// The server's end of a session, which says first whose it is.
pub(crate) async fn attend(shared: Arc<Shared>, mut stream: TcpStream) {
    // One that ends before it has said so was none of ours, or is missed.
    let Ok(number) = stream.read_u64_le().await else { return };
    if number == NEWCOMER {
        // How it fares is judged by its other end.
        let _ = answer_newcomer(&mut stream).await;
    } else if let Some(session) = shared.sessions.get(number as usize) {
        if is_slow(session, SERVER) {
            let _ = SockRef::from(&stream).set_recv_buffer_size(SLOW_BUFFER as usize);
        }
        shared.met.fetch_add(1, Ordering::SeqCst);
        play(&shared, number as usize, SERVER, stream).await;
    } else {
        shared.wrong(&shared.sessions[0], &format!("{number} is nobody's number"));
    }
}

async fn answer_newcomer(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(&NEWCOMER.to_le_bytes()).await?;
    match stream.read_u8().await {
        Ok(_) => Err(ErrorKind::InvalidData.into()),
        Err(_) => stream.shutdown().await,
    }
}

async fn play(shared: &Arc<Shared>, number: usize, side: usize, stream: TcpStream) {
    let session = &shared.sessions[number];
    if let Err(error) = stream.set_nodelay(true) {
        return end_by(shared, session, side, &error);
    }
    let (source, sink) = stream.into_split();
    let (mut from, mut to) = (
        Source { shared: shared.clone(), number, side, half: source },
        Sink { shared: shared.clone(), number, side, half: sink },
    );
    if session.kind == Kind::Talk {
        let talked = if side == CLIENT {
            ask(&mut from, &mut to).await
        } else {
            answer(&mut from, &mut to).await
        };
        return talked.unwrap_or_else(|error| end_by(shared, session, side, &error));
    }
    let sending = tokio::spawn(async move {
        if let Err(error) = to.send_all().await {
            end_by(&to.shared, &to.shared.sessions[number], side, &error);
        }
    });
    if let Err(error) = from.receive_all().await {
        end_by(shared, session, side, &error);
    }
    let _ = sending.await;
}

/// An end of a session met an error: a reset is a loss, anything else must never be.
fn end_by(shared: &Shared, session: &Session, side: usize, error: &io::Error) {
    session.is_reset();
    session.ends[side].done.store(true, Ordering::SeqCst);
    if !matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) {
        shared.wrong(session, &format!("{error}"));
    }
}

/// Whether the end of a session on this side reads slowly.
fn is_slow(session: &Session, side: usize) -> bool {
    matches!(session.kind, Kind::SlowCopied | Kind::SlowSpliced) && side != sender(session)
}

/// Which end of a session sends; the other has hardly anything to say.
fn sender(session: &Session) -> usize {
    session.number as usize % 2
}

/// Where an end's bytes go.
struct Sink {
    shared: Arc<Shared>,
    number: usize,
    side: usize,
    half: OwnedWriteHalf,
}

impl Sink {
    async fn send_all(&mut self) -> io::Result<()> {
        let shared = self.shared.clone();
        let session = &shared.sessions[self.number];
        let sends = sender(session) == self.side;
        match session.kind {
            // Its first direction ends at once.
            Kind::Half if !sends => self.send(DRIP).await?,
            Kind::Copied | Kind::Spliced if sends => self.send_at(BURST, BURST_PACE).await?,
            Kind::SlowCopied | Kind::SlowSpliced if sends => {
                self.send_at(BURST, Duration::ZERO).await?;
            }
            Kind::Half => self.send_at(DRIP, DRIP_PACE).await?,
            Kind::Quiet
            | Kind::Talk
            | Kind::Copied
            | Kind::Spliced
            | Kind::SlowCopied
            | Kind::SlowSpliced => {
                // The sender is kept by `shared`, so this ends by the value alone.
                let _ = shared.over.subscribe().wait_for(|over| *over).await;
                self.send(WORDS).await?;
            }
        }
        self.end().await
    }

    /// Sends so much again and again, until it is time to end.
    async fn send_at(&mut self, bytes: usize, pace: Duration) -> io::Result<()> {
        while !self.shared.is_over() {
            self.send(bytes).await?;
            let calm = bytes == BURST && self.shared.calm.load(Ordering::SeqCst);
            let pace = if calm { CALM_PACE } else { pace };
            if !pace.is_zero() {
                sleep(pace).await;
            }
        }
        Ok(())
    }

    async fn send(&mut self, bytes: usize) -> io::Result<()> {
        let session = &self.shared.sessions[self.number];
        let sent = &session.ends[self.side].sent;
        let end = sent.load(Ordering::SeqCst) + bytes as u64;
        loop {
            let position = sent.load(Ordering::SeqCst);
            if position == end {
                return Ok(());
            }
            let left = (end - position) as usize;
            let piece = self.shared.tape.bytes(session.stream(self.side), position, left);
            let taken = self.half.write(piece).await?;
            sent.fetch_add(taken as u64, Ordering::SeqCst);
        }
    }

    async fn end(&mut self) -> io::Result<()> {
        self.shared.sessions[self.number].ends[self.side].ended.store(true, Ordering::SeqCst);
        self.half.shutdown().await
    }
}

/// Where an end's bytes come from.
struct Source {
    shared: Arc<Shared>,
    number: usize,
    side: usize,
    half: OwnedReadHalf,
}

impl Source {
    async fn receive_all(&mut self) -> io::Result<()> {
        let shared = self.shared.clone();
        let session = &shared.sessions[self.number];
        let mut buffer = vec![0; SIP];
        let slow = is_slow(session, self.side);
        while self.receive(&mut buffer).await? > 0 {
            if slow && !shared.is_over() {
                sleep(SIP_PACE).await;
            }
        }
        Ok(())
    }

    /// Receives and checks what comes; 0 at the end, which is checked too.
    async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let session = &self.shared.sessions[self.number];
        let (own, other) = (&session.ends[self.side], &session.ends[1 - self.side]);
        let position = own.received.load(Ordering::SeqCst);
        let bytes = self.half.read(buffer).await?;
        if bytes == 0 {
            let sent = other.sent.load(Ordering::SeqCst);
            if !other.ended.load(Ordering::SeqCst) {
                self.shared.wrong(session, &format!("an end that nobody sent, at {position}"));
            } else if sent != position {
                self.shared.wrong(session, &format!("an end at {position}, not at {sent}"));
            }
            own.done.store(true, Ordering::SeqCst);
            return Ok(0);
        }
        let stream = session.stream(1 - self.side);
        if let Some(at) = self.shared.tape.first_wrong(stream, position, &buffer[..bytes]) {
            self.shared.wrong(session, &format!("byte {at} is wrong"));
        }
        own.received.fetch_add(bytes as u64, Ordering::SeqCst);
        Ok(bytes)
    }

    /// Receives as many bytes; fewer only at the end.
    async fn receive_words(&mut self) -> io::Result<usize> {
        let (mut words, mut length) = ([0; WORDS], 0);
        while length < WORDS {
            match self.receive(&mut words[length..]).await? {
                0 => break,
                more => length += more,
            }
        }
        Ok(length)
    }
}

/// Asks at an even pace and takes the answers' time from when each question was due.
async fn ask(from: &mut Source, to: &mut Sink) -> io::Result<()> {
    let shared = from.shared.clone();
    let mut longest = Longest::default();
    // Not all at once.
    let mut due = Instant::now() + TALK_PACE * (from.number % 50) as u32 / 50;
    while !shared.is_over() {
        sleep_until(due).await;
        to.send(WORDS).await?;
        if from.receive_words().await? < WORDS {
            shared.wrong(&shared.sessions[from.number], "an end instead of an answer");
            return Ok(());
        }
        shared.pauses.waited(&mut longest, due.elapsed());
        due = Instant::now().max(due + TALK_PACE);
    }
    shared.pauses.note(&longest);
    to.end().await?;
    from.receive_words().await.map(drop)
}

async fn answer(from: &mut Source, to: &mut Sink) -> io::Result<()> {
    while from.receive_words().await? == WORDS {
        to.send(WORDS).await?;
    }
    to.end().await
}
