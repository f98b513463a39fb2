//! `server NAME ADDR …` and `default-server …`: one server and its parameters.

use std::ops::Range;
use std::time::Duration;

use ringbolt_core::limits::SERVERS_MAX;
use ringbolt_core::spec::SendProxy;

use super::{address, time};
use crate::import::model::At;
use crate::import::notes::Notes;
use crate::import::word::{Word, number, span};

/// What parameters say. Everything is optional, because defaults are of the same kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters {
    pub(super) weight: Option<At<u64>>,
    pub(super) id: Option<At<u64>>,
    /// `check` or `no-check`.
    pub(super) check: Option<At<bool>>,
    pub(super) inter: Option<At<Duration>>,
    pub(super) fastinter: Option<At<Duration>>,
    pub(super) rise: Option<At<u64>>,
    pub(super) fall: Option<At<u64>>,
    pub(super) maxconn: Option<At<u64>>,
    pub(super) backup: Option<At<bool>>,
    pub(super) send_proxy: Option<At<SendProxy>>,
    pub(super) source: Option<At<String>>,
    pub(super) disabled: Option<At<bool>>,
    /// `ssl` or `check-ssl`: whoever probes it speaks TLS.
    pub(super) tls: Option<At<bool>>,
}

impl Parameters {
    /// These where they are written, and others where not.
    pub(super) fn over(self, defaults: &Self) -> Self {
        let defaults = defaults.clone();
        Self {
            weight: self.weight.or(defaults.weight),
            // Ids are never inherited.
            id: self.id,
            check: self.check.or(defaults.check),
            inter: self.inter.or(defaults.inter),
            fastinter: self.fastinter.or(defaults.fastinter),
            rise: self.rise.or(defaults.rise),
            fall: self.fall.or(defaults.fall),
            maxconn: self.maxconn.or(defaults.maxconn),
            backup: self.backup.or(defaults.backup),
            send_proxy: self.send_proxy.or(defaults.send_proxy),
            source: self.source.or(defaults.source),
            disabled: self.disabled.or(defaults.disabled),
            tls: self.tls.or(defaults.tls),
        }
    }

    pub(super) fn is_checked(&self) -> bool {
        self.check.as_ref().is_some_and(|check| check.value)
    }

    pub(super) fn is_disabled(&self) -> bool {
        self.disabled.as_ref().is_some_and(|disabled| disabled.value)
    }

    pub(super) fn is_backup(&self) -> bool {
        self.backup.as_ref().is_some_and(|backup| backup.value)
    }
}

/// A server as it is written.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) name: At<String>,
    pub(super) address: At<String>,
    pub(super) parameters: Parameters,
    /// How many servers HAProxy makes of it.
    pub(super) places: u64,
}

/// Reads what follows `server`, with the defaults of its proxy.
pub(super) fn read(words: &[Word], defaults: &Parameters, notes: &mut Notes) -> Option<Server> {
    let [_, name, address, rest @ ..] = words else {
        let mend = "write: server NAME ADDRESS:PORT";
        notes.note(&span(words), "a server without a name or an address is not carried", mend);
        return None;
    };
    let parameters = parameters(rest, notes).over(defaults);
    Some(Server { name: name.placed(), address: address.placed(), parameters, places: 1 })
}

/// Reads `server-template PREFIX NUM ADDR …`: its servers are those that a name has, whichever they
/// are by then, so there is one server with that name here.
pub(super) fn read_template(
    words: &[Word],
    defaults: &Parameters,
    notes: &mut Notes,
) -> Option<Server> {
    let [_, prefix, count, address, rest @ ..] = words else {
        let mend = "write: server NAME ADDRESS:PORT, once for each server";
        notes.note(
            &span(words),
            "a server-template without a name or an address is not carried",
            mend,
        );
        return None;
    };
    let (first, last) = count.text.split_once('-').unwrap_or(("1", &count.text));
    let places = number(last).zip(number(first)).and_then(|(last, first)| last.checked_sub(first));
    let places = places.map_or(1, |others| others.saturating_add(1).min(SERVERS_MAX as u64));
    let name = At::new(format!("{}{first}", prefix.text), &prefix.at);
    let message = format!(
        "server-template makes {} servers of one name; carried as one, {}, at one of its addresses",
        count.text, name.value
    );
    let mend = "write a server for each address: clients of the others move";
    notes.note(&span(&words[..4]), message, mend);
    let parameters = parameters(rest, notes).over(defaults);
    Some(Server { name, address: address.placed(), parameters, places })
}

/// Reads parameters, each with what follows it.
pub(super) fn parameters(words: &[Word], notes: &mut Notes) -> Parameters {
    let mut read = Parameters::default();
    let mut rest = words;
    while let Some((keyword, after)) = rest.split_first() {
        let arguments = after.len().min(arity(&keyword.text, after));
        let (values, after) = after.split_at(arguments);
        rest = after;
        parameter(&mut read, keyword, values, notes);
    }
    read
}

