//! A producer: publishes one event and waits until Kafka has it on all in-sync replicas.
//!
//! For tools. A service publishes with the transaction that makes the event true: see `Tx::publish`.
//!
//! `cargo run -p events --example create_patient -- --kafka-bootstrap-servers localhost:9092 --id 1 --name 'John Doe'`

use std::time::Duration;

use clap::Parser;
use events::{
    contract::{event::NewEvent, schema::healthcore::PatientCreatedV1, topics::PATIENT_CREATED},
    kafka::{admin, config::KafkaConfig, producer::Producer},
};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    kafka: KafkaConfig,
    #[arg(long)]
    id: i64,
    #[arg(long)]
    name: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Cli { kafka, id, name } = Cli::parse();
    admin::ensure(&kafka, "create-patient", &[&PATIENT_CREATED]).await?;
    let producer = Producer::new(&kafka, "create-patient", Duration::from_secs(30))?;
    let patient = PatientCreatedV1 { patient_id: id, name, email: None, phone: None, date_of_birth: None };
    producer.publish(NewEvent::fact(patient)).await?;
    Ok(())
}
