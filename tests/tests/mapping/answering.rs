use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use ringbolt_tests::{BOUND, fresh_address};

/// Servers that answer every request with their index.
#[derive(Debug)]
pub(crate) struct Answering {
    addresses: Vec<SocketAddr>,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Answering {
    /// So many.
    pub(crate) fn start(count: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let listen = |_| TcpListener::bind((fresh_address(), 0)).expect("a port");
        let listeners: Vec<TcpListener> = (0..count).map(listen).collect();
        let address = |listener: &TcpListener| listener.local_addr().expect("bound");
        let addresses = listeners.iter().map(address).collect();
        let serve = |(index, listener): (usize, TcpListener)| {
            let over = over.clone();
            std::thread::spawn(move || {
                while let Ok((connection, _)) = listener.accept() {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    // Who leaves before the answer misses it, and the test says so.
                    let _ = answer(connection, index);
                }
            })
        };
        let threads = listeners.into_iter().enumerate().map(serve).collect();
        Self { addresses, over, threads }
    }

    /// Where they are.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for address in &self.addresses {
            // To be woken; refused when it has ended already.
            let _ = TcpStream::connect(address);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Reads a request's head and answers it, in HTTP, which a relay of TCP passes on as it does anything.
fn answer(mut connection: TcpStream, index: usize) -> std::io::Result<()> {
    connection.set_read_timeout(Some(BOUND))?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte)? == 1 {
        head.push(byte[0]);
    }
    let body = index.to_string();
    let length = body.len();
    connection
        .write_all(format!("HTTP/1.0 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes())
}
