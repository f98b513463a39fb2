//! One frontend, backend or listen of an haproxy.cfg, line by line.

use super::bind::{self, Bind};
use super::left_out;
use super::server::{self, Parameters, Server};
use super::settings::Settings;
use crate::import::model::At;
use crate::import::notes::Notes;
use crate::import::word::{Word, shown, span};

/// Which side a proxy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Frontend,
    Backend,
    /// Both at once.
    Listen,
}

impl Kind {
    pub(super) fn listens(self) -> bool {
        match self {
            Self::Frontend | Self::Listen => true,
            Self::Backend => false,
        }
    }

    pub(super) fn serves(self) -> bool {
        match self {
            Self::Backend | Self::Listen => true,
            Self::Frontend => false,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Frontend => "frontend",
            Self::Backend => "backend",
            Self::Listen => "listen",
        }
    }
}

/// A `use_backend`.
#[derive(Clone, Debug)]
pub(super) struct Use {
    pub(super) backend: At<String>,
    /// It holds for some clients only.
    pub(super) conditional: bool,
    /// The whole line, to be shown.
    pub(super) line: At<String>,
}

/// A proxy as it is written.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) kind: Kind,
    pub(super) name: At<String>,
    pub(super) settings: Settings,
    pub(super) binds: Vec<Bind>,
    pub(super) uses: Vec<Use>,
    pub(super) servers: Vec<Server>,
    /// `tcp-request connection expect-proxy`, with the sources that send the header.
    pub(super) expect_proxy: Option<At<Vec<String>>>,
    /// It has lines about HAProxy's own page.
    pub(super) has_stats: bool,
}

impl Proxy {
    pub(super) fn new(kind: Kind, name: &Word, settings: Settings) -> Self {
        Self {
            kind,
            name: name.placed(),
            settings,
            binds: Vec::new(),
            uses: Vec::new(),
            servers: Vec::new(),
            expect_proxy: None,
            has_stats: false,
        }
    }

    /// Reads a line.
    pub(super) fn statement(&mut self, words: &[Word], notes: &mut Notes) {
        let Some(keyword) = words.first() else { return };
        match keyword.text.as_str() {
            "bind" => self.listen_on(words, notes),
            "use_backend" => self.use_backend(words, notes),
            "server" => {
                self.servers.extend(server::read(words, &self.settings.server, notes));
            }
            "server-template" => {
                self.servers.extend(server::read_template(words, &self.settings.server, notes));
            }
            "dispatch" => self.dispatch(words, notes),
            "tcp-request" => self.tcp_request(words, notes),
            "stats" => {
                self.has_stats = true;
                left_out::statement(words, notes);
            }
            _ => {
                if !self.settings.statement(words, notes) {
                    left_out::statement(words, notes);
                }
            }
        }
    }

    /// Reads a line of addresses, of whichever keyword.
    pub(super) fn listen_on(&mut self, words: &[Word], notes: &mut Notes) {
        if self.kind.listens() {
            self.binds.extend(bind::read(words, notes));
        } else {
            let message = format!("a backend does not listen: `{}` is not carried", shown(words));
            notes.note(&span(words), message, "write it below a frontend");
        }
    }

    fn use_backend(&mut self, words: &[Word], notes: &mut Notes) {
        let line = At::new(shown(words), &span(words));
        let Some(name) = words.get(1) else {
            notes.note(&line.at, "a use_backend without a name is not carried", "name a backend");
            return;
        };
        if name.text.contains("%[") {
            let message = format!("`{}` is not carried: Layer 4 does not see requests", line.value);
            notes.note(&line.at, message, "give each of its backends a listener of its own");
            return;
        }
        let conditional = words.len() > 2;
        self.uses.push(Use { backend: name.placed(), conditional, line });
    }

    fn dispatch(&mut self, words: &[Word], notes: &mut Notes) {
        let Some(address) = words.get(1) else {
            notes.note(&span(words), "a dispatch without an address is not carried", "add it");
            return;
        };
        let name = At::new("dispatch".to_owned(), &words[0].at);
        let parameters = Parameters::default();
        self.servers.push(Server { name, address: address.placed(), parameters, places: 1 });
    }

    fn tcp_request(&mut self, words: &[Word], notes: &mut Notes) {
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        let at = span(words);
        let sources = match texts.get(1..).unwrap_or_default() {
            ["connection", "expect-proxy", "layer4"] => Some(everybody()),
            ["connection", "expect-proxy", "layer4", "if", "{", "src", sources @ .., "}"]
                if sources.iter().all(|it| !it.starts_with('-')) =>
            {
                Some(sources.iter().map(|it| (*it).to_owned()).collect())
            }
            ["connection", "expect-proxy", ..] => {
                let message = format!(
                    "`{}` is not carried, and the headers of these clients would reach the servers",
                    shown(words)
                );
                let mend =
                    "write accept_proxy at the listener, with the networks that send a header";
                notes.note(&at, message, mend);
                return;
            }
            _ => None,
        };
        match sources {
            Some(sources) => self.expect_proxy = Some(At::new(sources, &at)),
            None => left_out::statement(words, notes),
        }
    }
}

/// Every source there is.
pub(super) fn everybody() -> Vec<String> {
    vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()]
}
