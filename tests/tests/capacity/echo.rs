use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use ringbolt_tests::{Client, descriptor_names, raise_descriptor_limit, until};

/// An echo server in a process of its own, and so with descriptors of its own. It ends when this
/// is dropped.
#[derive(Debug)]
pub(crate) struct EchoProcess {
    child: Child,
    address: SocketAddr,
    /// Sockets that it has beside connections: the one that it listens on, and those of its runtime,
    /// whose number depends on what else is built with it.
    base: usize,
}

impl EchoProcess {
    pub(crate) fn start() -> Self {
        raise_descriptor_limit();
        let mut command = Command::new(env!("CARGO_BIN_EXE_echo"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the echo server starts");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        output.read_line(&mut line).expect("its address");
        let address = line.trim().parse().expect("an address");
        // Its runtime is up when a connection is served, and that one is still there.
        let mut connection = Client::default().connect(address);
        connection.round_trip(b"up");
        let base = sockets(child.id()) - 1;
        Self { child, address, base }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it has exactly so many connections.
    pub(crate) fn wait_for_connections(&self, count: usize) {
        let mut last = 0;
        until(&format!("{count} connections at the server"), || {
            let connections = sockets(self.child.id()) - self.base;
            if connections != last {
                // Shown by the test runner when the test fails.
                println!("{connections} connections at the server");
                last = connections;
            }
            (connections == count).then_some(())
        });
    }
}

fn sockets(pid: u32) -> usize {
    descriptor_names(pid).into_values().filter(|name| name.starts_with("socket:")).count()
}

impl Drop for EchoProcess {
    /// By pid, through the handle: it is ours until it is waited for. Both fail only when it has
    /// ended already.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
