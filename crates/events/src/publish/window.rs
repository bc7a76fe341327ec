//! What was sent and not acknowledged yet, and the position up to which everything is: the one that may be saved.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::cursor::{Position, Snapshot};
use crate::{
    contract::topics::TopicSpec,
    flow::ledger::{Ledger, Ticket},
    sabotage::{self, Sabotage},
};

/// A row in flight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) id: i64,
    pub(super) created_at: DateTime<Utc>,
    /// `None` if it was never handed to the client.
    pub(super) flight: Option<Flight>,
}

/// A row's way to Kafka.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flight {
    pub(super) topic: &'static TopicSpec,
    pub(super) partition: usize,
    pub(super) since: Instant,
    /// Nothing else was on its way.
    pub(super) is_alone: bool,
}

#[derive(Debug)]
struct Step {
    until: Snapshot,
    /// Rows of this step up to this id were behind us before it began.
    resumed_after: Option<i64>,
    /// How many rows had been charged before this step began, and when it ended.
    begin: u64,
    end: Option<u64>,
}

/// Rows in flight, in the steps in which they were read.
#[derive(Debug)]
pub(super) struct Window {
    ledger: Ledger<Sent>,
    charged: u64,
    steps: VecDeque<Step>,
    behind: Snapshot,
}

impl Window {
    pub(super) fn new(behind: Snapshot) -> Self {
        Self { ledger: Ledger::default(), charged: 0, steps: VecDeque::new(), behind }
    }

    /// A step begins, or goes on after it was cut off.
    pub(super) fn begin_step(&mut self, until: &Snapshot, resumed_after: Option<i64>) {
        let open = self.steps.back().is_some_and(|step| step.end.is_none());
        if !open {
            self.steps.push_back(Step { until: until.clone(), resumed_after, begin: self.charged, end: None });
        }
    }

    /// All rows of the open step have been charged.
    pub(super) fn end_step(&mut self) {
        if let Some(step) = self.steps.back_mut() {
            step.end = Some(self.charged);
        }
    }

    pub(super) fn charge(&mut self, row: Sent) -> Ticket {
        self.charged += 1;
        self.ledger.charge(row)
    }

    /// The ticket that the next charge gives.
    pub(super) fn next_ticket(&self) -> Ticket {
        Ticket(self.charged)
    }

    /// A row in flight.
    pub(super) fn get(&self, ticket: Ticket) -> Option<Sent> {
        self.ledger.get(ticket)
    }

    /// Returns the newest row of the acknowledged run when that grew.
    pub(super) fn complete(&mut self, ticket: Ticket) -> Option<Sent> {
        if self.ledger.complete(ticket) { self.ledger.frontier() } else { None }
    }

    pub(super) fn open(&self) -> usize {
        self.ledger.open()
    }

    /// Everything behind this position is acknowledged.
    pub(super) fn position(&mut self) -> Position {
        let open = if sabotage::is(Sabotage::RelaySavesBeforeAck) { 0 } else { self.ledger.open() as u64 };
        let done = self.charged - open;
        while let Some(step) = self.steps.front() {
            match step.end {
                Some(end) if end <= done => self.behind = step.until.clone(),
                _ => break,
            }
            self.steps.pop_front();
        }
        let step = self.steps.front().and_then(|step| {
            let id = if done > step.begin { self.ledger.frontier().map(|row| row.id) } else { step.resumed_after };
            Some((step.until.clone(), id?))
        });
        Position { snapshot: self.behind.clone(), step }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(xmax: u64) -> Snapshot {
        format!("{xmax}:{xmax}:").parse().unwrap()
    }

    fn row(id: i64) -> Sent {
        Sent { id, created_at: Utc::now(), flight: None }
    }

    #[test]
    fn the_position_never_passes_what_is_not_acknowledged() {
        let mut window = Window::new(snapshot(1));
        window.begin_step(&snapshot(10), None);
        let first: Vec<_> = (1..=3).map(|id| window.charge(row(id))).collect();
        window.end_step();
        window.begin_step(&snapshot(20), None);
        let second = window.charge(row(2));
        window.end_step();

        window.complete(second);
        window.complete(first[1]);
        assert_eq!(window.position(), Position { snapshot: snapshot(1), step: None });
        window.complete(first[0]);
        assert_eq!(window.position(), Position { snapshot: snapshot(1), step: Some((snapshot(10), 2)) });
        window.complete(first[2]);
        assert_eq!(window.position(), Position { snapshot: snapshot(20), step: None });
        assert_eq!(window.open(), 0);
    }

    #[test]
    fn a_step_that_is_resumed_keeps_its_place_until_it_moves() {
        let mut window = Window::new(snapshot(1));
        window.begin_step(&snapshot(10), Some(7));
        let ticket = window.charge(row(8));
        assert_eq!(window.position(), Position { snapshot: snapshot(1), step: Some((snapshot(10), 7)) });
        window.begin_step(&snapshot(10), Some(8));
        window.complete(ticket);
        assert_eq!(window.position(), Position { snapshot: snapshot(1), step: Some((snapshot(10), 8)) });
        window.end_step();
        assert_eq!(window.position(), Position { snapshot: snapshot(10), step: None });
    }

    #[test]
    fn a_step_without_rows_moves_the_position() {
        let mut window = Window::new(snapshot(1));
        window.begin_step(&snapshot(5), None);
        window.end_step();
        assert_eq!(window.position(), Position { snapshot: snapshot(5), step: None });
    }
}
