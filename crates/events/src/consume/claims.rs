//! Claims kept in memory, for consumers without a database.

use std::{
    collections::HashSet,
    hash::BuildHasher,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::lane::SpreadHash;
use crate::contract::event::EventId;

/// Each claim is in one of so many parts by its id, so that handlers seldom wait for each other here.
const PARTS: usize = 16;
/// A part remembers this many claims at least and twice as many at most, all of them about 30 000 to 60 000: what comes again is
/// what was under way or not committed yet. It is what a table of 2 048 places takes, and all tables together are 1.1 MB, which
/// stay in a core's cache; three times as many did not, and the look-up then was a tenth of a handler's time.
const GENERATION: usize = 1_792;

/// The latest events that were handled, or are being handled. Gone when the process ends, unknown to other processes, and
/// forgotten in time: a repeat after that is handled again.
#[derive(Debug, Default)]
pub(super) struct MemoryClaims([Mutex<Generations>; PARTS]);

#[derive(Debug, Default)]
struct Generations {
    young: HashSet<u128, SpreadHash>,
    old: HashSet<u128, SpreadHash>,
}

impl MemoryClaims {
    /// Claims an event; `None` when it was claimed before.
    pub(super) fn claim(&self, event: EventId) -> Option<Claim<'_>> {
        let id = event.0.as_u128();
        let mut generations = self.part(id);
        let Generations { young, old } = &mut *generations;
        if old.contains(&id) || !young.insert(id) {
            return None;
        }
        if young.len() == GENERATION {
            // The emptied one keeps its room.
            old.clear();
            mem::swap(young, old);
        }
        Some(Claim { of: self, id, stands: false })
    }

    fn part(&self, id: u128) -> MutexGuard<'_, Generations> {
        let part = (SpreadHash::default().hash_one(id) >> 32) as usize % PARTS;
        self.0[part].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Taken back when it is dropped, unless it stands.
pub(super) struct Claim<'c> {
    of: &'c MemoryClaims,
    id: u128,
    stands: bool,
}

impl Claim<'_> {
    pub(super) fn stand(mut self) {
        self.stands = true;
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if !self.stands {
            let mut generations = self.of.part(self.id);
            let Generations { young, old } = &mut *generations;
            if !young.remove(&self.id) {
                old.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> EventId {
        EventId(uuid::Uuid::from_u128(n as u128))
    }

    #[test]
    fn the_latest_are_remembered_and_memory_is_bounded() {
        let claims = MemoryClaims::default();
        let all = PARTS * GENERATION;
        for n in 0..4 * all {
            claims.claim(id(n)).unwrap().stand();
        }
        let kept: usize =
            claims.0.iter().map(|part| part.lock().unwrap()).map(|part| part.young.len() + part.old.len()).sum();
        assert!((all..=2 * all).contains(&kept), "{kept} claims are remembered");
        // The parts are not filled quite evenly.
        assert!((3 * all + all / 10..4 * all).all(|n| claims.claim(id(n)).is_none()));
        assert!(claims.claim(id(all)).is_some());
    }

    #[test]
    fn what_does_not_stand_is_taken_back() {
        let claims = MemoryClaims::default();
        let claim = claims.claim(id(1)).unwrap();
        assert!(claims.claim(id(1)).is_none());
        drop(claim);
        claims.claim(id(1)).unwrap().stand();
        assert!(claims.claim(id(1)).is_none());
    }
}
