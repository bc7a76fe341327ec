//! The delivery road in a service's frame: its settings, its tables, and its relay and consumer as parts that are started,
//! watched and stopped with the others. What a service publishes and hears is its own affair.

use std::time::Duration;

use axum::Router;
use clap::Args;
use events::{
    consume::{Consumer, RetentionConfig},
    kafka::config::KafkaConfig,
    publish::{MIGRATOR, Relay},
};
use futures::FutureExt;
use sqlx::PgPool;

use crate::{
    http::{self, Health},
    lifecycle::Lifecycle,
    postgres::Migrations,
};

/// Outbox and inbox; the first set of a service that publishes or consumes.
pub const MIGRATIONS: Migrations = Migrations { migrator: &MIGRATOR, table: "_events_migrations" };

/// Running handlers finish within 10 s and the group is left within 10 s more: see the consumer.
const CONSUMER_BUDGET: Duration = Duration::from_secs(25);
/// What is in flight is acknowledged within 5 s: see the relay.
const RELAY_BUDGET: Duration = Duration::from_secs(10);

/// The settings of a service on the road.
#[derive(Debug, Clone, Args)]
pub struct RoadConfig {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would take it for the service's help")]
    pub kafka: KafkaConfig,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would take it for the service's help")]
    pub retention: RetentionConfig,
}

/// Starts the relay of the outbox in the schema of `pool`, unless `KAFKA_ENABLED` is off: then what happens is recorded, and
/// published once it is on. Adds the check `relay`.
pub fn run_relay(config: &RoadConfig, service: &'static str, pool: &PgPool, health: &Health, lifecycle: &Lifecycle) {
    if !config.kafka.kafka_enabled {
        return;
    }
    let relay = Relay::new(pool.clone(), config.kafka.clone(), service).keep(config.retention.outbox());
    let status = relay.status();
    health.register("relay", move || std::future::ready(status.check()).boxed());
    lifecycle.spawn("relay", RELAY_BUDGET, |stop| async move {
        relay.run(stop).await;
        Ok(())
    });
}

/// Starts a consumer, unless `KAFKA_ENABLED` is off, and keeps its inbox small. Adds the check `consumer`. Returns the routes
/// by which a person sees what it is doing and takes its brake off; they act on this process alone.
///
/// # Errors
/// `INBOX_RETENTION_DAYS` is shorter than a topic's retention. Where only the broker knows that, the service fails once it tells.
pub fn run_consumer(
    config: &RoadConfig,
    consumer: Consumer,
    pool: &PgPool,
    health: &Health,
    lifecycle: &Lifecycle,
) -> anyhow::Result<Router> {
    if !config.kafka.kafka_enabled {
        return Ok(Router::new());
    }
    let keeper = consumer.inbox_keeper(&config.retention)?;
    let status = consumer.status();
    let routes = http::consumer_routes(status.clone());
    health.register("consumer", move || std::future::ready(status.check()).boxed());
    lifecycle.spawn("consumer", CONSUMER_BUDGET, |stop| async move { Ok(consumer.run(stop).await?) });
    let pool = pool.clone();
    lifecycle.spawn("inbox-cleanup", RELAY_BUDGET, move |stop| async move { Ok(keeper.run(pool, stop).await?) });
    Ok(routes)
}
