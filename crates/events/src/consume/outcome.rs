//! What became of an attempt, and of a record.

use std::time::Duration;

use super::{dependency::Wait, record::Record, work::Tries};

/// How an attempt ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Applied {
    Now,
    /// It was claimed before: nothing was done.
    Before,
}

/// How a record came to be behind us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Applied,
    /// The inbox had it: nothing was done.
    Duplicate,
    /// Nobody here wants it.
    Skipped,
    /// The same of a record without a value.
    Tombstone,
    /// A replay for another group.
    OtherGroup,
    /// Kept as a dead letter.
    GivenUp {
        handler: &'static str,
        code: &'static str,
    },
}

impl Outcome {
    /// Of a record that nobody here asked for.
    pub(super) fn of_unwanted(record: &Record) -> Self {
        if record.payload().is_none() { Self::Tombstone } else { Self::Skipped }
    }
}

impl From<Applied> for Outcome {
    fn from(applied: Applied) -> Self {
        match applied {
            Applied::Now => Self::Applied,
            Applied::Before => Self::Duplicate,
        }
    }
}

/// What became of a record.
#[derive(Debug)]
pub(super) enum Verdict {
    Done(Outcome),
    /// To be handed out again after this time.
    Later(Duration, Box<Tries>),
    /// To be handed out again when this outside system is back.
    Blocked(Wait, Box<Tries>),
}
