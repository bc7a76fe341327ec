//! What can befall a round: each fault by its name, how long it lasts, how it strikes and how it is healed.

use std::ops::Range;

use tokio::time::sleep;

use crate::{ground::World, history::Outage, peer::Illness, process::Process, timeline::Strike};

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

    /// Whom it strikes, of those whom it can; in words for the timeline.
    pub fn target(self, world: &World, strike: &Strike) -> String {
        match self {
            Self::KillBroker | Self::PauseBroker => "kafka".to_owned(),
            Self::StopPostgres => "postgres".to_owned(),
            Self::RefuseDeadLetters => "dead.letter.queue".to_owned(),
            Self::DependencyAway => format!("peer, {:?}", illness(strike)).to_lowercase(),
            _ => self.victim(world, strike).name.clone(),
        }
    }

    fn victim<'w>(self, world: &'w World, strike: &Strike) -> &'w Process {
        let only_workers = matches!(self, Self::KillWorker | Self::PauseWorker);
        let candidates: Vec<_> = world.processes().filter(|process| process.is_worker || !only_workers).collect();
        candidates[strike.target as usize % candidates.len()]
    }

    /// Strikes, waits, heals; returns whose work it stopped meanwhile, where readiness has to tell.
    ///
    /// An outage of Kafka or of the peer is none of these: what is accepted is kept, and others are served.
    pub async fn befall(self, world: &World, strike: &Strike) -> Vec<Outage> {
        // Each takes its lock first: its turn may come late, when another fault is at the same target.
        match self {
            Self::KillWorker | Self::KillService | Self::RollService | Self::PauseWorker => {
                let victim = self.victim(world, strike);
                let mut service = victim.service.lock().await;
                let from = world.now();
                match self {
                    Self::PauseWorker => service.pause(),
                    Self::RollService => world.ended_when_told(victim, service.terminate().await),
                    _ => service.kill9(),
                }
                sleep(strike.lasts).await;
                match self {
                    Self::PauseWorker => service.resume(),
                    _ => service.restart().await,
                }
                vec![world.outage(self, victim, from)]
            }
            Self::KillBroker => {
                let mut broker = world.ground.broker.lock().await;
                broker.kill();
                sleep(strike.lasts).await;
                broker.start_again().await;
                Vec::new()
            }
            Self::PauseBroker => {
                let mut broker = world.ground.broker.lock().await;
                broker.pause();
                sleep(strike.lasts).await;
                broker.resume();
                Vec::new()
            }
            Self::StopPostgres => {
                let mut postgres = world.ground.postgres.lock().await;
                let from = world.now();
                postgres.stop_immediately().await;
                sleep(strike.lasts).await;
                let until = world.now();
                postgres.start_again().await;
                let stopped = world.processes().map(|process| world.outage(self, process, from));
                stopped.map(|outage| Outage { until, ..outage }).collect()
            }
            Self::DependencyAway => {
                let mut peer = world.ground.peer.lock().await;
                peer.fall_ill(illness(strike)).await;
                sleep(strike.lasts).await;
                peer.heal().await;
                Vec::new()
            }
            Self::RefuseDeadLetters => {
                // With Kafka or the peer away as well, nobody would learn of it.
                let (_broker, _peer) = (world.ground.broker.lock().await, world.ground.peer.lock().await);
                world.refuse_dead_letters(true).await;
                let from = world.now();
                sleep(strike.lasts).await;
                let stopped = world.processes().filter(|process| process.meets_poison);
                let outages = stopped.map(|process| world.outage(self, process, from)).collect();
                world.refuse_dead_letters(false).await;
                outages
            }
        }
    }
}

fn illness(strike: &Strike) -> Illness {
    Illness::ALL[strike.target as usize % Illness::ALL.len()]
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
