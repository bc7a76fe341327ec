//! A hasher for keys that are hashes or counters already.

use std::hash::{BuildHasherDefault, Hasher};

/// For keys that are hashes or counters already: they need spreading and no more.
#[derive(Debug, Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0 ^ u64::from(*byte)));
    }

    fn write_u128(&mut self, value: u128) {
        // A half that never changes, as that of some kinds of UUID, must not make all the rest alike.
        self.write_u64((value >> 64) as u64);
        self.write_u64(self.0.rotate_left(32) ^ value as u64);
    }

    fn write_u64(&mut self, value: u64) {
        // The high half of the product is where all bits have had their say.
        let product = u128::from(value) * 0x9E37_79B9_7F4A_7C15;
        self.0 = (product as u64) ^ (product >> 64) as u64;
    }
}

pub(super) type SpreadHash = BuildHasherDefault<Spread>;

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, hash::BuildHasher};

    use super::*;

    #[test]
    fn ids_are_spread_whichever_half_of_them_changes() {
        for shift in [0, 32, 64, 96] {
            let hashes = (0..4096_u128).map(|n| SpreadHash::default().hash_one(n << shift | 7 << (shift ^ 64)));
            let slots: HashSet<u64> = hashes.map(|hash| hash & 0x3FFF | (hash >> 57) << 14).collect();
            assert!(slots.len() > 4000, "{} of 4096 shifted by {shift}", slots.len());
        }
    }

    #[test]
    fn counters_and_hashes_are_spread_alike() {
        // As a table sees them: a slot by the low bits, and seven of the high ones to tell neighbours apart.
        for step in [1_u64, 64, 1 << 32] {
            let hashes = (0..4096_u64).map(|n| SpreadHash::default().hash_one(n * step));
            let slots: HashSet<u64> = hashes.map(|hash| hash & 0x3FFF | (hash >> 57) << 14).collect();
            assert!(slots.len() > 4000, "{} of 4096 with step {step}", slots.len());
        }
    }
}
