//! When which fault strikes whom: drawn from the seed alone, before the round begins.

use std::time::Duration;

use crate::fault::Fault;

/// One fault of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strike {
    /// Since the load began.
    pub at: Duration,
    pub fault: Fault,
    /// Of those whom the fault can strike, the one with this number, counted round and round.
    pub target: u32,
    pub lasts: Duration,
}

/// The load runs alone for this long, so that there is something to lose.
const ALONE: u64 = 1_500;
/// The last fault strikes before this time.
const LAST: u64 = 8_000;

/// One to three of these faults, which may overlap; of those that strike alone, one at most. The same seed and faults give the
/// same strikes.
pub fn draw(seed: u64, faults: &[Fault]) -> Vec<Strike> {
    let mut random = fastrand::Rng::with_seed(seed);
    let count = random.usize(1..=3);
    let mut strikes: Vec<_> = (0..count)
        .map(|_| {
            let fault = faults[random.usize(0..faults.len())];
            Strike {
                at: Duration::from_millis(random.u64(ALONE..LAST)),
                fault,
                target: random.u32(..),
                lasts: Duration::from_millis(random.u64(fault.lasts())),
            }
        })
        .collect();
    strikes.sort_by_key(|strike| strike.at);
    let mut alone = 0;
    strikes.retain(|strike| {
        alone += usize::from(strike.fault.is_alone());
        !strike.fault.is_alone() || alone == 1
    });
    strikes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_faults_again_and_another_seed_others() {
        assert_eq!(draw(42, &Fault::ALL), draw(42, &Fault::ALL));
        assert_ne!(draw(42, &Fault::ALL), draw(43, &Fault::ALL));
    }

    #[test]
    fn every_fault_is_drawn_some_time_and_only_those_that_are_wanted() {
        for fault in Fault::ALL {
            assert!((0..200).any(|seed| draw(seed, &Fault::ALL).iter().any(|strike| strike.fault == fault)));
        }
        let only = [Fault::KillBroker];
        assert!((0..50).all(|seed| draw(seed, &only).iter().all(|strike| strike.fault == Fault::KillBroker)));
    }
}
