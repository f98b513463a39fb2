//! `ringbolt run`: serves a configuration until a signal ends it.

use std::io::{Write, stderr};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use ringbolt_config::{Diagnostic, Severity, check, pictures};
use ringbolt_core::spec::Spec;
use ringbolt_engine::{Launch, Notice, Outcome, supervise};
use tracing::{error, info, warn};

use crate::control;
use crate::file::{Configuration, machine};
use crate::log;
use crate::output::{self, coloured};

/// Serves; 0 when it was told to end, 1 for a bad configuration, 3 when it cannot start.
pub(crate) fn run(path: &Path, end_with_parent: bool) -> ExitCode {
    if end_with_parent {
        // Best effort: whoever asks for this also ends us by signal.
        let _ = ringbolt_engine::end_with_parent();
    }
    let configuration = Configuration::read(path);
    let (source, checked) = (configuration.source(), &configuration.checked);
    let refused: Vec<Diagnostic> =
        checked.errors.iter().chain(&checked.not_available).cloned().collect();
    let Some(spec) = checked.spec.as_ref().filter(|_| refused.is_empty()) else {
        output::tell(&pictures(&source, &checked.warnings, coloured()));
        output::tell(&pictures(&source, &refused, coloured()));
        return ExitCode::from(1);
    };
    log::open(spec.global.log);
    for warning in &checked.warnings {
        let line = source.position(warning).map(|place| place.line);
        warn!(file = source.name_of(warning), line, "{}", warning.message);
    }
    // A reload finds the same file wherever the process may be by then.
    let file = std::path::absolute(path).unwrap_or_else(|_| path.into());
    let launch = Launch {
        file: &file,
        text: &configuration.toml,
        parse: &parse,
        control: control::run,
        notice: &|it| tell(it),
    };
    match supervise(launch) {
        Ok(Outcome::Stopped) => {
            info!("stopped");
            ExitCode::SUCCESS
        }
        Ok(Outcome::Drained) => {
            info!("drained: the last session has ended");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ringbolt: cannot start: {error}");
            ExitCode::from(3)
        }
    }
}

/// The spec of a text that was accepted before; the reason in one line if it is not any more.
fn parse(text: &str) -> Result<Spec, String> {
    let checked = check(text, &machine());
    let reason = || {
        let errors = checked.errors.iter().filter(|it| it.severity == Severity::Error);
        errors.map(|it| it.message.clone()).collect::<Vec<_>>().join("; ")
    };
    checked.spec.clone().ok_or_else(reason)
}

fn tell(notice: &Notice) {
    match notice {
        Notice::Ready { addresses, workers, max_sessions, http } => {
            ready(addresses, *workers, *max_sessions, *http)
        }
        Notice::Restarted { pid, epoch, adopted, lost } => info!(
            pid,
            epoch,
            sessions_adopted = adopted,
            sessions_reset = lost,
            "a new engine serves"
        ),
        Notice::EngineDied { pid, how, sessions, waiting, pause } => error!(
            pid,
            how,
            sessions,
            connections_kept = waiting,
            pause_ms = pause.as_millis() as u64,
            "the engine died; the next one starts"
        ),
        Notice::Draining { timeout } => {
            let timeout = timeout.map_or_else(|| "off".into(), |span| format!("{span:?}"));
            info!(timeout, "draining: no new sessions; a second USR1 ends it at once");
        }
        Notice::Stopping { signal } => info!(signal, "stopping: what is left is reset"),
        Notice::NotAvailable { what } => warn!("{what} is not available yet"),
        Notice::NoEngine { error, pause } => error!(
            reason = error,
            pause_ms = pause.as_millis() as u64,
            "the engine cannot be started; trying again"
        ),
    }
}

fn ready(addresses: &[SocketAddr], workers: usize, max_sessions: u64, http: Option<SocketAddr>) {
    let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let line = format!("ringbolt: ready, {} listeners: {}\n", addresses.len(), list.join(" "));
    // In one piece, because the engine writes its log to the same place.
    let _ = stderr().write_all(line.as_bytes());
    info!(workers, max_sessions, http = http.map(tracing::field::display), "serving");
    // Without systemd there is no socket to tell.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
}
