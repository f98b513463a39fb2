//! Which way the balancer moved the bytes of the demo, as its own metrics tell.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// It takes a millisecond.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes by their way through the balancer, both directions together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Relayed {
    pub(crate) copied: u64,
    pub(crate) spliced: u64,
}

/// Asks the balancer; `None` when it does not answer, which a busy one may not in time.
pub(crate) async fn ask(http: SocketAddr) -> Option<Relayed> {
    let text = timeout(PATIENCE, metrics(http)).await.ok()?.ok()?;
    Relayed::read(&text)
}

async fn metrics(http: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(http).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {http}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

impl Relayed {
    fn read(metrics: &str) -> Option<Self> {
        let of = |path: &str| {
            let name = format!("ringbolt_relay_bytes_total{{path=\"{path}\"}} ");
            metrics.lines().find_map(|line| line.strip_prefix(&name)?.trim().parse().ok())
        };
        Some(Self { copied: of("copy")?, spliced: of("splice")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: both numbers are found among others. Method: an answer as the balancer gives it.
    #[test]
    fn both_are_read() {
        let text = "HTTP/1.1 200 OK\r\n\r\n# HELP ringbolt_relay_bytes Bytes.\n\
                    ringbolt_relay_bytes_total{path=\"copy\"} 12\n\
                    ringbolt_relay_bytes_total{path=\"splice\"} 345\n";
        assert_eq!(Relayed::read(text), Some(Relayed { copied: 12, spliced: 345 }));
        assert_eq!(Relayed::read("HTTP/1.1 503 Service Unavailable\r\n\r\n"), None);
    }
}
