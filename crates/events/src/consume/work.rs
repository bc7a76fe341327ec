//! A record on its way through the engine, and how far the work on it has come.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{failure::Failure, record::Record};
use crate::flow::ledger::Ticket;

/// A record that is to be handled.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) ticket: Ticket,
    pub(super) record: Record,
    /// What was tried already; most records never fail.
    pub(super) tries: Option<Box<Tries>>,
}

/// How far the work on a record has come, and what it met.
#[derive(Debug, Clone, Default)]
pub(super) struct Tries {
    /// The handler that is at work; those before it are done.
    pub(super) handler: usize,
    /// Failed attempts that count.
    pub(super) attempts: u32,
    /// What these attempts and the waits between them took.
    pub(super) spent: Duration,
    pub(super) first_failed_at: Option<DateTime<Utc>>,
    /// How often the system to blame had answered others when the last attempt failed.
    pub(super) answers: Option<u64>,
    /// Set once it is given up: all that is left is to have its dead letter taken.
    pub(super) given_up: Option<GivenUp>,
}

/// A dead letter that could not be written yet.
#[derive(Debug, Clone)]
pub(super) struct GivenUp {
    /// The handler that gave it up; `None` where none got that far.
    pub(super) by: Option<usize>,
    pub(super) failure: Failure,
    /// How often it was refused.
    pub(super) refusals: u32,
}