fn parameter(read: &mut Parameters, keyword: &Word, values: &[Word], notes: &mut Notes) {
    let here = |value| Some(At::new(value, &keyword.at));
    let first = values.first();
    match keyword.text.as_str() {
        "weight" => read.weight = first.and_then(|word| count(word, notes)),
        "id" => read.id = first.and_then(|word| count(word, notes)),
        "rise" => read.rise = first.and_then(|word| count(word, notes)),
        "fall" => read.fall = first.and_then(|word| count(word, notes)),
        "maxconn" => {
            read.maxconn = first.and_then(|word| count(word, notes)).filter(|it| it.value > 0);
        }
        "inter" => read.inter = first.and_then(|word| time::duration(word, notes)),
        "fastinter" => read.fastinter = first.and_then(|word| time::duration(word, notes)),
        "check" => read.check = here(true),
        "no-check" => read.check = here(false),
        "backup" => read.backup = here(true),
        "no-backup" => read.backup = here(false),
        "disabled" => read.disabled = here(true),
        "enabled" => read.disabled = here(false),
        "send-proxy" => read.send_proxy = Some(At::new(SendProxy::V1, &keyword.at)),
        "no-send-proxy"
        | "no-send-proxy-v2"
        | "no-send-proxy-v2-ssl"
        | "no-send-proxy-v2-ssl-cn" => {
            read.send_proxy = Some(At::new(SendProxy::Off, &keyword.at));
        }
        "send-proxy-v2" => read.send_proxy = Some(At::new(SendProxy::V2, &keyword.at)),
        "send-proxy-v2-ssl" | "send-proxy-v2-ssl-cn" => {
            read.send_proxy = Some(At::new(SendProxy::V2, &keyword.at));
            let message = format!(
                "{} is carried as send_proxy = \"v2\" without what it says of TLS",
                keyword.text
            );
            notes.note(
                &keyword.at,
                message,
                "ringbolt does not see TLS; the server gets address and port",
            );
        }
        "source" => {
            if let Some(word) = first {
                read.source = source(word, &values[1..], notes);
            }
        }
        "no-ssl" | "no-check-ssl" => read.tls = here(false),
        // Without what is not carried anyway.
        "no-agent-check" | "no-check-send-proxy" | "no-tfo" => {}
        other => {
            if matches!(other, "ssl" | "check-ssl") {
                read.tls = here(true);
            }
            explain(other, keyword, values, notes);
        }
    }
}

/// The address that connections to servers come from.
pub(super) fn source(word: &Word, rest: &[Word], notes: &mut Notes) -> Option<At<String>> {
    if let Some(option) = rest.iter().find(|word| matches!(&*word.text, "usesrc" | "interface")) {
        let message = format!("source with {} is not carried", option.text);
        let mend = "servers see ringbolt's own address; send_proxy tells them the client's";
        notes.note(&option.at, message, mend);
    }
    let Some((addr, ports)) = address::source(&word.text) else {
        let message =
            format!("{:?} is no address to connect from, so it is not carried", word.text);
        notes.note(&word.at, message, "write an address of this machine");
        return None;
    };
    if ports {
        let message = "the ports of a source are not carried";
        notes.note(
            &word.at,
            message,
            "ringbolt uses the system's range, for each server all of it",
        );
    }
    // Every address of the machine: no choice at all.
    let any = matches!(&*addr, "0.0.0.0" | "::");
    (!any).then(|| At::new(addr, &word.at))
}

fn count(word: &Word, notes: &mut Notes) -> Option<At<u64>> {
    let value = number(&word.text);
    if value.is_none() {
        let message = format!("{:?} is no number, so it is not carried", word.text);
        notes.note(&word.at, message, "write a number");
    }
    value.map(|value| At::new(value, &word.at))
}

/// How many words belong to a parameter.
fn arity(keyword: &str, after: &[Word]) -> usize {
    match keyword {
        "source" => {
            let option = |place: usize| after.get(place).map(|word| word.text.as_str());
            match (option(1), option(2)) {
                (Some("usesrc"), Some(_)) => 3,
                (Some("interface"), Some(_)) => 3,
                (Some(_) | None, Some(_) | None) => 1,
            }
        }
        _ if WITH_VALUE.contains(&keyword) => 1,
        _ => 0,
    }
}

