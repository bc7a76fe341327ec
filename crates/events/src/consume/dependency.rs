//! What is known of one outside system: its breaker, which handlers were seen to need it, and in which order it answered and
//! failed. That order is told by a count that grows with each thing that happens to any of them.

use std::{mem, sync::Arc, time::Instant};

use super::error_class::{POSTGRES, state_of};
use crate::flow::{
    breaker::{Breaker, BreakerPolicy},
    error::{HandlerError, chain},
};

/// Whose attempt it was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    /// The handler's place.
    pub(super) index: usize,
    /// Whether each of its attempts is a transaction of the service's own database.
    pub(super) has_database: bool,
}

impl Caller {
    pub(super) fn always_asks(self, name: &str) -> bool {
        self.has_database && name == POSTGRES
    }
}

/// Why a record may not be tried now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wait {
    /// The system that is away.
    pub(super) dependency: Arc<str>,
    /// The handler, where it is all of its records that seem to need the system; `None` where it is known of this one.
    pub(super) presumed: Option<usize>,
}

/// A failure that blames a system, as far as it is known.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Blame {
    /// When the same record blamed the same system before.
    pub(super) before: Option<u64>,
    /// Whose attempt it was, if it did not name the system before it asked.
    pub(super) unnamed: Option<Caller>,
    /// Whether the record was known to need the system.
    pub(super) was_known: bool,
    /// Whether the system itself said that it failed: somebody is there.
    pub(super) is_answer: bool,
}

/// A handler that blamed the system without having named it.
struct Need {
    handler: usize,
    always: bool,
    /// How many of its records failed here that were not known to need the system, without one that ended well in between.
    in_a_row: u32,
}

pub(super) struct Dependency {
    pub(super) name: Arc<str>,
    pub(super) breaker: Breaker,
    /// Whether its gauge has its name; the others share one.
    pub(super) has_label: bool,
    /// When the last probe was let through.
    pub(super) turn: u64,
    needs: Vec<Need>,
    /// So many make it seem that all of a handler's records need the system.
    many: u32,
    answered_at: u64,
    /// When a record ended well that may have asked it, or not.
    perhaps_at: u64,
    pub(super) failed_at: u64,
    /// The SQLSTATE of its last failure, where it is the database.
    pub(super) state: Option<String>,
}

impl Dependency {
    pub(super) fn new(name: Arc<str>, policy: BreakerPolicy, has_label: bool) -> Self {
        Self {
            name,
            breaker: Breaker::new(policy),
            has_label,
            turn: 0,
            needs: Vec::new(),
            many: policy.failures,
            answered_at: 0,
            perhaps_at: 0,
            failed_at: 0,
            state: None,
        }
    }

    /// Whether all records of the handler have to wait for it.
    pub(super) fn is_presumed(&self, handler: usize) -> bool {
        self.needs.iter().any(|need| need.handler == handler && (need.always || need.in_a_row >= self.many))
    }

    pub(super) fn is_always_needed(&self, handler: usize) -> bool {
        self.needs.iter().any(|need| need.handler == handler && need.always)
    }

    /// Whether a handler was seen to need it, for some of its records at least.
    pub(super) fn is_needed(&self, handler: usize) -> bool {
        self.needs.iter().any(|need| need.handler == handler)
    }

    /// Somebody asked it, and it answered.
    pub(super) fn answered(&mut self, now: u64) {
        if !self.breaker.is_closed() {
            tracing::info!(dependency = &*self.name, "is back; what waited for it goes on");
        }
        self.breaker.succeeded();
        self.answered_at = now;
        self.needs.iter_mut().for_each(|need| need.in_a_row = 0);
    }

    /// A record of the handler ended well, and nobody knows whether it asked.
    pub(super) fn perhaps_answered(&mut self, handler: usize, now: u64) {
        for need in self.needs.iter_mut().filter(|need| need.handler == handler) {
            need.in_a_row = 0;
            self.perhaps_at = now;
        }
    }

    /// Somebody asked it in vain. Returns whether this counts against the record: whether the system answered others since that
    /// blamed it before. Others that only may have asked count if this is a probe, of which each that waits has one in turn, if it
    /// answered, be it with its own failure, and if it failed at no other.
    pub(super) fn failed(&mut self, blame: Blame, now: u64, time: Instant, error: Option<&HandlerError>) -> bool {
        let counts = blame.before.is_some_and(|before| {
            let at_this_alone = blame.is_answer && !self.breaker.is_closed() && self.failed_at == before;
            self.answered_at > before || at_this_alone && self.perhaps_at > before
        });
        self.failed_at = now;
        if let Some(caller) = blame.unnamed {
            let need = match self.needs.iter().position(|need| need.handler == caller.index) {
                Some(index) => &mut self.needs[index],
                None => {
                    let always = caller.always_asks(&self.name);
                    self.needs.push(Need { handler: caller.index, always, in_a_row: 0 });
                    let last = self.needs.len() - 1;
                    &mut self.needs[last]
                }
            };
            if !blame.was_known {
                need.in_a_row = need.in_a_row.saturating_add(1);
            }
        }
        let was_closed = self.breaker.is_closed();
        let is_open = self.breaker.failed(time);
        // Its cause can change while it is away: first the session was ended, then the role is not let in.
        let state = error.and_then(state_of);
        let is_new = mem::replace(&mut self.state, state.map(str::to_owned)).as_deref() != state;
        if is_open && (was_closed || is_new) {
            tracing::warn!(
                dependency = &*self.name,
                error = error.map(|error| chain(error)),
                "is away; what needs it waits, and one record at a time asks for it"
            );
        }
        counts
    }
}
