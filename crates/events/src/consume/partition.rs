//! An assigned partition, in the words of all who deal with it: what it is, how far it has come, and which there are now.
//!
//! What is assigned gets an id that is never used again, so that whatever belongs to an earlier assignment of the same partition
//! cannot be taken for the present one.

use std::{
    mem,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
};

use rdkafka::{Offset, TopicPartitionList};

/// One assignment of one partition to this worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct AssignmentId(pub(super) u64);

/// An assigned partition as the dispatcher learns of it.
#[derive(Debug, Clone)]
pub(super) struct Assigned {
    pub(super) id: AssignmentId,
    /// Index of its topic.
    pub(super) topic: u16,
    pub(super) partition: i32,
    pub(super) progress: Arc<Progress>,
}

/// Up to where a partition is done: the next offset to be handled.
#[derive(Debug, Clone)]
pub(super) struct Frontier {
    pub(super) of: Assigned,
    pub(super) mark: LogMark,
}

/// A place in a log and the time of the record before it. By both a log is known again: one that was made anew, or put back to
/// an earlier state, has another record there, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogMark {
    /// The next offset to be handled.
    pub(super) next: i64,
    /// Of the record before it, in milliseconds since 1970; `None` where it is not known.
    pub(super) timestamp_ms: Option<i64>,
    /// Up to here nothing stands behind it that a reader gets to see: markers of transactions, records that were compacted away.
    /// What retention takes of that was no record.
    pub(super) empty_until: i64,
    /// An earlier place and the time of the record before it, which were known before the later one was handled: that may stand in
    /// another log already.
    pub(super) anchor: Option<(i64, i64)>,
}

impl LogMark {
    /// Whether it is the same place in the same log.
    pub(super) fn is_at(&self, other: &Self) -> bool {
        (self.next, self.timestamp_ms) == (other.next, other.timestamp_ms)
    }

    /// Its earlier place, as a mark of its own.
    pub(super) fn anchor(&self) -> Option<Self> {
        let (next, time) = self.anchor?;
        Some(Self { next, timestamp_ms: Some(time), empty_until: next, anchor: None })
    }

    /// Adds a partition to what is committed: the offset, and beside it the time.
    pub(super) fn add_to(&self, list: &mut TopicPartitionList, topic: &str, partition: i32) {
        let mut of = list.add_partition(topic, partition);
        // Cannot fail for an offset that is a number.
        let _ = of.set_offset(Offset::Offset(self.next));
        let time = self.timestamp_ms.map(|time| format!("{TIME}{time}"));
        let empty = (self.empty_until > self.next).then(|| format!("{EMPTY}{}", self.empty_until));
        let anchor = self.anchor.map(|(next, time)| format!("{ANCHOR}{next}@{time}"));
        of.set_metadata([time, empty, anchor].into_iter().flatten().collect::<Vec<_>>().join(" "));
    }

    /// What somebody else committed, such as an operator's tool, says no time.
    pub(super) fn committed(next: i64, metadata: &str) -> Self {
        let word = |name| metadata.split(' ').find_map(|word| word.strip_prefix(name));
        let told = |name| word(name)?.parse().ok();
        let empty_until = told(EMPTY).filter(|until| *until > next).unwrap_or(next);
        let anchor = word(ANCHOR).and_then(|anchor| anchor.split_once('@'));
        let anchor = anchor.and_then(|(next, time)| Some((next.parse().ok()?, time.parse().ok()?)));
        Self { next, timestamp_ms: told(TIME), empty_until, anchor }
    }
}

const TIME: &str = "timestamp_ms=";
const EMPTY: &str = "empty_until=";
const ANCHOR: &str = "anchor=";

/// Why a partition is handled from another place than where it was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogReset {
    /// The log ends before that place.
    Shorter,
    /// Another record stands before that place.
    Replaced,
    /// The records at that place are gone, by the topic's retention or by an operator, before they were handled.
    Trimmed,
}

impl LogReset {
    pub(super) const ALL: [Self; 3] = [Self::Shorter, Self::Replaced, Self::Trimmed];

    /// For metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Shorter => "shorter",
            Self::Replaced => "replaced",
            Self::Trimmed => "retention",
        }
    }

    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Shorter => {
                "the log ends before what was handled: the topic was made anew, or the broker put back to an earlier state"
            }
            Self::Replaced => {
                "the log holds other records than were handled: the topic was made anew, or the broker put back to an earlier state"
            }
            Self::Trimmed => {
                "records were deleted before they were handled, by the topic's retention or by an operator"
            }
        }
    }
}

