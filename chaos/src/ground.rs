//! What a round stands on: a Kafka, a PostgreSQL and two peers of its own.

use std::{fs, path::PathBuf, time::Duration};

use sqlx::{PgPool, postgres::PgPoolOptions};
use test_kit::{broker::Broker, private_postgres::PrivatePostgres};
use tokio::sync::Mutex;

use crate::{peer::Peer, settings::Setting};

/// The systems log in to PostgreSQL with it.
pub const PASSWORD: &str = "first";

/// Everything outside of the systems under test. Ended when dropped.
#[derive(Debug)]
pub struct Ground {
    pub broker: Mutex<Broker>,
    pub postgres: Mutex<PrivatePostgres>,
    pub peer: Mutex<Peer>,
    /// Asked for some events only.
    pub notary: Mutex<Peer>,
    pub servers: String,
    pub peer_url: String,
    pub notary_url: String,
    /// For the harness's own looks.
    pub pool: PgPool,
    /// For what the systems note; goes with the round.
    pub folder: PathBuf,
    database_url: String,
    /// What all processes get besides, such as `SABOTAGE`.
    more: Vec<Setting>,
}

impl Ground {
    /// # Panics
    /// Kafka or PostgreSQL does not start.
    pub async fn start(folder: PathBuf, more: Vec<Setting>) -> Self {
        let (broker, postgres) = tokio::join!(Broker::start(), PrivatePostgres::start());
        let (peer, notary) = tokio::join!(Peer::start(), Peer::start());
        let database_url = postgres.with_password(PASSWORD).await;
        let pool = PgPoolOptions::new()
            .max_connections(6)
            .acquire_timeout(Duration::from_secs(2))
            .connect_lazy(&postgres.url())
            .expect("a URL of a database");
        Self {
            servers: broker.bootstrap(),
            peer_url: peer.url(),
            peer: Mutex::new(peer),
            notary_url: notary.url(),
            notary: Mutex::new(notary),
            broker: Mutex::new(broker),
            postgres: Mutex::new(postgres),
            pool,
            folder,
            database_url,
            more,
        }
    }

    /// The environment of a system's processes; its topics and groups begin with its name.
    pub fn environment(&self, system: &str) -> Vec<Setting> {
        let mut all = vec![
            ("DATABASE_URL", self.database_url.clone()),
            ("DATABASE_MAX_CONNECTIONS", "12".to_owned()),
            ("KAFKA_BOOTSTRAP_SERVERS", self.servers.clone()),
            ("KAFKA_TOPIC_NAMESPACE", namespace(system)),
            ("LOG_FORMAT", "text".to_owned()),
        ];
        all.extend(self.more.iter().cloned());
        all
    }

    /// While this file exists, whoever loads the systems begins no write.
    pub fn hush_file(&self) -> PathBuf {
        self.folder.join("hush")
    }

    pub(crate) fn hush(&self, hush: bool) {
        let file = self.hush_file();
        let done = if hush { fs::write(&file, "") } else { fs::remove_file(&file) };
        done.unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
    }

    pub(crate) fn is_hushed(&self) -> bool {
        self.hush_file().exists()
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
