//! Mistakes that are made on purpose: whoever does not notice them checks nothing.

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// A byte that was received is forgotten.
    LostByte,
    /// A queue that is empty is taken for an end of stream.
    FalseEnd,
    /// What a poll saw is not told.
    LostEdge,
    /// What is in hand is written down after it was done: a death in between finds nothing.
    LateRecord,
}

impl Plant {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::LostByte, Self::FalseEnd, Self::LostEdge, Self::LateRecord];

    /// The one with this name.
    ///
    /// # Errors
    ///
    /// The names that there are.
    pub fn named(name: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|plant| plant.name() == name);
        found.ok_or_else(|| format!("no mistake has that name; there are {names}"))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::LostByte => "lost-byte",
            Self::FalseEnd => "false-end",
            Self::LostEdge => "lost-edge",
            Self::LateRecord => "late-record",
        }
    }
}
