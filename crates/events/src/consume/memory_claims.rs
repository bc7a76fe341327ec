//! Claims kept in memory, for consumers without a database.

use std::{
    hash::BuildHasher,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::spread::SpreadHash;
use crate::contract::event::EventId;

/// A set holds this many claims: with its lock they fill two lines of a core's cache, and a look-up touches nothing else. The
/// cores take these lines from each other, so each one more is felt: with hash tables it was a tenth of the time of a handler
/// that does nothing.
const WAYS: usize = 7;
/// All sets together hold 57 344 claims in 1 MB, which stay in a core's cache. A claim is forgotten when seven others have come
/// into its set: one in 10 000 by the time that 8 000 other events have come, one in 200 after 16 000 (Poisson).
const SETS: usize = 8_192;

/// The latest events that were handled, or are being handled. Gone when the process ends, unknown to other processes, and
/// forgotten in time: a repeat after that is handled again.
#[derive(Debug)]
pub(super) struct MemoryClaims(Box<[Set]>);

/// The claims whose ids fall together.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Set(Mutex<Latest>);

/// The oldest first.
#[derive(Debug, Default)]
struct Latest {
    /// In halves: a whole id wants to stand at a multiple of 16 bytes, and then one less would fit.
    ids: [[u64; 2]; WAYS],
    count: u8,
}

impl Latest {
    fn place_of(&self, id: [u64; 2]) -> Option<usize> {
        self.ids[..usize::from(self.count)].iter().position(|other| *other == id)
    }

    fn add(&mut self, id: [u64; 2]) {
        if usize::from(self.count) == WAYS {
            self.remove(0);
        }
        self.ids[usize::from(self.count)] = id;
        self.count += 1;
    }

    fn remove(&mut self, place: usize) {
        self.ids.copy_within(place + 1.., place);
        self.count -= 1;
    }
}

impl Default for MemoryClaims {
    fn default() -> Self {
        Self((0..SETS).map(|_| Set::default()).collect())
    }
}

impl MemoryClaims {
    /// Claims an event; `None` when it was claimed before.
    pub(super) fn claim(&self, event: EventId) -> Option<Claim<'_>> {
        let (high, low) = event.0.as_u64_pair();
        let id = [high, low];
        let set = &self.0[(SpreadHash::default().hash_one(event.0.as_u128()) >> 32) as usize % SETS];
        let mut latest = set.lock();
        if latest.place_of(id).is_some() {
            return None;
        }
        latest.add(id);
        Some(Claim { of: set, id, stands: false })
    }
}

impl Set {
    fn lock(&self) -> MutexGuard<'_, Latest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Taken back when it is dropped, unless it stands.
pub(super) struct Claim<'c> {
    of: &'c Set,
    id: [u64; 2],
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
            let mut latest = self.of.lock();
            if let Some(place) = latest.place_of(self.id) {
                latest.remove(place);
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
    fn a_set_and_its_lock_are_two_lines_of_a_cache() {
        assert_eq!(size_of::<Set>(), 128);
    }

    #[test]
    fn the_latest_are_remembered_and_what_is_old_is_forgotten() {
        let claims = MemoryClaims::default();
        let all = SETS * WAYS;
        for n in 0..4 * all {
            claims.claim(id(n)).unwrap().stand();
        }
        let again = |n: &usize| claims.claim(id(*n)).is_some_and(|claim| !claim.stands);
        let forgotten = (4 * all - 8_000..4 * all).filter(again).count();
        assert!(forgotten <= 8, "{forgotten} of the last 8 000 are forgotten");
        let remembered = (0..all).filter(|n| !again(n)).count();
        assert!(remembered <= all / 100, "{remembered} of the {all} that are old are remembered");
    }

    #[test]
    fn no_id_is_taken_for_an_empty_place() {
        let claims = MemoryClaims::default();
        claims.claim(id(0)).unwrap().stand();
        assert!(claims.claim(id(0)).is_none());
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
