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
}

impl LogMark {
    /// What is committed beside the offset.
    pub(super) fn metadata(&self) -> String {
        self.timestamp_ms.map(|time| format!("{TIME}{time}")).unwrap_or_default()
    }

    /// What somebody else committed, such as an operator's tool, says no time.
    pub(super) fn committed(next: i64, metadata: &str) -> Self {
        Self { next, timestamp_ms: metadata.strip_prefix(TIME).and_then(|time| time.parse().ok()) }
    }
}

const TIME: &str = "timestamp_ms=";

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
}

impl Progress {
    /// It begins where the group left it.
    pub(super) fn goes_on(&self, left: LogMark) {
        let _ = self.left.set(left);
        self.set_mark(Some(left));
    }

    /// What the log was known by before anything of it was handled here.
    pub(super) fn left(&self) -> Option<LogMark> {
        self.left.get().filter(|left| self.log() == 0 && left.timestamp_ms.is_some()).copied()
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
