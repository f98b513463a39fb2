//! A bounded number of connections, each a task. When all places are taken a new one gets that of
//! the oldest, so idle ones keep nobody out; but each has its place for a moment, so a flood of new
//! ones does not keep everybody from being answered either.

use std::collections::VecDeque;
use std::future::Future;
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;
use tokio::time::sleep;

/// For how long a place is safe; an answer takes far less.
const GRACE: Duration = Duration::from_millis(250);

/// The connections of one listening socket.
pub(super) struct Crowd {
    most: usize,
    /// The oldest first.
    inside: VecDeque<(Instant, AbortHandle)>,
}

impl Crowd {
    pub(super) fn new(most: usize) -> Self {
        Self { most, inside: VecDeque::with_capacity(most) }
    }

    /// Runs a connection's task, once there is a place for it.
    pub(super) async fn admit(&mut self, task: impl Future<Output = ()> + 'static) {
        loop {
            self.inside.retain(|(_, task)| !task.is_finished());
            if self.inside.len() < self.most {
                break;
            }
            let Some((since, oldest)) = self.inside.front() else { break };
            let left = GRACE.saturating_sub(since.elapsed());
            if left.is_zero() {
                // Its socket is closed when the runtime drops the task, which is soon.
                oldest.abort();
                self.inside.pop_front();
            } else {
                sleep(left).await;
            }
        }
        let task = tokio_uring::spawn(task);
        self.inside.push_back((Instant::now(), task.abort_handle()));
        // It has its turn before the next one is accepted.
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::pending;
    use std::rc::Rc;

    struct Place(Rc<Cell<usize>>);

    impl Drop for Place {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }

    // Goal: never more than the limit, the newest always gets in, and who is done makes room at
    // once. Method: tasks that never end, then some that do.
    #[test]
    fn the_oldest_makes_room() {
        tokio_uring::start(async {
            let (inside, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
            let mut crowd = Crowd::new(2);
            for _ in 0..4 {
                inside.set(inside.get() + 1);
                let (place, inside, most) = (Place(inside.clone()), inside.clone(), most.clone());
                crowd
                    .admit(async move {
                        most.set(most.get().max(inside.get()));
                        let _place = place;
                        pending::<()>().await;
                    })
                    .await;
            }
            assert_eq!((inside.get(), most.get()), (2, 2));
            let served = Rc::new(Cell::new(0));
            for _ in 0..10 {
                let served = served.clone();
                crowd.admit(async move { served.set(served.get() + 1) }).await;
            }
            assert_eq!(served.get(), 10);
        });
    }
}
