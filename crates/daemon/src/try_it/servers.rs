//! The echo servers of the demo, inside this process: a message comes back with the server's name
//! in front, so that anyone sees who answered. Not a part of the balancer, to which they are
//! servers like any others, at addresses like any others.

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// Their names, which decide under `source` who meets whom.
pub(crate) const NAMES: [&str; 3] = ["ws1", "ws2", "ws3"];

/// The path that the demo's own clients ask for; whoever asks for another is a guest.
pub(crate) const DEMO_PATH: &str = "/demo";

/// One of them, and what it has counted.
#[derive(Debug)]
pub(crate) struct EchoServer {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// Sessions now.
    pub(crate) live: Cell<u64>,
    /// Those of them that are no demo client's.
    pub(crate) guests: Cell<u64>,
    /// Sessions since the start.
    pub(crate) sessions: Cell<u64>,
    /// Bytes of messages received.
    pub(crate) bytes_in: Cell<u64>,
    /// Bytes of messages sent.
    pub(crate) bytes_out: Cell<u64>,
}

impl EchoServer {
    /// Starts one on a free port of 127.0.0.1.
    pub(crate) async fn start(name: &'static str) -> io::Result<Rc<Self>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let server = Rc::new(Self {
            name,
            address: listener.local_addr()?,
            live: Cell::default(),
            guests: Cell::default(),
            sessions: Cell::default(),
            bytes_in: Cell::default(),
            bytes_out: Cell::default(),
        });
        spawn_local(server.clone().accept(listener));
        Ok(server)
    }

    async fn accept(self: Rc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(spawn_local(self.clone().attend(stream))),
                // Out of descriptors, most likely; asking again at once would only burn.
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn attend(self: Rc<Self>, mut stream: TcpStream) {
        add(&self.live, 1);
        add(&self.sessions, 1);
        // How a client ends its session is its own affair.
        let _ = self.serve(&mut stream).await;
        // Before the stream is closed: who sees the end finds the count right.
        self.live.set(self.live.get() - 1);
    }

    async fn serve(&self, stream: &mut TcpStream) -> Result<(), Error> {
        stream.set_nodelay(true)?;
        let mut guest = true;
        // The type is tungstenite's own, which no caller can make smaller.
        #[expect(clippy::result_large_err)]
        let named = |request: &Request, mut response: Response| -> Result<_, ErrorResponse> {
            guest = request.uri().path() != DEMO_PATH;
            response.headers_mut().insert("server", HeaderValue::from_static(self.name));
            Ok(response)
        };
        match accept_hdr_async(&mut *stream, named).await {
            Ok(socket) if guest => {
                add(&self.guests, 1);
                let ended = self.echo(socket).await;
                self.guests.set(self.guests.get() - 1);
                ended
            }
            Ok(socket) => self.echo(socket).await,
            Err(Error::Protocol(ProtocolError::MissingConnectionUpgradeHeader)) => {
                self.answer_plainly(stream).await
            }
            Err(error) => Err(error),
        }
    }

    async fn echo(&self, mut socket: WebSocketStream<&mut TcpStream>) -> Result<(), Error> {
        while let Some(message) = socket.next().await {
            let message = message?;
            let echo = match &message {
                Message::Text(text) => Message::text(format!("{}: {text}", self.name)),
                Message::Binary(bytes) => {
                    Message::binary([self.name.as_bytes(), b": ", bytes].concat())
                }
                Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {
                    continue;
                }
            };
            add(&self.bytes_in, message.len() as u64);
            add(&self.bytes_out, echo.len() as u64);
            socket.send(echo).await?;
        }
        Ok(())
    }

    /// For `curl` without a word of WebSocket: enough to see who answers which address.
    async fn answer_plainly(&self, stream: &mut TcpStream) -> Result<(), Error> {
        let name = self.name;
        let body = format!("{name}: whoever comes from your address meets me\n");
        let answer = format!(
            "HTTP/1.1 200 OK\r\nserver: {name}\r\ncontent-type: text/plain\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        add(&self.bytes_out, body.len() as u64);
        stream.write_all(answer.as_bytes()).await?;
        Ok(stream.shutdown().await?)
    }
}

fn add(count: &Cell<u64>, more: u64) {
    count.set(count.get() + more);
}
