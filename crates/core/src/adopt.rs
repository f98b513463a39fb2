//! What the kernel's counts prove of a session whose engine is gone.
//!
//! What was read from one socket, less what was written to the other, was outside of both when the engine
//! died: in a pipe, in a spill block, or in the hot buffer of a copy that was under way. The kernel knows
//! all three terms, and a system call that is killed leaves them true, so nothing has to be guessed; what
//! they do not prove is given up.
//!
//! Pure: counts and a record in, a verdict out. How counts are read is the engine's business, and what is
//! done about a verdict is `shard`'s.
//!
//! The formula and its terms for SYN and FIN were measured on Linux 6.18, in every state and through
//! thousands of kills:
//!
//! ```text
//! read    = bytes_received - SIOCINQ - fin_in          of the source
//! written = bytes_acked + SIOCOUTQ - syn_out - fin_out of the sink
//! held    = (read - header read) - (written - header sent) - bytes in the pipe
//! ```

use crate::limits::BLOCK;
use crate::record::{Flags, Session};
use crate::session::{DirectionId, Phase, Side};

/// How an engine died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// It was killed: by somebody, or for want of memory.
    Outside,
    /// It crashed or gave up, perhaps over the session that it had in hand.
    OwnFault,
}

/// Where TCP stands with a connection, as far as it decides anything (`net/tcp_states.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// SYN_SENT, SYN_RECV: the queues are told as empty whatever is in them.
    Opening,
    /// Neither end has sent FIN.
    Established,
    /// The peer has.
    CloseWait,
    /// We have (FIN_WAIT1, FIN_WAIT2).
    FinWait,
    /// Both have (CLOSING, LAST_ACK).
    BothEnding,
    /// Over, in order or not: the state does not tell.
    Closed,
}

impl State {
    /// That of `tcpi_state`; `None` for those that no connection of a session can be in.
    pub fn of(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Established),
            2 | 3 => Some(Self::Opening),
            4 | 5 => Some(Self::FinWait),
            7 => Some(Self::Closed),
            8 => Some(Self::CloseWait),
            9 | 11 => Some(Self::BothEnding),
            _ => None,
        }
    }
}

/// What the kernel has counted on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// `tcpi_state`.
    pub state: State,
    /// `tcpi_bytes_received`: with the peer's FIN.
    pub received: u64,
    /// `tcpi_bytes_acked`: with our SYN, if we connected, and our FIN.
    pub acknowledged: u64,
    /// SIOCINQ: without the FIN.
    pub unread: u32,
    /// SIOCOUTQ: with our FIN.
    pub queued: u32,
    /// Whether the peer's FIN was received; asked of the kernel in [`State::Closed`], where nothing else
    /// tells.
    pub fin_received: bool,
    /// Whether a poll shows an error that nobody has taken.
    pub error_pending: bool,
}

impl Counts {
    /// Bytes of the stream that were read.
    fn read(&self) -> i64 {
        self.received as i64 - i64::from(self.unread) - i64::from(self.has_fin())
    }

    /// Bytes of the stream that were written, when our FIN is known to be among them or not.
    fn written(&self, side: Side, shut: bool) -> i64 {
        let syn = i64::from(side == Side::Server);
        self.acknowledged as i64 + i64::from(self.queued) - syn - i64::from(shut)
    }

    fn has_fin(&self) -> bool {
        match self.state {
            State::Opening | State::Established | State::FinWait => false,
            State::CloseWait | State::BothEnding => true,
            State::Closed => self.fin_received,
        }
    }

    /// Whether our FIN was sent or stands in the queue; `None`: the state does not tell.
    fn is_shut(&self) -> Option<bool> {
        match self.state {
            State::Opening | State::Established | State::CloseWait => Some(false),
            State::FinWait | State::BothEnding => Some(true),
            State::Closed => None,
        }
    }
}

/// The server's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Far {
    /// There is none yet, or it is not yet in use.
    None,
    /// A TCP connection.
    Tcp(Counts),
    /// A UNIX socket, of which the kernel counts nothing that helps.
    Unix {
        /// Nobody is at its other end any more, and no error waits in it.
        deserted: bool,
    },
}

/// All that is known of a session after its engine's death.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// What the engine wrote down.
    pub record: &'a Session,
    /// Of the client's connection.
    pub client: Counts,
    /// Of the server's.
    pub server: Far,
    /// Bytes in each direction's pipe; 0 without one.
    pub pipes: [usize; 2],
    /// The direction that the journal names and the bytes read before those in hand, if it names this
    /// session.
    pub in_hand: Option<(DirectionId, u64)>,
    /// Whether the engine was at work on this session, with or without bytes in hand.
    pub suspect: bool,
    /// How the engine died.
    pub death: Death,
}

