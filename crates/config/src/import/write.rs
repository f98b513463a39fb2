//! The one writer: a wish as the text of a ringbolt.toml, and where each part of it comes from.

use std::fmt::Write;
use std::ops::Range;
use std::time::Duration;

use ringbolt_core::spec::{SendProxy, Splice};

use super::Product;
use super::model::{At, Global, Health, Limit, Listener, Pool, Probe, Server, Wish};
use super::origins::Origins;
use crate::source::Source;
use crate::time;

/// Writes a wish. `source` is where its places are.
pub(super) fn write(wish: &Wish, product: Product, source: &Source<'_>) -> (String, Origins) {
    let mut paper = Paper::default();
    let from = source.name();
    paper.comment(&format!(
        "From {from}, a configuration of {}, by `ringbolt convert`.",
        product.name()
    ));
    global(&mut paper, &wish.global);
    for it in &wish.listeners {
        paper.origin(source, &it.name.at);
        listener(&mut paper, it);
    }
    for it in &wish.pools {
        paper.origin(source, &it.name.at);
        pool(&mut paper, it);
    }
    (paper.text, paper.origins)
}

fn global(paper: &mut Paper, global: &Global) {
    let Global { workers, max_sessions, admin, user, group, tcplog, drain } = global;
    let places = [
        workers.as_ref().map(|it| &it.at),
        max_sessions.as_ref().map(|it| &it.at),
        admin.as_ref().map(|it| &it.at),
        user.as_ref().map(|it| &it.at),
        group.as_ref().map(|it| &it.at),
        tcplog.as_ref().map(|it| &it.at),
    ];
    if let Some(at) = places.into_iter().flatten().next() {
        paper.table("[global]", at);
        paper.number("workers", workers.as_ref());
        paper.number("max_sessions", max_sessions.as_ref());
        paper.string("admin", admin.as_ref());
        paper.string("user", user.as_ref());
        paper.string("group", group.as_ref());
        paper.string("log", tcplog.clone().map(|at| at.map(|()| "tcplog".to_owned())).as_ref());
    }
    if let Some(drain) = drain {
        paper.table("[timeouts]", &drain.at);
        paper.limit("drain", Some(drain));
    }
}

fn listener(paper: &mut Paper, listener: &Listener) {
    let name = key(&listener.name.value);
    paper.table(&format!("[listener.{name}]"), &listener.name.at);
    paper.list("bind", &listener.binds);
    paper.string("pool", Some(&listener.pool));
    if let Some(from) = &listener.accept_proxy {
        let list: Vec<_> = from.value.iter().map(|it| At::new(it.clone(), &from.at)).collect();
        paper.list("accept_proxy", &list);
        if listener.accept_proxy_only {
            paper.plain("accept_proxy_only", "true", Some(&from.at));
        }
    }
    paper.number("max_sessions", listener.max_sessions.as_ref());
    paper.number("backlog", listener.backlog.as_ref());
    if let Some(mptcp) = &listener.mptcp {
        paper.plain("mptcp", "true", Some(&mptcp.at));
    }
    let (idle, fin) = (&listener.idle, &listener.fin);
    if let Some(at) = idle.as_ref().map(|it| &it.at).or_else(|| fin.as_ref().map(|it| &it.at)) {
        paper.table(&format!("[listener.{name}.timeouts]"), at);
        paper.limit("idle", idle.as_ref());
        paper.time("fin", fin.as_ref());
    }
}

fn pool(paper: &mut Paper, pool: &Pool) {
    let name = key(&pool.name.value);
    paper.table(&format!("[pool.{name}]"), &pool.name.at);
    let balance = At::new(pool.balance.value.name().to_owned(), &pool.balance.at);
    paper.string("balance", Some(&balance));
    if let Some(At { value: (v4, v6), at }) = &pool.key {
        paper.plain("key", &format!("{{ v4 = {v4}, v6 = {v6} }}"), Some(at));
    }
    paper.number("attempts", pool.attempts.as_ref());
    let send_proxy = pool.send_proxy.clone().map(|it| it.map(send_proxy_word));
    paper.string("send_proxy", send_proxy.as_ref());
    let splice = pool.splice.clone().map(|it| it.map(splice_word));
    paper.string("splice", splice.as_ref());
    paper.time("keepalive", pool.keepalive.as_ref());
    if let Some(connect) = &pool.connect {
        paper.table(&format!("[pool.{name}.timeouts]"), &connect.at);
        paper.time("connect", Some(connect));
    }
    if let Some(it) = &pool.health {
        paper.table(&format!("[pool.{name}.health]"), &it.at);
        health(paper, &it.value, &it.at);
    }
    for it in &pool.servers {
        server(paper, &name, it);
    }
}

fn send_proxy_word(send_proxy: SendProxy) -> String {
    let word = match send_proxy {
        SendProxy::Off => "off",
        SendProxy::V1 => "v1",
        SendProxy::V2 => "v2",
    };
    word.to_owned()
}

fn splice_word(splice: Splice) -> String {
    let word = match splice {
        Splice::Auto => "auto",
        Splice::Off => "off",
        Splice::Always => "always",
    };
    word.to_owned()
}

