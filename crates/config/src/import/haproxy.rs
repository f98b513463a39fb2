//! haproxy.cfg: its sections become listeners and pools.
//!
//! A frontend is a listener, a backend a pool, a `listen` both, under their own names. Grammar and
//! defaults are those of HAProxy's configuration manual; nothing is copied from its source.

mod address;
mod balance;
mod bind;
mod build;
mod check;
mod condition;
mod environment;
mod global;
mod left_out;
mod lines;
mod listener;
mod pool;
mod proxy;
mod server;
mod settings;
mod time;

use std::collections::HashMap;

use ringbolt_core::limits::{IMPORT_BINDS_MAX, NAMES_MAX};

use super::Surroundings;
use super::model::Wish;
use super::notes::Notes;
use super::texts::Texts;
use super::word::{Word, shown, span};
use condition::Conditions;
use environment::Environment;
use global::Globals;
use lines::Lines;
use proxy::{Kind, Proxy};
use settings::Settings;

/// Reads a configuration, and notes what of it is not carried.
pub(super) fn read(texts: &Texts, surroundings: &dyn Surroundings, notes: &mut Notes) -> Wish {
    let mut environment = Environment::new(surroundings);
    let mut lines = Lines::new(&texts.as_str()[texts.first()]);
    let mut conditions = Conditions::default();
    let mut sections = Sections::default();
    while let Some(words) = lines.next(&environment, notes) {
        if conditions.admits(&words, &environment, notes) {
            sections.line(&words, &mut environment, notes);
        }
    }
    conditions.finish(notes);
    sections.finish();
    build::build(sections.globals, sections.proxies, notes)
}

/// Most proxies: as many listeners and pools as there may be.
const PROXIES_MAX: usize = 2 * NAMES_MAX;

/// What has been read so far.
#[derive(Debug, Default)]
struct Sections {
    globals: Globals,
    /// Of the `defaults` sections that have a name.
    named: HashMap<String, Settings>,
    /// Of the latest `defaults` section, with or without a name.
    latest: Settings,
    latest_name: Option<String>,
    proxies: Vec<Proxy>,
    /// Addresses that they listen on.
    addresses: usize,
    section: Section,
}

/// What the lines that come next belong to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Section {
    #[default]
    Before,
    Global,
    Defaults,
    /// The last of the proxies.
    Proxy,
    /// One that is not carried, as has been said.
    LeftOut,
    /// None any more: there is too much, as has been said.
    Full,
}

impl Sections {
    fn line(&mut self, words: &[Word], environment: &mut Environment<'_>, notes: &mut Notes) {
        let Some(keyword) = words.first() else { return };
        if self.section == Section::Full {
            return;
        }
        match keyword.text.as_str() {
            "global" => self.section = Section::Global,
            "defaults" => self.defaults(words, notes),
            "frontend" => self.proxy(Kind::Frontend, words, notes),
            "backend" => self.proxy(Kind::Backend, words, notes),
            "listen" => self.proxy(Kind::Listen, words, notes),
            "resolvers" | "peers" | "mailers" | "userlist" | "cache" | "http-errors"
            | "fcgi-app" | "ring" | "log-forward" | "log-profile" | "traces" | "program"
            | "crt-store" | "acme" => {
                left_out::section(words, notes);
                self.section = Section::LeftOut;
            }
            // Directives that only choose a file format are no section.
            _ => self.statement(words, environment, notes),
        }
    }

    fn statement(&mut self, words: &[Word], environment: &mut Environment<'_>, notes: &mut Notes) {
        match self.section {
            Section::Global => {
                if !environment.obey(words) {
                    self.globals.statement(words, notes);
                }
            }
            Section::Defaults => {
                if !self.latest.statement(words, notes) {
                    left_out::statement(words, notes);
                }
            }
            Section::Proxy => {
                if let Some(proxy) = self.proxies.last_mut() {
                    let before = proxy.binds.len();
                    proxy.statement(words, notes);
                    self.count(before, words, notes);
                }
            }
            Section::LeftOut | Section::Full => {}
            Section::Before => {
                let message = format!("`{}` stands before the first section", shown(words));
                let mend = "write it below global, defaults, frontend, backend or listen";
                notes.error(Some(&span(words)), message, mend);
            }
        }
    }

    fn defaults(&mut self, words: &[Word], notes: &mut Notes) {
        self.finish();
        self.section = Section::Defaults;
        let (name, from) = match words {
            [_, from, parent, ..] if from.text == "from" => (None, Some(parent)),
            [_, name, from, parent, ..] if from.text == "from" => (Some(name), Some(parent)),
            [_, name, ..] => (Some(name), None),
            [_] | [] => (None, None),
        };
        let parent = from.map(|parent| self.settings(parent, notes));
        self.latest = parent.map(|parent| parent.inherited()).unwrap_or_default();
        self.latest_name = name.map(|name| name.text.clone());
    }

    /// Keeps the settings of a `defaults` section that has a name.
    fn finish(&mut self) {
        if let Some(name) = self.latest_name.take() {
            self.named.insert(name, self.latest.clone());
        }
    }

    /// The settings of a named `defaults` section.
    fn settings(&mut self, name: &Word, notes: &mut Notes) -> Settings {
        if self.latest_name.as_ref() == Some(&name.text) {
            return self.latest.clone();
        }
        if let Some(settings) = self.named.get(&name.text) {
            return settings.clone();
        }
        let message = format!("there is no defaults section {:?} before this line", name.text);
        notes.error(Some(&name.at), message, "name one that is, or write it first");
        Settings::default()
    }

    fn proxy(&mut self, kind: Kind, words: &[Word], notes: &mut Notes) {
        self.section = Section::Proxy;
        if self.proxies.len() >= PROXIES_MAX {
            let message =
                format!("there are more than {PROXIES_MAX} frontends, backends and listens");
            notes.error(Some(&span(words)), message, "split them over several instances");
            self.section = Section::LeftOut;
            return;
        }
        let [keyword, name, rest @ ..] = words else {
            let message = format!("this {} has no name", words[0].text);
            notes.error(Some(&span(words)), message, "give it one");
            self.section = Section::LeftOut;
            return;
        };
        let (settings, rest) = match rest {
            [from, parent, rest @ ..] if from.text == "from" => {
                (self.settings(parent, notes), rest)
            }
            rest => (self.latest.clone(), rest),
        };
        let mut proxy = Proxy::new(kind, name, settings.inherited());
        // The old form: an address after the name.
        if !rest.is_empty() {
            let mut line = vec![keyword.clone()];
            line.extend_from_slice(rest);
            proxy.listen_on(&line, notes);
        }
        self.proxies.push(proxy);
        self.count(0, words, notes);
    }

    /// Counts the addresses of the last proxy's binds from this one on.
    fn count(&mut self, from: usize, words: &[Word], notes: &mut Notes) {
        let binds = self.proxies.last().map_or(&[][..], |proxy| &proxy.binds[from..]);
        self.addresses += binds.iter().map(|bind| bind.addresses.len()).sum::<usize>();
        if self.addresses > IMPORT_BINDS_MAX {
            let message = format!("there are more than {IMPORT_BINDS_MAX} addresses to listen on");
            notes.error(Some(&span(words)), message, "choose those that clients connect to");
            self.section = Section::Full;
        }
    }
}
