//! The relay that tokio-uring makes easy: two tasks a connection, each with a buffer.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;

use tokio::task::JoinSet;
use tokio_uring::buf::BoundedBuf;
use tokio_uring::net::{TcpListener, TcpStream};

use super::{Door, PIECE};

/// Entries of the ring.
const ENTRIES: u32 = 1024;

/// Relays until accepting fails.
///
/// # Errors
/// Those of accepting.
pub(super) fn relay(doors: Vec<Door>) -> io::Result<()> {
    tokio_uring::builder().entries(ENTRIES).start(async {
        let mut open = JoinSet::new();
        for door in doors {
            open.spawn_local(sessions(door));
        }
        while let Some(failed) = open.join_next().await {
            failed??;
        }
        Ok(())
    })
}

/// Those of one door.
async fn sessions(door: Door) -> io::Result<()> {
    let Door { listener, to } = door;
    let listener = TcpListener::from_std(listener);
    loop {
        let (client, _) = listener.accept().await?;
        // A connection that cannot be relayed is closed: its two ends notice.
        tokio_uring::spawn(async move { session(client, to).await });
    }
}

async fn session(client: TcpStream, to: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(to).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (client, server) = (Rc::new(client), Rc::new(server));
    tokio_uring::spawn(direction(Rc::clone(&client), Rc::clone(&server)));
    direction(server, client).await;
    Ok(())
}

/// Passes bytes on, and the end of them.
async fn direction(from: Rc<TcpStream>, to: Rc<TcpStream>) {
    let mut buffer = Vec::with_capacity(PIECE);
    loop {
        let result;
        (result, buffer) = from.read(buffer).await;
        let Ok(length @ 1..) = result else { break };
        let (result, written) = to.write_all(buffer.slice(..length)).await;
        buffer = written.into_inner();
        if result.is_err() {
            break;
        }
    }
    // Fails if the other end is gone, and then its direction ends by itself.
    let _ = to.shutdown(Shutdown::Write);
}
