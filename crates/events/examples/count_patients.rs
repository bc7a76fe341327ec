//! A handler with a database: keeps the number of patients of each day, exactly, and publishes it. Its writes, its claim of
//! the event and what it publishes commit together.
//!
//! `DATABASE_URL=postgres://… cargo run -p events --example count_patients -- --kafka-bootstrap-servers localhost:9092`

use clap::Parser;
use events::{
    consume::{Consumer, Handler, Received},
    contract::{
        event::NewEvent,
        schema::{analytics::AnalyticsUpdateV1, healthcore::PatientCreatedV1},
        topics::BUSINESS_ANALYTICS,
    },
    flow::error::HandlerError,
    kafka::{admin, config::KafkaConfig},
    publish::{MIGRATOR, Outbox, Relay, Tx},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    kafka: KafkaConfig,
    #[arg(long, env = "DATABASE_URL")]
    database_url: PgConnectOptions,
}

struct CountPatients;

impl Handler for CountPatients {
    /// Part of the claim: another name would count everything again.
    const NAME: &'static str = "count-patients";
    type Event = PatientCreatedV1;
    /// Nothing is asked of the outside; see `Handler::prepare` for handlers that do.
    type Plan = ();

    async fn apply(&self, event: &Received<PatientCreatedV1>, _: (), tx: &mut Tx) -> Result<(), HandlerError> {
        let day = event.occurred_at.date_naive();
        let count: i64 = sqlx::query_scalar(
            "INSERT INTO patients_of_day (day, patients) VALUES ($1, 1)
             ON CONFLICT (day) DO UPDATE SET patients = patients_of_day.patients + 1 RETURNING patients",
        )
        .bind(day)
        .fetch_one(tx.connection())
        .await?;
        tx.publish(NewEvent::derived(update(count), event.id, "new patients")).await?;
        Ok(())
    }
}

fn update(count: i64) -> AnalyticsUpdateV1 {
    AnalyticsUpdateV1 {
        metric_name: "new_patients".to_owned(),
        metric_value: count as f64,
        metric_type: "gauge".to_owned(),
        business_id: "practice".to_owned(),
        dimensions: Default::default(),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    const NAME: &str = "count-patients";
    tracing_subscriber::fmt().init();
    let Cli { kafka, database_url } = Cli::parse();
    // A schema of its own, as each service has; the outbox and the inbox are tables in it.
    let pool = PgPoolOptions::new().connect_with(database_url.options([("search_path", "count_patients")])).await?;
    sqlx::raw_sql("CREATE SCHEMA IF NOT EXISTS count_patients").execute(&pool).await?;
    MIGRATOR.run(&pool).await?;
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS patients_of_day (day date PRIMARY KEY, patients bigint NOT NULL)")
        .execute(&pool)
        .await?;

    admin::ensure(&kafka, NAME, &[&BUSINESS_ANALYTICS]).await?;
    let consumer = Consumer::builder(kafka.clone(), NAME, NAME, Outbox::new(pool.clone(), NAME)).handle(CountPatients);
    let stop = CancellationToken::new();
    let relay = tokio::spawn(Relay::new(pool, kafka, NAME).run(stop.clone()));
    let consumer = tokio::spawn(consumer.build()?.run(stop.clone()));
    tokio::signal::ctrl_c().await?;
    stop.cancel();
    relay.await?;
    Ok(consumer.await??)
}
