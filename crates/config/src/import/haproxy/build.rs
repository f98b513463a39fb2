//! The proxies of an haproxy.cfg as listeners and pools: who leads where, and what is left out whole.

use std::collections::{BTreeSet, HashMap};

use super::global::Globals;
use super::proxy::{Kind, Proxy};
use super::settings::Mode;
use super::{listener, pool};
use crate::import::model::{At, Wish};
use crate::import::notes::Notes;

/// Makes a wish of what was read.
pub(super) fn build(globals: Globals, proxies: Vec<Proxy>, notes: &mut Notes) -> Wish {
    let Globals { mut global, nosplice } = globals;
    let proxies: Vec<Proxy> =
        proxies.into_iter().filter(|proxy| is_carried(proxy, notes)).collect();
    let tcplog = proxies.iter().find_map(|proxy| proxy.settings.tcplog.clone());
    global.tcplog = tcplog;
    let routes: Vec<Option<At<String>>> = proxies.iter().map(|proxy| route(proxy, notes)).collect();
    let ports = ports_of_pools(&proxies, &routes);
    let mut wish = Wish { global, ..Wish::default() };
    let known: BTreeSet<&str> =
        proxies.iter().filter(|it| it.kind.serves()).map(|it| it.name.value.as_str()).collect();
    let mut serving: HashMap<&str, &Proxy> = HashMap::new();
    for proxy in proxies.iter().filter(|proxy| proxy.kind.serves()) {
        let port = ports.get(proxy.name.value.as_str()).copied().flatten();
        if let Some(built) = pool::build(proxy, port, nosplice.as_ref(), notes) {
            serving.insert(&proxy.name.value, proxy);
            wish.pools.push(built);
        }
    }
    for (proxy, route) in proxies.iter().zip(&routes) {
        let Some(route) = route else { continue };
        match serving.get(route.value.as_str()) {
            Some(serving) => {
                wish.listeners.extend(listener::build(proxy, route, &serving.settings, notes));
            }
            None if known.contains(route.value.as_str()) => {
                let name = &proxy.name.value;
                let message = format!(
                    "{} {name} is not carried: its backend {} has no server",
                    proxy.kind.word(),
                    route.value
                );
                notes.note(&route.at, message, "keep HAProxy for it, or give it a server");
            }
            None => {
                let message = format!("there is no backend {:?}", route.value);
                notes.error(Some(&route.at), message, "name a backend or a listen section");
            }
        }
    }
    wish
}

/// Whether anything of a proxy is carried.
fn is_carried(proxy: &Proxy, notes: &mut Notes) -> bool {
    let (kind, name) = (proxy.kind.word(), &proxy.name.value);
    if let Some(disabled) = &proxy.settings.disabled {
        let message = format!("{kind} {name} is disabled, so it is not carried");
        notes.note(&disabled.at, message, "take `disabled` out to have it");
        return false;
    }
    match &proxy.settings.mode {
        None | Some(At { value: Mode::Tcp, at: _ }) => true,
        Some(At { value: Mode::Http, at: _ }) => {
            let empty = proxy.kind.serves() && proxy.servers.is_empty();
            if !empty || proxy.kind == Kind::Frontend {
                let message = format!(
                    "{kind} {name} is mode http and is carried as TCP: the bytes of requests and of a \
                     WebSocket pass through as they are, headers such as Upgrade and Host too; nothing \
                     chooses by path, host or cookie, and no header is added or changed"
                );
                let mend = "nothing to do, for WebSockets of one application; give applications listeners \
                            of their own";
                notes.note(&proxy.name.at, message, mend);
            }
            true
        }
        Some(At { value: Mode::Other, at }) => {
            let message =
                format!("{kind} {name} carries no clients' connections, so it is left out");
            notes.note(at, message, "keep HAProxy for it");
            false
        }
    }
}

/// The backend that the clients of a proxy are led to.
fn route(proxy: &Proxy, notes: &mut Notes) -> Option<At<String>> {
    if !proxy.kind.listens() {
        return None;
    }
    let (kind, name) = (proxy.kind.word(), &proxy.name.value);
    if proxy.binds.is_empty() {
        // A listen without an address serves others as a backend does.
        if proxy.kind == Kind::Frontend {
            let message = format!("{kind} {name} listens nowhere, so it is not carried");
            notes.note(&proxy.name.at, message, "write a bind");
        }
        return None;
    }
    let always = proxy.uses.iter().find(|it| !it.conditional).map(|it| it.backend.clone());
    let default = always.or_else(|| proxy.settings.default_backend.clone());
    let own = (!proxy.servers.is_empty()).then(|| proxy.name.clone());
    let named: BTreeSet<&str> = proxy.uses.iter().map(|it| it.backend.value.as_str()).collect();
    let only = proxy.uses.first().filter(|_| named.len() == 1).map(|it| it.backend.clone());
    let route = default.or(own).or(only);
    for it in proxy.uses.iter().filter(|it| it.conditional) {
        let clients = match &route {
            Some(route) if route.value == it.backend.value => "all clients go there".to_owned(),
            Some(route) => format!("its clients go to {} like all others", route.value),
            None => "its clients are not served".to_owned(),
        };
        let message =
            format!("`{}` is not carried: Layer 4 does not choose; {clients}", it.line.value);
        let mend = format!("give {} a listener with an address of its own", it.backend.value);
        notes.note(&it.line.at, message, mend);
    }
    if route.is_none() {
        let (why, mend) = if proxy.has_stats {
            (
                "it is HAProxy's own page",
                "set global.http: ringbolt serves /metrics and its state there",
            )
        } else {
            ("it leads to no single backend", "write a default_backend")
        };
        let message = format!("{kind} {name} is not carried: {why}");
        notes.note(&proxy.name.at, message, mend);
    }
    route
}

/// For each backend the port that clients connect to, where it is one only.
fn ports_of_pools<'p>(
    proxies: &'p [Proxy],
    routes: &'p [Option<At<String>>],
) -> HashMap<&'p str, Option<u16>> {
    let mut ports: HashMap<&str, Option<u16>> = HashMap::new();
    for (proxy, route) in proxies.iter().zip(routes) {
        let Some(route) = route else { continue };
        for address in proxy.binds.iter().flat_map(|bind| &bind.addresses) {
            let port = address.value.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
            ports
                .entry(&route.value)
                .and_modify(|known| *known = known.filter(|known| Some(*known) == port))
                .or_insert(port);
        }
    }
    ports
}