/// What the poll thread has to know of what became of its records, and the watch of both.
#[derive(Debug)]
pub(super) struct Progress {
    /// Records that were taken since the assignment began; told with each look at the load.
    pub(super) taken: AtomicUsize,
    /// Records and bytes that are done since the assignment began.
    pub(super) records: AtomicUsize,
    pub(super) bytes: AtomicUsize,
    /// The offset that was taken first of the present log; -1 until one was.
    pub(super) first: AtomicI64,
    /// Records from the oldest that is not done on, those that are done included: what a restart would bring again.
    pub(super) uncommitted: AtomicUsize,
    /// The next offset to be handled; -1 until one was.
    pub(super) next: AtomicI64,
    /// The time of the oldest record that is not done, in milliseconds since 1970; -1 when all are.
    pub(super) oldest_ms: AtomicI64,
    /// What the log is known by, and how many logs it was found to have before.
    mark: Mutex<Option<LogMark>>,
    log: AtomicUsize,
    /// How the log was known that the group left, where that is known.
    left: OnceLock<LogMark>,
    /// The record that was taken first of the present log.
    taken_first: Mutex<Option<LogMark>>,
    /// By what the present log was found to be what it was, the last time that was looked at.
    looked_at: Mutex<Option<LogMark>>,
    /// Between these offsets nothing stands that a reader gets to see; the first is the next to be handled.
    empty: Mutex<Option<(i64, i64)>>,
    /// It was not told whether the log is still that one.
    is_unverified: AtomicBool,
}

impl Progress {
    /// It begins where the group left it.
    pub(super) fn goes_on(&self, left: LogMark) {
        let _ = self.left.set(left);
        self.is_empty_behind(left.next, left.empty_until);
        self.set_mark(Some(left));
    }

    /// Whether the log is the one that the group left has to be looked at again.
    pub(super) fn is_to_be_verified(&self) {
        self.is_unverified.store(true, Ordering::Relaxed);
    }

    pub(super) fn verify(&self) {
        self.is_unverified.store(false, Ordering::Relaxed);
    }

    pub(super) fn is_verified(&self) -> bool {
        !self.is_unverified.load(Ordering::Relaxed)
    }

    /// What the log was known by before anything of it was handled here.
    pub(super) fn left(&self) -> Option<LogMark> {
        self.left.get().filter(|left| self.log() == 0 && left.timestamp_ms.is_some()).copied()
    }

    /// Nothing stands from `next` on that a reader gets to see, up to `until`.
    pub(super) fn is_empty_behind(&self, next: i64, until: i64) {
        *self.empty.lock().unwrap_or_else(PoisonError::into_inner) = Some((next, until));
    }

    /// The furthest offset of which that is known; `next` itself where nothing is.
    pub(super) fn empty_until(&self, next: i64) -> i64 {
        let empty = *self.empty.lock().unwrap_or_else(PoisonError::into_inner);
        empty.filter(|(from, _)| *from == next).map_or(next, |(_, until)| until.max(next))
    }

    /// A record was taken, the first of its log.
    pub(super) fn takes_first(&self, offset: i64, timestamp_ms: Option<i64>) {
        self.first.store(offset, Ordering::Relaxed);
        let mark = LogMark { next: offset + 1, timestamp_ms, empty_until: offset + 1, anchor: None };
        *self.looked_at.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.taken_first.lock().unwrap_or_else(PoisonError::into_inner) = Some(mark);
    }

    /// The present log was held against an earlier mark; this one is of the same.
    pub(super) fn is_as_it_was(&self, mark: LogMark) {
        *self.looked_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(mark);
    }

    /// What is committed beside a place: the latest that is known for sure to be of the log that was handled.
    pub(super) fn anchor(&self, next: i64) -> Option<(i64, i64)> {
        let looked_at = *self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        // The place itself is no second one: where nothing was handled since the look, the one before that stays.
        let is_another = |mark: &LogMark| mark.timestamp_ms.is_some() && mark.next != next;
        let mark = looked_at.filter(is_another).or_else(|| self.known_first().filter(is_another))?;
        Some((mark.next, mark.timestamp_ms?))
    }

