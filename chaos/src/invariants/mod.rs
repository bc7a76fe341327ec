//! What must be true of every round: pure checkers over its history. Each says in words what it found; nothing found is good.
//!
//! `delivery` looks at one hop's events, `operation` at the processes.

mod delivery;
mod operation;
#[cfg(test)]
mod tests;

use crate::history::{History, Operation};

/// One breach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's short name, such as `I1`.
    pub invariant: &'static str,
    /// What was expected, and what was there.
    pub what: String,
}

/// An invariant over a history of the kind `H`.
#[derive(Debug, Clone, Copy)]
pub struct Invariant<H> {
    pub name: &'static str,
    pub says: &'static str,
    /// It can be judged only once nothing is under way any more.
    at_rest: bool,
    check: fn(&H) -> Vec<String>,
}

const fn always<H>(name: &'static str, says: &'static str, check: fn(&H) -> Vec<String>) -> Invariant<H> {
    Invariant { name, says, at_rest: false, check }
}

const fn at_rest<H>(name: &'static str, says: &'static str, check: fn(&H) -> Vec<String>) -> Invariant<H> {
    Invariant { name, says, at_rest: true, check }
}

/// Of each hop.
pub const DELIVERY: [Invariant<History>; 7] = [
    at_rest("I1", "no acknowledged event is missing, neither as a record nor as an effect", delivery::missing),
    always("I2", "records, effects and follow-ups of a key are in the order of its writes", delivery::order),
    always("I3", "a record is repeated only with the same event id", delivery::repeats),
    always("I4", "an event has one effect, and an effect one follow-up event", delivery::once),
    always("I5", "no committed offset is beyond unfinished work", delivery::frontier),
    always("I9", "nothing of a write that failed is visible", delivery::failed_is_invisible),
    at_rest(
        "DL",
        "what is rejected becomes one dead letter for each record, and nothing else does",
        delivery::dead_letters,
    ),
];

/// Of the processes.
pub const OPERATION: [Invariant<Operation>; 3] = [
    always("I6", "everything recovers in time without a restart of what was not ended", operation::recovery),
    always("I7", "memory stays bounded and no queue keeps anything", operation::bounded),
    always("I8", "readiness tells the truth", operation::readiness),
];

/// Every breach in a round.
pub fn check(histories: &[History], operation: &Operation) -> Vec<Violation> {
    let mut violations = Vec::new();
    for history in histories {
        for Invariant { name: invariant, check, .. } in
            DELIVERY.into_iter().filter(|one| !one.at_rest || operation.recovery.is_some())
        {
            let found = check(history).into_iter();
            violations.extend(found.map(|what| Violation { invariant, what: format!("{}: {what}", history.hop) }));
        }
    }
    for Invariant { name: invariant, check, .. } in OPERATION {
        violations.extend(check(operation).into_iter().map(|what| Violation { invariant, what }));
    }
    violations
}
