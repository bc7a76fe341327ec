//! What a round stands on: a Kafka, a PostgreSQL and a peer of its own.

use std::{fs, path::PathBuf, time::Duration};

use sqlx::{PgPool, postgres::PgPoolOptions};
use test_kit::{broker::Broker, private_postgres::PrivatePostgres};
use tokio::sync::Mutex;

use crate::peer::Peer;

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