    /// The earliest that is known of the present log: where the group left it, else what was taken first.
    pub(super) fn known_first(&self) -> Option<LogMark> {
        let taken = || *self.taken_first.lock().unwrap_or_else(PoisonError::into_inner);
        self.left().or_else(taken).filter(|mark| mark.timestamp_ms.is_some())
    }

    /// Whether records were taken that are not done.
    pub(super) fn has_in_flight(&self) -> bool {
        self.taken.load(Ordering::Relaxed) > self.records.load(Ordering::Relaxed)
    }

    pub(super) fn mark(&self) -> Option<LogMark> {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn log(&self) -> usize {
        self.log.load(Ordering::Relaxed)
    }

    /// Nothing is known any more of where it is: it has another log.
    pub(super) fn begin_log(&self) {
        self.log.fetch_add(1, Ordering::Relaxed);
        self.verify();
        *self.empty.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.next.store(-1, Ordering::Relaxed);
        self.set_mark(None);
    }

    pub(super) fn set_mark(&self, mark: Option<LogMark>) {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = mark;
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            taken: AtomicUsize::new(0),
            records: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            first: AtomicI64::new(-1),
            uncommitted: AtomicUsize::new(0),
            next: AtomicI64::new(-1),
            oldest_ms: AtomicI64::new(-1),
            mark: Mutex::new(None),
            log: AtomicUsize::new(0),
            left: OnceLock::new(),
            taken_first: Mutex::new(None),
            looked_at: Mutex::new(None),
            empty: Mutex::new(None),
            is_unverified: AtomicBool::new(false),
        }
    }
}

/// The partitions that a consumer has, for whoever looks at it from outside, over all its clients.
#[derive(Debug, Clone, Default)]
pub(super) struct Board(Arc<Partitions>);

#[derive(Debug, Default)]
struct Partitions {
    assigned: Mutex<Vec<Assigned>>,
    last_id: AtomicU64,
    /// Partitions whose logs were found to be others.
    reset: Mutex<Vec<(AssignmentId, LogReset)>>,
    /// The client met something after which the logs may be others.
    is_suspicious: AtomicBool,
    changes: AtomicU64,
}

impl Board {
    /// An id that no assignment had before.
    pub(super) fn next_id(&self) -> AssignmentId {
        AssignmentId(self.0.last_id.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(super) fn show(&self, assigned: Vec<Assigned>) {
        *self.0.assigned.lock().unwrap_or_else(PoisonError::into_inner) = assigned;
        self.0.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Grows with each change of what is assigned.
    pub(super) fn changes(&self) -> u64 {
        self.0.changes.load(Ordering::Relaxed)
    }

    pub(super) fn assigned(&self) -> Vec<Assigned> {
        self.0.assigned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// This partition's log is another than was handled; the poll thread has to begin it anew.
    pub(super) fn reset(&self, id: AssignmentId, why: LogReset) {
        self.0.reset.lock().unwrap_or_else(PoisonError::into_inner).push((id, why));
    }

    /// Something was met after which logs may be others.
    pub(super) fn suspect(&self) {
        self.0.is_suspicious.store(true, Ordering::Relaxed);
    }

    pub(super) fn take_suspicion(&self) -> bool {
        self.0.is_suspicious.swap(false, Ordering::Relaxed)
    }

    pub(super) fn take_resets(&self) -> Vec<(AssignmentId, LogReset)> {
        mem::take(&mut *self.0.reset.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_committed() {
        let bare = LogMark { next: 7, timestamp_ms: None, empty_until: 7, anchor: None };
        for mark in [
            bare,
            LogMark { timestamp_ms: Some(1_700_000_000_000), ..bare },
            LogMark { timestamp_ms: Some(3), empty_until: 9, ..bare },
            LogMark { timestamp_ms: Some(3), empty_until: 9, anchor: Some((5, 2)), ..bare },
            LogMark { anchor: Some((5, 2)), ..bare },
        ] {
            let mut list = TopicPartitionList::new();
            mark.add_to(&mut list, "topic", 3);
            let committed = list.find_partition("topic", 3).unwrap();
            assert_eq!(committed.offset(), Offset::Offset(7));
            assert_eq!(LogMark::committed(7, committed.metadata()), mark);
        }
        for foreign in ["", "by hand", "timestamp_ms=x anchor=5 empty_until=3"] {
            assert_eq!(LogMark::committed(7, foreign), bare, "{foreign}");
        }
    }
}
