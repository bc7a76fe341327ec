//! A record on its way through the engine, and how far the work on it has come.

use std::{sync::Arc, time::Duration};

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

impl Work {
    /// The outside system that this record is known to need for the handler at `index`.
    pub(super) fn needs(&self, index: usize) -> Option<&Needs> {
        self.tries.as_ref().filter(|tries| tries.handler == index).and_then(|tries| tries.needs.as_ref())
    }
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
    /// The outside system that it is known to need.
    pub(super) needs: Option<Needs>,
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

/// An outside system that a record blamed last, or was told to wait for.
#[derive(Debug, Clone)]
pub(super) struct Needs {
    pub(super) dependency: Arc<str>,
    /// Whether the handler names it before it asks: then it is known of each attempt whether it asked.
    pub(super) is_named: bool,
    /// When it failed this record last, by the breakers' count; `None` if it was not asked yet.
    pub(super) failed_at: Option<u64>,
}
