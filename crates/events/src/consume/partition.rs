//! An assigned partition, in the words of all who deal with it: what it is, how far it has come, and which there are now.
//!
//! What is assigned gets an id that is never used again, so that whatever belongs to an earlier assignment of the same partition
//! cannot be taken for the present one.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
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
    pub(super) next: i64,
}

/// What the poll thread has to know of what became of its records, and the watch of both.
#[derive(Debug)]
pub(super) struct Progress {
    /// Records that were taken since the assignment began; told with each look at the load.
    pub(super) taken: AtomicUsize,
    /// Records and bytes that are done since the assignment began.
    pub(super) records: AtomicUsize,
    pub(super) bytes: AtomicUsize,
    /// Records from the oldest that is not done on, those that are done included: what a restart would bring again.
    pub(super) uncommitted: AtomicUsize,
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
            uncommitted: AtomicUsize::new(0),
            next: AtomicI64::new(-1),
            oldest_ms: AtomicI64::new(-1),
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
}

impl Board {
    /// An id that no assignment had before.
    pub(super) fn next_id(&self) -> AssignmentId {
        AssignmentId(self.0.last_id.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(super) fn show(&self, assigned: Vec<Assigned>) {
        *self.0.assigned.lock().unwrap_or_else(PoisonError::into_inner) = assigned;
    }

    pub(super) fn assigned(&self) -> Vec<Assigned> {
        self.0.assigned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
