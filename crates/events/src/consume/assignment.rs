//! The books of one assigned partition: what was taken, what of it is done, and whether the promises about it hold.

use std::{
    mem,
    sync::atomic::{AtomicI64, AtomicUsize, Ordering},
};

use super::{
    attempt::Outcome,
    lane::Lane,
    rebalance::{Assigned, Frontier},
    record::{Record, Subscribed},
};
use crate::{
    flow::ledger::{Ledger, Ticket},
    sabotage::{self, Sabotage},
};

/// What the poll thread has to know of what became of its records, and the watch of both.
#[derive(Debug)]
pub(super) struct Progress {
    /// Records that were taken since the assignment began; told with each look at the load.
    pub(super) taken: AtomicUsize,
    /// Records and bytes that are done since the assignment began.
    pub(super) records: AtomicUsize,
    pub(super) bytes: AtomicUsize,
    /// The next offset to be handled; -1 until one was.
    pub(super) next: AtomicI64,
    /// The time of the oldest record that is not done, in milliseconds since 1970; -1 when all are.
    pub(super) oldest_ms: AtomicI64,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            taken: AtomicUsize::new(0),
            records: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            next: AtomicI64::new(-1),
            oldest_ms: AtomicI64::new(-1),
        }
    }
}

/// A position in the books.
#[derive(Debug, Clone, Copy)]
struct Mark {
    offset: i64,
    timestamp_ms: i64,
}

/// So many keys of a partition are watched for their order. A key that shares its place with another is watched when its
/// turn comes; memory stays the same.
const WATCHED: usize = 256;

pub(super) struct Assignment {
    pub(super) of: Assigned,
    /// Nothing more is taken from it.
    pub(super) is_going: bool,
    ledger: Ledger<Mark>,
    committed: Option<i64>,
    /// The lane and the offset that was done last, for each place.
    done: Vec<(u64, i64)>,
    outcomes: Outcomes,
    order: Guarantee,
    commits: Guarantee,
}

impl Assignment {
    pub(super) fn new(of: Assigned, topics: &[Subscribed]) -> Self {
        let topic = topics[usize::from(of.topic)].spec.name;
        Self {
            of,
            is_going: false,
            ledger: Ledger::default(),
            committed: None,
            done: vec![(0, -1); WATCHED],
            outcomes: Outcomes::of(topic),
            order: Guarantee::named("order_per_key"),
            commits: Guarantee::named("commit_behind_open_work"),
        }
    }

    /// Takes a record into the books.
    pub(super) fn charge(&mut self, record: &Record) -> Ticket {
        let mark = Mark { offset: record.offset, timestamp_ms: record.timestamp_ms.unwrap_or(-1) };
        let ticket = self.ledger.charge(mark);
        if sabotage::is(Sabotage::CommitTheLatest) {
            self.ledger.complete(ticket);
        }
        ticket
    }

    /// A record is behind us.
    pub(super) fn complete(&mut self, lane: &Lane, ticket: Ticket, size: usize, outcome: Outcome) {
        if let Some(mark) = self.ledger.get(ticket) {
            // Within its lane, none that comes later may have been before it.
            let place = &mut self.done[lane.key as usize % WATCHED];
            self.order.check(place.0 != lane.key || place.1 < mark.offset);
            *place = (lane.key, mark.offset);
        }
        self.ledger.complete(ticket);
        self.outcomes.count(outcome);
        let progress: &Progress = &self.of.progress;
        progress.records.fetch_add(1, Ordering::Relaxed);
        progress.bytes.fetch_add(size, Ordering::Relaxed);
    }

    /// What was counted since, for the metrics.
    pub(super) fn tell(&mut self) {
        self.outcomes.0.iter_mut().chain(self.order.counts()).chain(self.commits.counts()).for_each(Count::tell);
    }

    /// Up to where it is done. A commit names the next offset to be handled.
    pub(super) fn frontier(&self) -> Option<Frontier> {
        let done = self.ledger.frontier()?;
        Some(Frontier { of: self.of.clone(), next: done.offset + 1 })
    }

    /// The frontier, if it is to be committed now.
    pub(super) fn take_due(&mut self, even_if_unmoved: bool) -> Option<Frontier> {
        let oldest = self.ledger.oldest_open();
        self.of.progress.oldest_ms.store(oldest.map_or(-1, |mark| mark.timestamp_ms), Ordering::Relaxed);
        let frontier = self.frontier()?;
        self.of.progress.next.store(frontier.next, Ordering::Relaxed);
        self.commits.check(oldest.is_none_or(|open| frontier.next <= open.offset));
        if !even_if_unmoved && self.committed == Some(frontier.next) {
            return None;
        }
        self.committed = Some(frontier.next);
        Some(frontier)
    }
}

/// A counter that is told many at once: it is shared, and telling it of each record costs more than counting.
#[derive(Debug)]
pub(super) struct Count {
    pub(super) untold: u64,
    told: metrics::Counter,
}

impl Count {
    pub(super) fn of(told: metrics::Counter) -> Self {
        Self { untold: 0, told }
    }

    pub(super) fn tell(&mut self) {
        if self.untold > 0 {
            self.told.increment(mem::take(&mut self.untold));
        }
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.tell();
    }
}

/// How many records came to what.
struct Outcomes([Count; 4]);

impl Outcomes {
    fn of(topic: &'static str) -> Self {
        Self(["applied", "duplicate", "skipped", "dead_letter"].map(|outcome| {
            Count::of(
                metrics::counter!("kafka_consumer_messages_processed_total", "topic" => topic, "outcome" => outcome),
            )
        }))
    }

    fn count(&mut self, outcome: Outcome) {
        let place = match outcome {
            Outcome::Applied => 0,
            Outcome::Duplicate => 1,
            Outcome::Skipped => 2,
            Outcome::GivenUp { .. } => 3,
        };
        self.0[place].untold += 1;
    }
}

/// A promise that is watched: how often it was looked at, and how often it did not hold, which must stay 0.
struct Guarantee {
    name: &'static str,
    checks: Count,
    violations: Count,
}

impl Guarantee {
    fn named(name: &'static str) -> Self {
        Self {
            name,
            checks: Count::of(metrics::counter!("guarantee_checks_total", "guarantee" => name)),
            violations: Count::of(metrics::counter!("guarantee_violations_total", "guarantee" => name)),
        }
    }

    fn check(&mut self, kept: bool) {
        self.checks.untold += 1;
        if !kept {
            self.violations.untold += 1;
            tracing::error!(guarantee = self.name, "a guarantee was broken; this is a fault of the engine");
        }
    }

    fn counts(&mut self) -> [&mut Count; 2] {
        [&mut self.checks, &mut self.violations]
    }
}
