//! What the balancer's own metrics tell of the demo: which way its bytes went, and what became of
//! sessions whose engine died.

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
    /// Sessions that went on with another engine, counted each time.
    pub(crate) adopted: u64,
    /// Sessions that did not.
    pub(crate) lost: u64,
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
        let sum = |name: &str| -> u64 {
            let samples = metrics.lines().filter_map(|line| line.strip_prefix(name));
            samples.filter_map(|rest| rest.rsplit_once(' ')?.1.trim().parse::<u64>().ok()).sum()
        };
        Some(Self {
            copied: of("copy")?,
            spliced: of("splice")?,
            adopted: sum("ringbolt_sessions_adopted_total"),
            lost: sum("ringbolt_sessions_lost_total{"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: the numbers are found among others. Method: an answer as the balancer gives it.
    #[test]
    fn all_are_read() {
        let text = "HTTP/1.1 200 OK\r\n\r\n# HELP ringbolt_relay_bytes Bytes.\n\
                    ringbolt_relay_bytes_total{path=\"copy\"} 12\n\
                    ringbolt_relay_bytes_total{path=\"splice\"} 345\n\
                    ringbolt_sessions_adopted_total 40\n\
                    ringbolt_sessions_lost_total{reason=\"in-hand\"} 1\n\
                    ringbolt_sessions_lost_total{reason=\"mismatch\"} 2\n";
        let told = Relayed { copied: 12, spliced: 345, adopted: 40, lost: 3 };
        assert_eq!(Relayed::read(text), Some(told));
        assert_eq!(Relayed::read("HTTP/1.1 503 Service Unavailable\r\n\r\n"), None);
    }
}
