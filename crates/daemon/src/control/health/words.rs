//! What a probe says to a server, and what its answer is worth.

use ringbolt_core::health::Outcome;
use ringbolt_core::kernel::Remote;
use ringbolt_core::proxy_header::ProxyHeader;
use ringbolt_core::spec::{Probe, SendProxy};

/// The key of RFC 6455's example, and the answer to it. It need not be a secret: it is there so that no
/// cache answers in the server's place.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A WebSocket close frame, "normal closure", masked with 0 as a client's must be.
const CLOSE_FRAME: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];

/// What is sent after connecting, behind the PROXY header that servers of the pool expect.
pub(super) fn greeting(probe: &Probe, send_proxy: SendProxy, to: &Remote) -> Vec<u8> {
    let header = ProxyHeader::local(send_proxy);
    let header = header.as_ref().map_or(&[][..], ProxyHeader::as_bytes);
    [header, &words(probe, to)].concat()
}

fn words(probe: &Probe, to: &Remote) -> Vec<u8> {
    let request = |method: &str, path: &str, host: &Option<String>, headers: &str| {
        let host = host.clone().unwrap_or_else(|| match to {
            Remote::Inet(addr) => addr.to_string(),
            Remote::Unix(_) => "localhost".into(),
        });
        format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n").into_bytes()
    };
    match probe {
        Probe::Off | Probe::Tcp => Vec::new(),
        Probe::Http { method, path, host, .. } => {
            request(method, path, host, "Connection: close\r\n")
        }
        Probe::WebSocket { path, host } => {
            let headers = format!(
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: {KEY}\r\n"
            );
            request("GET", path, host, &headers)
        }
        Probe::SendExpect { send, .. } => send.clone(),
    }
}

/// What is sent after a good answer.
pub(super) fn farewell(probe: &Probe) -> Vec<u8> {
    match probe {
        Probe::WebSocket { .. } => CLOSE_FRAME.into(),
        Probe::Off | Probe::Tcp | Probe::Http { .. } | Probe::SendExpect { .. } => Vec::new(),
    }
}

/// What an answer is worth, with its status; `None`: it depends on what comes yet. When nothing more
/// comes it is `over`.
pub(super) fn judge(probe: &Probe, answer: &[u8], over: bool) -> Option<(Outcome, Option<u16>)> {
    let verdict = match probe {
        Probe::Off | Probe::Tcp => Some((Outcome::Connected, None)),
        Probe::Http { status, .. } => status_of(answer).map(|code| match code {
            Some(code) if status.iter().any(|range| range.contains(&code)) => {
                (Outcome::Answered, Some(code))
            }
            Some(code) => (Outcome::WrongStatus, Some(code)),
            None => (Outcome::WrongAnswer, None),
        }),
        Probe::WebSocket { .. } => status_of(answer).and_then(|code| match code {
            Some(101) => accepts(answer).map(|accepts| {
                let outcome = if accepts { Outcome::Answered } else { Outcome::WrongAnswer };
                (outcome, Some(101))
            }),
            Some(code) => Some((Outcome::WrongStatus, Some(code))),
            None => Some((Outcome::WrongAnswer, None)),
        }),
        Probe::SendExpect { expect, .. } => {
            let found = answer.windows(expect.len()).any(|part| part == expect);
            found.then_some((Outcome::Answered, None))
        }
    };
    verdict.or_else(|| over.then_some((Outcome::WrongAnswer, None)))
}

/// The status of an HTTP answer: `Some(None)` when it is none, `None` when that is not to be seen yet.
fn status_of(answer: &[u8]) -> Option<Option<u16>> {
    const START: &[u8] = b"HTTP/1.";
    let start = &answer[..answer.len().min(START.len())];
    if start != &START[..start.len()] {
        return Some(None);
    }
    let end = answer.iter().position(|byte| *byte == b'\n')?;
    let line = String::from_utf8_lossy(&answer[..end]);
    let code = line.split_whitespace().nth(1).filter(|code| code.len() == 3);
    Some(code.and_then(|code| code.parse().ok()))
}

/// Whether a head takes the handshake; `None`: it has not ended yet.
fn accepts(answer: &[u8]) -> Option<bool> {
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]);
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    Some(fields.any(|(name, value)| {
        name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == ACCEPT
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http() -> Probe {
        let status = vec![200..=399];
        Probe::Http { method: "OPTIONS".into(), path: "/up".into(), host: None, status }
    }

    fn websocket() -> Probe {
        Probe::WebSocket { path: "/".into(), host: Some("example.org".into()) }
    }

    // Goal: a request is HTTP to the letter. Method: both kinds, a host given and not.
    #[test]
    fn requests() {
        let to = Remote::Inet("[2001:db8::1]:80".parse().unwrap());
        let text = |probe: &Probe| String::from_utf8(greeting(probe, SendProxy::Off, &to)).unwrap();
        assert_eq!(
            text(&http()),
            "OPTIONS /up HTTP/1.1\r\nHost: [2001:db8::1]:80\r\nConnection: close\r\n\r\n"
        );
        let handshake = text(&websocket());
        assert!(handshake.starts_with("GET / HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket"));
        assert!(handshake.ends_with("\r\n\r\n"));
        let with_header = greeting(&http(), SendProxy::V1, &to);
        assert!(with_header.starts_with(b"PROXY UNKNOWN\r\nOPTIONS /up "));
        assert_eq!(greeting(&Probe::Tcp, SendProxy::V2, &to).len(), 16);
    }

    // Goal: an answer is judged as soon as it can be, and not before. Method: good and bad answers of
    // each kind, byte by byte; at which byte, and how.
    #[test]
    fn answers() {
        let send_expect =
            || Probe::SendExpect { send: b"PING\r\n".to_vec(), expect: b"PONG".to_vec() };
        let accepted = format!("HTTP/1.1 101 x\r\nA: b\r\nSEC-WebSocket-accept:  {ACCEPT}\r\n\r\n");
        let cases: [(Probe, &str, usize, Outcome, Option<u16>); 9] = [
            (http(), "HTTP/1.1 204 No Content\r\nA: b", 25, Outcome::Answered, Some(204)),
            (http(), "HTTP/1.0 405\n", 13, Outcome::WrongStatus, Some(405)),
            (http(), "SSH-2.0-x\r\n", 1, Outcome::WrongAnswer, None),
            (http(), "HTTP/1.1 2x4 \r\n", 15, Outcome::WrongAnswer, None),
            (websocket(), &accepted, accepted.len(), Outcome::Answered, Some(101)),
            (websocket(), "HTTP/1.1 101 x\r\n\r\n", 18, Outcome::WrongAnswer, Some(101)),
            (websocket(), "HTTP/1.1 426 x\r\n", 16, Outcome::WrongStatus, Some(426)),
            (send_expect(), "-ERR\r\n+PONG\r\n", 11, Outcome::Answered, None),
            (Probe::Tcp, "", 0, Outcome::Connected, None),
        ];
        for (probe, answer, at, outcome, code) in cases {
            let judged = (0..=answer.len()).find_map(|length| {
                Some((length, judge(&probe, &answer.as_bytes()[..length], false)?))
            });
            assert_eq!(judged, Some((at, (outcome, code))), "{answer}");
        }
        for probe in [http(), websocket(), send_expect()] {
            let wrong = Some((Outcome::WrongAnswer, None));
            assert_eq!(judge(&probe, b"HTTP/1", true), wrong, "it broke off");
            assert_eq!(judge(&probe, b"", true), wrong);
        }
    }
}
