//! What a `defaults` section says, and every proxy may say for itself.

use std::time::Duration;

use super::check::Checks;
use super::server::Parameters;
use super::{left_out, server, time};
use crate::import::model::{At, Limit};
use crate::import::notes::Notes;
use crate::import::word::{Word, number, shown, span};

/// How a proxy treats what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Tcp,
    Http,
    /// Health checks of HAProxy's own, log messages: nothing that could be carried.
    Other,
}

/// Bytes of a line of which words are kept.
const LINE_BYTES_MAX: usize = 1_024;

/// Keywords of which words are kept.
const KEPT: &[&str] = &["balance", "hash-type", "default_backend", "http-check"];

/// The settings of a proxy, or of a `defaults` section.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) mode: Option<At<Mode>>,
    pub(super) balance: Option<At<Vec<Word>>>,
    pub(super) hash_type: Option<At<Vec<Word>>>,
    /// A table or a cookie that keeps clients at their servers, as it is written.
    pub(super) affinity: Option<At<String>>,
    pub(super) default_backend: Option<At<String>>,
    pub(super) retries: Option<At<u64>>,
    /// After how many retries another server is tried; negative: before how many of the last.
    pub(super) redispatch: Option<At<i64>>,
    pub(super) tcplog: Option<At<()>>,
    pub(super) splice: Option<At<()>>,
    pub(super) keepalive: Option<At<Duration>>,
    pub(super) maxconn: Option<At<u64>>,
    pub(super) backlog: Option<At<u64>>,
    pub(super) timeouts: Timeouts,
    pub(super) checks: Checks,
    pub(super) server: Parameters,
    pub(super) source: Option<At<String>>,
    pub(super) all_backups: Option<At<()>>,
    pub(super) disabled: Option<At<()>>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Timeouts {
    pub(super) connect: Option<At<Limit>>,
    pub(super) client: Option<At<Limit>>,
    pub(super) server: Option<At<Limit>>,
    pub(super) tunnel: Option<At<Limit>>,
    pub(super) client_fin: Option<At<Limit>>,
    pub(super) server_fin: Option<At<Limit>>,
    pub(super) check: Option<At<Limit>>,
}

impl Settings {
    /// Reads a line; false when it is none of these.
    pub(super) fn statement(&mut self, words: &[Word], notes: &mut Notes) -> bool {
        let Some(keyword) = words.first() else { return true };
        let value = words.get(1);
        let at = span(words);
        // Settings are kept for every proxy, so that what is long in them is so many times.
        if at.len() > LINE_BYTES_MAX && KEPT.contains(&&*keyword.text) {
            let message = format!("`{}` is not carried: it is too long", shown(words));
            notes.note(&at, message, format!("write it in {LINE_BYTES_MAX} bytes"));
            return true;
        }
        let whole = || Some(At::new(words.to_vec(), &at));
        match keyword.text.as_str() {
            "mode" => self.mode = mode(words),
            "balance" => self.balance = whole(),
            "hash-type" => self.hash_type = whole(),
            "default_backend" => self.default_backend = value.map(Word::placed),
            "retries" => self.retries = count(words, notes),
            "redispatch" => self.redispatch = Some(At::new(-1, &keyword.at)),
            "maxconn" => self.maxconn = count(words, notes).filter(|it| it.value > 0),
            "backlog" => self.backlog = count(words, notes).filter(|it| it.value > 0),
            "default-server" => {
                let written = server::parameters(&words[1..], notes);
                self.server = written.over(&self.server);
            }
            "source" => {
                self.source = value.and_then(|word| server::source(word, &words[2..], notes));
            }
            "option" => self.option(words, notes),
            "no" if value.is_some_and(|word| word.text == "option") => self.without(words, notes),
            "timeout" => self.timeout(words, notes),
            "contimeout" => self.timeouts.connect = value.and_then(|word| time::limit(word, notes)),
            "clitimeout" => self.timeouts.client = value.and_then(|word| time::limit(word, notes)),
            "srvtimeout" => self.timeouts.server = value.and_then(|word| time::limit(word, notes)),
            "http-check" => self.checks.http_rule(words, notes),
            "tcp-check" => self.checks.tcp_rule(words, notes),
            "cookie" | "appsession" => self.keep(words),
            "stick" if value.is_some_and(|word| word.text != "store-response") => self.keep(words),
            "stick-table" => self.table(words, notes),
            "disabled" => self.disabled = Some(At::new((), &keyword.at)),
            "enabled" => self.disabled = None,
            "clitcpka-idle" | "srvtcpka-idle" => {
                self.keepalive = value.and_then(|word| keepalive(word, notes));
            }
            _ => return false,
        }
        true
    }

    /// What keeps a client at its server, whatever `balance` says.
    fn keep(&mut self, words: &[Word]) {
        self.affinity = Some(At::new(shown(words), &span(words)));
    }

