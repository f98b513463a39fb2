//! `ringbolt ctl`: one runtime command for a running balancer, over its runtime socket.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// A command waits while an engine is replaced; nothing takes this long.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// HAProxy's way to tell an error from an answer, which is otherwise a matter of taste.
const TELL_ERRORS: &str = "set severity-output number;";
const ERROR: &str = "[3]: ";

/// Prints the answer; 0 when the command was carried out, 1 when it was not.
pub(crate) fn ctl(socket: &Path, command: &str) -> ExitCode {
    if command.contains('\n') {
        eprintln!("ringbolt: a command is one line");
        return ExitCode::from(2);
    }
    match ask(socket, command) {
        Ok(answer) => tell(&answer),
        Err(error) => {
            eprintln!("ringbolt: {}: {}", socket.display(), in_words(&error));
            ExitCode::from(1)
        }
    }
}

/// The whole answer, before any of it is printed: a reader of ours may be slow, and the balancer
/// does not wait for it.
fn ask(socket: &Path, command: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.set_write_timeout(Some(ANSWER_LIMIT))?;
    let mut answer = Vec::new();
    let sent = stream.write_all(format!("{TELL_ERRORS}{command}\n").as_bytes());
    // One line is all, also after `prompt`.
    let sent = sent.and_then(|()| stream.shutdown(Shutdown::Write));
    let read = stream.read_to_end(&mut answer);
    // A line that is too long is answered before it is taken, so a whole answer is what counts.
    let whole = [&b"\n\n"[..], b"\n> "].iter().any(|end| answer.ends_with(end));
    if !whole && answer != b"\n" {
        sent?;
        read?;
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&answer).trim_end_matches("> ").into())
}

/// Each command's answer ends with an empty line; the first is that of our own command.
fn tell(answer: &str) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    let mut wanted = Vec::new();
    for part in answer.trim_start_matches('\n').split("\n\n").filter(|part| !part.is_empty()) {
        if let Some(reason) = part.strip_prefix(ERROR) {
            eprintln!("ringbolt: {}", reason.trim_end());
            code = ExitCode::from(1);
        } else {
            wanted.push(part.trim_end());
        }
    }
    if wanted.is_empty() {
        return code;
    }
    crate::output::answer(&format!("{}\n", wanted.join("\n\n")), code)
}

fn in_words(error: &io::Error) -> String {
    let kind = error.kind();
    if kind == ErrorKind::NotFound {
        "no balancer has its runtime socket there; give the path of global.admin with -s, or add \
         global.admin to its configuration"
            .into()
    } else if kind == ErrorKind::ConnectionRefused {
        "nobody answers: the balancer that made this socket is gone; start it again".into()
    } else if kind == ErrorKind::PermissionDenied {
        "only its owner and root may use it".into()
    } else if kind == ErrorKind::UnexpectedEof || kind == ErrorKind::ConnectionReset {
        "the engine ended before it answered; ask again".into()
    } else {
        error.to_string()
    }
}
