//! The clients: one program of a library that plays many, each from addresses of its own.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::folder::Folder;
use crate::process::Dialogue;
use crate::programs::{Program, parts};
use crate::remedy::{Library, State};

/// A program that plays clients.
#[derive(Debug)]
pub(crate) struct Clients(Dialogue);

/// Who connects, from where and to where.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Caller {
    /// Its number.
    pub(crate) id: usize,
    pub(crate) to: SocketAddr,
    /// Of its connections, in turn.
    pub(crate) from: Vec<IpAddr>,
}

/// What a client met.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Met {
    /// An error that its user sees.
    Error {
        /// In the library's words.
        error: String,
    },
    /// A server.
    Server(Answer),
}

/// What a server told a client.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Answer {
    /// Its name.
    pub(crate) server: String,
    /// What it has counted in the client's session.
    pub(crate) counter: u32,
    /// What the client has sent in all its life.
    pub(crate) sent: u32,
    /// From the connect to the first answer.
    pub(crate) micros: u32,
}

impl Clients {
    /// Starts the program.
    pub(crate) fn start(library: Library, state: State, folder: &Folder) -> Result<Self> {
        let (program, script) = match library {
            Library::Ws => (Program::Node, parts("node").join("ws_client.mjs")),
            Library::SocketIo => (Program::Node, parts("node").join("socketio_client.mjs")),
            Library::Websockets => (Program::Python, parts("python").join("client.py")),
        };
        let script = script.to_string_lossy();
        let mut arguments = vec![&*script];
        if state == State::Token {
            arguments.push("--token");
        }
        Dialogue::start(&program.path(), &arguments, folder.file("clients.log")).map(Self)
    }

    /// New clients connect, and each adds so often; the answers are in their order.
    pub(crate) fn open(
        &mut self,
        callers: &[Caller],
        adds: u32,
        at_once: usize,
    ) -> Result<Vec<Met>> {
        self.connect("open", callers, adds, at_once)
    }

    /// Known clients come back with what they know of their sessions.
    pub(crate) fn back(
        &mut self,
        callers: &[Caller],
        adds: u32,
        at_once: usize,
    ) -> Result<Vec<Met>> {
        self.connect("back", callers, adds, at_once)
    }

    /// Whether new clients of Socket.IO come into a session at all; the errors of those that do not.
    pub(crate) fn knock(
        &mut self,
        callers: &[Caller],
        at_once: usize,
    ) -> Result<Vec<Option<String>>> {
        let command = json!({"do": "knock", "clients": callers, "at_once": at_once});
        let answer = self.0.ask(&command).context("clients")?;
        serde_json::from_value(answer["errors"].clone())
            .with_context(|| format!("clients answer {answer}"))
    }

    /// Their connections are cut, as by a network that is left.
    pub(crate) fn drop(&mut self, callers: &[Caller]) -> Result<()> {
        let ids: Vec<usize> = callers.iter().map(|caller| caller.id).collect();
        self.0.ask(&json!({"do": "drop", "ids": ids})).context("clients")?;
        Ok(())
    }

    /// Microseconds of so many round trips of one client, one after the other.
    pub(crate) fn time(&mut self, id: usize, adds: u32) -> Result<Vec<u32>> {
        let answer =
            self.0.ask(&json!({"do": "time", "id": id, "adds": adds})).context("clients")?;
        Ok(serde_json::from_value(answer["micros"].clone())?)
    }

    /// All are cut and forgotten.
    pub(crate) fn forget(&mut self) -> Result<()> {
        self.0.ask(&json!({"do": "forget"})).context("clients")?;
        Ok(())
    }

    fn connect(
        &mut self,
        what: &str,
        callers: &[Caller],
        adds: u32,
        at_once: usize,
    ) -> Result<Vec<Met>> {
        let command = json!({"do": what, "clients": callers, "adds": adds, "at_once": at_once});
        let answer = self.0.ask(&command).context("clients")?;
        serde_json::from_value(answer["clients"].clone())
            .with_context(|| format!("clients answer {answer}"))
    }
}
