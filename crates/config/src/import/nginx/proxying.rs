//! How a server of nginx passes connections on: what `http`, `stream`, `server` and `location` may
//! each say, and inherit from the block around them.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use ringbolt_core::spec::SendProxy;

use super::time;
use super::tree::Directive;
use crate::address::masked;
use crate::import::model::{At, Limit};
use crate::import::notes::Notes;
use crate::import::word::{Word, number, shown};

/// What is said of passing on.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxying {
    pub(super) connect: Option<At<Limit>>,
    /// `proxy_timeout`, or `proxy_read_timeout`.
    pub(super) idle: Option<At<Limit>>,
    pub(super) send_proxy: Option<At<SendProxy>>,
    pub(super) source: Option<At<String>>,
    /// `proxy_next_upstream` is not off.
    pub(super) goes_on: Option<At<bool>>,
    pub(super) tries: Option<At<u64>>,
    /// `set_real_ip_from`, as a list that many share.
    pub(super) trusted: Rc<Vec<At<String>>>,
    /// The list is that of the block around: the first of one's own takes its place.
    trusted_inherited: bool,
    /// `real_ip_header` says where the client's address is.
    pub(super) names_client: bool,
    /// It passes the Upgrade header on, as a WebSocket needs it.
    pub(super) upgrades: bool,
    /// `proxy_pass`, which is not inherited.
    pub(super) pass: Option<At<String>>,
    /// What `set` makes of variables, where it is plain text, as a list that many share.
    variables: Rc<Vec<(String, String)>>,
}

/// Most networks of a list.
const TRUSTED_MAX: usize = 256;

/// Most variables that are known at a place, and their longest values.
const VARIABLES_MAX: usize = 64;
const VARIABLE_BYTES_MAX: usize = 256;

/// The longest `proxy_pass` that is written out.
const PASS_BYTES_MAX: usize = 1_024;

impl Proxying {
    /// What a block within begins with.
    pub(super) fn inherited(&self) -> Self {
        Self { pass: None, trusted_inherited: true, ..self.clone() }
    }

    /// Reads a directive; false when it is none of these.
    pub(super) fn directive(
        &mut self,
        directive: &Directive,
        is_http: bool,
        notes: &mut Notes,
    ) -> bool {
        let at = directive.at();
        let value = directive.value();
        let text = value.map_or("", |word| &*word.text);
        match directive.name() {
            "proxy_pass" => self.pass = value.map(Word::placed),
            "proxy_connect_timeout" => self.connect = time::limit(&directive.words, notes),
            "proxy_timeout" if !is_http => self.idle = time::limit(&directive.words, notes),
            "proxy_read_timeout" if is_http => self.idle = time::limit(&directive.words, notes),
            "proxy_protocol" if !is_http => {
                let form = match text {
                    "on" => SendProxy::V1,
                    "v2" => SendProxy::V2,
                    _ => SendProxy::Off,
                };
                self.send_proxy = Some(At::new(form, &at));
            }
            "proxy_bind" => self.bind(directive, notes),
            "proxy_next_upstream" => self.goes_on = Some(At::new(text != "off", &at)),
            "proxy_next_upstream_tries" => {
                self.tries =
                    number(text).filter(|tries| *tries > 0).map(|tries| At::new(tries, &at));
            }
            "proxy_next_upstream_timeout" => {
                let message = format!(
                    "`{}` is not carried: every attempt has timeouts.connect, and there are `attempts`",
                    shown(&directive.words)
                );
                notes.note(&at, message, "set connect and attempts so that they come to this time");
            }
            "set_real_ip_from" => self.trust(directive, notes),
            "real_ip_header" => {
                self.names_client = true;
                // What accept_proxy does.
                return text == "proxy_protocol";
            }
            "set" => {
                self.set(directive);
                return false;
            }
            "proxy_set_header" if text.eq_ignore_ascii_case("upgrade") => {
                self.upgrades = true;
                return false;
            }
            _ => return false,
        }
        true
    }

    fn set(&mut self, directive: &Directive) {
        let [name, value] = directive.arguments() else { return };
        let value = self.written_out(&value.text);
        self.forget(&name.text);
        let fits = self.variables.len() < VARIABLES_MAX && value.len() <= VARIABLE_BYTES_MAX;
        if fits && !value.contains('$') {
            Rc::make_mut(&mut self.variables).push((name.text.clone(), value));
        }
    }