fn health(paper: &mut Paper, health: &Health, at: &Range<usize>) {
    let mut word = |key, text: &str| paper.string(key, Some(&At::new(text.to_owned(), at)));
    match &health.probe {
        Probe::Tcp => word("kind", "tcp"),
        Probe::Http { method, path, host, status } => {
            word("kind", "http");
            word("method", method);
            word("path", path);
            host.iter().for_each(|host| word("host", host));
            status.iter().for_each(|status| word("status", status));
        }
        Probe::SendExpect { send, expect } => {
            word("kind", "send-expect");
            word("send", send);
            word("expect", expect);
        }
    }
    paper.time("interval", health.interval.as_ref());
    paper.time("fast_interval", health.fast_interval.as_ref());
    paper.time("timeout", health.timeout.as_ref());
    paper.number("rise", health.rise.as_ref());
    paper.number("fall", health.fall.as_ref());
}

fn server(paper: &mut Paper, pool: &str, server: &Server) {
    paper.table(&format!("[[pool.{pool}.server]]"), &server.name.at);
    paper.string("name", Some(&server.name));
    paper.string("addr", Some(&server.addr));
    paper.number("id", server.id.as_ref());
    paper.number("weight", server.weight.as_ref());
    paper.number("max_sessions", server.max_sessions.as_ref());
    if let Some(backup) = &server.backup {
        paper.plain("backup", "true", Some(&backup.at));
    }
    if !server.source.is_empty() {
        paper.list("source", &server.source);
    }
}

/// The text so far.
#[derive(Debug, Default)]
struct Paper {
    text: String,
    origins: Origins,
    /// The last line is a comment on the next.
    commented: bool,
}

impl Paper {
    fn comment(&mut self, text: &str) {
        let plain = text.chars().map(|c| if c.is_control() { '?' } else { c });
        self.text.push_str("# ");
        self.text.extend(plain);
        self.text.push('\n');
    }

    /// A comment that names the file and the line that what follows comes from.
    fn origin(&mut self, source: &Source<'_>, at: &Range<usize>) {
        let (name, line) = (source.name_at(at.start), source.position_at(at.start).line);
        self.text.push('\n');
        self.comment(&format!("{name}:{line}"));
        self.commented = true;
    }

    fn table(&mut self, header: &str, at: &Range<usize>) {
        // A comment belongs to what follows it.
        if !std::mem::take(&mut self.commented) {
            self.text.push('\n');
        }
        let start = self.text.len();
        self.text.push_str(header);
        self.origins.push(start..self.text.len(), at.clone());
        self.text.push('\n');
    }

    fn plain(&mut self, key: &str, value: &str, at: Option<&Range<usize>>) {
        let start = self.text.len();
        let _ = write!(self.text, "{key} = {value}");
        if let Some(at) = at {
            self.origins.push(start..self.text.len(), at.clone());
        }
        self.text.push('\n');
    }

    fn number(&mut self, key: &str, number: Option<&At<u64>>) {
        if let Some(At { value, at }) = number {
            self.plain(key, &value.to_string(), Some(at));
        }
    }

    fn string(&mut self, key: &str, text: Option<&At<String>>) {
        if let Some(At { value, at }) = text {
            self.plain(key, &quoted(value), Some(at));
        }
    }

    fn time(&mut self, key: &str, duration: Option<&At<Duration>>) {
        if let Some(At { value, at }) = duration {
            self.plain(key, &quoted(&time::show(*value)), Some(at));
        }
    }

    fn limit(&mut self, key: &str, limit: Option<&At<Limit>>) {
        match limit {
            Some(At { value: Limit::After(value), at }) => {
                self.time(key, Some(&At::new(*value, at)));
            }
            Some(At { value: Limit::Off, at }) => self.plain(key, "\"off\"", Some(at)),
            None => {}
        }
    }

    /// A list on one line, each element with its own place.
    fn list(&mut self, key: &str, elements: &[At<String>]) {
        let _ = write!(self.text, "{key} = [");
        for (index, At { value, at }) in elements.iter().enumerate() {
            if index > 0 {
                self.text.push_str(", ");
            }
            let start = self.text.len();
            self.text.push_str(&quoted(value));
            self.origins.push(start..self.text.len(), at.clone());
        }
        self.text.push_str("]\n");
    }
}

/// A key as it stands in a header: bare where TOML allows it.
fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { quoted(name) }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use toml::de::DeTable;

    proptest! {
        /// Goal: whatever a name or a value holds, it is read back as it was. Method: any text, as a
        /// value and as the name of a table.
        #[test]
        fn strings_survive(text: String) {
            let written = format!("[{}]\nvalue = {}\n", key(&text), quoted(&text));
            let table = DeTable::parse(&written).expect("TOML").into_inner();
            let (name, inner) = table.iter().next().expect("one table");
            prop_assert_eq!(name.get_ref().as_ref(), text.as_str());
            let value = inner.get_ref().as_table().expect("a table").get("value").expect("a value");
            prop_assert_eq!(value.get_ref().as_str(), Some(text.as_str()));
        }
    }
}
