//! WebSocket clients of our own, for thousands of connections in seconds: each comes from an
//! address, says which session it has, is told what the server knows, and is gone without a
//! goodbye.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::net::TcpSocket;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

/// How many are connected at a time.
const AT_ONCE: usize = 32;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a server says to a client.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Told {
    pub(crate) server: String,
    pub(crate) session: String,
    pub(crate) counter: u32,
}

/// A client that comes twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Twice {
    pub(crate) first: IpAddr,
    pub(crate) then: IpAddr,
    /// As `first` and `then` are to connect.
    pub(crate) to: SocketAddr,
}

/// How many of these clients are not known any more when they come the second time.
pub(crate) fn unknown_again(clients: Vec<Twice>) -> Result<u32> {
    let outcomes = all(clients, |client| async move {
        let begun = visit(client.first, client.to, "", true).await?;
        ensure!(begun.counter == 1, "a new session counts {} and not 1", begun.counter);
        let told = visit(client.then, client.to, &begun.session, false).await?;
        let known = told.session == begun.session && told.counter == 1;
        let new = told.session != begun.session && told.counter == 0;
        ensure!(known || new, "a session is neither whole nor new: {begun:?}, then {told:?}");
        Ok(new)
    })?;
    Ok(outcomes.into_iter().map(u32::from).sum())
}

/// The servers that clients from these addresses meet.
pub(crate) fn met(clients: Vec<(IpAddr, SocketAddr)>) -> Result<Vec<String>> {
    all(clients, |(from, to)| async move { Ok(visit(from, to, "", false).await?.server) })
}

fn all<C, T, W>(clients: Vec<C>, act: impl Fn(C) -> W) -> Result<Vec<T>>
where
    T: Send + 'static,
    W: Future<Output = Result<T>> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut visits = JoinSet::new();
        for client in clients {
            let place = Arc::clone(&places).acquire_owned().await?;
            let visit = act(client);
            visits.spawn(async move {
                let done = timeout(PATIENCE, visit).await;
                drop(place);
                done.context("a client waits for too long")?
            });
        }
        let mut outcomes = Vec::new();
        while let Some(done) = visits.join_next().await {
            outcomes.push(done??);
        }
        Ok(outcomes)
    })
}

async fn visit(from: IpAddr, to: SocketAddr, session: &str, add: bool) -> Result<Told> {
    let socket = if from.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind((from, 0).into()).with_context(|| format!("from {from}"))?;
    // Gone like a network that is left; and no port waits for a minute after it.
    socket.set_zero_linger()?;
    let stream = socket.connect(to).await.with_context(|| format!("from {from} to {to}"))?;
    stream.set_nodelay(true)?;
    let url = format!("ws://{to}/?session={session}");
    let (mut client, _) = client_async(url, stream).await.context("WebSocket handshake")?;
    let mut told = next(&mut client).await?;
    if add {
        client.send(Message::text("add")).await?;
        told = next(&mut client).await?;
    }
    Ok(told)
}

async fn next<S>(client: &mut S) -> Result<Told>
where
    S: StreamExt<Item = tokio_tungstenite::tungstenite::Result<Message>> + Unpin,
{
    let message = client.next().await.context("the server says nothing")??;
    serde_json::from_str(message.to_text()?).context("what a server says")
}
