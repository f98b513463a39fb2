//! `bind ADDR[,ADDR…] …`: where a proxy listens, and how.

use super::address::{self, Dual};
use crate::import::model::At;
use crate::import::notes::Notes;
use crate::import::word::{Word, number, span};

/// One line of it.
#[derive(Clone, Debug)]
pub(super) struct Bind {
    /// In the form that ringbolt has for them; at least one.
    pub(super) addresses: Vec<At<String>>,
    pub(super) accept_proxy: Option<At<()>>,
    pub(super) backlog: Option<At<u64>>,
    pub(super) maxconn: Option<At<u64>>,
}

/// Reads what follows `bind`; `None` when nothing of it can be listened on.
pub(super) fn read(words: &[Word], notes: &mut Notes) -> Option<Bind> {
    let [_, address, rest @ ..] = words else {
        let mend = "write: bind ADDRESS:PORT";
        notes.note(&span(words), "a bind without an address is not carried", mend);
        return None;
    };
    let (mut bind, dual) = options(rest, notes);
    for text in address.text.split(',').filter(|text| !text.is_empty()) {
        match address::bind(text, dual) {
            Ok(bound) => {
                if bound.range {
                    let message = format!("{text} is carried as {} ports", bound.binds.len());
                    let mend = "nothing to do; each port is listed";
                    notes.note(&address.at, message, mend);
                }
                if bound.dual {
                    let message = format!(
                        "{text} is carried as two addresses: IPv4 clients, which HAProxy hashes as \
                         ::ffff:a.b.c.d there, are hashed as a.b.c.d here"
                    );
                    let mend =
                        "where IPv4 clients come this way they move once; with v6only none do";
                    notes.note(&address.at, message, mend);
                }
                bind.addresses.extend(bound.binds.into_iter().map(|it| At::new(it, &address.at)));
            }
            Err(unfit) => {
                let message = format!("bind {text} is not carried: {}", unfit.reason);
                notes.note(&address.at, message, unfit.mend);
            }
        }
    }
    (!bind.addresses.is_empty()).then_some(bind)
}

fn options(words: &[Word], notes: &mut Notes) -> (Bind, Dual) {
    let mut bind = Bind { addresses: Vec::new(), accept_proxy: None, backlog: None, maxconn: None };
    let mut dual = Dual::Unsaid;
    let mut tls = false;
    let mut rest = words;
    while let Some((keyword, after)) = rest.split_first() {
        let with_value = WITH_VALUE.contains(&&*keyword.text);
        let (values, after) = after.split_at(after.len().min(usize::from(with_value)));
        rest = after;
        let count = || {
            let value = values.first().and_then(|word| number(&word.text))?;
            (value > 0).then(|| At::new(value, &keyword.at))
        };
        match keyword.text.as_str() {
            "accept-proxy" => bind.accept_proxy = Some(At::new((), &keyword.at)),
            "backlog" => bind.backlog = count(),
            "maxconn" => bind.maxconn = count(),
            "v4v6" => dual = Dual::Both,
            "v6only" => dual = Dual::V6,
            "ssl" => {
                tls = true;
                let message = "the bytes of TLS are passed on as they are: certificates and all other \
                               settings of TLS on this line are not carried";
                let mend =
                    "let servers speak TLS with the clients, or keep HAProxy in front of ringbolt";
                notes.note(&keyword.at, message, mend);
            }
            // Names and numbers for HAProxy's own statistics, and what TLS has settled already.
            "name" | "id" | "guid-prefix" | "label" => {}
            _ if tls && TLS.contains(&&*keyword.text) => {}
            other => explain(other, keyword, notes),
        }
    }
    (bind, dual)
}

/// Options that have one value, of all versions.
const WITH_VALUE: &[&str] = &[
    "accept-netscaler-cip",
    "alpn",
    "backlog",
    "ca-file",
    "ca-ignore-err",
    "ca-sign-file",
    "ca-sign-pass",
    "ca-verify-file",
    "cc",
    "ciphers",
    "ciphersuites",
    "client-sigalgs",
    "crl-file",
    "crt",
    "crt-ignore-err",
    "crt-list",
    "curves",
    "default-crt",
    "ecdhe",
    "expose-fd",
    "gid",
    "group",
    "guid-prefix",
    "id",
    "idle-ping",
    "interface",
    "label",
    "level",
    "maxconn",
    "mode",
    "mss",
    "name",
    "namespace",
    "nbconn",
    "nice",
    "npn",
    "ocsp-update",
    "process",
    "proto",
    "quic-cc-algo",
    "quic-socket",
    "severity-output",
    "shards",
    "sigalgs",
    "ssl-max-ver",
    "ssl-min-ver",
    "tcp-md5sig",
    "tcp-ut",
    "thread",
    "tls-ticket-keys",
    "uid",
    "user",
    "verify",
];

