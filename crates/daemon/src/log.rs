//! The log: lines to stderr, for people or as JSON. Written by the supervisor and the engine's
//! control thread; a worker never logs.

use std::io::{IsTerminal, stderr};

use ringbolt_core::spec::LogFormat;

/// Opens the log; `None`: text on a terminal, JSON elsewhere. Nothing is buffered and no thread is
/// started, so an engine that is cloned afterwards has a log of its own.
pub(crate) fn open(format: Option<LogFormat>) {
    let terminal = stderr().is_terminal();
    let json = match format {
        Some(LogFormat::Text | LogFormat::TcpLog) => false,
        Some(LogFormat::Json) => true,
        None => !terminal,
    };
    let lines = tracing_subscriber::fmt().with_writer(stderr).with_target(false);
    // A log that was opened before stays as it is.
    let _opened = if json {
        lines.json().flatten_event(true).try_init()
    } else {
        lines.with_ansi(terminal).compact().try_init()
    };
}
