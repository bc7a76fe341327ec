//! The proof of the checkers: an engine that breaks one promise on purpose, under faults that show it, must be caught.

use std::{path::Path, time::Duration};

use crate::{fault::Fault, round, round::Plan, timeline::Strike};

/// A promise that the feature `sabotage` of the crate `events` can break, and what shows it.
#[derive(Debug, Clone, Copy)]
pub struct Sabotage {
    /// The value of the environment variable `SABOTAGE`.
    pub name: &'static str,
    /// The invariants of which one at least must be found broken.
    pub breaks: &'static [&'static str],
    strikes: &'static [Strike],
}

const fn strike(at: u64, fault: Fault, target: u32, lasts: u64) -> Strike {
    Strike { at: Duration::from_millis(at), fault, target, lasts: Duration::from_millis(lasts) }
}

/// Which of the road's processes a fault strikes: [`Fault::KillService`] counts them all, [`Fault::KillWorker`] the workers.
const RELAY: u32 = 1;
const SLOW: u32 = 3;

pub const SABOTAGES: [Sabotage; 5] = [
    // A slow peer keeps work open, and the kill takes it away.
    Sabotage {
        name: "commit-the-latest",
        breaks: &["I1", "I5"],
        strikes: &[
            strike(1_500, Fault::DependencyAway, SLOW, 6_000),
            strike(5_000, Fault::KillWorker, 0, 500),
            strike(6_000, Fault::KillWorker, 1, 500),
        ],
    },
    Sabotage {
        name: "fire-and-forget-dead-letter",
        breaks: &["DL"],
        strikes: &[strike(1_500, Fault::RefuseDeadLetters, 0, 4_000)],
    },
    // What was done since the last commit is delivered again.
    Sabotage {
        name: "no-inbox",
        breaks: &["I4"],
        strikes: &[strike(2_000, Fault::KillWorker, 0, 300), strike(5_000, Fault::KillWorker, 1, 300)],
    },
    // What the relay has in its hands when Kafka hangs goes with it.
    Sabotage {
        name: "relay-saves-before-ack",
        breaks: &["I1"],
        strikes: &[
            strike(2_000, Fault::PauseBroker, 0, 4_000),
            strike(4_000, Fault::KillService, RELAY, 300),
            strike(4_000, Fault::KillService, RELAY + 1, 300),
            strike(4_000, Fault::KillService, RELAY + 2, 300),
        ],
    },
    Sabotage { name: "no-lanes", breaks: &["I2"], strikes: &[] },
];

/// The same ground without sabotage, under everything that the others meet: nothing may be found.
fn control() -> Vec<Strike> {
    vec![
        strike(1_500, Fault::RefuseDeadLetters, 0, 2_000),
        strike(2_000, Fault::KillWorker, 0, 300),
        strike(5_000, Fault::PauseBroker, 0, 2_000),
        strike(6_000, Fault::KillService, RELAY, 300),
    ]
}

/// Plays a round for each; how many were not caught, with an honest engine that was accused counted too.
///
/// # Errors
/// As [`round::play`].
pub async fn prove(seed: u64, patience: Duration, logs: &Path) -> anyhow::Result<usize> {
    let plan = |strikes: Vec<Strike>, sabotage| Plan {
        seed,
        strikes,
        systems: vec!["road".to_owned()],
        patience,
        sabotage,
        logs: logs.to_owned(),
    };
    println!("no sabotage");
    let honest = round::play(&plan(control(), None)).await?.violations;
    crate::report::violations(&honest);
    let mut missed = usize::from(!honest.is_empty());
    for sabotage in SABOTAGES {
        println!("{}", sabotage.name);
        let found = round::play(&plan(sabotage.strikes.to_vec(), Some(sabotage.name))).await?.violations;
        crate::report::violations(&found);
        let caught = found.iter().any(|violation| sabotage.breaks.contains(&violation.invariant));
        println!("  {}", if caught { "caught" } else { "NOT CAUGHT" });
        missed += usize::from(!caught);
    }
    Ok(missed)
}