/// What becomes of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on, each direction from where it stands.
    GoOn([Standing; 2]),
    /// It goes on with its PROXY header, of which nothing was taken.
    ReadHeader,
    /// It goes on with a new attempt to reach a server, which has got nothing yet.
    Connect,
    /// It had ended; only its descriptors are left.
    Over,
    /// Nothing proves that it is whole.
    Lost(Loss),
}

/// Why a session is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The engine crashed with it in hand, and might do so again.
    InHand = 0,
    /// It was in hand, and its server's UNIX socket does not say how much was written.
    Uncounted = 1,
    /// The counts and the record contradict each other.
    Mismatch = 2,
}

impl Loss {
    /// Number of reasons.
    pub const COUNT: usize = 3;

    /// Every reason, with its name in metrics.
    pub const NAMES: [(Self, &'static str); Self::COUNT] =
        [(Self::InHand, "in-hand"), (Self::Uncounted, "uncounted"), (Self::Mismatch, "mismatch")];
}

/// Where a direction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Bytes read from the source in all, where the kernel counts them.
    pub read: Option<u64>,
    /// Bytes that are outside of sockets and pipe.
    pub held: Held,
    /// Our FIN has gone to the sink.
    pub shut: bool,
    /// The sink takes no more bytes.
    pub failed: bool,
    /// The source is lost, or may be, and its socket may not tell again.
    pub source_lost: bool,
}

/// Bytes of a direction that are in memory of ours: they are to be written before any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// None.
    Nothing,
    /// In the direction's spill block, or in the place for a PROXY header.
    Spill {
        /// Where they begin.
        offset: usize,
        /// How many.
        length: usize,
    },
    /// In the worker's hot buffer.
    Hot {
        /// Where they begin.
        offset: usize,
        /// How many.
        length: usize,
    },
}

/// Judges a session.
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    let Evidence { record, client, server, suspect, death, .. } = *evidence;
    let Some(phase) = record.phase() else { return Verdict::Lost(Loss::Mismatch) };
    let ending = matches!(phase, Phase::Free | Phase::Closing);
    if !ending && suspect && death == Death::OwnFault {
        return Verdict::Lost(Loss::InHand);
    }
    let (read, header) = (client.read(), i64::from(record.header_read.get()));
    match phase {
        Phase::Free | Phase::Closing => Verdict::Over,
        Phase::Heading if read == 0 => Verdict::ReadHeader,
        // The record names the header before its bytes are taken.
        Phase::Heading | Phase::Connecting if read == header => Verdict::Connect,
        Phase::Heading | Phase::Connecting => Verdict::Lost(Loss::Mismatch),
        Phase::Relaying | Phase::Flushing => match server {
            Far::None => Verdict::Lost(Loss::Mismatch),
            Far::Tcp(server) => both(evidence, |id| counted(evidence, &server, id)),
            Far::Unix { deserted } => both(evidence, |id| recorded(evidence, deserted, id)),
        },
    }
}

fn both(evidence: &Evidence<'_>, judge: impl Fn(DirectionId) -> Result<Standing, Loss>) -> Verdict {
    if evidence.client.state == State::Opening {
        return Verdict::Lost(Loss::Mismatch);
    }
    let [to_server, to_client] = DirectionId::BOTH.map(judge);
    match (to_server, to_client) {
        (Ok(to_server), Ok(to_client)) => Verdict::GoOn([to_server, to_client]),
        (Err(loss), _) | (_, Err(loss)) => Verdict::Lost(loss),
    }
}

/// A direction between two TCP connections.
fn counted(evidence: &Evidence<'_>, server: &Counts, id: DirectionId) -> Result<Standing, Loss> {
    let record = evidence.record;
    if server.state == State::Opening {
        return Err(Loss::Mismatch);
    }
    let of = |side| if side == Side::Client { &evidence.client } else { server };
    let (source, sink) = (of(id.source()), of(id.sink()));
    let shut = sink.is_shut().unwrap_or_else(|| record.is(Flags::SHUT, id));
    let failed = record.is(Flags::FAILED, id) || has_failed(record, sink, id);
    let source_lost = is_lost(source);
    let headers = [record.header_read.get(), record.header_sent.get()].map(i64::from);
    let header = if id == DirectionId::ToServer { headers } else { [0; 2] };
    let read = source.read() - header[0];
    let total = u64::try_from(read).map_err(|_| Loss::Mismatch)?;
    let mut held = Held::Nothing;
    if !failed {
        let gap = read - (sink.written(id.sink(), shut) - header[1]);
        let outside = gap - evidence.pipes[id as usize] as i64;
        held = held_by(evidence, id, read, outside)?;
    }
    Ok(Standing { read: Some(total), held, shut, failed, source_lost })
}

