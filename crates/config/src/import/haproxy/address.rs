//! Addresses as HAProxy writes them, in the form that ringbolt has for them.
//!
//! The port comes after the last colon, so `:::80` is every IPv6 address; `*` and nothing are every
//! IPv4 address.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;

use ringbolt_core::limits::BINDS_MAX;

/// Why an address is not carried, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    pub(super) reason: String,
    pub(super) mend: String,
}

fn unfit(reason: impl Into<String>, mend: impl Into<String>) -> Unfit {
    Unfit { reason: reason.into(), mend: mend.into() }
}

/// Whether IPv4 clients come through an IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dual {
    /// Nothing is said: on Linux they do at `::`, and nowhere else.
    Unsaid,
    /// `v4v6`.
    Both,
    /// `v6only`.
    V6,
}

/// What one address of a `bind` comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) binds: Vec<String>,
    /// The ports were a range.
    pub(super) range: bool,
    /// IPv4 clients came through the IPv6 address.
    pub(super) dual: bool,
}

/// Where to listen for what a `bind` says.
pub(super) fn bind(text: &str, dual: Dual) -> Result<Bound, Unfit> {
    let (family, rest) = family(text);
    if text.starts_with('/') || matches!(family, "unix" | "abns" | "abnsz" | "sockpair" | "uxst") {
        let mend = "bind an address and a port: ringbolt's listeners are TCP";
        return Err(unfit("ringbolt does not listen on UNIX sockets", mend));
    }
    match family {
        "fd" => return Ok(Bound { binds: vec![text.to_owned()], range: false, dual: false }),
        "" | "ipv4" | "ipv6" | "tcp" | "tcp4" | "tcp6" => {}
        "mptcp" | "mptcp4" | "mptcp6" => {
            let mend = "bind the address alone, and set mptcp = true at its listener";
            return Err(unfit("Multipath TCP is a key of the listener here", mend));
        }
        other => {
            let mend = "keep HAProxy for it: ringbolt carries TCP only";
            return Err(unfit(format!("{other}@ is not TCP"), mend));
        }
    }
    let Some((host, ports)) = split(rest).and_then(|(host, port)| Some((host, range(port?)?)))
    else {
        return Err(unfit("it has no port", "write the port that clients connect to"));
    };
    let (ranged, number) = (ports.start() < ports.end(), ports.clone().count());
    if number > BINDS_MAX {
        let mend = format!("ringbolt listens on {BINDS_MAX} addresses at most: choose the ports");
        return Err(unfit(format!("{number} ports are too many"), mend));
    }
    let host = listening_host(host, family.ends_with('6'));
    let wildcard = host == "[::]";
    let both = match dual {
        Dual::Unsaid | Dual::Both => wildcard,
        Dual::V6 => false,
    };
    let mut binds: Vec<String> = Vec::new();
    if both {
        binds.extend(ports.clone().map(|port| format!("0.0.0.0:{port}")));
    }
    binds.extend(ports.map(|port| format!("{host}:{port}")));
    Ok(Bound { binds, range: ranged, dual: both })
}

fn listening_host(host: &str, v6: bool) -> String {
    match host {
        "" | "*" if v6 => "[::]".into(),
        "" | "*" => "0.0.0.0".into(),
        "localhost" if v6 => "[::1]".into(),
        "localhost" => "127.0.0.1".into(),
        _ => bracketed(host),
    }
}

/// Where a server is; `port` is the one that clients connect to, for servers that have none.
pub(super) fn server(text: &str, port: Option<u16>) -> Result<String, Unfit> {
    let (family, rest) = family(text);
    if rest.starts_with('/') && matches!(family, "" | "unix" | "uxst") {
        return Ok(format!("unix:{rest}"));
    }
    match family {
        "" | "ipv4" | "ipv6" | "tcp" | "tcp4" | "tcp6" => {}
        other => {
            let mend = "give it an address and a port, or a UNIX socket with a path";
            return Err(unfit(format!("ringbolt connects to no {other}@"), mend));
        }
    }
    let (host, written) = split(rest).unwrap_or((rest, None));
    if matches!(host, "" | "*" | "0.0.0.0" | "::" | "[::]") {
        let mend = "write the server's own address";
        return Err(unfit(
            "it is wherever the client wanted to go, which ringbolt does not know",
            mend,
        ));
    }
    let port = match written {
        None | Some("0" | "") => port.map(|port| port.to_string()),
        Some(offset) if offset.starts_with(['+', '-']) => {
            let moved = offset.parse::<i32>().ok().zip(port);
            let moved = moved.map(|(offset, port)| i32::from(port).saturating_add(offset));
            moved.filter(|port| (1..=65_535).contains(port)).map(|port| port.to_string())
        }
        Some(port) => Some(port.to_owned()),
    };
    let Some(port) = port else {
        let reason = "its port is the one that the client connected to, and there are several";
        return Err(unfit(reason, "write the server's port"));
    };
    Ok(format!("{}:{port}", bracketed(host)))
}

