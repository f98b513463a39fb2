//! The global section of an haproxy.cfg.

use super::{left_out, time};
use crate::import::model::{At, Global};
use crate::import::notes::Notes;
use crate::import::word::{Word, number, shown, span};

/// What it says that is carried.
#[derive(Debug, Default)]
pub(super) struct Globals {
    pub(super) global: Global,
    /// `nosplice`: nothing is spliced.
    pub(super) nosplice: Option<At<()>>,
}

impl Globals {
    pub(super) fn statement(&mut self, words: &[Word], notes: &mut Notes) {
        let Some(keyword) = words.first() else { return };
        let at = span(words);
        let value = words.get(1);
        let count = || value.and_then(|word| number(&word.text)).filter(|number| *number > 0);
        match keyword.text.as_str() {
            "nbthread" => self.global.workers = count().map(|number| At::new(number, &at)),
            "maxconn" => self.global.max_sessions = count().map(|number| At::new(number, &at)),
            "user" => self.global.user = value.map(|word| At::new(word.text.clone(), &at)),
            "group" => self.global.group = value.map(|word| At::new(word.text.clone(), &at)),
            "hard-stop-after" => {
                let limit = value.and_then(|word| time::limit(word, notes));
                self.global.drain = limit.map(|limit| At::new(limit.value, &at));
            }
            "nosplice" => self.nosplice = Some(At::new((), &at)),
            "stats" => self.stats(words, notes),
            _ => left_out::global(words, notes),
        }
    }

    /// `stats socket PATH …`: the runtime socket, where scripts look for it.
    fn stats(&mut self, words: &[Word], notes: &mut Notes) {
        let path = match words {
            [_, what, path, ..] if what.text == "socket" => {
                let path = path.text.strip_prefix("unix@").unwrap_or(&path.text);
                path.starts_with('/').then(|| path.to_owned())
            }
            _ => return left_out::global(words, notes),
        };
        let at = span(words);
        let Some(path) = path else {
            let message =
                format!("`{}` is not carried: the runtime socket is a path", shown(words));
            notes.note(
                &at,
                message,
                "write stats socket PATH; tools on other machines read /metrics",
            );
            return;
        };
        if self.global.admin.is_some() {
            let message = format!("`{}` is not carried: there is one runtime socket", shown(words));
            notes.note(&at, message, "let everybody use the first");
            return;
        }
        if words.len() > 3 {
            let message = format!(
                "the runtime socket is made with the rights 0600 and takes every command; `{}` is \
                 not carried",
                shown(&words[3..])
            );
            let mend = "run the tools that use it as the user of ringbolt";
            notes.note(&span(&words[3..]), message, mend);
        }
        self.global.admin = Some(At::new(path, &at));
    }
}
