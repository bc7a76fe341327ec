//! What a person reads of a round.

use std::collections::BTreeMap;

use crate::{
    history::WriteOutcome,
    invariants::Violation,
    round::{Report, acknowledged},
};

/// Of each invariant so many are shown; they are often the same thing a hundred times.
const SHOWN: usize = 5;

/// What happened, in a line for each hop, and what was broken.
pub fn round(report: &Report) {
    for history in &report.histories {
        let of = |outcome| history.writes.iter().filter(|write| write.outcome == outcome).count();
        crate::say!(
            "  {:<32} {} acknowledged, {} failed, {} indeterminate; {} records, {} effects, {} dead letters, {} looks",
            history.hop,
            acknowledged(history),
            of(WriteOutcome::Failed),
            of(WriteOutcome::Indeterminate),
            history.records.len(),
            history.effects.len(),
            history.dead_letters.len(),
            history.looks.len(),
        );
    }
    let recovered =
        report.recovery.map_or("not recovered".to_owned(), |took| format!("recovered in {:.1} s", took.as_secs_f64()));
    let largest =
        report.largest.as_ref().map_or(String::new(), |(name, bytes)| format!(", {name} took {} MiB", bytes >> 20));
    crate::say!("  {recovered}{largest}");
    violations(&report.violations);
}

/// The first of each invariant, and how many there are.
pub fn violations(violations: &[Violation]) {
    let mut by_invariant: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Violation { invariant, what } in violations {
        by_invariant.entry(invariant).or_default().push(what);
    }
    for (invariant, found) in by_invariant {
        for what in found.iter().take(SHOWN) {
            crate::say!("  {invariant}: {what}");
        }
        if found.len() > SHOWN {
            crate::say!("  {invariant}: and {} more", found.len() - SHOWN);
        }
    }
}
