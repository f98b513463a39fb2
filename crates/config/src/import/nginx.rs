//! nginx.conf: upstreams become pools, servers listeners, of `stream` and of `http`.
//!
//! An http server is carried as TCP: what its bytes are about is not seen. Grammar and defaults are
//! those of nginx's documentation; nothing is copied from its source.

mod left_out;
mod listen;
mod proxying;
mod site;
mod time;
mod tokens;
mod tree;
mod upstream;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::time::Duration;

use ringbolt_core::limits::{ATTEMPTS_MAX, IMPORT_BINDS_MAX};
use ringbolt_core::spec::{Balance, SendProxy};

use super::model::{At, Limit, Listener, Pool, Server, Wish};
use super::notes::Notes;
use super::texts::Texts;
use super::word::{Word, number};
use super::{Surroundings, settle};
use proxying::Proxying;
use site::Site;
use tree::Directive;
use upstream::Upstream;

/// Servers tried for one session where nothing is written: ringbolt's own default.
const ATTEMPTS: u64 = 3;

/// Reads a configuration and what it includes, and notes what of it is not carried.
pub(super) fn read(texts: &mut Texts, surroundings: &dyn Surroundings, notes: &mut Notes) -> Wish {
    let directives = tree::read(texts, surroundings, notes);
    let mut wish = Wish::default();
    if notes.is_fatal() {
        return wish;
    }
    let mut loose = Vec::new();
    let mut left = IMPORT_BINDS_MAX;
    for directive in directives {
        match directive.name() {
            "http" => block(directive.inner(), true, &mut left, &mut wish, notes),
            "stream" => block(directive.inner(), false, &mut left, &mut wish, notes),
            _ => loose.push(directive),
        }
    }
    if loose.iter().any(|directive| matches!(directive.name(), "server" | "upstream")) {
        // A file of conf.d or sites-enabled, which http or stream includes.
        let is_stream = loose.iter().any(|directive| {
            directive.name() == "server"
                && directive.inner().iter().any(|inner| inner.name() == "proxy_pass")
        });
        block(&loose, !is_stream, &mut left, &mut wish, notes);
    } else {
        loose.iter().for_each(|directive| main(directive, &mut wish, notes));
    }
    wish
}

/// Reads a directive outside of all blocks.
fn main(directive: &Directive, wish: &mut Wish, notes: &mut Notes) {
    let at = directive.at();
    let value = directive.value();
    match directive.name() {
        "worker_processes" => {
            let count = value.and_then(|word| number(&word.text)).filter(|count| *count > 0);
            wish.global.workers = count.map(|count| At::new(count, &at));
        }
        "user" => {
            wish.global.user = value.map(Word::placed);
            // Without one, nginx takes the group of the user's name.
            wish.global.group = directive.arguments().get(1).or(value).map(Word::placed);
        }
        "worker_shutdown_timeout" => wish.global.drain = time::limit(&directive.words, notes),
        "events" => directive.inner().iter().for_each(|inner| left_out::main(inner, notes)),
        _ => left_out::main(directive, notes),
    }
}

/// Reads what is in `http` or `stream`.
fn block(
    directives: &[Directive],
    is_http: bool,
    addresses_left: &mut usize,
    wish: &mut Wish,
    notes: &mut Notes,
) {
    let mut common = Proxying::default();
    let mut upstreams: HashMap<String, Upstream> = HashMap::new();
    let mut servers = Vec::new();
    for directive in directives {
        match directive.name() {
            "upstream" => {
                if let Some(upstream) = upstream::read(directive, is_http, notes) {
                    upstreams.entry(upstream.name.value.clone()).or_insert(upstream);
                }
            }
            "server" => servers.push(directive),
            _ if common.directive(directive, is_http, notes) => {}
            _ => left_out::inner(directive, notes),
        }
    }
    // What comes after a server holds for it too.
    let sites: Vec<Site> = servers
        .into_iter()
        .filter_map(|server| site::read(server, is_http, &common, addresses_left, notes))
        .collect();
    let names = wish.pools.iter().map(|pool| pool.name.value.clone()).collect();
    let mut town = Town { upstreams, pools: HashMap::new(), names, is_http };
    let owners = owners(&sites, notes);
    for (index, site) in sites.iter().enumerate() {
        let is_mine = |address: &&At<String>| owners.get(address.value.as_str()) == Some(&index);
        let [plain, headed] = [false, true].map(|headed| -> Vec<At<String>> {
            let listens = site.listens.iter().filter(|it| it.proxy_protocol.is_some() == headed);
            listens.flat_map(|it| &it.addresses).filter(is_mine).cloned().collect()
        });
        if plain.is_empty() && headed.is_empty() {
            continue;
        }
        let Some(pool) = town.pool(site, wish, notes) else { continue };
        wish.listeners.extend(listeners(site, plain, headed, &pool, is_http, notes));
    }
    for upstream in town.upstreams.into_values().filter(|it| !it.servers.is_empty()) {
        let message =
            format!("no server leads to upstream {}, so it is not carried", upstream.name.value);
        notes.note(&upstream.name.at, message, "nothing to do, or write a server for it");
    }
}

