//! Reloading: the file is read again, checked by the same code as at the start, and put in force. A bad
//! one changes nothing and says why.

use ringbolt_config::Diagnostic;
use ringbolt_core::change::{changes, only_at_start};
use ringbolt_engine::{Changed, Control};
use tokio_uring::fs::File;
use tracing::{error, info, warn};

use super::View;
use super::apart::apart;
use crate::file::{Configuration, line};

/// What a reload has come to, in lines for the operator.
pub(super) type Outcome = Result<Vec<String>, Vec<String>>;

/// Reloads whenever the supervisor is asked to, until the engine ends.
pub(super) async fn obey(view: &View) {
    let Ok(bell) = view.meter.control.force.bell().try_clone_to_owned() else {
        warn!("reloads by signal are not possible: no descriptor to wait for them");
        return;
    };
    let bell = File::from_std(std::fs::File::from(bell));
    // The ring waits until the bell has rung, and tells how often; once is enough for all of them.
    while let (Ok(_), _) = bell.read_at(vec![0; 8], 0).await {
        let _told_by_the_log = reload(view).await;
    }
}

/// Reads the file again and puts it in force.
pub(super) async fn reload(view: &View) -> Outcome {
    let control = view.meter.control.clone();
    // It waits for name servers and for workers.
    let done = match apart("reload", move || change(&control)).await {
        Ok(done) => done,
        Err(error) => Err(vec![format!("no thread to reload in: {error}")]),
    };
    match done {
        Ok((changed, lines)) => {
            view.lengths.renew(&changed);
            for line in &lines {
                info!("reload: {line}");
            }
            Ok(lines)
        }
        Err(lines) => {
            for line in &lines {
                error!("reload refused: {line}");
            }
            Err(lines)
        }
    }
}

fn change(control: &Control) -> Result<(Changed, Vec<String>), Vec<String>> {
    let configuration = Configuration::read(control.force.file());
    let (source, checked) = (configuration.source(), &configuration.checked);
    let refused: Vec<&Diagnostic> = checked.errors.iter().chain(&checked.not_available).collect();
    let Some(spec) = checked.spec.as_ref().filter(|_| refused.is_empty()) else {
        return Err(refused.iter().map(|it| line(&source, it)).collect());
    };
    let old = control.force.spec();
    let changed =
        control.change(&configuration.toml, spec).map_err(|error| vec![error.to_string()])?;
    let mut lines: Vec<String> =
        checked.warnings.iter().map(|it| format!("warning: {}", line(&source, it))).collect();
    let keys = only_at_start(&old.global, &spec.global);
    lines.extend(keys.iter().map(|key| format!("global.{key} is for the next start")));
    lines.extend(changes(&old, spec).iter().map(ToString::to_string));
    if let Some(most) = changed.capped_at {
        lines.push(format!("global.max_sessions stays at {most} until the next start"));
    }
    if lines.is_empty() {
        lines.push("nothing has changed".into());
    }
    Ok((changed, lines))
}
