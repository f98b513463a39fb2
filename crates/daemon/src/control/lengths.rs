//! How long connects and sessions took, from the histograms of all workers. A worker's histograms
//! are its own; it hands them over when asked. What it hands over is added up here, whoever asked
//! and however long it took, so nothing is lost and nothing counted twice.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ringbolt_engine::{Control, Durations};
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

/// Workers answer between two turns. One that does not, answers the next asker.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// Workers are not asked again before: a flood of scrapes does not reach them.
const REST: Duration = Duration::from_millis(100);

/// Over this engine's life.
pub(super) struct Lengths {
    control: Control,
    sum: Rc<RefCell<Durations>>,
    /// When the workers last answered. Locked while they are asked, so who comes meanwhile waits
    /// for the same answers.
    asked: Mutex<Option<Instant>>,
}

impl Lengths {
    pub(super) fn new(control: Control) -> Self {
        let sum = Durations::new(control.snapshot.servers().count());
        Self { control, sum: Rc::new(RefCell::new(sum)), asked: Mutex::new(None) }
    }

    /// Asks the workers, if they were not asked just now, and shows what there is.
    pub(super) async fn with<T>(&self, show: impl FnOnce(&Durations) -> T) -> T {
        let mut asked = self.asked.lock().await;
        if asked.is_none_or(|at| at.elapsed() >= REST) {
            self.ask().await;
            *asked = Some(Instant::now());
        }
        drop(asked);
        show(&self.sum.borrow())
    }

    async fn ask(&self) {
        let (sender, mut answers) = mpsc::unbounded_channel();
        self.control.collect_durations(move |durations| {
            // The receiver waits until the last sender is gone.
            let _ = sender.send(durations);
        });
        let sum = self.sum.clone();
        let adding = tokio_uring::spawn(async move {
            while let Some(durations) = answers.recv().await {
                sum.borrow_mut().add(&durations);
            }
        });
        // Too late is not too late: the task goes on.
        let _ = timeout(ANSWER_LIMIT, adding).await;
    }
}