/// Which server has each address: the one that is the default there, else the first. Others are told.
fn owners<'s>(sites: &'s [Site], notes: &mut Notes) -> HashMap<&'s str, usize> {
    let mut owners: HashMap<&str, (usize, bool)> = HashMap::new();
    for (index, site) in sites.iter().enumerate() {
        for listen in &site.listens {
            for address in &listen.addresses {
                let owner = owners.entry(&address.value).or_insert((index, listen.is_default));
                if listen.is_default && !owner.1 {
                    *owner = (index, true);
                }
            }
        }
    }
    for (index, site) in sites.iter().enumerate() {
        for address in site.listens.iter().flat_map(|listen| &listen.addresses) {
            let Some((owner, _)) = owners.get(address.value.as_str()).filter(|it| it.0 != index)
            else {
                continue;
            };
            let (own, other) = (&site.pass.value, &sites[*owner].pass.value);
            if own == other {
                let message = format!(
                    "another server has {} too, and leads to the same place: one listener for both",
                    address.value
                );
                notes.note(&address.at, message, "nothing to do");
            } else {
                let message = format!(
                    "another server has {} too, and Layer 4 does not see names: its clients are led to {other}",
                    address.value
                );
                notes.note(&address.at, message, "give it an address or a port of its own");
            }
        }
    }
    owners.into_iter().map(|(address, (index, _))| (address, index)).collect()
}

/// The upstreams of a block, and the pools that were made of them.
struct Town {
    /// Not yet led to.
    upstreams: HashMap<String, Upstream>,
    /// By what `proxy_pass` names, the index of the pool among all.
    pools: HashMap<String, usize>,
    /// Of all pools: http and stream may have upstreams of one name.
    names: HashSet<String>,
    is_http: bool,
}

impl Town {
    /// The pool that a server leads to, made when it is the first to do so.
    fn pool(&mut self, site: &Site, wish: &mut Wish, notes: &mut Notes) -> Option<At<String>> {
        let target = self.target(&site.pass, notes)?;
        if let Some(index) = self.pools.get(&target.value) {
            let pool = &wish.pools[*index];
            compare(pool, &site.proxying, notes);
            return Some(At::new(pool.name.value.clone(), &site.pass.at));
        }
        let upstream = match self.upstreams.remove(&target.value) {
            Some(upstream) => upstream,
            None => self.alone(&target, &site.pass, notes)?,
        };
        if upstream.servers.is_empty() {
            let message = format!("upstream {} has no server that is carried", upstream.name.value);
            notes.note(&site.pass.at, message, "give it a server with an address and a port");
            return None;
        }
        self.pools.insert(target.value, wish.pools.len());
        let mut pool = pool(upstream, &site.proxying, self.is_http, notes);
        while !self.names.insert(pool.name.value.clone()) {
            pool.name.value.push_str("-stream");
        }
        let name = pool.name.value.clone();
        wish.pools.push(pool);
        Some(At::new(name, &site.pass.at))
    }

