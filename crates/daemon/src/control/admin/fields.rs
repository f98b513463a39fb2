//! A value with its name, and what HAProxy's JSON says about it: where it comes from, what kind of
//! number it is, and how far it reaches (management guide, "typed output format").

use std::fmt;

use serde_json::{Value as Json, json};

/// A value and its name.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// Its number in HAProxy's list of fields.
    pub(super) position: usize,
    pub(super) name: &'static str,
    pub(super) tags: Tags,
    pub(super) value: Value,
}

/// Origin, nature and scope.
pub(super) type Tags = [&'static str; 3];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A number that HAProxy keeps in 32 bits.
    Small(u64),
    /// One that it keeps in 64.
    Large(u64),
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Small(number) | Self::Large(number) => number.fmt(out),
            Self::Text(text) => text.fmt(out),
        }
    }
}

impl Field {
    /// As HAProxy writes it.
    pub(super) fn json(&self) -> Json {
        let [origin, nature, scope] = self.tags;
        json!({
            "field": { "pos": self.position, "name": self.name },
            "processNum": 1,
            "tags": { "origin": origin, "nature": nature, "scope": scope },
            "value": match &self.value {
                Value::Small(number) => json!({ "type": "u32", "value": number }),
                Value::Large(number) => json!({ "type": "u64", "value": number }),
                Value::Text(text) => json!({ "type": "str", "value": text }),
            },
        })
    }
}
