//! I6 to I8: how the processes fared.

use std::{collections::BTreeMap, time::Duration};

use crate::history::Operation;

/// The most that a process may take: what an idle one takes several times, and far less than a queue without a bound would.
const MOST_MEMORY: u64 = 150 << 20;

/// Readiness may say what is not so for this long after a fault began or a process started: a check of the database takes up to
/// 2 s, a probe comes every 0.3 s and may take 1 s, and two cores may be busy.
const LATE: Duration = Duration::from_secs(6);

/// And for this long after another fault on the process: it has to join its group before it meets what is wrong.
const AFRESH: Duration = Duration::from_secs(12);

pub(super) fn recovery(operation: &Operation) -> Vec<String> {
    let mut found: Vec<_> =
        operation.ended.iter().map(|(process, how)| format!("{process} ended by itself: {how}")).collect();
    if operation.recovery.is_none() {
        found.push(format!(
            "{:?} after everything was healed there is still to do: {}",
            operation.patience,
            operation.remaining.join("; ")
        ));
    }
    found
}

pub(super) fn bounded(operation: &Operation) -> Vec<String> {
    let large = operation.memory.iter().filter(|(_, bytes)| **bytes > MOST_MEMORY);
    large
        .map(|(process, bytes)| {
            format!("{process} took {} MiB of memory, more than {} MiB", bytes >> 20, MOST_MEMORY >> 20)
        })
        .collect()
}

pub(super) fn readiness(operation: &Operation) -> Vec<String> {
    let mut found = Vec::new();
    for outage in &operation.outages {
        // Whatever ended a moment ago on the same process may explain a ready one.
        let excused = |at: Duration| {
            let others = operation.outages.iter().filter(|other| other.process == outage.process);
            others.into_iter().any(|other| other.until <= at && at < other.until + AFRESH)
        };
        let lie = operation.probes.iter().find(|probe| {
            probe.ready
                && probe.process == outage.process
                && probe.at > outage.from + LATE
                && probe.answered < outage.until
                && !excused(probe.at)
        });
        if let Some(probe) = lie {
            found.push(format!(
                "{} said that it was ready {:.1} s after {} began",
                outage.process,
                (probe.at - outage.from).as_secs_f64(),
                outage.fault
            ));
        }
    }
    for halt in operation.halts.iter().filter(|halt| !halt.told) {
        let workers = halt.workers.join(", ");
        found.push(format!("{} cannot be read, and {workers} neither got past it nor said so", halt.what));
    }
    let mut last = BTreeMap::new();
    for probe in &operation.probes {
        last.insert(&probe.process, probe.ready);
    }
    let unready = operation.running.iter().filter(|process| last.get(process) != Some(&true));
    found.extend(unready.map(|process| format!("{process} was not ready at the end")));
    found
}