    /// What a `proxy_pass` names, without scheme and path.
    fn target(&self, pass: &At<String>, notes: &mut Notes) -> Option<At<String>> {
        let text = pass.value.as_str();
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if self.is_http => (scheme, rest),
            Some(_) | None => ("http", text),
        };
        let is_unix = rest.starts_with("unix:");
        // A path of a UNIX socket ends with a colon, after that of its own.
        let end = if is_unix {
            rest.char_indices().filter(|(_, c)| *c == ':').nth(1).map(|(end, _)| end)
        } else {
            rest.find(['/', '$', '?'])
        };
        let (authority, path) = rest.split_at(end.filter(|_| self.is_http).unwrap_or(rest.len()));
        // What comes after the place is the servers' matter, but where it may still be part of it.
        let whole = ["/", ":", "?", "$request_uri", "$uri", "$is_args"];
        let known = path.is_empty() || whole.iter().any(|begin| path.starts_with(begin));
        if !known || authority.is_empty() || authority.contains('$') {
            let message = format!(
                "proxy_pass {text} is not carried: what a variable holds is not known here"
            );
            notes.note(&pass.at, message, "name an upstream or an address");
            return None;
        }
        if !self.is_http || is_unix {
            return Some(At::new(authority.to_owned(), &pass.at));
        }
        let https = scheme.eq_ignore_ascii_case("https");
        if https {
            let message = "proxy_pass https: the client's bytes go to the server as they are";
            let mend = "let clients speak TLS with the server, or let the server speak without it";
            notes.note(&pass.at, message, mend);
        }
        if !matches!(path, "" | "/" | "$request_uri" | "$uri$is_args$args") {
            let message =
                format!("the path {path} of proxy_pass is not carried: requests pass as they are");
            notes.note(&pass.at, message, "let servers take the paths that clients ask for");
        }
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| number(port).is_some());
        let bare = https && !has_port && !self.upstreams.contains_key(authority);
        let target = if bare { format!("{authority}:443") } else { authority.to_owned() };
        Some(At::new(target, &pass.at))
    }

    /// A pool of the one server that a `proxy_pass` names itself.
    fn alone(&self, target: &At<String>, pass: &At<String>, notes: &mut Notes) -> Option<Upstream> {
        let word = Word { text: target.value.clone(), at: pass.at.clone() };
        let addr = upstream::server_address(&word, self.is_http.then_some(80), notes)?;
        let server = Server {
            name: settle::fit(&addr, &mut Notes::default()),
            addr,
            id: None,
            weight: None,
            max_sessions: None,
            backup: None,
            source: Vec::new(),
        };
        let balance = At::new(Balance::RoundRobin, &pass.at);
        let name = settle::fit(target, &mut Notes::default());
        Some(Upstream { name, balance, servers: vec![server] })
    }
}

fn pool(upstream: Upstream, proxying: &Proxying, is_http: bool, notes: &mut Notes) -> Pool {
    let Upstream { name, balance, mut servers } = upstream;
    for server in &mut servers {
        server.source.extend(proxying.source.clone());
    }
    let connect = connect(proxying, &name, is_http, notes);
    let attempts = attempts(proxying, &name, servers.len() as u64);
    Pool {
        name,
        balance,
        key: None,
        attempts,
        connect,
        send_proxy: proxying.send_proxy.clone().filter(|it| it.value != SendProxy::Off),
        splice: None,
        keepalive: None,
        health: None,
        servers,
    }
}

fn connect(
    proxying: &Proxying,
    name: &At<String>,
    is_http: bool,
    notes: &mut Notes,
) -> Option<At<Duration>> {
    match &proxying.connect {
        Some(At { value: Limit::After(after), at }) => Some(At::new(*after, at)),
        Some(At { value: Limit::Off, at: _ }) | None => {
            let what = if is_http { "proxied requests" } else { "sessions" };
            let message = format!(
                "{} has no proxy_connect_timeout for its {what}: an attempt takes 5s at most here, 60s in nginx",
                name.value
            );
            notes.note(&name.at, message, "write proxy_connect_timeout if servers need longer");
            None
        }
    }
}

/// nginx tries every server once, unless it is told otherwise.
fn attempts(proxying: &Proxying, name: &At<String>, servers: u64) -> Option<At<u64>> {
    if let Some(off) = proxying.goes_on.as_ref().filter(|it| !it.value) {
        return Some(At::new(1, &off.at));
    }
    let most = u64::from(ATTEMPTS_MAX);
    if let Some(tries) = &proxying.tries {
        return Some(At::new(tries.value.min(most), &tries.at));
    }
    (servers > ATTEMPTS).then(|| At::new(servers.min(most), &name.at))
}

/// Tells what another server wants of a pool that has been made.
fn compare(pool: &Pool, proxying: &Proxying, notes: &mut Notes) {
    let connect = proxying.connect.as_ref();
    let other_connect = connect
        .filter(|it| pool.connect.as_ref().map(|own| Limit::After(own.value)) != Some(it.value));
    let form = |it: Option<&At<SendProxy>>| it.map_or(SendProxy::Off, |it| it.value);
    let (own, wanted) = (form(pool.send_proxy.as_ref()), form(proxying.send_proxy.as_ref()));
    let places = [
        other_connect.map(|it| &it.at),
        (own != wanted).then(|| proxying.send_proxy.as_ref().map_or(&pool.name.at, |it| &it.at)),
    ];
    for at in places.into_iter().flatten() {
        let message = format!(
            "pool {} has one timeout and one PROXY header for all listeners: those of the first",
            pool.name.value
        );
        notes.note(at, message, "write an upstream of its own for this server");
    }
}

