//! Whether something is so wrong that giving records up one after the other would empty the topic into the dead letters: a
//! bad release, a changed schema. Then the consumer stops taking and says so, and what is still in the topic stays there.

use std::collections::HashMap;

/// When the brake is put on. What is counted is counted per partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrakePolicy {
    /// This many records given up in a row; 0 turns the brake off.
    pub run: u32,
    /// This share in per cent of the last 200 records.
    pub percent: u32,
}

impl Default for BrakePolicy {
    /// A hundred in a row, or half of the last two hundred. A single bad producer among others does not reach that; a
    /// release that fails every record does within seconds.
    fn default() -> Self {
        Self { run: 100, percent: 50 }
    }
}

/// The records that `percent` is a share of.
const WINDOW: u32 = 200;

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    in_a_row: u32,
    /// Seen since the window began, and given up of those. The window is halved when it is full, so that what is long ago
    /// fades.
    seen: u32,
    given_up: u32,
}

/// Why the brake is put on: what was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// So many records in a row were given up.
    Run(u32),
    /// This share of the last records was, in per cent.
    Share(u32),
}

/// Counts what is given up. `P` names a partition.
#[derive(Debug)]
pub struct Brake<P> {
    policy: BrakePolicy,
    tallies: HashMap<P, Tally>,
}

impl<P: Eq + std::hash::Hash> Brake<P> {
    /// A brake that is off.
    pub fn new(policy: BrakePolicy) -> Self {
        Self { policy, tallies: HashMap::new() }
    }

    /// `records` in a row went well.
    pub fn went_well(&mut self, partition: P, records: u32) {
        // Nothing to weigh where nothing was given up: the usual case costs one look-up.
        if let Some(tally) = self.tallies.get_mut(&partition) {
            tally.in_a_row = 0;
            tally.see(records);
            if tally.given_up == 0 {
                self.tallies.remove(&partition);
            }
        }
    }

    /// One record was given up. Returns what is too much, if that was one too many.
    pub fn gave_up(&mut self, partition: P) -> Option<Excess> {
        if self.policy.run == 0 {
            return None;
        }
        let tally = self.tallies.entry(partition).or_default();
        tally.in_a_row += 1;
        tally.see(1);
        tally.given_up += 1;
        let share = tally.given_up * 100 / tally.seen;
        let weighs = tally.seen >= WINDOW / 2 && tally.given_up >= self.policy.run / 2;
        if tally.in_a_row >= self.policy.run {
            Some(Excess::Run(tally.in_a_row))
        } else {
            (weighs && share >= self.policy.percent).then_some(Excess::Share(share))
        }
    }

    /// Begins to count afresh, when the brake was taken off.
    pub fn forget(&mut self) {
        self.tallies.clear();
    }
}

impl Tally {
    fn see(&mut self, records: u32) {
        self.seen = self.seen.saturating_add(records);
        while self.seen > WINDOW {
            self.seen /= 2;
            self.given_up /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_refusals_puts_it_on_and_another_partition_does_not_count() {
        let mut brake = Brake::new(BrakePolicy { run: 10, percent: 101 });
        for _ in 0..9 {
            assert_eq!(brake.gave_up(1), None);
            assert_eq!(brake.gave_up(2), None);
        }
        brake.went_well(1, 1);
        assert_eq!(brake.gave_up(1), None, "a success in between breaks the run");
        assert_eq!(brake.gave_up(2), Some(Excess::Run(10)));
        brake.forget();
        assert_eq!(brake.gave_up(2), None);
    }

    #[test]
    fn half_of_all_puts_it_on_and_a_few_among_many_do_not() {
        let mut brake = Brake::new(BrakePolicy::default());
        let mut tripped = None;
        for record in 0..400 {
            brake.went_well(1, 1);
            if let Some(excess) = brake.gave_up(1) {
                tripped = Some((record, excess));
                break;
            }
        }
        assert!(matches!(tripped, Some((49..100, Excess::Share(50)))), "{tripped:?}");
        let mut brake = Brake::new(BrakePolicy::default());
        for _ in 0..10_000 {
            brake.went_well(1, 5);
            assert_eq!(brake.gave_up(1), None);
        }
    }

    #[test]
    fn it_can_be_turned_off() {
        let mut brake = Brake::new(BrakePolicy { run: 0, percent: 50 });
        assert!((0..10_000).all(|_| brake.gave_up(1).is_none()));
    }
}
