//! How the service is put together.

use std::io::Write;

use events::{consume::Consumer, publish::Outbox};
use service_kit::{
    app::{App, Parts},
    config::ConfigError,
    http::{
        self, Health,
        idempotency::{self, Idempotency},
    },
    lifecycle::Lifecycle,
    postgres::{self, Migrations},
    road,
};
use sqlx::{PgPool, migrate::Migrator};

use crate::{
    NAME, SCHEMA, api,
    config::{Command, Config, Role},
    handlers::{NoteBooking, NoteCancellation, NoteCompletion, NoteHeldBooking, NoteNewPatient, NoteReturningPatient},
    intake::{self, Intake},
    send, store,
};

static OWN: Migrator = sqlx::migrate!();
const MIGRATIONS: [Migrations; 3] =
    [road::MIGRATIONS, idempotency::MIGRATIONS, Migrations { migrator: &OWN, table: "_migrations" }];

#[derive(Debug)]
pub struct VoiceIngest {
    config: Config,
    pool: PgPool,
}

impl App for VoiceIngest {
    const NAME: &'static str = NAME;
    const ABOUT: &'static str = "Takes what a voice AI says and publishes what it told its caller";
    const DEFAULT_BIND: &'static str = "127.0.0.1:8001";
    type Config = Config;
    type Command = Command;

    fn parts(config: &Config) -> Parts<'_> {
        Parts { http: &config.http, telemetry: &config.telemetry }
    }

    fn check(config: &Config) -> Result<(), ConfigError> {
        config.road.kafka.validate().map_err(ConfigError::one)
    }

    fn needs_database(command: &Command) -> bool {
        !matches!(command, Command::Send(_))
    }

    async fn build(config: Config) -> anyhow::Result<Self> {
        let pool = postgres::prepare(&config.database, SCHEMA, &MIGRATIONS, NAME).await?;
        Ok(Self { config, pool })
    }

    async fn run(self, lifecycle: Lifecycle) -> anyhow::Result<()> {
        let Self { config, pool } = self;
        let health = Health::new();
        postgres::register_check(&health, &pool);
        if config.roles.has(Role::Relay) {
            road::run_relay(&config.road, NAME, &pool, &health, &lifecycle);
        }
        // Every process has its probes, and each role its own routes.
        let mut routes = axum::Router::new();
        // One for all, since each takes most of the pool.
        let outbox = Outbox::new(pool.clone(), NAME);
        if config.roles.has(Role::Worker) {
            let consumer = consumer(&config, outbox.clone())?;
            routes = routes.merge(road::run_consumer(&config.road, consumer, &pool, &health, &lifecycle)?);
        }
        if config.roles.has(Role::Api) {
            let keys = Idempotency::new(pool.clone());
            intake::tell_from_the_start();
            routes = routes.merge(keys.apply(api::routes(intake(&config, outbox))));
            keys.spawn_cleanup(&lifecycle);
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

    async fn command(config: Config, command: Command) -> anyhow::Result<()> {
        match command {
            Command::Send(args) => send::run(&config, &args).await,
            Command::Relay(command) => {
                let pool = postgres::connect(&config.database, SCHEMA).await?;
                let only_reads = command.only_reads();
                let done = command.run(&pool).await?;
                if !only_reads {
                    store::adopt_foreign_rows(&pool).await?;
                }
                Ok(writeln!(std::io::stdout(), "{done}")?)
            }
        }
    }
}

fn intake(config: &Config, outbox: Outbox) -> Intake {
    Intake { outbox, names: config.road.kafka.topic_names(), practice: config.practice() }
}

/// What this service hears, and what it does then. KAFKA_GROUP_ID names the group that handles the voice AI's responses,
/// which is another service's; this one's is its own name.
fn consumer(config: &Config, outbox: Outbox) -> anyhow::Result<Consumer> {
    let consumer = Consumer::builder(config.road.kafka.clone(), NAME, NAME, outbox)
        .handle(NoteNewPatient)
        .handle(NoteReturningPatient)
        .handle(NoteBooking)
        .handle(NoteHeldBooking)
        .handle(NoteCancellation)
        .handle(NoteCompletion)
        .build()?;
    Ok(consumer)
}