/// One listener, or two where some addresses take PROXY headers and some do not.
fn listeners(
    site: &Site,
    plain: Vec<At<String>>,
    headed: Vec<At<String>>,
    pool: &At<String>,
    is_http: bool,
    notes: &mut Notes,
) -> Vec<Listener> {
    let both = !plain.is_empty() && !headed.is_empty();
    let mut all = Vec::new();
    if let Some(first) = plain.first() {
        if let Some(from) = site.proxying.trusted.first() {
            left_out::client_by_header(&from.at, notes);
        }
        let at = first.at.clone();
        all.push(listener(site, &at, plain, pool, is_http, notes));
    }
    if let Some(first) = headed.first() {
        if let Some(from) = site.proxying.trusted.first()
            && is_http
            && !site.proxying.names_client
        {
            left_out::client_by_default_header(&from.at, notes);
        }
        let at = first.at.clone();
        let mut listener = listener(site, &at, headed, pool, is_http, notes);
        if both {
            listener.name.value.push_str("-proxy");
            let message = format!(
                "addresses with proxy_protocol are a listener of their own, {}",
                listener.name.value
            );
            notes.note(&at, message, "nothing to do");
        }
        let (from, only) = accept_proxy(site, &at, notes);
        (listener.accept_proxy, listener.accept_proxy_only) = (Some(from), only);
        all.push(listener);
    }
    all
}

fn listener(
    site: &Site,
    at: &Range<usize>,
    binds: Vec<At<String>>,
    pool: &At<String>,
    is_http: bool,
    notes: &mut Notes,
) -> Listener {
    if is_http {
        let message = format!(
            "the http server at {} is carried as TCP: the bytes of requests and of a WebSocket pass through \
             as they are; nothing chooses by path or name, and no header is added or changed",
            binds[0].value
        );
        let mend = "nothing to do, for WebSockets of one application; give applications addresses of their own";
        notes.note(at, message, mend);
    }
    let name = site.name.clone().unwrap_or_else(|| pool.value.clone());
    let idle = idle(site, at, is_http, notes);
    // The longest: nobody is to be turned away whom the original lets wait.
    let backlogs = site.listens.iter().filter_map(|listen| listen.backlog.clone());
    let backlog = backlogs.max_by_key(|backlog| backlog.value);
    let mptcp = site.listens.iter().find_map(|listen| listen.mptcp.clone());
    Listener {
        name: At::new(name, at),
        binds,
        pool: pool.clone(),
        idle,
        fin: None,
        accept_proxy: None,
        accept_proxy_only: false,
        max_sessions: None,
        backlog,
        mptcp,
    }
}

/// Patience is never shortened: what is not written is ringbolt's own, which is longer than nginx's.
fn idle(site: &Site, at: &Range<usize>, is_http: bool, notes: &mut Notes) -> Option<At<Limit>> {
    if site.proxying.idle.is_none() {
        let (name, default) =
            if is_http { ("proxy_read_timeout", "60s") } else { ("proxy_timeout", "10m") };
        let message =
            format!("no {name}: a silent session ends after 1h here, after {default} in nginx");
        notes.note(at, message, format!("write {name} if {default} is meant"));
    }
    site.proxying.idle.clone()
}

/// Who sends PROXY headers, and whether everybody else is reset. nginx wants one on every connection to
/// such an address.
fn accept_proxy(site: &Site, at: &Range<usize>, notes: &mut Notes) -> (At<Vec<String>>, bool) {
    let headed = site.listens.iter().find_map(|it| it.proxy_protocol.as_ref());
    let at = headed.map_or(at, |headed| &headed.at);
    let trusted = &site.proxying.trusted;
    let Some(first) = trusted.first() else {
        let message = "the client is the one that the PROXY header names; nginx without set_real_ip_from maps \
                       by the address of whoever sends the header";
        let mend = "nothing to do: clients are told apart where they were one; let the firewall admit only those \
                    who may send headers";
        notes.note(at, message, mend);
        let everybody = vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()];
        return (At::new(everybody, at), false);
    };
    let message =
        "who is not in set_real_ip_from is reset: nginx would read its header and not believe it";
    let mend = "add networks to accept_proxy, or let others come to another listener";
    notes.note(at, message, mend);
    let networks = trusted.iter().map(|it| it.value.clone()).collect();
    (At::new(networks, &first.at), true)
}
