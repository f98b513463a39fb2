//! The runtime socket: HAProxy's line protocol, so that scripts, `socat` and habits go on working.
//! A line in, text out; bounded in number, time and size, so that a client harms itself at most.

mod dialogue;
mod fields;
mod info;
mod language;
mod stat;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ringbolt_core::limits::{ADMIN_CONNECTIONS_MAX, ADMIN_LINE_BYTES_MAX};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::counters::Counters;
use super::crowd::Crowd;
use super::{LOOK, View, reload};
use dialogue::{Dialogue, Engine};

/// For the one line of a client that is not interactive.
const LINE_LIMIT: Duration = Duration::from_secs(10);
/// Between two lines of one that is.
const IDLE_LIMIT: Duration = Duration::from_secs(600);
/// For a client to take an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Serves until the engine ends.
pub(super) async fn serve(listener: Arc<std::os::unix::net::UnixListener>, view: Rc<View>) {
    // The supervisor's stays open for the next engine.
    let listener = loop {
        match listener.try_clone().and_then(UnixListener::from_std) {
            Ok(listener) => break listener,
            Err(error) => warn!(%error, "the runtime socket cannot be served yet"),
        }
        sleep(LOOK).await;
    };
    let mut crowd = Crowd::new(ADMIN_CONNECTIONS_MAX);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => crowd.admit(converse(stream, view.clone())).await,
            // Out of descriptors: who comes waits in the queue.
            Err(_) => sleep(LOOK).await,
        }
    }
}

async fn converse(mut stream: UnixStream, view: Rc<View>) {
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader);
    let mut dialogue = Dialogue::default();
    while !dialogue.is_over() {
        let limit = if dialogue.is_interactive() { IDLE_LIMIT } else { LINE_LIMIT };
        let answer = match timeout(limit, next_line(&mut reader)).await {
            Ok(Line::Whole(line)) => dialogue.answer(&line, &*view).await,
            Ok(Line::TooLong) => dialogue.refuse_line(),
            Ok(Line::End) | Err(_) => return,
        };
        // A client that does not take its answer, or has left, gets no other.
        match timeout(ANSWER_LIMIT, writer.write_all(answer.as_bytes())).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

impl Engine for View {
    fn counters(&self) -> Counters {
        self.meter.read()
    }

    async fn reload(&self) -> reload::Outcome {
        reload::reload(self).await
    }
}

enum Line {
    Whole(String),
    TooLong,
    /// The client left, perhaps amid a line: half a command is none.
    End,
}

async fn next_line(reader: &mut (impl AsyncBufRead + Unpin)) -> Line {
    let mut line = Vec::new();
    // One byte more than allowed tells that it is too long.
    let mut bounded = reader.take(ADMIN_LINE_BYTES_MAX as u64 + 1);
    match bounded.read_until(b'\n', &mut line).await {
        Ok(_) if line.ends_with(b"\n") => {
            Line::Whole(String::from_utf8_lossy(&line).trim_end().into())
        }
        Ok(length) if length > ADMIN_LINE_BYTES_MAX => Line::TooLong,
        Ok(_) | Err(_) => Line::End,
    }
}
