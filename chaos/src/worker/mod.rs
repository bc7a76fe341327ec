//! A service like the others, made of `events` and `service-kit` alone: a writer that publishes through the outbox, and a
//! worker that asks a peer or two, writes one row and publishes what follows. It runs as processes that the harness ends as it likes.

mod ask_peer;
mod schema;
pub mod write_log;
mod writer;

use std::time::Duration;

use clap::{Args, ValueEnum};
use events::{
    consume::Consumer,
    flow::retry::{Backoff, RetryPolicy},
    publish::Outbox,
};
use reqwest::Url;
use service_kit::{
    app::{App, NoCommands, Parts},
    config::{ConfigError, DatabaseConfig, HttpConfig, Roles, TelemetryConfig},
    http::{self, Health},
    lifecycle::Lifecycle,
    postgres::{self, Migrations},
    road::{self, RoadConfig},
};
use sqlx::{PgPool, migrate::Migrator};

use self::{
    ask_peer::AskPeer,
    writer::{Pace, Writer},
};
pub use self::{
    ask_peer::POISON,
    schema::{AnsweredV1, AskedV1},
};

/// The service's name, its group and its schema.
pub const NAME: &str = "chaos-worker";
pub const SCHEMA: &str = "road";

static OWN: Migrator = sqlx::migrate!();
const MIGRATIONS: [Migrations; 2] = [road::MIGRATIONS, Migrations { migrator: &OWN, table: "_migrations" }];

/// A round is short: a failure that counts though it must not is to become a dead letter while it lasts.
const RETRY: RetryPolicy = RetryPolicy {
    backoff: Backoff::Exponential,
    base: Duration::from_millis(50),
    max_delay: Duration::from_secs(1),
    max_attempts: 8,
    total: Duration::from_secs(300),
};

#[derive(Debug, Clone, Args)]
pub struct Config {
    /// What this process does: all, or a comma list of writer, worker, relay
    #[arg(long, env = "ROLES", default_value = "all")]
    pub roles: Roles<Role>,
    /// Where the peer is that the worker asks
    #[arg(long, env = "PEER_URL")]
    pub peer_url: Url,
    /// Where the second system is, which the worker asks for some events only
    #[arg(long, env = "NOTARY_URL")]
    pub notary_url: Url,
    /// How long it asks, in milliseconds: longer than the peer takes when it is well, shorter than it hangs
    #[arg(long, env = "PEER_LIMIT_MS", default_value_t = 2_000)]
    pub peer_limit_ms: u64,
    /// Where the writer notes what it is about to write and what came of it
    #[arg(long, env = "WRITE_LOG")]
    pub write_log: std::path::PathBuf,
    /// The writer begins no write while this file exists
    #[arg(long, env = "HUSH")]
    pub hush: std::path::PathBuf,
    /// How much the writer adds to each event, in bytes
    #[arg(long, env = "PADDING_BYTES", default_value_t = 0)]
    pub padding_bytes: usize,
    /// Which worker this is, in its rows
    #[arg(long, env = "WORKER")]
    pub worker: String,
    /// The round, in every event
    #[arg(long, env = "RUN")]
    pub run: u64,
    #[command(flatten)]
    pub http: HttpConfig,
    #[command(flatten)]
    pub database: DatabaseConfig,
    #[command(flatten)]
    pub road: RoadConfig,
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Writes facts.
    Writer,
    /// Handles them.
    Worker,
    /// Publishes; one relay at a time is active.
    Relay,
}

/// The service.
#[derive(Debug)]
pub struct ChaosWorker {
    config: Config,
    pool: PgPool,
}

impl App for ChaosWorker {
    const NAME: &'static str = NAME;
    const ABOUT: &'static str = "Writes numbered facts, and does work for each; for the chaos harness";
    const DEFAULT_BIND: &'static str = "127.0.0.1:0";
    type Config = Config;
    type Command = NoCommands;

    fn parts(config: &Config) -> Parts<'_> {
        Parts { http: &config.http, telemetry: &config.telemetry }
    }

    fn check(config: &Config) -> Result<(), ConfigError> {
        config.road.kafka.validate().map_err(ConfigError::one)
    }

    async fn build(config: Config) -> anyhow::Result<Self> {
        let pool = postgres::prepare(&config.database, SCHEMA, &MIGRATIONS, NAME).await?;
        Ok(Self { config, pool })
    }

    async fn run(self, lifecycle: Lifecycle) -> anyhow::Result<()> {
        let Self { config, pool } = self;
        let health = Health::new();
        postgres::register_check(&health, &pool);
        let outbox = Outbox::new(pool.clone(), NAME);
        let mut routes = axum::Router::new();
        if config.roles.has(Role::Relay) {
            road::run_relay(&config.road, NAME, &pool, &health, &lifecycle);
        }
        if config.roles.has(Role::Worker) {
            let handler = AskPeer::new(
                config.peer_url.clone(),
                config.notary_url.clone(),
                Duration::from_millis(config.peer_limit_ms),
                config.worker.clone(),
            )?;
            let consumer = Consumer::builder(config.road.kafka.clone(), NAME, NAME, outbox.clone())
                .handle(handler)
                .retry(RETRY)
                .build()?;
            routes = road::run_consumer(&config.road, consumer, &pool, &health, &lifecycle)?;
        }
        if config.roles.has(Role::Writer) {
            let pace = Pace { hush: config.hush.clone(), padding: config.padding_bytes };
            Writer::open(&config.write_log, config.run, pace, outbox)?.spawn(&lifecycle);
        }
        http::serve(&config.http, routes, &health, &lifecycle).await?;
        lifecycle.join().await
    }

    async fn migrate(config: &Config) -> anyhow::Result<()> {
        let pool = postgres::connect(&config.database, SCHEMA).await?;
        for set in MIGRATIONS {
            postgres::migrate(&pool, SCHEMA, set.migrator, set.table).await?;
        }
        Ok(())
    }

    async fn command(_: Config, command: NoCommands) -> anyhow::Result<()> {
        match command {}
    }
}