/// Options of TLS.
const TLS: &[&str] = &[
    "allow-0rtt",
    "alpn",
    "ca-file",
    "ca-ignore-err",
    "ca-sign-file",
    "ca-sign-pass",
    "ca-verify-file",
    "ciphers",
    "ciphersuites",
    "client-sigalgs",
    "crl-file",
    "crt",
    "crt-ignore-err",
    "crt-list",
    "curves",
    "default-crt",
    "ecdhe",
    "force-sslv3",
    "force-tlsv10",
    "force-tlsv11",
    "force-tlsv12",
    "force-tlsv13",
    "generate-certificates",
    "no-alpn",
    "no-ca-names",
    "no-sslv3",
    "no-strict-sni",
    "no-tls-tickets",
    "no-tlsv10",
    "no-tlsv11",
    "no-tlsv12",
    "no-tlsv13",
    "npn",
    "ocsp-update",
    "prefer-client-ciphers",
    "sigalgs",
    "ssl-max-ver",
    "ssl-min-ver",
    "strict-sni",
    "tls-ticket-keys",
    "tls-tickets",
    "verify",
];

/// Says what becomes of an option that is not carried.
fn explain(keyword: &str, word: &Word, notes: &mut Notes) {
    let (why, mend) = match keyword {
        "transparent" => (
            "ringbolt listens on addresses of this machine",
            "let the firewall redirect to one of them",
        ),
        "interface" | "namespace" => (
            "it is not bound to a device or a name space",
            "bind an address that only this device has, or let the service manager choose the name space",
        ),
        "tfo" | "defer-accept" | "mss" | "tcp-ut" | "tcp-md5sig" | "cc" | "idle-ping" => {
            ("there is no key for it", "nothing to do: it is not needed for what is carried")
        }
        "accept-netscaler-cip" => (
            "this header is not understood, and would reach the servers",
            "let the balancer in front send PROXY, and write accept-proxy",
        ),
        "process" | "thread" | "shards" | "nice" | "severity-output" | "level" | "expose-fd" => {
            ("every worker listens for itself", "nothing to do")
        }
        "user" | "group" | "uid" | "gid" | "mode" => {
            ("it is about UNIX sockets", "nothing to do: listeners are TCP")
        }
        "proto" | "quic-cc-algo" | "quic-force-retry" | "quic-socket" | "nbconn" => {
            ("Layer 4 does not see which protocol it is", "nothing to do")
        }
        _ if TLS.contains(&keyword) => ("ringbolt does not speak TLS", "nothing to do"),
        _ => ("it is not known here", "see whether HAProxy knows it: `haproxy -c -f FILE`"),
    };
    notes.note(&word.at, format!("bind option {keyword} is not carried: {why}"), mend);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Word> {
        let mut place = 0;
        let word = |text: &str| {
            place += 100;
            Word { text: text.into(), at: place..place + text.len() }
        };
        text.split(' ').map(word).collect()
    }

    fn bind(text: &str) -> (Option<Bind>, usize) {
        let mut notes = Notes::default();
        let bind = read(&words(text), &mut notes);
        (bind, notes.into_lists().1.len())
    }

    /// Goal: several addresses, ranges and options on one line are read. Method: one line of each, with
    /// what it listens on and the number of notes.
    #[test]
    fn lines_are_read() {
        for (line, addresses, notes) in [
            ("bind :80,:81", &["0.0.0.0:80", "0.0.0.0:81"][..], 0),
            ("bind :80-81 accept-proxy", &["0.0.0.0:80", "0.0.0.0:81"], 1),
            ("bind :::80 v4v6", &["0.0.0.0:80", "[::]:80"], 1),
            ("bind :::80 v6only name web id 3", &["[::]:80"], 0),
            ("bind *:443 ssl crt /etc/a.pem alpn h2", &["0.0.0.0:443"], 1),
            ("bind *:443 crt /etc/a.pem", &["0.0.0.0:443"], 1),
            ("bind *:80 interface eth0 tfo", &["0.0.0.0:80"], 2),
            ("bind *:80 nonsense", &["0.0.0.0:80"], 1),
            ("bind /run/a.sock,:80", &["0.0.0.0:80"], 1),
        ] {
            let (bind, count) = bind(line);
            let bind = bind.unwrap_or_else(|| panic!("{line}"));
            let bound: Vec<_> = bind.addresses.iter().map(|at| at.value.as_str()).collect();
            assert_eq!((&bound[..], count), (addresses, notes), "{line}");
        }
        let (read, _) = bind("bind :80 accept-proxy backlog 100 maxconn 5");
        let read = read.expect("a bind");
        let numbers = [&read.backlog, &read.maxconn].map(|it| it.as_ref().map(|at| at.value));
        assert_eq!((read.accept_proxy.is_some(), numbers), (true, [Some(100), Some(5)]));
        assert!(bind("bind /run/a.sock").0.is_none() && bind("bind").0.is_none());
    }
}
