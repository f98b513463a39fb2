//! CRC-32 as in IEEE 802.3: reflected polynomial 0xedb88320, all ones before and after. What nginx's
//! `hash` is made of.

/// A checksum that bytes are still added to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crc32(u32);

impl Crc32 {
    /// Of nothing.
    pub(super) const EMPTY: Self = Self(u32::MAX);

    /// With these bytes behind those before.
    #[must_use]
    pub(super) fn and(self, bytes: &[u8]) -> Self {
        Self(
            bytes
                .iter()
                .fold(self.0, |rest, byte| TABLE[usize::from(rest as u8 ^ byte)] ^ (rest >> 8)),
        )
    }

    /// The checksum.
    pub(super) fn finish(self) -> u32 {
        !self.0
    }
}

/// What each byte does to the rest.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            rest = if rest & 1 == 1 { rest >> 1 ^ 0xedb8_8320 } else { rest >> 1 };
            bit += 1;
        }
        table[byte] = rest;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: it is that checksum, however the bytes come. Method: the check value that its catalogues
    // give, whole and in pieces, and nothing at all.
    #[test]
    fn check_value() {
        assert_eq!(Crc32::EMPTY.and(b"123456789").finish(), 0xcbf4_3926);
        assert_eq!(Crc32::EMPTY.and(b"1234").and(b"").and(b"56789").finish(), 0xcbf4_3926);
        assert_eq!(Crc32::EMPTY.finish(), 0);
    }
}
