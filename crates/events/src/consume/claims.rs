//! Claims kept in memory, for consumers without a database.

use std::{
    collections::HashSet,
    mem,
    sync::{Mutex, PoisonError},
};

use crate::contract::event::EventId;

/// This many claims are remembered at least, and twice as many at most: repeats come close together, and 200 000 ids take
/// about 10 MB.
const GENERATION: usize = 100_000;

/// The latest events that were handled. Gone when the process ends, unknown to other processes, and forgotten in time: a
/// repeat after that is handled again.
#[derive(Debug, Default)]
pub(super) struct MemoryClaims(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashSet<EventId>,
    old: HashSet<EventId>,
}

impl MemoryClaims {
    pub(super) fn contains(&self, event: EventId) -> bool {
        let generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.young.contains(&event) || generations.old.contains(&event)
    }

    pub(super) fn add(&self, event: EventId) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.young.insert(event);
        if generations.young.len() == GENERATION {
            // The emptied one keeps its room.
            let Generations { young, old } = &mut *generations;
            old.clear();
            mem::swap(young, old);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_remembered_and_memory_is_bounded() {
        let claims = MemoryClaims::default();
        let id = |n: usize| EventId(uuid::Uuid::from_u128(n as u128));
        for n in 0..3 * GENERATION {
            assert!(!claims.contains(id(n)));
            claims.add(id(n));
        }
        assert!((2 * GENERATION..3 * GENERATION).all(|n| claims.contains(id(n))));
        assert!(!claims.contains(id(GENERATION - 1)));
    }
}
