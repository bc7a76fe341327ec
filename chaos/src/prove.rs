//! The proof of the checkers: an engine that breaks one promise on purpose, under faults that show it, must be caught.

use std::{path::Path, time::Duration};

use crate::{
    fault::Fault,
    report,
    round::{self, Plan},
    settings,
    timeline::Strike,
};

/// A promise that the feature `sabotage` of the crate `events` can break, and what shows it.
#[derive(Debug, Clone, Copy)]
pub struct Sabotage {
    /// The value of the environment variable `SABOTAGE`.
    pub name: &'static str,
    /// The invariants of which one at least must be found broken.
    pub breaks: &'static [&'static str],
    strikes: &'static [Strike],
    /// Besides the usual ones.
    settings: &'static [(&'static str, &'static str)],
}

const fn strike(at: u64, fault: Fault, target: u32, lasts: u64) -> Strike {
    Strike { at: Duration::from_millis(at), fault, target, lasts: Duration::from_millis(lasts) }
}

/// Which of the road's processes a fault strikes: [`Fault::KillService`] counts them all, [`Fault::KillWorker`] the workers.
const RELAY: u32 = 1;
/// How a peer is not well, in the order of [`Illness::ALL`](crate::peer::Illness::ALL).
const AWAY: u32 = 0;
const SLOW: u32 = 3;

pub const SABOTAGES: [Sabotage; 8] = [
    // A slow peer keeps work open, and the kill takes it away.
    Sabotage {
        name: "commit-the-latest",
        breaks: &["I1", "I5"],
        strikes: &[
            strike(1_500, Fault::DependencyAway, SLOW, 6_000),
            strike(5_000, Fault::KillWorker, 0, 500),
            strike(6_000, Fault::KillWorker, 1, 500),
        ],
        settings: &[],
    },
    Sabotage {
        name: "fire-and-forget-dead-letter",
        breaks: &["DL"],
        strikes: &[strike(1_500, Fault::RefuseDeadLetters, 0, 4_000)],
        settings: &[],
    },
    // What was done since the last commit is delivered again.
    Sabotage {
        name: "no-inbox",
        breaks: &["I4"],
        strikes: &[strike(2_000, Fault::KillWorker, 0, 300), strike(5_000, Fault::KillWorker, 1, 300)],
        settings: &[],
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
        settings: &[],
    },
    Sabotage { name: "no-lanes", breaks: &["I2"], strikes: &[], settings: &[] },
    // The new log ends before the place where the old one was left.
    Sabotage {
        name: "ignore-shorter-log",
        breaks: &["I1", "I6"],
        strikes: &[strike(4_000, Fault::RestoreTopic, 0, 2_000)],
        settings: &[],
    },
    // The other keys' events go on and prove nothing about it.
    Sabotage {
        name: "any-success-proves-all",
        breaks: &["DL"],
        strikes: &[strike(1_500, Fault::SecondDependencyAway, AWAY, 14_000)],
        settings: &[],
    },
    // What piles up while Kafka hangs is more than a topic takes in one batch.
    Sabotage {
        name: "obey-producer-settings",
        breaks: &["I2", "I6"],
        strikes: &[strike(1_500, Fault::PauseBroker, 0, 6_000), strike(9_000, Fault::KillBroker, 0, 500)],
        settings: &[
            ("KAFKA_PRODUCER_BATCH_SIZE", "4000000"),
            ("KAFKA_PRODUCER_COMPRESSION_TYPE", "none"),
            ("KAFKA_PRODUCER_RETRIES", "1"),
            ("PADDING_BYTES", "100000"),
        ],
    },
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

/// Plays a round for each of these, or for all and an honest engine; how many were not caught, with an honest engine that was
/// accused counted too.
///
/// # Errors
/// As [`round::play`].
pub async fn prove(seed: u64, only: &[String], patience: Duration, logs: &Path) -> anyhow::Result<usize> {
    let plan = |strikes: Vec<Strike>, more: &[(&'static str, &str)], sabotage| Plan {
        seed,
        strikes,
        settings: settings::usual()
            .into_iter()
            .chain(more.iter().map(|(name, value)| (*name, (*value).to_owned())))
            .collect(),
        systems: vec!["road".to_owned()],
        patience,
        sabotage,
        logs: logs.to_owned(),
    };
    let mut missed = 0;
    if only.is_empty() {
        crate::say!("no sabotage");
        let honest = round::play(&plan(control(), &[], None)).await?;
        report::round(&honest);
        missed += usize::from(!honest.violations.is_empty());
    }
    for sabotage in SABOTAGES {
        if !only.is_empty() && !only.iter().any(|name| name == sabotage.name) {
            continue;
        }
        crate::say!("{}", sabotage.name);
        let played = round::play(&plan(sabotage.strikes.to_vec(), sabotage.settings, Some(sabotage.name))).await?;
        report::round(&played);
        let caught = played.violations.iter().any(|violation| sabotage.breaks.contains(&violation.invariant));
        crate::say!("  {}", if caught { "caught" } else { "NOT CAUGHT" });
        missed += usize::from(!caught);
    }
    Ok(missed)
}
