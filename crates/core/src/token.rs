//! The identity of a completion: which operation, of which slot, in which of the slot's lives.
//!
//! A completion can arrive after its slot was given to another session; the generation tells.

/// What a completion is the answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Op {
    /// A connection was accepted (multishot); the slot is the listening socket's number.
    Accept = 1,
    /// A listening socket is ready (multishot poll); the slot is its number.
    PollDoor = 2,
    /// The client's socket is ready (multishot poll).
    PollClient = 3,
    /// The server's socket is ready (multishot poll).
    PollServer = 4,
    /// A connect attempt ended.
    Connect = 5,
    /// A cancel or a close failed; their successes are silent.
    Silent = 6,
    /// Another thread wants this worker's attention.
    Wake = 7,
}

impl Op {
    /// Whether the token's slot is a session's.
    pub(crate) fn is_of_a_session(self) -> bool {
        match self {
            Self::PollClient | Self::PollServer | Self::Connect => true,
            Self::Accept | Self::PollDoor | Self::Silent | Self::Wake => false,
        }
    }
}

/// An operation in flight. As 64 bits: operation (8), slot (24), generation (32).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What was asked.
    pub op: Op,
    /// Of whom, below 2^24.
    pub slot: u32,
    /// In which life of that slot.
    pub generation: u32,
}

impl Token {
    /// The 64 bits that travel through the kernel.
    pub fn bits(self) -> u64 {
        (self.op as u64) << 56 | u64::from(self.slot & 0xff_ffff) << 32 | u64::from(self.generation)
    }

    /// The token of these bits; `None` when no operation has that number.
    pub fn from_bits(bits: u64) -> Option<Self> {
        let op = match bits >> 56 {
            1 => Op::Accept,
            2 => Op::PollDoor,
            3 => Op::PollClient,
            4 => Op::PollServer,
            5 => Op::Connect,
            6 => Op::Silent,
            7 => Op::Wake,
            _ => return None,
        };
        Some(Self { op, slot: (bits >> 32) as u32 & 0xff_ffff, generation: bits as u32 })
    }

    /// The same identity for another operation.
    pub fn with(self, op: Op) -> Self {
        Self { op, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: no two tokens share their bits. Method: the round trip at the edges of every field.
    #[test]
    fn bits_and_back() {
        for op in [Op::Accept, Op::PollDoor, Op::PollClient, Op::PollServer, Op::Connect] {
            for slot in [0, 1, 0xff_ffff] {
                for generation in [0, 7, u32::MAX] {
                    let token = Token { op, slot, generation };
                    assert_eq!(Token::from_bits(token.bits()), Some(token));
                }
            }
        }
        assert_eq!(Token::from_bits(0), None);
        assert_eq!(Token::from_bits(u64::MAX), None);
    }
}
