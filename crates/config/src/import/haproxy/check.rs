//! How HAProxy probes servers: `option httpchk`, `option tcp-check` and the like, with their rules.

use std::ops::Range;

use crate::import::model::{At, Probe};
use crate::import::notes::Notes;
use crate::import::word::{Word, shown, span};

/// What a proxy says of probes, apart from who is probed and how often.
#[derive(Clone, Debug, Default)]
pub(super) struct Checks {
    kind: Option<At<Kind>>,
    method: Option<String>,
    uri: Option<String>,
    host: Option<String>,
    status: Option<String>,
    /// Of `tcp-check`, what comes first of each.
    send: Option<At<String>>,
    expect: Option<At<String>>,
    /// A rule asks over TLS.
    tls: bool,
    /// The rules are those of a `defaults` section: the first of one's own takes their place.
    rules_inherited: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Http,
    Tcp,
    Redis,
}

/// A rule of `tcp-check`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Send(String),
    Expect(String),
}

impl Checks {
    /// What a probe does, and where that is said.
    pub(super) fn probe(&self, notes: &mut Notes) -> Option<At<Probe>> {
        let kind = self.kind.as_ref()?;
        let probe = match kind.value {
            Kind::Http => self.http(kind, notes),
            Kind::Tcp => self.tcp(notes),
            Kind::Redis => Probe::SendExpect {
                send: "*1\r\n$4\r\nPING\r\n".into(),
                expect: "+PONG\r\n".into(),
            },
        };
        Some(At::new(probe, &kind.at))
    }

