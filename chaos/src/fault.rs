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
    RotatePassword,
    DependencyAway,
    SecondDependencyAway,
    RefuseDeadLetters,
    OddRecords,
    Tombstones,
    RecreateTopic,
    ShortenTopic,
    RestoreTopic,
    DamageBatch,
}

impl Fault {
    pub const ALL: [Self; 17] = [
        Self::KillWorker,
        Self::KillService,
        Self::RollService,
        Self::PauseWorker,
        Self::KillBroker,
        Self::PauseBroker,
        Self::StopPostgres,
        Self::RotatePassword,
        Self::DependencyAway,
        Self::SecondDependencyAway,
        Self::RefuseDeadLetters,
        Self::OddRecords,
        Self::Tombstones,
        Self::RecreateTopic,
        Self::ShortenTopic,
        Self::RestoreTopic,
        Self::DamageBatch,
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

    /// Whether no other fault may strike meanwhile: it has to know what was handled when an operator took it away, or it would
    /// keep a process from starting that another ended.
    pub fn is_alone(self) -> bool {
        matches!(
            self,
            Self::RotatePassword | Self::RecreateTopic | Self::ShortenTopic | Self::RestoreTopic | Self::DamageBatch
        )
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
            Self::RotatePassword => (
                "rotate-password",
                "the role's password is another, its connections end; then as before",
                2_000..10_000,
            ),
            Self::DependencyAway => {
                ("dependency-away", "the workers' peer refuses, hangs, answers 500 or is slow", 2_000..6_000)
            }
            Self::SecondDependencyAway => {
                ("second-away", "the same of the one that they ask for a few keys", 3_000..10_000)
            }
            Self::RefuseDeadLetters => ("refuse-dead-letters", "Kafka refuses every dead letter", 3_000..10_000),
            Self::OddRecords => {
                ("odd-records", "others write what no decent client does, in headers and values", 1_500..4_000)
            }
            Self::Tombstones => ("tombstones", "others write null values, each with a key", 1_000..3_000),
            Self::RecreateTopic => {
                ("recreate-topic", "all handled; a topic deleted and created anew; written again", 2_000..4_000)
            }
            Self::ShortenTopic => {
                ("shorten-topic", "records deleted up to the middle of what is not handled yet", 500..2_500)
            }
            Self::RestoreTopic => {
                ("restore-topic", "all handled; Kafka's disk has a topic's older logs; written again", 1_500..3_000)
            }
            Self::DamageBatch => {
                ("damage-batch", "a bit on Kafka's disk turns in what is not handled; turned back", 1_500..3_000)
            }
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
