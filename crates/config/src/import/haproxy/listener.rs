//! The listening side of a proxy as listeners.

use std::time::Duration;

use ringbolt_core::limits::SESSIONS_MAX;

use super::bind::Bind;
use super::proxy::{Proxy, everybody};
use super::settings::Settings;
use crate::import::model::{At, Limit, Listener};
use crate::import::notes::Notes;

/// Longest accept queue of a listener.
const BACKLOG_MAX: u64 = 65_535;

/// Makes the listeners of a proxy: one, or two where some of its addresses take PROXY headers and
/// some do not. `serving` are the settings of the backend that `route` names.
pub(super) fn build(
    proxy: &Proxy,
    route: &At<String>,
    serving: &Settings,
    notes: &mut Notes,
) -> Vec<Listener> {
    let idle = idle(proxy, serving, notes);
    let fin = fin(&proxy.settings, serving, notes);
    let (headed, plain): (Vec<&Bind>, Vec<&Bind>) =
        proxy.binds.iter().partition(|bind| bind.accept_proxy.is_some());
    let both = !headed.is_empty() && !plain.is_empty();
    let groups =
        [(plain, false), (headed, true)].into_iter().filter(|(binds, _)| !binds.is_empty());
    groups
        .map(|(binds, headed)| {
            let mut name = proxy.name.clone();
            if both && headed {
                name.value.push_str("-proxy");
                let message = format!(
                    "addresses with accept-proxy are a listener of their own, {}",
                    name.value
                );
                notes.note(&binds[0].addresses[0].at, message, "nothing to do");
            }
            let accept = binds.iter().find_map(|bind| bind.accept_proxy.clone());
            let accept = accept.map(|at| at.map(|()| everybody()));
            Listener {
                name,
                binds: binds.iter().flat_map(|bind| bind.addresses.clone()).collect(),
                pool: route.clone(),
                idle: Some(idle.clone()),
                fin: fin.clone(),
                accept_proxy: accept.or_else(|| proxy.expect_proxy.clone()),
                accept_proxy_only: false,
                max_sessions: max_sessions(&proxy.settings, &binds, notes),
                backlog: backlog(&proxy.settings, &binds, notes),
                mptcp: None,
            }
        })
        .collect()
}

/// How long a session may be silent.
fn idle(proxy: &Proxy, serving: &Settings, notes: &mut Notes) -> At<Limit> {
    if let Some(tunnel) = &serving.timeouts.tunnel {
        return tunnel.clone();
    }
    match (&proxy.settings.timeouts.client, &serving.timeouts.server) {
        (Some(client), Some(server)) => {
            let value = client.value.shorter(server.value);
            if client.value != server.value {
                let message = "timeout client and timeout server differ: the shorter one is carried, \
                               since a session that is silent both ways ends by it";
                let mend = "write timeout tunnel where sessions may be silent for longer";
                notes.note(&server.at, message, mend);
            }
            At {
                value,
                at: if value == client.value { client.at.clone() } else { server.at.clone() },
            }
        }
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => {
            let message = format!(
                "{} {} has no timeout client, server or tunnel: idle = \"off\", since HAProxy then never \
                 ends a silent session",
                proxy.kind.word(),
                proxy.name.value
            );
            let mend =
                "write timeout tunnel 1h; a peer that is gone is found by keepalive all the same";
            notes.note(&proxy.name.at, message, mend);
            At::new(Limit::Off, &proxy.name.at)
        }
    }
}

/// How long a half-closed session may be silent.
fn fin(proxy: &Settings, serving: &Settings, notes: &mut Notes) -> Option<At<Duration>> {
    let (client, server) = (&proxy.timeouts.client_fin, &serving.timeouts.server_fin);
    if let (Some(client), Some(server)) = (client, server)
        && client.value != server.value
    {
        let message = "timeout client-fin and server-fin differ: the shorter one is carried";
        notes.note(&server.at, message, "write the same for both");
    }
    let limit = match (client.clone(), server.clone()) {
        (Some(client), Some(server)) => {
            At { value: client.value.shorter(server.value), at: client.at }
        }
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => return None,
    };
    match limit.value {
        Limit::After(after) => Some(At::new(after, &limit.at)),
        Limit::Off => {
            let message = "a half-closed session that is silent ends after 30s: without an end is not \
                           carried";
            notes.note(&limit.at, message, "write a time");
            None
        }
    }
}

/// HAProxy limits each address of a bind and the proxy as a whole, a listener all of its addresses.
fn max_sessions(settings: &Settings, binds: &[&Bind], notes: &mut Notes) -> Option<At<u64>> {
    let limit = |bind: &&Bind| Some((bind.maxconn.clone()?, bind.addresses.len() as u64));
    let limited: Vec<(At<u64>, u64)> = binds.iter().filter_map(limit).collect();
    let sum = limited.iter().fold(0, |sum: u64, (limit, addresses)| {
        sum.saturating_add(limit.value.saturating_mul(*addresses))
    });
    let mend = "give addresses listeners of their own, where each must have its limit";
    let own = match limited.first() {
        Some((first, _)) if limited.len() < binds.len() => {
            let message = "maxconn of this bind is not carried: other addresses have none, and a listener \
                           has one limit for all";
            notes.note(&first.at, message, mend);
            None
        }
        Some((first, _)) => {
            let sum = sum.min(u64::from(SESSIONS_MAX));
            if sum > first.value {
                let message = format!(
                    "maxconn is for one address, and a listener has one limit for all: carried as {sum}"
                );
                notes.note(&first.at, message, mend);
            }
            Some(At::new(sum, &first.at))
        }
        None => None,
    };
    own.into_iter().chain(settings.maxconn.clone()).min_by_key(|it| it.value)
}

fn backlog(settings: &Settings, binds: &[&Bind], notes: &mut Notes) -> Option<At<u64>> {
    // The longest: nobody is to be turned away whom the original lets wait.
    let own = binds.iter().filter_map(|bind| bind.backlog.clone()).max_by_key(|it| it.value);
    let mut backlog = own.or_else(|| settings.backlog.clone())?;
    if backlog.value > BACKLOG_MAX {
        let message = format!("a backlog of {} is carried as {BACKLOG_MAX}", backlog.value);
        notes.note(&backlog.at, message, "nothing to do: the kernel has no longer ones");
        backlog.value = BACKLOG_MAX;
    }
    Some(backlog)
}
