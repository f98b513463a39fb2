//! `listen`: where a server listens, and how.

use std::ops::RangeInclusive;

use ringbolt_core::limits::{BINDS_MAX, IMPORT_BINDS_MAX};

use super::tree::Directive;
use crate::import::model::At;
use crate::import::notes::Notes;
use crate::import::word::{number, shown};

/// One `listen`.
#[derive(Clone, Debug)]
pub(super) struct Listen {
    /// In the form that ringbolt has for them; at least one.
    pub(super) addresses: Vec<At<String>>,
    /// It is the one for clients that ask for none of the names.
    pub(super) is_default: bool,
    pub(super) proxy_protocol: Option<At<()>>,
    pub(super) backlog: Option<At<u64>>,
    pub(super) mptcp: Option<At<()>>,
}

/// Reads a `listen`; `None` when nothing of it can be listened on. Addresses beyond the first of each
/// are taken off `addresses_left`; when there are too many it is an error.
pub(super) fn read(
    directive: &Directive,
    is_http: bool,
    addresses_left: &mut usize,
    notes: &mut Notes,
) -> Option<Listen> {
    let at = directive.at();
    let Some((address, parameters)) = directive.arguments().split_first() else {
        notes.note(&at, "a listen without an address is not carried", "write listen ADDRESS:PORT;");
        return None;
    };
    let mut listen = Listen {
        addresses: Vec::new(),
        is_default: false,
        proxy_protocol: None,
        backlog: None,
        mptcp: None,
    };
    let mut dual = false;
    for parameter in parameters {
        let (name, value) = parameter.text.split_once('=').unwrap_or((&parameter.text, ""));
        let (why, mend) = match name {
            "default_server" | "default" => {
                listen.is_default = true;
                continue;
            }
            "proxy_protocol" => {
                listen.proxy_protocol = Some(At::new((), &parameter.at));
                continue;
            }
            "multipath" => {
                listen.mptcp = Some(At::new((), &parameter.at));
                continue;
            }
            "backlog" => {
                let value = number(value).filter(|value| *value > 0);
                listen.backlog = value.map(|value| At::new(value.min(65_535), &parameter.at));
                continue;
            }
            "ipv6only" => {
                dual = value == "off";
                continue;
            }
            // Every worker listens for itself, and no address is bound twice.
            "reuseport" | "bind" => continue,
            "udp" | "quic" => {
                let message =
                    format!("`{}` is not carried: ringbolt carries TCP", shown(&directive.words));
                notes.note(&at, message, "keep nginx for it");
                return None;
            }
            "ssl" => (
                "the bytes of TLS are passed on as they are",
                "let servers speak TLS with the clients, or keep nginx in front of ringbolt",
            ),
            "http2" | "spdy" | "http3" => {
                ("Layer 4 does not see which protocol it is", "see that servers speak it")
            }
            "so_keepalive" => (
                "keepalive is on for both sides, by the pool's `keepalive`",
                "write keepalive in the pool if its 60s are not right",
            ),
            "fastopen" | "deferred" | "accept_filter" | "rcvbuf" | "sndbuf" | "setfib" => {
                ("there is no key for it", "nothing to do: it is not needed for what is carried")
            }
            _ => ("it is not known here", "see whether nginx knows it: `nginx -t -c FILE`"),
        };
        let message = format!("listen parameter {name} is not carried: {why}");
        notes.note(&parameter.at, message, mend);
    }
    match places(&address.text, is_http, dual) {
        Ok(places) => {
            if places.len() > 1 && dual {
                let message = "ipv6only=off is carried as two addresses: IPv4 clients, which nginx hashes \
                               as ::ffff:a.b.c.d there, are hashed as a.b.c.d here";
                let mend =
                    "where IPv4 clients come this way they move once; with ipv6only=on none do";
                notes.note(&address.at, message, mend);
            }
            let Some(left) = addresses_left.checked_sub(places.len().saturating_sub(1)) else {
                let message =
                    format!("ranges of ports come to more than {IMPORT_BINDS_MAX} addresses");
                notes.error(Some(&address.at), message, "choose those that clients connect to");
                return None;
            };
            *addresses_left = left;
            listen.addresses = places.into_iter().map(|it| At::new(it, &address.at)).collect();
            Some(listen)
        }
        Err((why, mend)) => {
            let message = format!("listen {} is not carried: {why}", address.text);
            notes.note(&address.at, message, mend);
            None
        }
    }
}

