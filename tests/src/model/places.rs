//! Hashes a world so that two in which the candidates have only changed places are one.

use std::hash::{Hash, Hasher};

use super::seat::Seat;
use super::store::Store;

/// Whether a world is the same when the candidates have changed places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alike {
    /// It is not: their durations differ.
    No,
    /// It is: they have one name.
    Twins,
    /// It is when they have changed their names too.
    Renamed,
}

/// The lesser of the two hashes, as the candidates sit and with changed places.
pub(super) fn either_way(alike: Alike, store: &Store, [first, second]: &[Seat; 2]) -> u64 {
    let seen = |seats, renamed| seen_from(store, seats, renamed);
    let as_they_sit = seen([first, second], false);
    match alike {
        Alike::No => as_they_sit,
        Alike::Twins => as_they_sit.min(seen([second, first], false)),
        Alike::Renamed => as_they_sit.min(seen([second, first], true)),
    }
}

fn seen_from(store: &Store, seats: [&Seat; 2], renamed: bool) -> u64 {
    let mut hasher = Renaming { state: 0, renamed };
    store.hash(&mut hasher);
    seats.hash(&mut hasher);
    hasher.finish()
}

/// Hashes as if "a…" were "b…" and the other way round. Not the standard hasher, because hashing is most of the work of a
/// checker: a multiplication per word, both halves of the product kept, as wyhash does.
struct Renaming {
    state: u64,
    renamed: bool,
}

/// An odd number without a pattern.
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

impl Renaming {
    fn word(&mut self, word: u64) {
        let mixed = self.state.rotate_left(23) ^ word ^ 0xA076_1D64_78BD_642F;
        let high = (u128::from(mixed) * u128::from(FACTOR)) >> 64;
        self.state = mixed.wrapping_mul(FACTOR) ^ u64::try_from(high).unwrap_or_default();
    }
}

impl Hasher for Renaming {
    fn finish(&self) -> u64 {
        self.state
    }

    fn write(&mut self, bytes: &[u8]) {
        let other = match bytes {
            [b'a', ..] => b'b',
            [b'b', ..] => b'a',
            _ => 0,
        };
        for (at, chunk) in bytes.chunks(8).enumerate() {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            if let ([first, ..], true, 0, 1..) = (&mut word, self.renamed, at, other) {
                *first = other;
            }
            self.word(u64::from_le_bytes(word));
        }
    }

    // Numbers are no names.
    fn write_u8(&mut self, number: u8) {
        self.word(number.into());
    }
    fn write_u16(&mut self, number: u16) {
        self.word(number.into());
    }
    fn write_u32(&mut self, number: u32) {
        self.word(number.into());
    }
    fn write_u64(&mut self, number: u64) {
        self.word(number);
    }
    fn write_usize(&mut self, number: usize) {
        self.word(u64::try_from(number).unwrap_or(u64::MAX));
    }
}
