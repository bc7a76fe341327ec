//! What was taken and what of it is done, in the order in which it was taken: the one rule by which a position moves.
//!
//! The consumer charges offsets and commits the frontier; the relay charges outbox ids and saves it. The frontier is the
//! last position before which nothing is open, so a gap in the positions (compaction, transaction markers, rolled back
//! ids) is no hole, and a completion out of order never moves it past open work.

use std::collections::VecDeque;

/// Names one charged position until it is completed. Tickets of one ledger grow by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Positions in flight. `P` is whatever names a position: an offset, an outbox id.
#[derive(Debug)]
pub struct Ledger<P> {
    /// The ticket of the front entry.
    first: u64,
    entries: VecDeque<(P, bool)>,
    frontier: Option<P>,
}

impl<P> Default for Ledger<P> {
    fn default() -> Self {
        Self { first: 0, entries: VecDeque::new(), frontier: None }
    }
}

impl<P: Copy> Ledger<P> {
    /// Takes a position into the books. Positions are charged in their own order.
    pub fn charge(&mut self, position: P) -> Ticket {
        self.entries.push_back((position, false));
        Ticket(self.first + self.entries.len() as u64 - 1)
    }

    /// The position of a ticket that is not behind the frontier.
    pub fn get(&self, ticket: Ticket) -> Option<P> {
        let index = ticket.0.checked_sub(self.first)?;
        self.entries.get(index as usize).map(|(position, _)| *position)
    }

    /// Marks a position as done. Returns whether the frontier moved. Completing twice changes nothing.
    pub fn complete(&mut self, ticket: Ticket) -> bool {
        let Some(entry) = ticket.0.checked_sub(self.first).and_then(|index| self.entries.get_mut(index as usize))
        else {
            return false;
        };
        entry.1 = true;
        let mut moved = false;
        while let Some((position, true)) = self.entries.front().copied() {
            self.entries.pop_front();
            self.first += 1;
            self.frontier = Some(position);
            moved = true;
        }
        moved
    }

    /// The last position up to which, with itself, everything is done; `None` until the first one is.
    pub fn frontier(&self) -> Option<P> {
        self.frontier
    }

    /// The oldest position that is not done.
    pub fn oldest_open(&self) -> Option<P> {
        self.entries.front().map(|(position, _)| *position)
    }

    /// How many positions were charged and are not behind the frontier.
    pub fn open(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_frontier_waits_for_the_oldest_open_position() {
        let mut ledger = Ledger::default();
        let tickets: Vec<_> = [10, 11, 15].map(|offset| ledger.charge(offset)).to_vec();
        assert!(!ledger.complete(tickets[2]));
        assert!(!ledger.complete(tickets[1]));
        assert_eq!(ledger.frontier(), None);
        assert!(ledger.complete(tickets[0]));
        assert_eq!(ledger.frontier(), Some(15));
        assert_eq!(ledger.open(), 0);
    }

    proptest! {
        /// Against the obvious model: the frontier is the longest completed prefix.
        #[test]
        fn the_frontier_is_the_longest_completed_prefix(gaps in proptest::collection::vec(1_i64..5, 1..60), order in any::<u64>()) {
            let mut ledger = Ledger::default();
            let mut offset = 0;
            let mut work: Vec<(Ticket, usize)> = Vec::new();
            let mut offsets = Vec::new();
            for (index, gap) in gaps.iter().enumerate() {
                offset += gap;
                offsets.push(offset);
                work.push((ledger.charge(offset), index));
            }
            let mut random = order;
            let mut done = vec![false; offsets.len()];
            while !work.is_empty() {
                random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let (ticket, index) = work.swap_remove((random >> 33) as usize % work.len());
                ledger.complete(ticket);
                ledger.complete(ticket);
                done[index] = true;
                let prefix = done.iter().take_while(|done| **done).count();
                prop_assert_eq!(ledger.frontier(), prefix.checked_sub(1).map(|last| offsets[last]));
                prop_assert_eq!(ledger.open(), offsets.len() - prefix);
            }
        }
    }
}
