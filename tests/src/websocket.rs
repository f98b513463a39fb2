//! The article's system: echo servers in Python, WebSocket clients in Python and in Node, each a
//! process of its own.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use crate::BOUND;
use crate::process::Signal;
use crate::ringbolt::Owned;
use crate::server::fresh_address;
use crate::skip::{package, python};

/// `servers/echo_server.py`, which echoes with its own name.
#[derive(Debug)]
pub struct EchoServer {
    child: Owned,
    place: String,
    // Its end is the server's end.
    _stdin: ChildStdin,
}

impl EchoServer {
    /// Starts one and waits until it listens.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub fn start(name: &str) -> Self {
        Self::start_at(name, &[&fresh_address().to_string()])
    }

    /// Starts one on a UNIX socket.
    ///
    /// # Panics
    ///
    /// When it does not listen.
    pub fn start_on_unix(name: &str, path: &str) -> Self {
        Self::start_at(name, &[&format!("unix:{path}")])
    }

    /// Starts one where another was.
    ///
    /// # Panics
    ///
    /// When it does not listen.
    pub fn start_again(name: &str, address: SocketAddr) -> Self {
        Self::start_at(name, &[&address.ip().to_string(), &address.port().to_string()])
    }

    fn start_at(name: &str, place: &[&str]) -> Self {
        let mut command = Command::new(python());
        command.arg(package().join("servers/echo_server.py")).arg(name).args(place);
        let (child, stdin, lines) = speaking(command);
        let line = lines.recv_timeout(BOUND).expect("the server says where it listens");
        let place = line.strip_prefix("listening ").unwrap_or_else(|| panic!("no place: {line}"));
        Self { child, place: place.into(), _stdin: stdin }
    }

    /// Where it listens.
    ///
    /// # Panics
    ///
    /// When that is a UNIX socket.
    pub fn address(&self) -> SocketAddr {
        self.place.parse().expect("an address")
    }

    /// Where it listens, as a configuration has it.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Ends it as a crash would.
    pub fn kill(self) {
        crate::kill(self.child.0.id(), Signal::SIGKILL);
    }
}

/// The language of a client program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// `clients/python/client.py`, with `websockets`.
    Python,
    /// `clients/node/client.mjs`, with `ws`.
    Node,
}

/// A program that holds WebSocket clients, each with a name, and does as it is told.
#[derive(Debug)]
pub struct Clients {
    _child: Owned,
    stdin: ChildStdin,
    answers: Receiver<String>,
    language: Language,
    asked: u64,
}

impl Clients {
    /// Starts the program.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start(language: Language) -> Self {
        let clients = package().join("clients");
        let (program, script) = match language {
            Language::Python => (python(), clients.join("python/client.py")),
            Language::Node => ("node".into(), clients.join("node/client.mjs")),
        };
        let mut command = Command::new(program);
        command.arg(script);
        let (child, stdin, answers) = speaking(command);
        Self { _child: child, stdin, answers, language, asked: 0 }
    }

    /// Opens a client from a loopback address; the answer is the name of the server that it met.
    ///
    /// # Panics
    ///
    /// When it does not get through.
    pub fn open(&mut self, id: &str, from: Ipv4Addr, to: SocketAddr) -> String {
        let command =
            json!({"do": "open", "id": id, "from": from.to_string(), "to": to.to_string()});
        server(&self.ask(command))
    }

    /// Sends a binary message and waits for its echo; the answer is the name of the server.
    ///
    /// # Panics
    ///
    /// When it does not come back, or not as it was sent.
    pub fn echo(&mut self, id: &str, bytes: usize, seed: u32) -> String {
        let answer = self.ask(json!({"do": "echo", "id": id, "bytes": bytes, "seed": seed}));
        assert_eq!(answer["intact"], true, "{bytes} bytes to {:?} and back", self.language);
        server(&answer)
    }

    /// Closes a client; the answer is the close code.
    ///
    /// # Panics
    ///
    /// When it does not close.
    pub fn close(&mut self, id: &str) -> u64 {
        code(&self.ask(json!({"do": "close", "id": id})))
    }

    /// Waits until a client has lost its connection; the answer is the close code.
    ///
    /// # Panics
    ///
    /// When it keeps it.
    pub fn lost(&mut self, id: &str) -> u64 {
        code(&self.ask(json!({"do": "lost", "id": id})))
    }

    fn ask(&mut self, mut command: Value) -> Value {
        self.asked += 1;
        command["n"] = self.asked.into();
        writeln!(self.stdin, "{command}").expect("the client program reads");
        let answer = self.answers.recv_timeout(BOUND);
        let answer = answer.unwrap_or_else(|e| panic!("{:?} on {command}: {e}", self.language));
        let answer: Value = serde_json::from_str(&answer).expect("a line of JSON");
        assert_eq!(answer["n"], self.asked, "answers come in order, for one question at a time");
        assert!(answer["error"].is_null(), "{:?} on {command}: {answer}", self.language);
        answer
    }
}

fn server(answer: &Value) -> String {
    answer["server"].as_str().expect("a server's name").to_owned()
}

fn code(answer: &Value) -> u64 {
    answer["code"].as_u64().expect("a close code")
}

/// Starts a program and gathers its lines. What it says on standard error is for the reader.
fn speaking(mut command: Command) -> (Owned, ChildStdin, Receiver<String>) {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = Owned(command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}")));
    let stdin = child.0.stdin.take().expect("piped");
    let stdout = child.0.stdout.take().expect("piped");
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            // An error ends it like an end; nobody listens any more when the test is over.
            let Ok(line) = line else { return };
            let Ok(()) = sender.send(line) else { return };
        }
    });
    (child, stdin, lines)
}
