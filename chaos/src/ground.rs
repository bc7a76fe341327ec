//! What a round stands on: a Kafka, a PostgreSQL and a peer of its own, the systems under test, and the book of what was seen.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::ExitStatus,
    sync::{Mutex as Book, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{PgPool, postgres::PgPoolOptions};
use test_kit::{broker::Broker, private_postgres::PrivatePostgres};
use tokio::sync::Mutex;

use crate::{
    faults::Fault,
    history::{Operation, Outage, Probe},
    observe::topics,
    peer::Peer,
    process::Process,
    systems::System,
};

/// The session of a consumer: short, so that a round need not be long to outlast one.
const SESSION_MS: &str = "4000";

/// Everything outside of the systems under test. Ended when dropped.
#[derive(Debug)]
pub struct Ground {
    pub broker: Mutex<Broker>,
    pub postgres: Mutex<PrivatePostgres>,
    pub peer: Mutex<Peer>,
    pub servers: String,
    pub peer_url: String,
    /// For the harness's own looks.
    pub pool: PgPool,
    /// For what the systems note; goes with the round.
    pub folder: PathBuf,
    database_url: String,
    /// What all processes get besides, such as `SABOTAGE`.
    more: Vec<(&'static str, String)>,
}

impl Ground {
    /// # Panics
    /// Kafka or PostgreSQL does not start.
    pub async fn start(folder: PathBuf, more: Vec<(&'static str, String)>) -> Self {
        let (broker, postgres, peer) = tokio::join!(Broker::start(), PrivatePostgres::start(), Peer::start());
        let database_url = postgres.url();
        let pool = PgPoolOptions::new()
            .max_connections(6)
            .acquire_timeout(Duration::from_secs(2))
            .connect_lazy(&database_url)
            .expect("a URL of a database");
        Self {
            servers: broker.bootstrap(),
            peer_url: peer.url(),
            peer: Mutex::new(peer),
            broker: Mutex::new(broker),
            postgres: Mutex::new(postgres),
            pool,
            folder,
            database_url,
            more,
        }
    }

    /// The environment of a system's processes; its topics and groups begin with its name.
    pub fn environment(&self, system: &str) -> Vec<(&'static str, String)> {
        let mut all = vec![
            ("DATABASE_URL", self.database_url.clone()),
            ("DATABASE_MAX_CONNECTIONS", "12".to_owned()),
            ("KAFKA_BOOTSTRAP_SERVERS", self.servers.clone()),
            ("KAFKA_TOPIC_NAMESPACE", namespace(system)),
            ("KAFKA_CONSUMER_SESSION_TIMEOUT_MS", SESSION_MS.to_owned()),
            ("LOG_FORMAT", "text".to_owned()),
        ];
        all.extend(self.more.iter().cloned());
        all
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // What remains is in the system's folder for temporary files.
        _ = fs::remove_dir_all(&self.folder);
    }
}

/// What stands before the topics and groups of a system.
pub fn namespace(system: &str) -> String {
    format!("{system}.")
}

/// A round under way.
pub struct World {
    pub ground: Ground,
    pub systems: Vec<Box<dyn System>>,
    began: Instant,
    book: Book<Operation>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("ground", &self.ground).finish_non_exhaustive()
    }
}

impl World {
    /// Its clock begins.
    pub fn new(ground: Ground, systems: Vec<Box<dyn System>>) -> Self {
        Self { ground, systems, began: Instant::now(), book: Book::default() }
    }

    /// Of all systems, always in the same order.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.systems.iter().flat_map(|system| system.processes())
    }

    /// Since the round began.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn outage(&self, fault: Fault, process: &Process, from: Duration) -> Outage {
        Outage { process: process.name.clone(), fault: fault.name(), from, until: self.now() }
    }

    /// Every dead-letter topic takes no record, or all again.
    pub(crate) async fn refuse_dead_letters(&self, refuse: bool) {
        for system in &self.systems {
            topics::refuse_dead_letters(&self.ground.servers, &namespace(system.name()), refuse).await;
        }
    }

    pub(crate) fn probed(&self, probe: Probe) {
        self.book().probes.push(probe);
    }

    pub(crate) fn remembered(&self, process: &str, memory: u64) {
        let mut book = self.book();
        let most = book.memory.entry(process.to_owned()).or_default();
        *most = memory.max(*most);
    }

    /// It ended by itself.
    pub(crate) fn ended(&self, process: &Process, how: ExitStatus) {
        self.book().ended.push((process.name.clone(), how.to_string()));
    }

    /// It ended as it was told; that must be in peace.
    pub(crate) fn ended_when_told(&self, process: &Process, how: ExitStatus) {
        // By the signal itself: it had just been started, and there was nothing to finish yet.
        if !how.success() && how.signal().is_none() {
            self.book().ended.push((process.name.clone(), format!("after SIGTERM with {how}")));
        }
    }

    /// Processes that are meant to run and did not say that they are ready when they were asked last.
    pub(crate) async fn unready(&self) -> Vec<String> {
        let mut unready = Vec::new();
        for process in self.processes() {
            if process.service.lock().await.id().is_none() {
                continue;
            }
            let book = self.book();
            let last = book.probes.iter().rev().find(|probe| probe.process == process.name);
            if !last.is_some_and(|probe| probe.ready) {
                unready.push(format!("{} is not ready", process.name));
            }
        }
        unready
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Operation> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