    fn table(&mut self, words: &[Word], notes: &mut Notes) {
        let message = format!("{} is not carried: nothing is remembered of clients", shown(words));
        let mend = "nothing to do, where it is for `stick`: a mapping needs no table; counters and limits \
                    of clients are max_per_source at a listener";
        notes.note(&span(words), message, mend);
    }

    /// What a proxy begins with, or a `defaults` section that names another.
    pub(super) fn inherited(&self) -> Self {
        Self { checks: self.checks.inherited(), ..self.clone() }
    }

    fn option(&mut self, words: &[Word], notes: &mut Notes) {
        if self.checks.option(words, notes) {
            return;
        }
        let Some(name) = words.get(1) else {
            notes.note(&span(words), "an option without a name is not carried", "take it out");
            return;
        };
        let at = span(words);
        match name.text.as_str() {
            "redispatch" => {
                let number = words.get(2).map_or(Some(-1), |word| word.text.parse().ok());
                if number.is_none() {
                    let message =
                        format!("`{}` has no number, so the usual is meant", shown(words));
                    notes.note(&at, message, "write a number, or none");
                }
                self.redispatch = Some(At::new(number.unwrap_or(-1), &at));
            }
            "tcplog" => self.tcplog = Some(At::new((), &at)),
            "splice-auto" | "splice-request" | "splice-response" => {
                self.splice = Some(At::new((), &at));
            }
            "allbackups" => self.all_backups = Some(At::new((), &at)),
            // Keepalive on both sides is ringbolt's default.
            "tcpka" | "clitcpka" | "srvtcpka" => {}
            _ => left_out::option(words, notes),
        }
    }

    /// `no option …`: what was inherited is not wanted. What is not carried needs no word.
    fn without(&mut self, words: &[Word], _: &mut Notes) {
        let Some(name) = words.get(2) else { return };
        match name.text.as_str() {
            "redispatch" => self.redispatch = None,
            "tcplog" => self.tcplog = None,
            "splice-auto" => self.splice = None,
            "allbackups" => self.all_backups = None,
            name => self.checks.without(name),
        }
    }

    fn timeout(&mut self, words: &[Word], notes: &mut Notes) {
        let [_, name, value, ..] = words else {
            let mend = "write: timeout NAME TIME";
            notes.note(&span(words), "a timeout without a name or a time is not carried", mend);
            return;
        };
        let slot = match name.text.as_str() {
            "connect" => &mut self.timeouts.connect,
            "client" => &mut self.timeouts.client,
            "server" => &mut self.timeouts.server,
            "tunnel" => &mut self.timeouts.tunnel,
            "client-fin" => &mut self.timeouts.client_fin,
            "server-fin" => &mut self.timeouts.server_fin,
            "check" => &mut self.timeouts.check,
            "queue" => {
                let message = "timeout queue is not carried: there is no queue";
                let mend = "nothing to do: a full server's clients go to their next choice at once";
                notes.note(&span(words), message, mend);
                return;
            }
            "http-request" | "http-keep-alive" | "tarpit" | "client-hs" => {
                let message =
                    format!("timeout {} is not carried: Layer 4 does not see requests", name.text);
                notes.note(
                    &span(words),
                    message,
                    "nothing to do: idle sessions end by timeouts.idle",
                );
                return;
            }
            other => {
                let message = format!("timeout {other} is not known here, so it is not carried");
                notes.note(
                    &span(words),
                    message,
                    "see whether HAProxy knows it: `haproxy -c -f FILE`",
                );
                return;
            }
        };
        if let Some(limit) = time::limit(value, notes) {
            *slot = Some(At::new(limit.value, &span(words)));
        }
    }
}

fn mode(words: &[Word]) -> Option<At<Mode>> {
    let mode = match words.get(1)?.text.as_str() {
        "tcp" => Mode::Tcp,
        "http" => Mode::Http,
        _ => Mode::Other,
    };
    Some(At::new(mode, &span(words)))
}

fn count(words: &[Word], notes: &mut Notes) -> Option<At<u64>> {
    let value = words.get(1).and_then(|word| number(&word.text));
    if value.is_none() {
        let message = format!("{} has no number, so it is not carried", shown(words));
        notes.note(&span(words), message, "write a number");
    }
    value.map(|value| At::new(value, &span(words)))
}

/// A keepalive in the whole seconds that TCP counts.
fn keepalive(word: &Word, notes: &mut Notes) -> Option<At<Duration>> {
    let written = number(&word.text).map(Duration::from_secs).or_else(|| time::parse(&word.text));
    let (least, most) = (crate::time::KEEPALIVE.start(), crate::time::KEEPALIVE.end());
    let Some(written) = written else {
        let message = format!("{:?} is no time, so it is not carried", word.text);
        notes.note(&word.at, message, "write seconds, or a number with a unit");
        return None;
    };
    let seconds = Duration::from_secs(written.as_secs()).clamp(*least, *most);
    if seconds != written {
        let message = format!("{} is carried as {}", word.text, crate::time::show(seconds));
        notes.note(&word.at, message, "write whole seconds from 1s to 32767s");
    }
    Some(At::new(seconds, &word.at))
}
