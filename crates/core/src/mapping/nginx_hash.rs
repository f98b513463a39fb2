//! `nginx-hash`: what nginx's `hash $remote_addr` does, in its stream module as in its HTTP module.

use crate::mapping::crc32::Crc32;
use crate::mapping::remote_addr::{RemoteAddr, decimal};
use crate::mapping::{Choice, Question, nginx};

/// Values that the first hash of a key has.
pub const VALUES: u32 = 0x8000;

pub(super) fn choose(seed: u64, asked: &Question<'_>) -> Option<Choice> {
    let text = RemoteAddr::of(asked.addr);
    let (mut hash, mut number) = (0_u32, 0);
    let hashes = core::iter::repeat_with(|| {
        let before = match number {
            0 => Crc32::EMPTY,
            number => Crc32::EMPTY.and(decimal(number, &mut [0; 3])),
        };
        number += 1;
        hash = hash.wrapping_add(before.and(text.as_bytes()).finish() >> 16 & 0x7fff);
        hash
    });
    nginx::first_of(hashes, seed, asked)
}