/// A direction of a session with a UNIX socket. What is not in hand is what was written down.
fn recorded(evidence: &Evidence<'_>, deserted: bool, id: DirectionId) -> Result<Standing, Loss> {
    let (record, client) = (evidence.record, &evidence.client);
    let read = client.read() - i64::from(record.header_read.get());
    if let Some((in_hand, base)) = evidence.in_hand
        // Of what comes from the client it is known whether anything was read at all.
        && (in_hand == DirectionId::ToClient || read != base as i64)
    {
        return Err(Loss::Uncounted);
    }
    match id {
        DirectionId::ToServer => {
            let (offset, length) = record.spill(id);
            let failed = record.is(Flags::FAILED, id);
            let held =
                if failed || length == 0 { Held::Nothing } else { Held::Spill { offset, length } };
            let read = Some(u64::try_from(read).map_err(|_| Loss::Mismatch)?);
            // To send an end twice does no harm, other than not to send it.
            Ok(Standing { read, held, shut: false, failed, source_lost: is_lost(client) })
        }
        DirectionId::ToClient => from_unix(evidence, deserted),
    }
}

/// What comes from a UNIX socket: the client's side has counted what it has got of it, and the record
/// may lag behind that.
fn from_unix(evidence: &Evidence<'_>, deserted: bool) -> Result<Standing, Loss> {
    let (record, client, id) = (evidence.record, &evidence.client, DirectionId::ToClient);
    let shut = client.is_shut().unwrap_or_else(|| record.is(Flags::SHUT, id));
    let failed = record.is(Flags::FAILED, id) || has_failed(record, client, id);
    // It may have told of a reset just now, and would then read as ended. While somebody is at its other
    // end there was none.
    let source_lost = evidence.suspect && deserted && !record.is(Flags::ENDED, id);
    if failed {
        return Ok(Standing { read: None, held: Held::Nothing, shut, failed, source_lost });
    }
    let outside = client.written(Side::Client, shut) + evidence.pipes[id as usize] as i64;
    let left = record.received[id as usize].get() as i64 - outside;
    let (offset, recorded) = record.spill(id);
    let held = match left {
        0 => Held::Nothing,
        1.. if left <= recorded as i64 => {
            Held::Spill { offset: offset + recorded - left as usize, length: left as usize }
        }
        // What was spliced last may not have been added.
        ..0 if recorded == 0 => Held::Nothing,
        _ => return Err(Loss::Mismatch),
    };
    let read = u64::try_from(outside + left.max(0)).map_err(|_| Loss::Mismatch)?;
    Ok(Standing { read: Some(read), held, shut, failed, source_lost })
}

/// Where so many bytes can be, of `read` that were read in all.
fn held_by(
    evidence: &Evidence<'_>,
    id: DirectionId,
    read: i64,
    outside: i64,
) -> Result<Held, Loss> {
    let Ok(length) = usize::try_from(outside) else { return Err(Loss::Mismatch) };
    if length == 0 {
        return Ok(Held::Nothing);
    }
    if let Some((_, base)) = evidence.in_hand.filter(|(in_hand, _)| *in_hand == id) {
        // The block that was read last, of which the end is still to be written.
        let block = usize::try_from(read - base as i64).map_err(|_| Loss::Mismatch)?;
        if length <= block && block <= BLOCK {
            return Ok(Held::Hot { offset: block - length, length });
        }
    }
    // What is written down may lag behind the write: the end of it is what is left.
    let (offset, recorded) = evidence.record.spill(id);
    if length <= recorded {
        return Ok(Held::Spill { offset: offset + recorded - length, length });
    }
    Err(Loss::Mismatch)
}

/// Whether nothing can be written to a direction's sink any more: its connection is over, and not
/// because both ends had finished and all that was written has arrived.
fn has_failed(record: &Session, sink: &Counts, id: DirectionId) -> bool {
    let finished = sink.fin_received
        && !sink.error_pending
        && sink.queued == 0
        && record.is(Flags::SHUT, id)
        && record.errors[id.sink() as usize].get() == 0;
    sink.state == State::Closed && !finished
}

/// Whether a connection is over without the peer having ended it. Its error may have been taken by an
/// engine that did not come to write it down, and then it reads as ended.
fn is_lost(source: &Counts) -> bool {
    source.state == State::Closed && !source.fin_received
}

#[cfg(test)]
mod tests;