/// The addresses that a text stands for, or why it stands for none, and what to do.
fn places(
    text: &str,
    is_http: bool,
    dual: bool,
) -> Result<Vec<String>, (&'static str, &'static str)> {
    if text.starts_with("unix:") {
        return Err(("ringbolt does not listen on UNIX sockets", "write an address and a port"));
    }
    if text.contains('$') {
        return Err(("it has a variable", "write the address itself"));
    }
    let whole = |ports| ("*", Some(ports));
    let (host, ports) = if range(text).is_some() {
        whole(text)
    } else if text.ends_with(']') {
        (text, None)
    } else {
        text.rsplit_once(':').map_or((text, None), |(host, ports)| (host, Some(ports)))
    };
    let ports = match ports {
        Some(ports) => range(ports),
        None => is_http.then_some(80..=80),
    };
    let Some(ports) = ports else { return Err(("it has no port", "write ADDRESS:PORT")) };
    if ports.clone().count() > BINDS_MAX {
        return Err(("these are too many ports", "choose those that clients connect to"));
    }
    let host = match host {
        "*" | "" => "0.0.0.0",
        "localhost" => "127.0.0.1",
        host => host,
    };
    let mut hosts = vec![host];
    if dual && host == "[::]" {
        hosts.insert(0, "0.0.0.0");
    }
    Ok(hosts
        .iter()
        .flat_map(|host| ports.clone().map(move |port| format!("{host}:{port}")))
        .collect())
}

fn range(ports: &str) -> Option<RangeInclusive<u16>> {
    let port = |text: &str| number(text).and_then(|port| u16::try_from(port).ok());
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::word::Word;

    fn listen(text: &str, is_http: bool) -> (Option<Listen>, usize) {
        let mut place = 0;
        let word = |text: &str| {
            place += 100;
            Word { text: text.into(), at: place..place + text.len() }
        };
        let directive = Directive { words: text.split(' ').map(word).collect(), block: None };
        let mut notes = Notes::default();
        let listen = read(&directive, is_http, &mut IMPORT_BINDS_MAX.clone(), &mut notes);
        (listen, notes.into_lists().1.len())
    }

    /// Goal: every form of an address is the same place here. Method: one of each, with the number of
    /// notes.
    #[test]
    fn addresses_are_the_same_places() {
        for (line, addresses, notes) in [
            ("listen 80", &["0.0.0.0:80"][..], 0),
            ("listen *:80 default_server reuseport", &["0.0.0.0:80"], 0),
            ("listen 192.0.2.1", &["192.0.2.1:80"], 0),
            ("listen [::]:80", &["[::]:80"], 0),
            ("listen [::1]", &["[::1]:80"], 0),
            ("listen [::]:80 ipv6only=off", &["0.0.0.0:80", "[::]:80"], 1),
            ("listen 8000-8001", &["0.0.0.0:8000", "0.0.0.0:8001"], 0),
            ("listen localhost:80 ssl http2", &["127.0.0.1:80"], 2),
            ("listen 80 so_keepalive=on nonsense", &["0.0.0.0:80"], 2),
        ] {
            let (listen, count) = listen(line, true);
            let listen = listen.unwrap_or_else(|| panic!("{line}"));
            let places: Vec<_> = listen.addresses.iter().map(|at| at.value.as_str()).collect();
            assert_eq!((&places[..], count), (addresses, notes), "{line}");
        }
        for line in ["listen unix:/a", "listen 1-60000", "listen 443 quic", "listen $x", "listen"] {
            let (listen, count) = listen(line, true);
            assert!(listen.is_none() && count == 1, "{line}");
        }
        assert!(listen("listen 192.0.2.1", false).0.is_none(), "stream has no port of its own");
        let (read, _) = listen("listen 80 proxy_protocol backlog=99999 multipath", false);
        let read = read.expect("a listen");
        assert_eq!(read.backlog.map(|it| it.value), Some(65_535));
        assert!(read.proxy_protocol.is_some() && read.mptcp.is_some() && !read.is_default);
    }
}