    fn http(&self, kind: &At<Kind>, notes: &mut Notes) -> Probe {
        let mut method = self.method.clone().unwrap_or_else(|| "OPTIONS".into());
        if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            let message = format!("{method:?} is no method that a probe has: carried as OPTIONS");
            notes.note(&kind.at, message, "write one in capital letters, such as GET");
            method = "OPTIONS".into();
        }
        if method == "OPTIONS" {
            let message = "this probe asks with OPTIONS, which a WebSocket server refuses (405): it is \
                           then down, as under HAProxy";
            let mend = "for WebSocket servers write kind = \"websocket\" in the pool's health";
            notes.note(&kind.at, message, mend);
        }
        let mut path = self.uri.clone().unwrap_or_else(|| "/".into());
        if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = format!("{path:?} is no path that a probe can ask for: carried as \"/\"");
            notes.note(&kind.at, message, "write a path from the root, without spaces");
            path = "/".into();
        }
        let host = self
            .host
            .clone()
            .filter(|host| !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic()));
        Probe::Http { method, path, host, status: self.status.clone() }
    }

    fn tcp(&self, notes: &mut Notes) -> Probe {
        let text = |it: &Option<At<String>>| it.as_ref().map(|it| it.value.clone());
        match (text(&self.send), text(&self.expect)) {
            (send, Some(expect)) => Probe::SendExpect { send: send.unwrap_or_default(), expect },
            (Some(_), None) => {
                let message = "a probe that expects no answer only connects: nothing is sent";
                let mend = "add what a good answer has in it: tcp-check expect string …";
                self.send.iter().for_each(|send| notes.note(&send.at, message, mend));
                Probe::Tcp
            }
            (None, None) => Probe::Tcp,
        }
    }

    /// Whether a rule asks over TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.tls
    }

    /// The same for a proxy that may have rules of its own.
    pub(super) fn inherited(&self) -> Self {
        Self { rules_inherited: true, ..self.clone() }
    }

    /// The first rule of a proxy: those of its `defaults` section, a whole request too, are then none.
    fn begin(&mut self) {
        if std::mem::take(&mut self.rules_inherited) {
            *self = Self { kind: self.kind.clone(), ..Self::default() };
        }
    }

    fn step(&mut self, step: Step, at: &Range<usize>, notes: &mut Notes) {
        self.begin();
        match step {
            Step::Send(text) if self.send.is_none() && self.expect.is_none() => {
                self.send = Some(At::new(text, at));
            }
            Step::Expect(text) if self.expect.is_none() => self.expect = Some(At::new(text, at)),
            Step::Send(_) | Step::Expect(_) => {
                let message = "a probe sends once and then expects once: this step is not carried";
                let mend = "see that the first answer tells enough: this decides who is up";
                notes.note(at, message, mend);
            }
        }
    }

    /// Reads `option …`; false when it is no probe.
    pub(super) fn option(&mut self, words: &[Word], notes: &mut Notes) -> bool {
        let Some(name) = words.get(1) else { return false };
        let at = span(words);
        if name.text == "httpchk" {
            // `option tcp-check` alone leaves the rules of the defaults as they are.
            self.begin();
        }
        if name.text == "httpchk" && at.len() > TEXT_BYTES_MAX {
            let message = "this request is too long for a probe: carried as OPTIONS /";
            notes.note(&at, message, format!("write it in {TEXT_BYTES_MAX} bytes"));
            self.kind = Some(At::new(Kind::Http, &at));
            return true;
        }
        let kind = match name.text.as_str() {
            "httpchk" => {
                self.request(&words[2..]);
                Kind::Http
            }
            "tcp-check" => Kind::Tcp,
            "redis-check" => Kind::Redis,
            "mysql-check" | "pgsql-check" | "smtpchk" | "ldap-check" | "ssl-hello-chk"
            | "spop-check" | "external-check" => {
                let message = format!("option {} is not carried: probes only connect", name.text);
                let mend = "nothing to do, if a server that takes connections is well; health kind \
                            \"send-expect\" sends bytes and looks for others in the answer";
                notes.note(&at, message, mend);
                Kind::Tcp
            }
            _ => return false,
        };
        self.kind = Some(At::new(kind, &at));
        true
    }

    /// `no option …`: no such probe any more.
    pub(super) fn without(&mut self, name: &str) {
        if matches!(name, "httpchk" | "tcp-check" | "redis-check") {
            self.kind = None;
        }
    }

    /// The old form: [METHOD] URI [VERSION, with headers after it].
    fn request(&mut self, words: &[Word]) {
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        let (method, uri, version) = match texts[..] {
            [] => (None, None, None),
            [uri] => (None, Some(uri), None),
            [method, uri] => (Some(method), Some(uri), None),
            [method, uri, version, ..] => (Some(method), Some(uri), Some(version)),
        };
        let said = |text: Option<&str>| text.map(str::to_owned);
        let headers = version.into_iter().flat_map(str::lines).skip(1);
        // An http-check send before this line holds where this says nothing.
        self.method = said(method).or_else(|| self.method.take());
        self.uri = said(uri).or_else(|| self.uri.take());
        self.host = headers.filter_map(host_of).next().or_else(|| self.host.take());
    }

    /// Reads `http-check …`.
    pub(super) fn http_rule(&mut self, words: &[Word], notes: &mut Notes) {
        let Some((verb, rest)) = words.get(1).zip(words.get(2..)) else { return };
        self.begin();
        match verb.text.as_str() {
            "send" => self.http_send(rest, notes),
            "expect" => self.http_expect(rest, notes),
            "comment" => {}
            "connect" if rest.is_empty() => {}
            "disable-on-404" => {
                let message = "http-check disable-on-404 is not carried: a 404 is a bad answer";
                let mend =
                    "drain a server through the runtime socket: `set server P/S state drain`";
                notes.note(&span(words), message, mend);
            }
            other => {
                self.tls |= asks_over_tls(other, rest);
                let message = format!("http-check {other} is not carried");
                let mend = "see that the plain request tells enough: this decides who is up";
                notes.note(&span(words), message, mend);
            }
        }
    }

    fn http_send(&mut self, words: &[Word], notes: &mut Notes) {
        let mut rest = words;
        while let [keyword, value, after @ ..] = rest {
            rest = after;
            match keyword.text.as_str() {
                "meth" => self.method = Some(value.text.clone()),
                "uri" => self.uri = Some(value.text.clone()),
                "ver" => {}
                "hdr" => {
                    let Some((text, after)) = after.split_first() else { return };
                    rest = after;
                    if value.text.eq_ignore_ascii_case("host") {
                        self.host = Some(text.text.clone());
                    } else {
                        let message = format!("probes send no header {}", value.text);
                        let mend = "see that servers answer without it: this decides who is up";
                        notes.note(&(keyword.at.start..text.at.end), message, mend);
                    }
                }
                other => {
                    let message = format!("http-check send {other} is not carried");
                    let mend = "see that servers answer without it: this decides who is up";
                    notes.note(&(keyword.at.start..value.at.end), message, mend);
                }
            }
        }
    }

    fn http_expect(&mut self, words: &[Word], notes: &mut Notes) {
        let status = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b'-'))
        };
        match words {
            [kind, value] if kind.text == "status" && status(&value.text) => {
                self.status = Some(value.text.clone());
            }
            _ => {
                let message = format!(
                    "http-check expect {} is not carried: an answer from 200 to 399 is good",
                    shown(words)
                );
                let mend = "write good codes as http-check expect status 200,204,300-399";
                notes.note(&span(words), message, mend);
            }
        }
    }

    /// Reads `tcp-check …`.
    pub(super) fn tcp_rule(&mut self, words: &[Word], notes: &mut Notes) {
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        let at = span(words);
        if let [_, verb, rest @ ..] = words
            && asks_over_tls(&verb.text, rest)
        {
            self.begin();
            self.tls = true;
        }
        let step = match texts.get(1..).unwrap_or_default() {
            ["comment", ..] | ["connect"] => return,
            ["send", text] | ["send", text, "comment", ..] => Some(Step::Send((*text).to_owned())),
            ["send-binary", hex] | ["send-binary", hex, "comment", ..] => {
                text_of(hex).map(Step::Send)
            }
            ["expect", "string", text, ..] => Some(Step::Expect((*text).to_owned())),
            ["expect", "binary", hex, ..] => text_of(hex).map(Step::Expect),
            _ => None,
        };
        let fits = |step: &Step| match step {
            Step::Send(text) => text.len() <= TEXT_BYTES_MAX,
            Step::Expect(text) => (1..=TEXT_BYTES_MAX).contains(&text.len()),
        };
        match step.filter(fits) {
            Some(step) => self.step(step, &at, notes),
            None => {
                let message = format!("{} is not carried", shown(words));
                let mend = "a probe connects, sends bytes and looks for others in the answer; see \
                            that this tells enough: it decides who is up";
                notes.note(&at, message, mend);
            }
        }
    }
}

