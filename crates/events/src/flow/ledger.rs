//! What was taken and what of it is done, in the order in which it was taken: the one rule by which a position moves.
//!
//! The consumer charges offsets and commits the frontier; the relay charges outbox ids and saves it. The frontier is the
//! last position before which nothing is open, so a gap in the positions (compaction, transaction markers, rolled back
//! ids) is no hole, and a completion out of order never moves it past open work.
//!
//! Memory goes by what is open: of a run of done positions behind an open one only the last is kept, since no other can
//! become the frontier.

use std::collections::VecDeque;

/// Names one charged position until it is completed. Tickets of one ledger grow by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

#[derive(Debug, Clone, Copy)]
struct Entry<P> {
    ticket: u64,
    position: P,
    done: bool,
}

/// Positions in flight. `P` is whatever names a position: an offset, an outbox id.
#[derive(Debug)]
pub struct Ledger<P> {
    /// The ticket of the next charge.
    next: u64,
    /// In the order of their tickets; the front is open.
    entries: VecDeque<Entry<P>>,
    /// How many of them are not done.
    undone: usize,
    frontier: Option<P>,
}

/// Fewer entries are not worth looking through.
const FEW: usize = 1024;

impl<P> Default for Ledger<P> {
    fn default() -> Self {
        Self { next: 0, entries: VecDeque::new(), undone: 0, frontier: None }
    }
}

impl<P: Copy> Ledger<P> {
    /// Takes a position into the books. Positions are charged in their own order.
    pub fn charge(&mut self, position: P) -> Ticket {
        let ticket = self.next;
        self.entries.push_back(Entry { ticket, position, done: false });
        self.next += 1;
        self.undone += 1;
        Ticket(ticket)
    }

    /// The position of a ticket that is not done.
    pub fn get(&self, ticket: Ticket) -> Option<P> {
        self.entries.get(self.find(ticket)?).map(|entry| entry.position)
    }

    /// Marks a position as done. Returns whether the frontier moved. Completing twice changes nothing.
    pub fn complete(&mut self, ticket: Ticket) -> bool {
        let Some(entry) = self.find(ticket).and_then(|index| self.entries.get_mut(index)) else {
            return false;
        };
        entry.done = true;
        self.undone -= 1;
        let mut moved = false;
        while let Some(Entry { position, done: true, .. }) = self.entries.front().copied() {
            self.entries.pop_front();
            self.frontier = Some(position);
            moved = true;
        }
        // At least half of what is looked through goes, so a completion costs the same however many there are.
        if self.entries.len() > FEW.max(4 * self.undone) {
            self.forget_runs();
        }
        moved
    }

    /// The last position up to which, with itself, everything is done; `None` until the first one is.
    pub fn frontier(&self) -> Option<P> {
        self.frontier
    }

    /// The oldest position that is not done.
    pub fn oldest_open(&self) -> Option<P> {
        self.entries.front().map(|entry| entry.position)
    }

    /// How many positions were charged and are not behind the frontier, those that are done included.
    pub fn open(&self) -> usize {
        self.entries.front().map_or(0, |entry| (self.next - entry.ticket) as usize)
    }

    /// The place of an open ticket. Nothing stands further back than it would if no entry was forgotten.
    fn find(&self, ticket: Ticket) -> Option<usize> {
        let furthest = ticket.0.checked_sub(self.entries.front()?.ticket)? as usize;
        let index = match self.entries.get(furthest) {
            Some(entry) if entry.ticket == ticket.0 => furthest,
            _ => self.entries.binary_search_by_key(&ticket.0, |entry| entry.ticket).ok()?,
        };
        (!self.entries[index].done).then_some(index)
    }

    /// Keeps of each run of done entries the last.
    fn forget_runs(&mut self) {
        let mut kept = 0;
        for index in 0..self.entries.len() {
            if self.entries[index].done && self.entries.get(index + 1).is_some_and(|next| next.done) {
                continue;
            }
            self.entries.swap(kept, index);
            kept += 1;
        }
        self.entries.truncate(kept);
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

    #[test]
    fn what_is_done_behind_an_open_position_takes_no_memory() {
        let mut ledger = Ledger::default();
        let first = ledger.charge(0);
        let mut open = Vec::new();
        for offset in 1..=1_000_000 {
            let ticket = ledger.charge(offset);
            if offset % 1_000 == 0 {
                open.push((ticket, offset));
            } else {
                assert!(!ledger.complete(ticket));
            }
        }
        assert!(ledger.entries.capacity() < 5 * 1_000 + 4 * FEW, "{} entries", ledger.entries.capacity());
        assert_eq!((ledger.frontier(), ledger.open()), (None, 1_000_001));
        assert!(ledger.complete(first));
        assert_eq!((ledger.frontier(), ledger.oldest_open()), (Some(999), Some(1_000)));
        for (ticket, offset) in open {
            assert_eq!(ledger.get(ticket), Some(offset));
            assert!(ledger.complete(ticket));
        }
        assert_eq!((ledger.frontier(), ledger.open()), (Some(1_000_000), 0));
    }

    proptest! {
        /// Against the obvious model: the frontier is the longest completed prefix, also once runs are forgotten.
        #[test]
        fn the_frontier_is_the_longest_completed_prefix(
            gaps in proptest::collection::vec(1_i64..5, 1..60), order in any::<u64>(), forgetful in any::<bool>(),
        ) {
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
                if forgetful {
                    ledger.forget_runs();
                }
                done[index] = true;
                let prefix = done.iter().take_while(|done| **done).count();
                prop_assert_eq!(ledger.frontier(), prefix.checked_sub(1).map(|last| offsets[last]));
                prop_assert_eq!(ledger.open(), offsets.len() - prefix);
                prop_assert_eq!(ledger.oldest_open(), offsets.get(prefix).copied());
                for (ticket, index) in &work {
                    prop_assert_eq!(ledger.get(*ticket), Some(offsets[*index]));
                }
            }
        }
    }
}
