//! Bytes that say where in which stream they stand, so that a lost, doubled or swapped one shows.

/// The bytes of one stream: a function of its seed and the position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Different seeds give different streams.
    pub seed: u64,
}

impl Pattern {
    /// The bytes from `position` on, `length` of them.
    pub fn bytes(self, position: usize, length: usize) -> Vec<u8> {
        let (first, skip) = (position / 8, position % 8);
        let mut bytes = vec![0; (skip + length).next_multiple_of(8)];
        for (index, word) in bytes.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&self.word((first + index) as u64).to_le_bytes());
        }
        bytes.truncate(skip + length);
        bytes.drain(..skip);
        bytes
    }

    /// Checks that `received` is what stands at `position`.
    ///
    /// # Panics
    ///
    /// When it is not; the message names the first wrong byte.
    pub fn check(self, position: usize, received: &[u8]) {
        let expected = self.bytes(position, received.len());
        if received == expected {
            return;
        }
        let wrong = received.iter().zip(&expected).position(|(got, want)| got != want);
        if let Some(wrong) = wrong {
            let (at, seed) = (position + wrong, self.seed);
            panic!(
                "byte {at} of stream {seed} is wrong: {:#x}, not {:#x}",
                received[wrong], expected[wrong]
            );
        }
    }

    /// SplitMix64 of seed and index (Steele, Lea, Flood: Fast splittable pseudorandom number
    /// generators, 2014).
    fn word(self, index: u64) -> u64 {
        let start = self.seed.wrapping_mul(0xD134_2543_DE82_EF95);
        let mut z = start.wrapping_add((index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    /// Goal: a piece of a stream is the same however it is cut. Method: every cut of 40 bytes.
    #[test]
    fn pieces_agree_with_the_whole() {
        let pattern = Pattern { seed: 3 };
        let whole = pattern.bytes(0, 40);
        for start in 0..=40 {
            for end in start..=40 {
                assert_eq!(pattern.bytes(start, end - start), whole[start..end]);
            }
        }
    }

    /// Goal: a byte in the wrong place is seen. Method: one byte shifted.
    #[test]
    #[should_panic(expected = "byte 100 of stream 3 is wrong")]
    fn a_shifted_stream_is_wrong() {
        let pattern = Pattern { seed: 3 };
        pattern.check(100, &pattern.bytes(101, 50));
    }
}
