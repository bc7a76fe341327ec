//! What the dispatcher is told: by the poll thread of partitions and records, by the tasks of what became of those.

use std::{sync::mpsc::SyncSender, time::Duration};

use super::{
    dependency::Wait,
    lane::Lane,
    outcome::Outcome,
    partition::{Assigned, AssignmentId, Frontier, LogReset},
    record::Record,
    work::Work,
};
use crate::flow::ledger::Ticket;

/// What the dispatcher is told.
pub(super) enum Notice {
    Assigned(Vec<Assigned>),
    Records(Vec<(AssignmentId, Record)>),
    /// What comes of this partition from now on stands in another log than what came before.
    LogReset(AssignmentId, LogReset),
    /// Partitions go away: finish what runs within `drain`, then tell what is done.
    Revoked {
        ids: Vec<AssignmentId>,
        drain: Duration,
        reply: Booked,
    },
    Reports(Vec<Report>),
    /// The poll thread has ended.
    Closed,
}

/// The reply of the dispatcher to a revocation.
pub(super) type Booked = SyncSender<Vec<Frontier>>;

/// What the dispatcher is told of what it handed out.
#[derive(Debug)]
pub(super) enum Report {
    /// A record is behind us; `last` when nothing of its lane is out any more.
    Done { lane: Lane, ticket: Ticket, size: usize, outcome: Outcome, last: bool },
    /// Records of a lane that did not run, or are to run again, in their order.
    Back { lane: Lane, works: Vec<Work>, then: Then },
    /// A record is not behind us and will not be: the engine broke over it, or is taken down.
    Lost { lane: Lane, ticket: Ticket },
    /// A batch is over, whatever became of it.
    BatchEnded,
}

/// When a lane whose records came back may go on.
#[derive(Debug, Clone)]
pub(super) enum Then {
    /// When the record of it that is still out is done.
    Running,
    After(Duration),
    /// When an outside system is back.
    Back(Wait),
}
