//! The books of one assigned partition: what was taken, what of it is done, and whether the promises about it hold.

use std::sync::atomic::Ordering;

use super::{
    figures::Count,
    lane::Lane,
    outcome::Outcome,
    partition::{Assigned, Frontier, Progress},
    record::{Place, Record, Subscribed},
};
use crate::{
    flow::ledger::{Ledger, Ticket},
    sabotage::{self, Sabotage},
};

/// A position in the books.
#[derive(Debug, Clone, Copy)]
struct Mark {
    offset: i64,
    timestamp_ms: i64,
}

/// So many keys of a partition are watched for their order. A key that shares its place with another is watched when its
/// turn comes; memory stays the same.
const WATCHED: usize = 256;

pub(super) struct OffsetTracker {
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
    uncommitted: metrics::Gauge,
}

impl OffsetTracker {
    pub(super) fn new(of: Assigned, topics: &[Subscribed], group: &str) -> Self {
        let topic = topics[usize::from(of.topic)].spec.name;
        let labels =
            [("group", group.to_owned()), ("topic", topic.to_owned()), ("partition", of.partition.to_string())];
        Self {
            of,
            is_going: false,
            ledger: Ledger::default(),
            committed: None,
            done: vec![(0, -1); WATCHED],
            outcomes: Outcomes::of(topic),
            order: Guarantee::named("order_per_key"),
            commits: Guarantee::named("commit_behind_open_work"),
            uncommitted: metrics::gauge!("kafka_consumer_uncommitted_records", &labels),
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
        progress.uncommitted.store(self.ledger.open(), Ordering::Relaxed);
        progress.records.fetch_add(1, Ordering::Relaxed);
        progress.bytes.fetch_add(size, Ordering::Relaxed);
    }

    /// What was counted since, for the metrics.
    pub(super) fn tell(&mut self) {
        self.outcomes.0.iter_mut().chain(self.order.counts()).chain(self.commits.counts()).for_each(Count::tell);
    }

    /// Whether a record at this place may still be open here.
    pub(super) fn may_hold(&self, place: Place) -> bool {
        let is_ours = (self.of.topic, self.of.partition) == (place.topic, place.partition);
        is_ours && self.ledger.frontier().is_none_or(|done| done.offset < place.offset)
    }

    /// Up to where it is done. A commit names the next offset to be handled.
    pub(super) fn frontier(&self) -> Option<Frontier> {
        let done = self.ledger.frontier()?;
        Some(Frontier { of: self.of.clone(), next: done.offset + 1 })
    }

    /// The frontier, if it is to be committed now.
    pub(super) fn take_due(&mut self, even_if_unmoved: bool) -> Option<Frontier> {
        self.uncommitted.set(self.ledger.open() as f64);
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

impl Drop for OffsetTracker {
    /// The partition is another's now, who tells of it.
    fn drop(&mut self) {
        self.uncommitted.set(0.0);
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
