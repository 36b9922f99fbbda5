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

/// Who may sit where: the seats in the order in which they are seen. The first is as they sit.
const ORDERS_OF_TWO: &[&[usize]] = &[&[0, 1], &[1, 0]];
const ORDERS_OF_THREE: &[&[usize]] = &[
    &[0, 1, 2],
    &[0, 2, 1],
    &[1, 0, 2],
    &[1, 2, 0],
    &[2, 0, 1],
    &[2, 1, 0],
];

/// The least of the hashes, as the candidates sit and with changed places.
pub(super) fn either_way(alike: Alike, store: &Store, seats: &[Seat]) -> u64 {
    let orders = if seats.len() == 2 {
        ORDERS_OF_TWO
    } else {
        ORDERS_OF_THREE
    };
    let different = if alike == Alike::No { 1 } else { orders.len() };
    let seen = |order: &&[usize]| seen_from(store, seats, order, alike == Alike::Renamed);
    orders.iter().take(different).map(seen).min().unwrap_or_default()
}

fn seen_from(store: &Store, seats: &[Seat], order: &[usize], renamed: bool) -> u64 {
    let mut names = *LETTERS;
    if renamed {
        for (place, from) in order.iter().enumerate() {
            if let (Some(name), Some(to)) = (names.get_mut(*from), LETTERS.get(place)) {
                *name = *to;
            }
        }
    }
    let mut hasher = Renaming { state: 0, names };
    store.hash(&mut hasher);
    for from in order {
        seats.get(*from).hash(&mut hasher);
    }
    hasher.finish()
}

/// With what the names in each seat begin.
const LETTERS: &[u8; 3] = b"abc";

/// Hashes as if the names that begin with "a", "b" or "c" began with `names` in this order. Not the standard hasher, because
/// hashing is most of the work of a checker: a multiplication per word, both halves of the product kept, as wyhash does.
struct Renaming {
    state: u64,
    names: [u8; 3],
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
        let seat = bytes
            .first()
            .and_then(|first| LETTERS.iter().position(|letter| letter == first));
        let renamed = seat.and_then(|seat| self.names.get(seat)).copied();
        for (at, chunk) in bytes.chunks(8).enumerate() {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            if let ([first, ..], 0, Some(renamed)) = (&mut word, at, renamed) {
                *first = renamed;
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
