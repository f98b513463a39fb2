//! What bulk consists of, so that whoever gets a piece of it can tell whether it is the right piece:
//! a file in memory, sent over and over without being copied.

use std::fs::File;
use std::io::{self, Write};
use std::sync::LazyLock;

use nix::sys::memfd::{MFdFlags, memfd_create};

/// Bytes after which it begins anew. Small enough to stay in a cache of the second level, so that
/// balancers which copy are not charged for a memory that a network card would not use either.
pub(crate) const PERIOD: usize = 1024 * 1024;

static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    // Fibonacci hashing: neighbours differ in every byte.
    (0..PERIOD as u64 / 8)
        .flat_map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
        .collect()
});

/// One period, as a file for sendfile(2).
///
/// # Errors
/// Those of memfd_create(2) and write(2).
pub(crate) fn file() -> io::Result<File> {
    let mut file = File::from(memfd_create(c"pattern", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(&BYTES)?;
    Ok(file)
}

/// The byte at this place of the stream.
pub(crate) fn byte(position: u64) -> u8 {
    BYTES[position as usize % PERIOD]
}

/// Whether these are the bytes from this place of the stream on.
pub(crate) fn matches(position: u64, piece: &[u8]) -> bool {
    let (mut start, mut rest) = (position as usize % PERIOD, piece);
    while !rest.is_empty() {
        let length = rest.len().min(PERIOD - start);
        if rest[..length] != BYTES[start..start + length] {
            return false;
        }
        (start, rest) = (0, &rest[length..]);
    }
    true
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn a_piece_is_known_by_its_place() {
        let mut piece = vec![0; 4096];
        file().unwrap().read_exact_at(&mut piece, 8000).unwrap();
        assert!(matches(8000, &piece));
        assert!(matches(8000 + 5 * PERIOD as u64, &piece));
        assert_eq!(piece[17], byte(8017));
        for wrong in [7999, 8001, 8008, 16_000] {
            assert!(!matches(wrong, &piece), "at {wrong}");
        }
        piece[4095] ^= 1;
        assert!(!matches(8000, &piece));
    }

    #[test]
    fn a_piece_may_span_the_seam() {
        let piece: Vec<u8> = (0..2 * PERIOD as u64).map(|n| byte(n + 100)).collect();
        assert!(matches(100, &piece));
        assert!(!matches(99, &piece));
    }
}
