//! What has to stay in order, and a piece of work on its way through the engine.

use std::{
    hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState},
    time::Duration,
};

use chrono::{DateTime, Utc};

use super::{dead_letter::Failure, rebalance::AssignmentId, record::Record};
use crate::flow::ledger::Ticket;

/// Which records wait for each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Those of one key, in their partition's order; those without a key as if all had the same.
    #[default]
    Key,
    /// All of one partition.
    Partition,
    /// None: for work whose order does not matter even within a key.
    None,
}

/// The records of one key of one assigned partition, or whatever else [`Order`] keeps together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lane {
    pub(super) assignment: AssignmentId,
    /// The key's hash. Two keys that share one wait for each other, which is harmless and spares a copy of the key.
    pub(super) key: u64,
}

impl Lane {
    pub(super) fn of(assignment: AssignmentId, record: &Record, order: Order, hasher: &RandomState) -> Self {
        let key = match order {
            Order::Key => record.key().map_or(0, |key| hasher.hash_one(key)),
            Order::Partition => 0,
            Order::None => record.offset as u64,
        };
        Self { assignment, key }
    }
}

impl Hash for Lane {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // An odd constant with its bits well spread (the golden ratio), so that assignments fall apart.
        state.write_u64(self.key ^ self.assignment.0.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    }
}

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

/// A record that is to be handled.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) ticket: Ticket,
    pub(super) record: Record,
    /// What was tried already; most records never fail.
    pub(super) tries: Option<Box<Tries>>,
}

/// How far the work on a record has come, and what it met.
#[derive(Debug, Clone, Default)]
pub(super) struct Tries {
    /// The handler that is at work; those before it are done.
    pub(super) handler: usize,
    /// Failed attempts that count.
    pub(super) attempts: u32,
    /// What these attempts and the waits between them took.
    pub(super) spent: Duration,
    pub(super) first_failed_at: Option<DateTime<Utc>>,
    /// How often the system to blame had answered others when the last attempt failed.
    pub(super) answers: Option<u64>,
    /// Set once it is given up: all that is left is to have its dead letter taken.
    pub(super) given_up: Option<GivenUp>,
}

/// A dead letter that could not be written yet.
#[derive(Debug, Clone)]
pub(super) struct GivenUp {
    /// The handler that gave it up; `None` where none got that far.
    pub(super) by: Option<usize>,
    pub(super) failure: Failure,
    /// How often it was refused.
    pub(super) refusals: u32,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

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