/// Bytes that a probe sends or waits for.
const TEXT_BYTES_MAX: usize = crate::health::PROBE_BYTES_MAX;

fn asks_over_tls(verb: &str, options: &[Word]) -> bool {
    verb == "connect" && options.iter().any(|word| word.text == "ssl")
}

fn host_of(line: &str) -> Option<String> {
    let (name, value) = line.split_once(':')?;
    name.trim().eq_ignore_ascii_case("host").then(|| value.trim().to_owned())
}

/// Bytes written as hexadecimal digits, where they are a text.
fn text_of(hex: &str) -> Option<String> {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    let bytes = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    String::from_utf8(bytes).ok().filter(|text| text.is_ascii() && !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What lines come to, with the number of notes. Words are parted by single spaces, and `~` is one.
    fn probe(lines: &str) -> (Option<Probe>, usize) {
        let (mut checks, mut notes) = (Checks::default(), Notes::default());
        let mut place = 0;
        for line in lines.lines() {
            let words: Vec<Word> = line
                .split(' ')
                .map(|text| {
                    let text = text.replace('~', " ").replace("\\r\\n", "\r\n");
                    place += 100;
                    Word { at: place..place + text.len(), text }
                })
                .collect();
            match words[0].text.as_str() {
                "option" => assert!(checks.option(&words, &mut notes), "{line}"),
                "backend" => checks = checks.inherited(),
                "http-check" => checks.http_rule(&words, &mut notes),
                _ => checks.tcp_rule(&words, &mut notes),
            }
        }
        let probe = checks.probe(&mut notes).map(|probe| probe.value);
        (probe, notes.into_lists().1.len())
    }

    fn http(method: &str, path: &str, host: Option<&str>, status: Option<&str>) -> Option<Probe> {
        let [host, status] = [host, status].map(|text| text.map(str::to_owned));
        Some(Probe::Http { method: method.into(), path: path.into(), host, status })
    }

    /// Goal: every form of an HTTP probe asks for the same here. Method: one of each; OPTIONS is noted.
    #[test]
    fn http_probes_ask_for_the_same() {
        for (lines, expected, notes) in [
            ("option httpchk", http("OPTIONS", "/", None, None), 1),
            ("option httpchk /up", http("OPTIONS", "/up", None, None), 1),
            ("option httpchk GET /up", http("GET", "/up", None, None), 0),
            (
                "option httpchk GET /up HTTP/1.1\\r\\nHost:~ws.example\\r\\nX:~y",
                http("GET", "/up", Some("ws.example"), None),
                0,
            ),
            (
                "option httpchk\nhttp-check send meth HEAD uri /a ver HTTP/1.1 hdr host b",
                http("HEAD", "/a", Some("b"), None),
                0,
            ),
            (
                "option httpchk GET /\nhttp-check expect status 200,204",
                http("GET", "/", None, Some("200,204")),
                0,
            ),
            (
                "option httpchk GET /\nhttp-check expect ! status 500",
                http("GET", "/", None, None),
                1,
            ),
            ("option httpchk GET /\nhttp-check expect string ok", http("GET", "/", None, None), 1),
            ("option httpchk OPTIONS *", http("OPTIONS", "/", None, None), 2),
            ("option httpchk get /", http("OPTIONS", "/", None, None), 2),
            (
                "option httpchk GET /\nhttp-check send hdr X y body z",
                http("GET", "/", None, None),
                2,
            ),
            ("option httpchk GET /\nhttp-check disable-on-404", http("GET", "/", None, None), 1),
            ("option httpchk GET /\nhttp-check connect ssl", http("GET", "/", None, None), 1),
        ] {
            assert_eq!(probe(lines), (expected, notes), "{lines}");
        }
    }

    /// Goal: a proxy's own probe takes nothing from that of its defaults. Method: what HAProxy 2.6 asks
    /// servers with these lines.
    #[test]
    fn rules_are_inherited_whole_or_not_at_all() {
        let defaults = "option httpchk\nhttp-check send meth GET uri /a hdr host h\n\
                        http-check expect status 404\nbackend b\n";
        for (own, expected) in [
            ("backend b", http("GET", "/a", Some("h"), Some("404"))),
            ("option httpchk", http("OPTIONS", "/", None, None)),
            ("option httpchk HEAD /x", http("HEAD", "/x", None, None)),
            ("http-check send meth PUT", http("PUT", "/", None, None)),
            ("option httpchk GET /y\nhttp-check send uri /z", http("GET", "/z", None, None)),
            ("http-check send uri /z\noption httpchk", http("OPTIONS", "/z", None, None)),
        ] {
            assert_eq!(probe(&format!("{defaults}{own}")).0, expected, "{own}");
        }
        let defaults = "option tcp-check\ntcp-check send a\ntcp-check expect string b\nbackend b\n";
        let ask = |send: &str, expect: &str| {
            Some(Probe::SendExpect { send: send.into(), expect: expect.into() })
        };
        for (own, expected) in [
            ("option tcp-check", ask("a", "b")),
            ("tcp-check expect string c", ask("", "c")),
            ("option httpchk GET /", http("GET", "/", None, None)),
        ] {
            assert_eq!(probe(&format!("{defaults}{own}")).0, expected, "{own}");
        }
    }

    /// Goal: rules of TCP become one question and one answer, and what is more is noted. Method: each
    /// form.
    #[test]
    fn tcp_probes_ask_once() {
        let ask = |send: &str, expect: &str| {
            Some(Probe::SendExpect { send: send.into(), expect: expect.into() })
        };
        for (lines, expected, notes) in [
            ("option tcp-check", Some(Probe::Tcp), 0),
            ("option tcp-check\ntcp-check connect", Some(Probe::Tcp), 0),
            ("option tcp-check\ntcp-check connect port 80", Some(Probe::Tcp), 1),
            (
                "option tcp-check\ntcp-check send PING\\r\\n\ntcp-check expect string +PONG",
                ask("PING\r\n", "+PONG"),
                0,
            ),
            ("option tcp-check\ntcp-check expect string 220", ask("", "220"), 0),
            ("option tcp-check\ntcp-check expect rstring ^2", Some(Probe::Tcp), 1),
            (
                "option tcp-check\ntcp-check send-binary 50494e47\ntcp-check expect binary 504f4e47",
                ask("PING", "PONG"),
                0,
            ),
            ("option tcp-check\ntcp-check send-binary ff", Some(Probe::Tcp), 1),
            ("option tcp-check\ntcp-check send a", Some(Probe::Tcp), 1),
            (
                "option tcp-check\ntcp-check send a\ntcp-check expect string b\ntcp-check send c\n\
                 tcp-check expect string d",
                ask("a", "b"),
                2,
            ),
            ("option redis-check", ask("*1\r\n$4\r\nPING\r\n", "+PONG\r\n"), 0),
            ("option mysql-check user x", Some(Probe::Tcp), 1),
        ] {
            assert_eq!(probe(lines), (expected, notes), "{lines}");
        }
        assert_eq!(probe("tcp-check send a").0, None, "no option, no probe");
    }
}
