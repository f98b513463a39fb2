//! The environment variables that an haproxy.cfg sees: those of the process, and what its global
//! section makes of them.

use std::collections::HashMap;

use crate::import::Surroundings;
use crate::import::word::Word;

/// Variables as they are at a line.
pub(super) struct Environment<'s> {
    surroundings: &'s dyn Surroundings,
    /// What lines have set (or, with `None`, taken away).
    own: HashMap<String, Option<String>>,
    /// Of the process's, only these are left.
    kept: Option<Vec<String>>,
}

impl<'s> Environment<'s> {
    pub(super) fn new(surroundings: &'s dyn Surroundings) -> Self {
        Self { surroundings, own: HashMap::new(), kept: None }
    }

    pub(super) fn variable(&self, name: &str) -> Option<String> {
        if let Some(own) = self.own.get(name) {
            return own.clone();
        }
        let kept = self.kept.as_ref().is_none_or(|kept| kept.iter().any(|it| it == name));
        if kept { self.surroundings.variable(name) } else { None }
    }

    /// Obeys a line that changes variables; false when it is another line.
    pub(super) fn obey(&mut self, words: &[Word]) -> bool {
        let Some((keyword, names)) = words.split_first() else { return false };
        let name = names.first().map(|word| word.text.clone()).unwrap_or_default();
        let value = names.get(1).map(|word| word.text.clone()).unwrap_or_default();
        match keyword.text.as_str() {
            "setenv" => drop(self.own.insert(name, Some(value))),
            "presetenv" => {
                if self.variable(&name).is_none() {
                    self.own.insert(name, Some(value));
                }
            }
            "unsetenv" => names.iter().for_each(|name| {
                self.own.insert(name.text.clone(), None);
            }),
            "resetenv" => {
                let names: Vec<String> = names.iter().map(|name| name.text.clone()).collect();
                self.own.retain(|name, _| names.contains(name));
                self.kept = Some(names);
            }
            _ => return false,
        }
        true
    }
}

impl std::fmt::Debug for Environment<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Environment").field("own", &self.own).finish_non_exhaustive()
    }
}