    /// A variable is not known any more, because it depends on requests.
    pub(super) fn forget(&mut self, name: &str) {
        if self.variables.iter().any(|(known, _)| known == name) {
            Rc::make_mut(&mut self.variables).retain(|(known, _)| known != name);
        }
    }

    /// Writes out in `proxy_pass` what is known of its variables, and says it.
    pub(super) fn write_out(&mut self, notes: &mut Notes) {
        let Some(pass) = self.pass.as_ref().filter(|pass| pass.value.contains('$')) else { return };
        let value = self.written_out(&pass.value);
        if value != pass.value && value.len() <= PASS_BYTES_MAX {
            let message = format!("proxy_pass {} is carried as {value}, as `set` says", pass.value);
            notes.note(&pass.at, message, "nothing to do");
            self.pass = Some(At::new(value, &pass.at));
        }
    }

    /// A text with the values of those variables in it that are known.
    fn written_out(&self, text: &str) -> String {
        let mut parts = text.split('$');
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let braced = part.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let (name, rest) = braced.unwrap_or_else(|| {
                let end = part.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                part.split_at(end.unwrap_or(part.len()))
            });
            let known =
                self.variables.iter().find(|(known, _)| known.strip_prefix('$') == Some(name));
            match known {
                Some((_, value)) => whole.extend([value, rest]),
                None => whole.extend(["$", part]),
            }
        }
        whole
    }

    fn bind(&mut self, directive: &Directive, notes: &mut Notes) {
        let Some(word) = directive.value() else { return };
        if word.text == "off" {
            self.source = None;
            return;
        }
        if word.text.contains('$') || directive.arguments().len() > 1 {
            let message = format!("`{}` is not carried", shown(&directive.words));
            let mend = "servers see ringbolt's own address; send_proxy tells them the client's";
            notes.note(&directive.at(), message, mend);
            return;
        }
        let plain = word.text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let written = word.text.parse::<SocketAddr>().map(|addr| (addr.ip(), addr.port()));
        let Ok((host, port)) = written.or_else(|_| plain.map(|host| (host, 0))) else {
            let message = format!("`{}` is not carried: it is no address", shown(&directive.words));
            notes.note(&directive.at(), message, "write an address of this machine");
            return;
        };
        if port > 0 {
            let message = "the port of proxy_bind is not carried";
            notes.note(
                &word.at,
                message,
                "ringbolt uses the system's range, for each server all of it",
            );
        }
        self.source = Some(At::new(host.to_string(), &word.at));
    }

    fn trust(&mut self, directive: &Directive, notes: &mut Notes) {
        let Some(word) = directive.value() else { return };
        if std::mem::take(&mut self.trusted_inherited) {
            self.trusted = Rc::default();
        }
        let Some(network) = network(&word.text).filter(|_| self.trusted.len() < TRUSTED_MAX) else {
            let message = format!("`{}` is not carried", shown(&directive.words));
            let mend = "write networks, 256 at most, such as 10.0.0.0/8";
            notes.note(&directive.at(), message, mend);
            return;
        };
        Rc::make_mut(&mut self.trusted).push(At::new(network, &directive.at()));
    }
}

/// A network without the bits beyond its length, which nginx overlooks.
fn network(text: &str) -> Option<String> {
    let (addr, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
    let addr: IpAddr = addr.parse().ok()?;
    let bits = if addr.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Some(bits), |length| number(length)?.try_into().ok())?;
    (length <= bits).then(|| format!("{}/{length}", masked(addr, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a network is written as ringbolt takes it. Method: with and without bits beyond its length.
    #[test]
    fn networks_are_masked() {
        assert_eq!(network("10.1.2.3/8").as_deref(), Some("10.0.0.0/8"));
        assert_eq!(network("192.0.2.1").as_deref(), Some("192.0.2.1/32"));
        assert_eq!(network("2001:db8::1/32").as_deref(), Some("2001:db8::/32"));
        assert_eq!([network("unix:"), network("10.0.0.0/33"), network("a/8")], [None, None, None]);
    }
}
