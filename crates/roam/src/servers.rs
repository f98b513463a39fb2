//! The servers behind a balancer: real programs with the libraries that people use, which count for
//! each session.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::json;

use crate::balancer::Place;
use crate::folder::Folder;
use crate::process::{Dialogue, Process, until};
use crate::programs::{Program, parts};
use crate::remedy::{Library, State};

/// What signs resume tokens here. It protects nothing.
const SECRET: &str = "of this run";

/// The Redis that servers share.
#[derive(Debug)]
pub(crate) struct Store {
    socket: PathBuf,
    _process: Process,
}

impl Store {
    /// Starts one that takes no port and keeps nothing.
    pub(crate) fn start(folder: &Folder) -> Result<Self> {
        let socket = folder.file("redis.sock");
        let path = socket.to_string_lossy();
        let directory = folder.path().to_string_lossy();
        let arguments = [
            "--port",
            "0",
            "--unixsocket",
            &path,
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            &directory,
        ];
        let log = folder.file("redis.log");
        let mut process = Process::start(&Program::Redis.path(), &arguments, log)?;
        process
            .until("Redis listens", || std::os::unix::net::UnixStream::connect(&socket).is_ok())?;
        drop((path, directory));
        Ok(Self { socket, _process: process })
    }
}

/// Some servers of one library that keep state in one way.
#[derive(Debug)]
pub(crate) struct Servers<'a> {
    library: Library,
    state: State,
    store: Option<&'a Store>,
    folder: &'a Folder,
    all: Vec<Server>,
}

#[derive(Debug)]
struct Server {
    program: Dialogue,
    place: Place,
    alive: bool,
}

impl<'a> Servers<'a> {
    /// None yet.
    pub(crate) fn new(
        library: Library,
        state: State,
        store: Option<&'a Store>,
        folder: &'a Folder,
    ) -> Self {
        Self { library, state, store, folder, all: Vec::new() }
    }

    /// The first so many, started where they are not running.
    pub(crate) fn first(&mut self, count: usize) -> Result<Vec<Place>> {
        while self.all.len() < count {
            self.all.push(self.start(self.all.len(), 0)?);
        }
        for index in 0..count {
            if !self.all[index].alive {
                // Where it was before, as after a restart.
                self.all[index] = self.start(index, self.all[index].place.addr.port())?;
            }
        }
        Ok(self.all[..count].iter().map(|server| server.place.clone()).collect())
    }

    /// Kills one.
    pub(crate) fn crash(&mut self, index: usize) -> Result<()> {
        self.all[index].alive = false;
        self.all[index].program.crash()
    }

    /// Waits until no server has a client: then each has noticed that its clients are gone, and
    /// written what it writes when they go.
    pub(crate) fn quiet(&mut self) -> Result<()> {
        for server in self.all.iter_mut().filter(|server| server.alive) {
            let name = server.place.name.clone();
            until("the servers notice that their clients are gone", || {
                let answer = server.program.ask(&json!({"do": "connected"}));
                let answer = answer.with_context(|| format!("server {name}"))?;
                Ok(answer["connected"] == 0)
            })?;
        }
        Ok(())
    }

    /// Ends what clients of Socket.IO have left behind that were refused.
    pub(crate) fn forget(&mut self) -> Result<()> {
        for server in self.all.iter_mut().filter(|server| server.alive) {
            let answer = server.program.ask(&json!({"do": "forget"}));
            answer.with_context(|| format!("server {}", server.place.name))?;
        }
        Ok(())
    }

    fn start(&self, index: usize, port: u16) -> Result<Server> {
        let name = format!("s{}", index + 1);
        let (program, script) = match self.library {
            Library::Ws => (Program::Node, parts("node").join("ws_server.mjs")),
            Library::SocketIo => (Program::Node, parts("node").join("socketio_server.mjs")),
            Library::Websockets => (Program::Python, parts("python").join("server.py")),
        };
        let [script, port] = [script.to_string_lossy().into_owned(), port.to_string()];
        let mut arguments = vec![script.as_str(), "--name", &name, "--port", &port];
        let socket = self.store.map(|store| store.socket.to_string_lossy().into_owned());
        match (self.state, &socket) {
            (State::Memory, _) => {}
            (State::Token, _) => arguments.extend(["--secret", SECRET]),
            (State::Store, socket) => {
                arguments.extend(["--redis", socket.as_deref().context("a store was started")?]);
            }
        }
        let log = self.folder.file("servers.log");
        let mut program = Dialogue::start(&program.path(), &arguments, log)?;
        let listening = program.next().with_context(|| format!("server {name}"))?;
        let port = listening["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        let port = port.context("a server says where it listens")?;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Server { program, place: Place { name, addr, drained: false }, alive: true })
    }
}
