//! Work that waits, on a thread of its own, so that the control thread goes on.

use std::io;
use std::thread;

use tokio::sync::oneshot;

/// Does it, and waits for it without keeping the runtime from anything.
pub(super) async fn apart<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (sender, done) = oneshot::channel();
    thread::Builder::new().name(name.into()).spawn(move || {
        // Whoever asked may have left.
        let _ = sender.send(work());
    })?;
    done.await.map_err(|_| io::Error::other("it broke off"))
}
