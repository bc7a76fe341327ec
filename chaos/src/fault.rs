//! What can befall a round: each fault by its name, what it is, how long it lasts. How it strikes is in `strike`.

use std::ops::Range;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    KillWorker,
    KillService,
    RollService,
    PauseWorker,
    KillBroker,
    PauseBroker,
    StopPostgres,
    DependencyAway,
    RefuseDeadLetters,
}

impl Fault {
    pub const ALL: [Self; 9] = [
        Self::KillWorker,
        Self::KillService,
        Self::RollService,
        Self::PauseWorker,
        Self::KillBroker,
        Self::PauseBroker,
        Self::StopPostgres,
        Self::DependencyAway,
        Self::RefuseDeadLetters,
    ];

    /// For `--only` and the timeline.
    pub fn name(self) -> &'static str {
        self.described().0
    }

    /// A line for `--list`.
    pub fn about(self) -> &'static str {
        self.described().1
    }

    /// How long it lasts, in milliseconds. A broker needs some seconds more to start again.
    pub fn lasts(self) -> Range<u64> {
        self.described().2
    }

    fn described(self) -> (&'static str, &'static str, Range<u64>) {
        match self {
            Self::KillWorker => ("kill-worker", "kill -9 of a process that handles events; started again", 100..3_000),
            Self::KillService => {
                ("kill-service", "kill -9 of any process, relay and writer too; started again", 100..3_000)
            }
            Self::RollService => ("roll-service", "SIGTERM to any process, which must end with 0; started again", 1..2),
            Self::PauseWorker => {
                ("pause-worker", "SIGSTOP of a worker beyond its session, then SIGCONT: a zombie", 5_000..9_000)
            }
            Self::KillBroker => ("kill-broker", "kill -9 of Kafka; started again with its data", 500..3_000),
            Self::PauseBroker => ("pause-broker", "SIGSTOP of Kafka, then SIGCONT", 1_000..6_000),
            Self::StopPostgres => ("stop-postgres", "pg_ctl stop -m immediate; started again, recovers", 500..10_000),
            Self::DependencyAway => {
                ("dependency-away", "the workers' peer refuses, hangs, answers 500 or is slow", 2_000..6_000)
            }
            Self::RefuseDeadLetters => ("refuse-dead-letters", "Kafka refuses every dead letter", 3_000..10_000),
        }
    }
}

impl std::str::FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|fault| fault.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.into_iter().map(Self::name).collect();
            format!("allowed: {}", names.join(", "))
        })
    }
}