/// Parameters that have one value, of all versions.
const WITH_VALUE: &[&str] = &[
    "addr",
    "agent-addr",
    "agent-inter",
    "agent-port",
    "agent-send",
    "alpn",
    "ca-file",
    "check-alpn",
    "check-proto",
    "check-sni",
    "ciphers",
    "ciphersuites",
    "client-sigalgs",
    "cookie",
    "crl-file",
    "crt",
    "curves",
    "downinter",
    "error-limit",
    "fall",
    "fastinter",
    "guid",
    "hash-key",
    "id",
    "init-addr",
    "init-state",
    "inter",
    "log-bufsize",
    "log-proto",
    "max-reuse",
    "maxconn",
    "maxqueue",
    "minconn",
    "namespace",
    "npn",
    "observe",
    "on-error",
    "on-marked-down",
    "on-marked-up",
    "pool-conn-name",
    "pool-low-conn",
    "pool-max-conn",
    "pool-purge-delay",
    "port",
    "proto",
    "proxy-v2-options",
    "redir",
    "resolve-net",
    "resolve-opts",
    "resolve-prefer",
    "resolvers",
    "rise",
    "set-proxy-v2-tlv-fmt",
    "shard",
    "sigalgs",
    "slowstart",
    "sni",
    "socks4",
    "ssl-max-ver",
    "ssl-min-ver",
    "sslf",
    "tcp-md5sig",
    "tcp-ut",
    "track",
    "verify",
    "verifyhost",
    "weight",
    "ws",
];

