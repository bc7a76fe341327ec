//! What has to stay in order.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use super::{partition::AssignmentId, record::Record};

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
