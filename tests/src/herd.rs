//! Many short clients at once, and an echo server that bears them. Here an async runtime saves
//! thousands of threads; everything else in the harness blocks, which is easier to read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::process::raise_descriptor_limit;
use crate::server::fresh_address;

/// Most that a client of the herd may wait, whatever happens in between: a promise of the product.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// A server on a fresh address that sends back what it gets, to any number of clients, and ends a
/// connection when its client ends it.
#[derive(Debug)]
pub struct Echo {
    address: SocketAddr,
    live: Arc<Live>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Live {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Echo {
    /// Starts one.
    pub fn start() -> Self {
        Self::with_greeting(&[])
    }

    /// Starts one that speaks first: every connection begins with `greeting`.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn with_greeting(greeting: &'static [u8]) -> Self {
        raise_descriptor_limit();
        let live = Arc::new(Live::default());
        let (stop, stopped) = oneshot::channel();
        let listener = std::net::TcpListener::bind((fresh_address(), 0)).expect("a port");
        // The backlog of std is 128; a herd comes all at once.
        socket2::SockRef::from(&listener).listen(4096).expect("a larger backlog");
        listener.set_nonblocking(true).expect("a live socket");
        let address = listener.local_addr().expect("a bound socket");
        let serving = live.clone();
        let thread = std::thread::spawn(move || {
            runtime().block_on(async move {
                let listener = TcpListener::from_std(listener).expect("a live socket");
                tokio::spawn(serve(listener, greeting, serving));
                let _ = stopped.await; // it only ever ends by our dropping the other half
            });
        });
        Self { address, live, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections that it has right now.
    pub fn live(&self) -> usize {
        self.live.now.load(Ordering::SeqCst)
    }

    /// Most connections that it ever had at once. One counts from its accept until just before it
    /// is closed here, so never longer than the session that it serves.
    pub fn most_live(&self) -> usize {
        self.live.most.load(Ordering::SeqCst)
    }
}

impl Drop for Echo {
    /// Ends the thread with the runtime, and so all connections. A thread that has panicked has
    /// said so already.
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn serve(listener: TcpListener, greeting: &'static [u8], live: Arc<Live>) {
    loop {
        let (mut stream, _) = listener.accept().await.expect("descriptors are left");
        let live = live.clone();
        let now = live.now.fetch_add(1, Ordering::SeqCst) + 1;
        live.most.fetch_max(now, Ordering::SeqCst);
        tokio::spawn(async move {
            // A reset ends it like a FIN: what a client sees is judged at the client.
            let _ = echo(&mut stream, greeting).await;
            live.now.fetch_sub(1, Ordering::SeqCst);
            drop(stream);
        });
    }
}

async fn echo(stream: &mut TcpStream, greeting: &[u8]) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(greeting).await?;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..length]).await?;
    }
}

/// How the clients of a herd fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Got their byte back.
    pub echoed: usize,
    /// Were reset while connecting or waiting.
    pub reset: usize,
    /// Were told a clean end instead of the echo: a lie.
    pub ended: usize,
    /// Had neither within 10 seconds.
    pub stuck: usize,
    /// Could not connect at all, or got another byte.
    pub failed: usize,
}

impl Count {
    /// Clients that are done.
    pub fn done(self) -> usize {
        self.echoed + self.reset + self.ended + self.stuck + self.failed
    }
}

/// Lets `clients` clients connect at once; each sends a byte, waits for its echo and closes.
/// `watch` sees the count each time that one is done.
pub fn herd(clients: usize, to: SocketAddr, mut watch: impl FnMut(Count)) -> Count {
    raise_descriptor_limit();
    runtime().block_on(async {
        let mut running = JoinSet::new();
        for number in 0..clients {
            running.spawn(timeout(WAIT_MAX, one(to, number.to_le_bytes()[0])));
        }
        let mut count = Count::default();
        while let Some(outcome) = running.join_next().await {
            match outcome.expect("no client panics") {
                Ok(Ok(true)) => count.echoed += 1,
                Ok(Ok(false)) => count.failed += 1,
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                    count.reset += 1;
                }
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    count.ended += 1;
                }
                Ok(Err(_)) => count.failed += 1,
                Err(_) => count.stuck += 1,
            }
            watch(count);
        }
        count
    })
}

async fn one(to: SocketAddr, byte: u8) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&[byte]).await?;
    Ok(stream.read_u8().await? == byte)
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the herd counts what happens. Method: an echo server; then one that takes every
    /// connection, reads its byte and ends it without an echo.
    #[test]
    fn counts() {
        let echo = Echo::start();
        let count = herd(100, echo.address(), |_| {});
        assert_eq!(count, Count { echoed: 100, ..Count::default() });

        let server = crate::Server::listen();
        let address = server.address();
        let thread = std::thread::spawn(move || {
            for _ in 0..3 {
                server.accept().receive(1);
            }
        });
        let count = herd(3, address, |_| {});
        assert_eq!(count, Count { ended: 3, ..Count::default() });
        thread.join().unwrap();
    }
}