/// The word before an @, and what comes after it.
fn family(text: &str) -> (&str, &str) {
    match text.split_once('@') {
        Some((family, rest)) if family.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            (family, rest)
        }
        Some(_) | None => ("", text),
    }
}

/// Host and port; a port that is not written is `None`.
fn split(text: &str) -> Option<(&str, Option<&str>)> {
    if text.ends_with(']') {
        return Some((text, None));
    }
    text.rsplit_once(':').map(|(host, port)| (host, Some(port)))
}

fn range(ports: &str) -> Option<RangeInclusive<u16>> {
    let port = |text: &str| text.parse::<u16>().ok().filter(|_| !text.starts_with('+'));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some(first..=last)
}

fn bracketed(host: &str) -> String {
    match host.parse::<Ipv6Addr>() {
        Ok(_) => format!("[{host}]"),
        Err(_) => host.to_owned(),
    }
}

/// The address of a `source ADDR[:PORT[-PORT]]`, and whether it names ports.
pub(super) fn source(text: &str) -> Option<(String, bool)> {
    let (_, rest) = family(text);
    let plain =
        |host: &str| host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    if let Some((host, Some(ports))) = split(rest)
        && let Some(addr) = plain(host)
    {
        return Some((addr.to_string(), !matches!(ports, "0" | "")));
    }
    plain(rest).map(|addr| (addr.to_string(), false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binds(text: &str, dual: Dual) -> Vec<String> {
        bind(text, dual).unwrap_or_else(|unfit| panic!("{text}: {unfit:?}")).binds
    }

    /// Goal: every form that HAProxy listens on is the same place here. Method: one of each.
    #[test]
    fn listening_addresses_are_the_same_places() {
        for (text, expected) in [
            ("*:80", "0.0.0.0:80"),
            (":80", "0.0.0.0:80"),
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("ipv4@:80", "0.0.0.0:80"),
            ("ipv6@:80", "[::]:80"),
            (":::80", "[::]:80"),
            ("[::]:80", "[::]:80"),
            ("2001:db8::1:80", "[2001:db8::1]:80"),
            ("localhost:80", "127.0.0.1:80"),
            ("fd@3", "fd@3"),
        ] {
            assert_eq!(binds(text, Dual::V6), [expected], "{text}");
        }
        assert_eq!(binds(":::80", Dual::Unsaid), ["0.0.0.0:80", "[::]:80"]);
        assert_eq!(binds("[::]:80", Dual::Both), ["0.0.0.0:80", "[::]:80"]);
        assert_eq!(binds("2001:db8::1:80", Dual::Both), ["[2001:db8::1]:80"]);
        assert_eq!(binds(":80-82", Dual::Unsaid), ["0.0.0.0:80", "0.0.0.0:81", "0.0.0.0:82"]);
        for text in [
            "/run/a.sock",
            "unix@/a",
            "abns@a",
            "quic4@:443",
            ":1-60000",
            "*",
            "1.2.3.4",
            ":x",
            ":9-8",
        ] {
            assert!(bind(text, Dual::Unsaid).is_err(), "{text}");
        }
    }

    /// Goal: every form of a server is the same place here. Method: one of each.
    #[test]
    fn servers_are_the_same_places() {
        for (text, expected) in [
            ("192.0.2.1:8765", "192.0.2.1:8765"),
            ("ws1.example:8765", "ws1.example:8765"),
            ("2001:db8::1:8765", "[2001:db8::1]:8765"),
            ("[2001:db8::1]:8765", "[2001:db8::1]:8765"),
            ("[2001:db8::1]", "[2001:db8::1]:80"),
            ("ipv4@ws1:8765", "ws1:8765"),
            ("/run/a.sock", "unix:/run/a.sock"),
            ("unix@/run/a.sock", "unix:/run/a.sock"),
            ("192.0.2.1", "192.0.2.1:80"),
            ("192.0.2.1:+10", "192.0.2.1:90"),
            ("192.0.2.1:-10", "192.0.2.1:70"),
        ] {
            assert_eq!(server(text, Some(80)).as_deref(), Ok(expected), "{text}");
        }
        for text in ["192.0.2.1", "192.0.2.1:+10", "*:80", "0.0.0.0:80", "abns@a", ":80"] {
            assert!(server(text, None).is_err(), "{text}");
        }
    }

    /// Goal: a source is its address, and ports are noticed. Method: one of each form.
    #[test]
    fn sources_are_addresses() {
        assert_eq!(source("192.0.2.1"), Some(("192.0.2.1".into(), false)));
        assert_eq!(source("192.0.2.1:0"), Some(("192.0.2.1".into(), false)));
        assert_eq!(source("192.0.2.1:1024-2000"), Some(("192.0.2.1".into(), true)));
        assert_eq!(source("[2001:db8::1]:0"), Some(("2001:db8::1".into(), false)));
        assert_eq!(source("eth0"), None);
    }
}
