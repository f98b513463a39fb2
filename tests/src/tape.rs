//! Bytes that say where in which stream they stand, laid out once: where a thousand streams are sent
//! and checked at full speed, to make each byte anew would be most of the work.

use crate::Pattern;

/// So many bytes come before they repeat: more than can be under way at a time, so that a block in the
/// wrong place shows, and no power of two, as lengths of blocks are.
const LAP: usize = 4_000_037;
/// The longest piece that is had in one go.
const PIECE: usize = 256 * 1024;

/// Many streams. Each is the same endless tape from another place on.
#[derive(Debug)]
pub struct Tape(Vec<u8>);

impl Tape {
    /// Lays it out.
    #[allow(clippy::new_without_default)] // four megabytes: not something to do by default
    pub fn new() -> Self {
        let mut bytes = Pattern { seed: 1 }.bytes(0, LAP);
        bytes.extend_from_within(..PIECE);
        Self(bytes)
    }

    /// The bytes of a stream from `position` on: `length` of them, or 256 KiB.
    pub fn bytes(&self, stream: u64, position: u64, length: usize) -> &[u8] {
        // 1,237 is no divisor of a lap, so no two of three thousand streams begin at one place.
        let start = (stream * 1_237 + position) % LAP as u64;
        &self.0[start as usize..][..length.min(PIECE)]
    }

    /// Where `received`, which ought to stand at `position` of a stream, is wrong first.
    pub fn first_wrong(&self, stream: u64, position: u64, received: &[u8]) -> Option<u64> {
        let mut at = position;
        for piece in received.chunks(PIECE) {
            let expected = self.bytes(stream, at, piece.len());
            if piece != expected {
                let wrong = piece.iter().zip(expected).take_while(|(got, want)| got == want);
                return Some(at + wrong.count() as u64);
            }
            at += piece.len() as u64;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a stream goes on over the seam of a lap. Method: the seam in the middle of a piece.
    #[test]
    fn the_seam_does_not_show() {
        let tape = Tape::new();
        let before = LAP as u64 - 10;
        let piece = tape.bytes(0, before, 20).to_vec();
        assert_eq!(piece[..10], tape.0[LAP - 10..LAP]);
        assert_eq!(piece[10..], tape.0[..10]);
        assert_eq!(tape.first_wrong(0, before, &piece), None);
    }

    /// Goal: what is missing, doubled, changed or another stream's shows. Method: each of them, in
    /// blocks as a balancer moves them.
    #[test]
    fn what_is_wrong_shows() {
        let tape = Tape::new();
        let right = tape.bytes(7, 2_000_000, 100_000).to_vec();
        assert_eq!(tape.first_wrong(7, 2_000_000, &right), None);
        for moved in [1, 4_096, 16_384, 65_536, 1 << 20] {
            assert!(tape.first_wrong(7, 2_000_000 + moved, &right).is_some(), "{moved} missing");
            assert!(tape.first_wrong(7, 2_000_000 - moved, &right).is_some(), "{moved} doubled");
        }
        assert!(tape.first_wrong(8, 2_000_000, &right).is_some());
        let mut changed = right;
        changed[77_777] ^= 1;
        assert_eq!(tape.first_wrong(7, 2_000_000, &changed), Some(2_077_777));
    }
}
