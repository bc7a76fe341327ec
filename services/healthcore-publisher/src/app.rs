//! How the service is put together.

use events::{consume::Consumer, publish::Outbox};
use forms::Practice;
use service_kit::{
    app::{App, Parts},
    config::ConfigError,
    http::{self, Health},
    lifecycle::Lifecycle,
    postgres::{self, Migrations},
    road,
};
use sqlx::{PgPool, migrate::Migrator};

use crate::{
    GROUP, NAME, SCHEMA, api,
    config::{Command, Config, Role},
    handlers::{BookAppointment, RegisterPatient},
    numbers, store, tail, zone,
};

static OWN: Migrator = sqlx::migrate!();
const MIGRATIONS: [Migrations; 2] = [road::MIGRATIONS, Migrations { migrator: &OWN, table: "_migrations" }];

#[derive(Debug)]
pub struct HealthcorePublisher {
    config: Config,
    practice: Practice,
    pool: PgPool,
}

impl App for HealthcorePublisher {
    const NAME: &'static str = NAME;
    const ABOUT: &'static str = "The record of patients and appointments; publishes every change of it";
    const DEFAULT_BIND: &'static str = "127.0.0.1:8003";
    type Config = Config;
    type Command = Command;

    fn parts(config: &Config) -> Parts<'_> {
        Parts { http: &config.http, telemetry: &config.telemetry }
    }

    fn check(config: &Config) -> Result<(), ConfigError> {
        config.road.kafka.validate().map_err(ConfigError::one)
    }

    fn needs_database(command: &Command) -> bool {
        !matches!(command, Command::Tail(_))
    }

    async fn build(config: Config) -> anyhow::Result<Self> {
        let practice = config.practice()?;
        let pool = postgres::prepare(&config.database, SCHEMA, &MIGRATIONS, NAME).await?;
        if !store::knows_time_zone(&pool, &config.practice_time_zone).await? {
            anyhow::bail!(
                "PRACTICE_TIME_ZONE: {:?} is no time zone that PostgreSQL knows; allowed: a name such as Europe/Berlin",
                config.practice_time_zone
            );
        }
        zone::make_default(&pool, &config.practice_time_zone).await;
        Ok(Self { config, practice, pool })
    }

    async fn run(self, lifecycle: Lifecycle) -> anyhow::Result<()> {
        let Self { config, practice, pool } = self;
        let health = Health::new();
        postgres::register_check(&health, &pool);
        if config.roles.has(Role::Relay) {
            road::run_relay(&config.road, NAME, &pool, &health, &lifecycle);
        }
        // Every process has its probes, and each role its own routes.
        let mut routes = axum::Router::new();
        if config.roles.has(Role::Worker) {
            numbers::keep_up(&pool, practice.region, &lifecycle);
            let consumer = consumer(&config, practice, &pool)?;
            routes = routes.merge(road::run_consumer(&config.road, consumer, &pool, &health, &lifecycle)?);
        }
        if config.roles.has(Role::Api) {
            routes = routes.merge(api::routes(pool));
        }
        http::serve(&config.http, routes, &health, &lifecycle).await?;
        lifecycle.join().await
    }

    async fn migrate(config: &Config) -> anyhow::Result<()> {
        let pool = postgres::connect(&config.database, SCHEMA).await?;
        for set in MIGRATIONS {
            postgres::migrate(&pool, SCHEMA, set.migrator, set.table).await?;
        }
        // The role that migrates may be the only one with the right to it.
        if store::knows_time_zone(&pool, &config.practice_time_zone).await? {
            zone::make_default(&pool, &config.practice_time_zone).await;
        }
        Ok(())
    }

    async fn command(config: Config, command: Command) -> anyhow::Result<()> {
        match command {
            Command::Tail(args) => tail::run(&config.road.kafka, &args).await,
            Command::Relay(command) => {
                let pool = postgres::connect(&config.database, SCHEMA).await?;
                tail::line(&command.run(&pool).await?).map(drop)
            }
        }
    }
}

/// What this service hears, and what it does then.
fn consumer(config: &Config, practice: Practice, pool: &PgPool) -> anyhow::Result<Consumer> {
    let outbox = Outbox::new(pool.clone(), NAME);
    let group = config.road.kafka.consumer.kafka_group_id.as_deref().unwrap_or(GROUP);
    let consumer = Consumer::builder(config.road.kafka.clone(), group, NAME, outbox)
        .handle(RegisterPatient { practice })
        .handle(BookAppointment { time_zone: config.practice_time_zone.clone(), practice })
        .build()?;
    Ok(consumer)
}
