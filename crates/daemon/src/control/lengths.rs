//! How long connects and sessions took, from the histograms of all workers. A worker's histograms
//! are its own; it hands them over when asked. What it hands over is added up here, whoever asked
//! and however long it took, so nothing is lost and nothing counted twice.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ringbolt_engine::{Changed, Control, Durations};
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
    /// Empty ones to be exchanged: those that came last time.
    spare: Rc<RefCell<Vec<Durations>>>,
    /// When the workers last answered. Locked while they are asked, so who comes meanwhile waits
    /// for the same answers.
    asked: Mutex<Option<Instant>>,
}

impl Lengths {
    pub(super) fn new(control: Control) -> Self {
        Self { control, sum: Rc::default(), spare: Rc::default(), asked: Mutex::new(None) }
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

    /// Forgets what belongs to servers that are gone and whose places have others now.
    pub(super) fn renew(&self, changed: &Changed) {
        let snapshot = self.control.force.snapshot();
        let used: BTreeSet<u16> = snapshot.servers().map(|(_, server)| server.gauge).collect();
        let fresh = &changed.fresh.servers;
        let mut sum = self.sum.borrow_mut();
        sum.forget(|place| !used.contains(&place) || fresh.contains(&place));
        self.spare.borrow_mut().clear();
    }

    async fn ask(&self) {
        let (sender, mut answers) = mpsc::unbounded_channel();
        let spare = || self.spare.borrow_mut().pop();
        self.control.collect_durations(
            || Box::new(spare().unwrap_or_default()),
            // The receiver waits until the last sender is gone.
            move |durations| drop(sender.send(durations)),
        );
        let (sum, spare) = (self.sum.clone(), self.spare.clone());
        let adding = tokio_uring::spawn(async move {
            while let Some(mut durations) = answers.recv().await {
                sum.borrow_mut().take_from(&mut durations);
                spare.borrow_mut().push(*durations);
            }
        });
        // Too late is not too late: the task goes on.
        let _ = timeout(ANSWER_LIMIT, adding).await;
    }
}