/// Says what becomes of a parameter that is not carried.
fn explain(keyword: &str, word: &Word, values: &[Word], notes: &mut Notes) {
    let at: Range<usize> = word.at.start..values.last().map_or(word.at.end, |value| value.at.end);
    let (why, mend) = match keyword {
        "slowstart" => (
            "a server that comes back gets its whole share at once",
            "nothing to do, where clients are spread by their addresses: they come as they reconnect",
        ),
        "ssl" => (
            "the client's bytes go to the server as they are",
            "let clients speak TLS with the server, or let the server speak without it",
        ),
        "verify" | "crt" | "ca-file" | "sni" | "alpn" | "npn" | "ciphers" | "ciphersuites"
        | "crl-file" | "verifyhost" | "ssl-min-ver" | "ssl-max-ver" | "no-verify" | "check-sni"
        | "check-alpn" | "curves" | "sigalgs" | "client-sigalgs" | "no-ssl-reuse"
        | "no-tls-tickets" | "no-tlsv10" | "no-tlsv11" | "no-tlsv12" | "no-tlsv13" | "no-sslv3"
        | "force-tlsv12" | "force-tlsv13" => (
            "ringbolt does not speak TLS",
            "nothing to do, if clients and servers speak TLS with each other",
        ),
        "check-ssl" => (
            "probes do not speak TLS",
            "health kind \"tcp\" tells whether the server takes connections",
        ),
        "cookie" => (
            "Layer 4 does not see cookies",
            "nothing to do: clients meet the same server by their address",
        ),
        "downinter" => (
            "a server that is down is probed every `interval`",
            "write the interval that is right for both",
        ),
        "port" | "addr" => (
            "probes go to the server's own address and port",
            "see that they are answered there: this decides who is up",
        ),
        "check-send-proxy" => (
            "probes begin with a header exactly when sessions do",
            "nothing to do, where send-proxy is set too",
        ),
        "on-marked-down" => (
            "live sessions of a server that goes down are left to TCP",
            "close them with `shutdown sessions server P/S` when they must go",
        ),
        "on-marked-up" => (
            "live sessions at backups stay when a server comes back",
            "close them with `shutdown sessions server P/S` when they must go",
        ),
        "observe" | "error-limit" | "on-error" => (
            "failed connects always count as bad results, and nothing else of live traffic does",
            "nothing to do, for layer4; answers are not looked at",
        ),
        "track" => {
            ("every server is probed for itself", "give its pool the health of the tracked one")
        }
        "minconn" | "maxqueue" => (
            "there is no queue: a full server's clients go to their next choice",
            "set maxconn to what the server takes",
        ),
        "agent-check" | "agent-addr" | "agent-inter" | "agent-port" | "agent-send" => (
            "there are no agents",
            "set weights through the runtime socket: `set server P/S weight N`",
        ),
        "resolvers" | "resolve-prefer" | "resolve-opts" | "resolve-net" | "init-addr" => (
            "names are asked for again every 10 s by the system's resolver",
            "nothing to do, unless other name servers must be asked",
        ),
        "hash-key" => (
            "the mapping has `id` as its key",
            "clients move, unless it says id: compare both with `ringbolt plan`",
        ),
        "non-stick" | "redir" | "ws" | "proto" | "check-proto" | "max-reuse" | "pool-conn-name"
        | "pool-low-conn" | "pool-max-conn" | "pool-purge-delay" => {
            ("Layer 4 does not see requests", "nothing to do")
        }
        "tfo"
        | "tcp-ut"
        | "namespace"
        | "shard"
        | "guid"
        | "init-state"
        | "socks4"
        | "log-proto"
        | "log-bufsize"
        | "proxy-v2-options"
        | "set-proxy-v2-tlv-fmt"
        | "tcp-md5sig"
        | "stick"
        | "allow-0rtt"
        | "check-via-socks4" => ("there is no key for it", "see whether servers need it"),
        _ => ("it is not known here", "see whether HAProxy knows it: `haproxy -c -f FILE`"),
    };
    notes.note(&at, format!("server parameter {keyword} is not carried: {why}"), mend);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Word> {
        let mut place = 0;
        let word = |text: &str| {
            let start = place;
            place += text.len() + 1;
            Word { text: text.into(), at: start..start + text.len() }
        };
        text.split(' ').map(word).collect()
    }

    /// Goal: every parameter that is carried is read, and its value is not taken for a parameter.
    /// Method: all of them on one line, over defaults.
    #[test]
    fn parameters_are_read() {
        let mut notes = Notes::default();
        let defaults =
            parameters(&words("check inter 3s rise 9 backup send-proxy id 7"), &mut notes);
        let line = "server ws1 192.0.2.1:1 weight 10 id 5 inter 500 fastinter 100ms rise 1 fall 4 \
                    maxconn 100 no-backup send-proxy-v2 source 192.0.2.9 disabled";
        let server = read(&words(line), &defaults, &mut notes).expect("a server");
        let it = &server.parameters;
        let numbers = [&it.weight, &it.id, &it.rise, &it.fall, &it.maxconn];
        let numbers = numbers.map(|number| number.as_ref().map(|at| at.value));
        assert_eq!(numbers, [Some(10), Some(5), Some(1), Some(4), Some(100)]);
        let times = [&it.inter, &it.fastinter].map(|time| time.as_ref().map(|at| at.value));
        assert_eq!(times, [Some(Duration::from_millis(500)), Some(Duration::from_millis(100))]);
        assert!(it.is_checked() && it.is_disabled() && !it.is_backup());
        assert_eq!(it.send_proxy.as_ref().map(|at| at.value), Some(SendProxy::V2));
        assert_eq!(it.source.as_ref().map(|at| at.value.as_str()), Some("192.0.2.9"));
        assert_eq!(notes.into_lists().1, []);
        let mut notes = Notes::default();
        let plain =
            read(&words("server ws2 192.0.2.2:1"), &defaults, &mut notes).expect("a server");
        assert_eq!(plain.parameters.id, None);
        assert!(plain.parameters.is_backup());
    }

    /// Goal: whatever is not carried is said, once, with its value. Method: parameters of every kind.
    #[test]
    fn what_is_not_carried_is_said() {
        for (line, count) in [
            ("slowstart 30s", 1),
            ("ssl verify none", 2),
            ("cookie a on-marked-down shutdown-sessions", 2),
            ("check port 80 weight 2", 1),
            ("source 192.0.2.9:1000-2000 usesrc clientip", 2),
            ("source eth0", 1),
            ("weight many", 1),
            ("nonsense", 1),
            ("send-proxy-v2-ssl", 1),
            ("no-ssl no-check-ssl no-tfo no-agent-check no-send-proxy-v2-ssl", 0),
        ] {
            let mut notes = Notes::default();
            parameters(&words(line), &mut notes);
            let (errors, notes) = notes.into_lists();
            assert_eq!((errors.len(), notes.len()), (0, count), "{line}: {notes:?}");
            assert!(notes.iter().all(|note| note.help.is_some() && note.span.is_some()), "{line}");
        }
    }

    /// Goal: values of parameters are never read as parameters. Method: the list of them is sorted, so
    /// that a name is seen to be missing or there twice.
    #[test]
    fn the_list_of_parameters_is_in_order() {
        assert!(WITH_VALUE.is_sorted() || WITH_VALUE.windows(2).all(|pair| pair[0] < pair[1]));
    }

    /// Goal: a template is one server, which is said. Method: both forms of its number.
    #[test]
    fn a_template_is_one_server() {
        for (line, name, places) in [
            ("server-template ws 3 ws.example:8765 check", "ws1", 3),
            ("server-template ws 5-6 ws.example:8765 check", "ws5", 2),
            ("server-template ws 6-5 ws.example:8765 check", "ws6", 1),
            ("server-template ws many ws.example:8765 check", "ws1", 1),
            ("server-template ws 99999999999 ws.example:8765 check", "ws1", 4_096),
        ] {
            let mut notes = Notes::default();
            let server =
                read_template(&words(line), &Parameters::default(), &mut notes).expect("one");
            assert_eq!(
                (server.name.value.as_str(), server.address.value.as_str()),
                (name, "ws.example:8765")
            );
            assert_eq!(server.places, places, "{line}");
            assert!(server.parameters.is_checked());
            assert_eq!(notes.into_lists().1.len(), 1);
        }
    }
}
