//! A consumer without a database: tells of every patient that is created.
//!
//! `cargo run -p events --example hear_patients -- --kafka-bootstrap-servers localhost:9092`

use clap::Parser;
use events::{
    consume::{Consumer, Listener, Received},
    contract::schema::healthcore::PatientCreatedV1,
    flow::error::HandlerError,
    kafka::config::KafkaConfig,
};
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    kafka: KafkaConfig,
}

struct Tell;

impl Listener for Tell {
    const NAME: &'static str = "tell";
    type Event = PatientCreatedV1;

    async fn hear(&self, event: &Received<PatientCreatedV1>) -> Result<(), HandlerError> {
        tracing::info!(patient_id = event.data.patient_id, "a patient was created");
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().init();
    let consumer = Consumer::without_database(Cli::parse().kafka, "example-listeners", "hear-patients");
    let stop = CancellationToken::new();
    let running = tokio::spawn(consumer.listen(Tell).build()?.run(stop.clone()));
    tokio::signal::ctrl_c().await?;
    stop.cancel();
    Ok(running.await??)
}
