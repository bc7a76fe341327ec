//! The books of one assigned partition: what was taken, what of it is done, and whether the promises about it hold.

use std::sync::atomic::Ordering;

use super::{
    figures::Count,
    lane::Lane,
    outcome::Outcome,
    partition::{Assigned, Frontier, LogMark, Progress},
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
    /// Which log of the partition it stands in; offsets of different logs do not compare.
    log: u8,
}

/// So many keys of a partition are watched for their order. A key that shares its place with another is watched when its
/// turn comes; memory stays the same.
const WATCHED: usize = 256;

pub(super) struct OffsetTracker {
    pub(super) of: Assigned,
    /// Nothing more is taken from it.
    pub(super) is_going: bool,
    ledger: Ledger<Mark>,
    /// Grows, and begins again, with each log that the partition is found to have.
    log: u8,
    committed: Option<LogMark>,
    /// The furthest that is done in the present log, whatever of earlier ones is open: what the log is known by, not what may be
    /// committed.
    furthest: Option<Mark>,
    /// The lane and the ticket that was done last, for each place.
    done: Vec<(u64, Option<Ticket>)>,
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
            log: 0,
            committed: None,
            furthest: None,
            done: vec![(0, None); WATCHED],
            outcomes: Outcomes::of(topic),
            order: Guarantee::named("order_per_key"),
            commits: Guarantee::named("commit_behind_open_work"),
            uncommitted: metrics::gauge!("kafka_consumer_uncommitted_records", &labels),
        }
    }

    /// Takes a record into the books.
    pub(super) fn charge(&mut self, record: &Record) -> Ticket {
        let mark = Mark { offset: record.offset, timestamp_ms: record.timestamp_ms.unwrap_or(-1), log: self.log };
        let ticket = self.ledger.charge(mark);
        if sabotage::is(Sabotage::CommitTheLatest) {
            self.ledger.complete(ticket);
        }
        ticket
    }

    /// A record is behind us.
    pub(super) fn complete(&mut self, lane: &Lane, ticket: Ticket, size: usize, outcome: Outcome) {
        // Within its lane, none that was taken later may have been before it.
        let place = &mut self.done[lane.key as usize % WATCHED];
        self.order.check(place.0 != lane.key || place.1 < Some(ticket));
        *place = (lane.key, Some(ticket));
        if self.log > 0 {
            let mark = self.ledger.get(ticket).filter(|mark| mark.log == self.log);
            self.furthest = [self.furthest, mark].into_iter().flatten().max_by_key(|mark| mark.offset);
        }
        self.ledger.complete(ticket);
        self.outcomes.count(outcome);
        let progress: &Progress = &self.of.progress;
        progress.uncommitted.store(self.ledger.open(), Ordering::Relaxed);
        progress.records.fetch_add(1, Ordering::Relaxed);
        progress.bytes.fetch_add(size, Ordering::Relaxed);
    }

    /// A record is not held any more, though it is still to be handled: it must not take the place of another in flight.
    pub(super) fn let_go(&mut self, size: usize) {
        let progress: &Progress = &self.of.progress;
        progress.uncommitted.store(self.ledger.open(), Ordering::Relaxed);
        progress.records.fetch_add(1, Ordering::Relaxed);
        progress.bytes.fetch_add(size, Ordering::Relaxed);
    }

    /// What was counted since, for the metrics.
    pub(super) fn tell(&mut self) {
        self.outcomes.counts().chain(self.order.counts()).chain(self.commits.counts()).for_each(Count::tell);
    }

    /// Whether a record at this place may still be open here.
    pub(super) fn may_hold(&self, place: Place) -> bool {
        let is_ours = (self.of.topic, self.of.partition) == (place.topic, place.partition);
        is_ours && self.ledger.frontier().is_none_or(|done| done.offset < place.offset)
    }

    /// Up to where it is done. A commit names the next offset to be handled. `None` while what is done stands in a log that is
    /// gone, as its offsets mean other records now, and while it is not known whether the log is the one that the group left: the
    /// commit would take the place of the mark by which another is found.
    pub(super) fn frontier(&self) -> Option<Frontier> {
        let progress = &self.of.progress;
        let mark =
            self.done().map(|done| self.known_by(done)).or_else(|| self.left()).filter(|_| progress.is_verified())?;
        Some(Frontier { of: self.of.clone(), mark })
    }

    /// Where the group left it, if nothing was done since and more is known of what stands behind it.
    fn left(&self) -> Option<LogMark> {
        let progress = &self.of.progress;
        let left = progress.left().filter(|_| self.ledger.frontier().is_none())?;
        let empty_until = progress.empty_until(left.next);
        (empty_until > left.empty_until).then_some(LogMark { empty_until, ..left })
    }

    fn known_by(&self, done: Mark) -> LogMark {
        let next = done.offset + 1;
        let timestamp_ms = Some(done.timestamp_ms).filter(|time| *time >= 0);
        let progress = &self.of.progress;
        LogMark { next, timestamp_ms, empty_until: progress.empty_until(next), anchor: progress.anchor(next) }
    }

    fn done(&self) -> Option<Mark> {
        self.ledger.frontier().filter(|done| done.log == self.log)
    }

    /// The offset of a record that is not behind us.
    pub(super) fn offset_of(&self, ticket: Ticket) -> Option<i64> {
        self.ledger.get(ticket).map(|mark| mark.offset)
    }

    /// What is charged from now on stands in another log.
    pub(super) fn begin_log(&mut self) {
        self.log = self.log.wrapping_add(1);
        (self.committed, self.furthest) = (None, None);
        self.of.progress.begin_log();
    }

    /// The frontier, if it is to be committed now.
    pub(super) fn take_due(&mut self, even_if_unmoved: bool) -> Option<Frontier> {
        self.uncommitted.set(self.ledger.open() as f64);
        let oldest = self.ledger.oldest_open();
        self.of.progress.oldest_ms.store(oldest.map_or(-1, |mark| mark.timestamp_ms), Ordering::Relaxed);
        if let Some(known) = self.done().or(self.furthest) {
            self.of.progress.set_mark(Some(self.known_by(known)));
        }
        if let Some(done) = self.done() {
            self.of.progress.next.store(done.offset + 1, Ordering::Relaxed);
        }
        let frontier = self.frontier()?;
        self.commits.check(oldest.is_none_or(|open| frontier.mark.next <= open.offset));
        if !even_if_unmoved && self.committed == Some(frontier.mark) {
            return None;
        }
        self.committed = Some(frontier.mark);
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
struct Outcomes {
    of: [Count; 5],
    /// Of those that were skipped.
    tombstones: Count,
}

impl Outcomes {
    fn of(topic: &'static str) -> Self {
        let outcomes = ["applied", "duplicate", "skipped", "other_group", "dead_letter"];
        Self {
            of: outcomes.map(|outcome| {
                Count::of(
                    metrics::counter!("kafka_consumer_messages_processed_total", "topic" => topic, "outcome" => outcome),
                )
            }),
            tombstones: Count::of(metrics::counter!("kafka_consumer_tombstones_skipped_total", "topic" => topic)),
        }
    }

    fn count(&mut self, outcome: Outcome) {
        let place = match outcome {
            Outcome::Applied => 0,
            Outcome::Duplicate => 1,
            Outcome::Skipped | Outcome::Tombstone => 2,
            Outcome::OtherGroup => 3,
            Outcome::GivenUp { .. } => 4,
        };
        self.of[place].untold += 1;
        self.tombstones.untold += u64::from(outcome == Outcome::Tombstone);
    }

    fn counts(&mut self) -> impl Iterator<Item = &mut Count> {
        self.of.iter_mut().chain([&mut self.tombstones])
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
