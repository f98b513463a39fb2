//! The balancers that scripts are played through, each before the same server.

use std::net::SocketAddr;

use ringbolt_tests::{Config, Program, Ringbolt, Server, run_haproxy, run_nginx};

/// A balancer at work.
#[derive(Debug)]
pub(crate) struct Product {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// Whether a reset on one side is always one on the other.
    pub(crate) tells_resets: bool,
    _process: Process,
}

/// What ends when the product is dropped.
#[derive(Debug)]
enum Process {
    Ours(#[expect(dead_code, reason = "it is held")] Box<Ringbolt>),
    Theirs(#[expect(dead_code, reason = "it is held")] Program),
}

impl Product {
    /// Ringbolt, copying.
    pub(crate) fn copying(server: &Server) -> Self {
        Self::ours("ringbolt that copies", "off", server)
    }

    /// Ringbolt, splicing.
    pub(crate) fn splicing(server: &Server) -> Self {
        Self::ours("ringbolt that splices", "always", server)
    }

    fn ours(name: &'static str, splice: &str, server: &Server) -> Self {
        let config = Config::new().pool(&format!("splice = \"{splice}\""));
        let ringbolt = Ringbolt::start(&config.servers([server.address()]));
        let (address, process) = (ringbolt.address(), Process::Ours(Box::new(ringbolt)));
        Self { name, address, tells_resets: true, _process: process }
    }

    /// HAProxy in TCP mode, which copies unless it is told to splice.
    pub(crate) fn haproxy(server: &Server) -> Self {
        let to = server.address();
        let program = Program::start(|address, folder| {
            let listen = "listen before\n mode tcp\n balance source";
            run_haproxy(folder, &format!("{listen}\n bind {address}\n server s {to}"))
        });
        Self::theirs("HAProxy", program)
    }

    /// nginx's stream proxy. Without `proxy_half_close` an end of one direction would end both.
    pub(crate) fn nginx(server: &Server) -> Self {
        let to = server.address();
        let program = Program::start(|address, folder| {
            let server = format!("listen {address}; proxy_pass {to}; proxy_half_close on;");
            run_nginx(folder, &format!("stream {{ server {{ {server} }} }}"))
        });
        Self::theirs("nginx", program)
    }

    fn theirs(name: &'static str, program: Program) -> Self {
        let (address, process) = (program.address(), Process::Theirs(program));
        Self { name, address, tells_resets: false, _process: process }
    }
}
