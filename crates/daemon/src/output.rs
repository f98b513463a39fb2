//! What a command that ends by itself prints: its answer on standard output, all else on standard error.
//! Neither is a reason to panic when nobody takes it any more.

use std::io::{ErrorKind, IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;

use terminal_size::{Width, terminal_size_of};

/// Prints the answer; `code`, or 1 when it cannot be written.
pub(crate) fn answer(text: &str, code: ExitCode) -> ExitCode {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever reads has had enough, as `head` does.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            tell(&format!("ringbolt: standard output: {error}\n"));
            ExitCode::from(1)
        }
        Ok(()) | Err(_) => code,
    }
}

/// Prints what is to be told beside it. There is nobody to tell that this cannot be written.
pub(crate) fn tell(text: &str) {
    let _ = stderr().write_all(text.as_bytes());
}

/// Whether what is told may have colours.
pub(crate) fn coloured() -> bool {
    let named = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    stderr().is_terminal()
        && named("NO_COLOR").is_none()
        && named("TERM").is_none_or(|it| it != "dumb")
}

/// Characters in a line of the terminal that answers go to; `None`: it is none.
pub(crate) fn answer_width() -> Option<usize> {
    terminal_size_of(stdout()).map(|(Width(columns), _)| columns.into())
}

/// The same of what is told.
pub(crate) fn telling_width() -> Option<usize> {
    terminal_size_of(stderr()).map(|(Width(columns), _)| columns.into())
}
