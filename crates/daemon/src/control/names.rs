//! Names of servers are asked for again and again, so that a server may move without a reload. Answers
//! may take as long as they like: they are waited for on a thread of their own.

use std::time::Duration;

use ringbolt_engine::Control;
use tokio::time::sleep;
use tracing::{info, warn};

use super::apart::apart;

/// Between two rounds of questions.
const ROUND: Duration = Duration::from_secs(10);

/// Asks until the engine ends.
pub(super) async fn run(control: Control) {
    loop {
        sleep(ROUND).await;
        if !control.force.has_names() {
            continue;
        }
        let asking = control.clone();
        match apart("names", move || asking.follow_names()).await {
            Ok(Ok(renamed)) => {
                for it in renamed {
                    info!("the name {} has the address {} now and not {}", it.host, it.to, it.from);
                }
            }
            Ok(Err(error)) => warn!("the new address of a name is not in force: {error}"),
            Err(error) => warn!("names cannot be asked for: {error}"),
        }
    }
}
