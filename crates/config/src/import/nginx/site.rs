//! `server { … }`: where clients connect, and the one place that they are led to.

use super::left_out;
use super::listen::{self, Listen};
use super::proxying::Proxying;
use super::tree::Directive;
use crate::import::model::At;
use crate::import::notes::Notes;
use crate::import::word::shown;

/// A server as far as Layer 4 sees it.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) listens: Vec<Listen>,
    /// The first of its names that is one name.
    pub(super) name: Option<String>,
    /// How it passes on, with a `pass`.
    pub(super) proxying: Proxying,
    pub(super) pass: At<String>,
}

/// Reads a server; `None` when no connection is passed on by it.
pub(super) fn read(
    directive: &Directive,
    is_http: bool,
    inherited: &Proxying,
    addresses_left: &mut usize,
    notes: &mut Notes,
) -> Option<Site> {
    let mut own = inherited.inherited();
    let mut listens = Vec::new();
    let mut name = None;
    let mut is_silent = true;
    let mut locations = Vec::new();
    for inner in directive.inner() {
        match inner.name() {
            "listen" => {
                is_silent = false;
                listens.extend(listen::read(inner, is_http, addresses_left, notes));
            }
            "location" | "if" => locations.push(inner),
            "server_name" => {
                let mut names = inner.arguments().iter().map(|word| word.text.as_str());
                name = name.or_else(|| names.find(|name| is_one_name(name)).map(str::to_owned));
                left_out::inner(inner, notes);
            }
            _ if own.directive(inner, is_http, notes) => {}
            _ => left_out::inner(inner, notes),
        }
    }
    forget_chosen(&locations, &mut own);
    own.write_out(notes);
    let mut places = Vec::new();
    for inner in locations {
        location(inner, is_http, &own, &mut places, notes);
    }
    if is_silent && is_http {
        let message = "a server without listen is at every IPv4 address, port 80 (8000 if nginx is not \
                       started by root); carried as port 80";
        notes.note(&directive.at(), message, "write listen");
        listens.push(Listen {
            addresses: vec![At::new("0.0.0.0:80".into(), &directive.at())],
            is_default: false,
            proxy_protocol: None,
            backlog: None,
            mptcp: None,
        });
    }
    let proxying = choose(own, places, notes);
    let Some(pass) = proxying.pass.clone() else {
        let message = "this server passes no connection on, so it is not carried";
        notes.note(&directive.at(), message, "let a server answer instead, or keep nginx for it");
        return None;
    };
    (!listens.is_empty()).then_some(Site { listens, name, proxying, pass })
}

/// Whether a server name is one name, and no pattern and no catch-all.
fn is_one_name(name: &str) -> bool {
    !name.is_empty() && name != "_" && !name.contains(['*', '~', '$', '"'])
}

/// A location that passes requests on.
struct Place {
    path: At<String>,
    proxying: Proxying,
}

fn location(
    directive: &Directive,
    is_http: bool,
    around: &Proxying,
    places: &mut Vec<Place>,
    notes: &mut Notes,
) {
    let mut own = around.inherited();
    let mut nested = Vec::new();
    for inner in directive.inner() {
        match inner.name() {
            "location" | "if" => nested.push(inner),
            _ if own.directive(inner, is_http, notes) => {}
            _ => left_out::inner(inner, notes),
        }
    }
    forget_chosen(&nested, &mut own);
    own.write_out(notes);
    let path = At::new(shown(directive.arguments()), &directive.at());
    if own.pass.is_some() && directive.name() == "location" {
        places.push(Place { path, proxying: own.clone() });
    } else {
        let message = format!(
            "`{}` is not carried: Layer 4 does not see requests, and passes these on too",
            shown(&directive.words)
        );
        notes.note(&directive.at(), message, "let a server answer them, or keep nginx for it");
    }
    for inner in nested {
        location(inner, is_http, &own, places, notes);
    }
}

/// Forgets the variables that an `if` may set.
fn forget_chosen(blocks: &[&Directive], own: &mut Proxying) {
    let chosen = blocks.iter().filter(|block| block.name() == "if").flat_map(|block| block.inner());
    for set in chosen.filter(|inner| inner.name() == "set") {
        set.value().iter().for_each(|name| own.forget(&name.text));
    }
}

/// Where all clients of a server are led: what itself says (in stream), the location that upgrades to
/// a WebSocket, the one for everything, or the first.
fn choose(own: Proxying, places: Vec<Place>, notes: &mut Notes) -> Proxying {
    if own.pass.is_some() || places.is_empty() {
        return own;
    }
    let upgrades = places.iter().position(|place| place.proxying.upgrades);
    let all = places.iter().position(|place| place.path.value == "/");
    let chosen = match (upgrades, all) {
        (Some(_), Some(all)) if places[all].proxying.upgrades => all,
        (Some(upgrades), Some(_) | None) => upgrades,
        (None, Some(all)) => all,
        (None, None) => 0,
    };
    let chosen_path = places[chosen].path.value.clone();
    let chosen_pass = places[chosen].proxying.pass.as_ref().map(|pass| pass.value.clone());
    for (index, place) in places.iter().enumerate() {
        let path = &place.path.value;
        let pass = place.proxying.pass.as_ref().map(|pass| pass.value.clone());
        let message = if index == chosen {
            format!(
                "location {path} is carried for the whole address: Layer 4 does not see paths, so all \
                 clients are led where it leads"
            )
        } else if pass == chosen_pass {
            format!("location {path} is not carried, and leads where {chosen_path} does anyway")
        } else {
            format!(
                "location {path} is not carried: Layer 4 does not see paths, so its clients are led where \
                 {chosen_path} leads"
            )
        };
        let mend = if index == chosen || pass == chosen_pass {
            "nothing to do, if the servers behind it answer every path"
        } else {
            "give it an address of its own, or let the servers pass it on"
        };
        notes.note(&place.path.at, message, mend);
    }
    places.into_iter().nth(chosen).map(|place| place.proxying).unwrap_or(own)
}
