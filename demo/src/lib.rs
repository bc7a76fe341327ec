//! The player of the recorded day: what callers said goes in through voice-ingest, and what came of it is gathered from the
//! services' pages and from Kafka, never from their tables.
//!
//! Only what belongs to the day's calls counts, so the day can be played again, and beside other data.

pub mod day;
pub mod journey;
pub mod kafka;
pub mod outcome;
pub mod play;
pub mod report;
pub mod services;

use std::{path::PathBuf, time::Duration};

use events::kafka::config::KafkaConfig;
use secrecy::SecretString;

use crate::{
    day::Day,
    kafka::Log,
    outcome::{Outcome, Seen},
    report::Progress,
    services::Services,
};

/// What is played, and against what.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The folder of the recording, or the one above it
    #[arg(long, value_name = "FOLDER", default_value = "demo")]
    pub day: PathBuf,
    /// Where voice-ingest is
    #[arg(long, env = "VOICE_INGEST_URL", value_name = "URL", default_value = "http://127.0.0.1:8001")]
    pub voice_ingest_url: reqwest::Url,
    /// Where healthcore-publisher is
    #[arg(long, env = "HEALTHCORE_PUBLISHER_URL", value_name = "URL", default_value = "http://127.0.0.1:8003")]
    pub healthcore_publisher_url: reqwest::Url,
    /// The token that the services ask for, where they do
    #[arg(long, env = "API_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<SecretString>,
    /// How long a call may take until all that was said in it has settled, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub patience: u64,
    #[command(flatten)]
    pub kafka: KafkaConfig,
}

/// Plays the day and gathers what came of it.
///
/// # Errors
/// When the recording cannot be read, a service or Kafka does not answer, or a call is refused. A day that came out otherwise
/// than expected is no error.
pub async fn play(options: &Options, mut progress: Progress) -> anyhow::Result<Outcome> {
    let patience = Duration::from_secs(options.patience);
    options.kafka.validate().map_err(anyhow::Error::msg)?;
    let day = Day::read(&options.day)?;
    let services = Services::new(options)?;
    services.check().await?;
    Log::check(&options.kafka).await?;
    let played = play::play(&day, &services, patience, &mut progress).await?;
    progress.note("reading what is in Kafka");
    let log = Log::read(&options.kafka, &day, patience).await?;
    let seen =
        Seen { appointments: services.appointments(None).await?, patients: services.patients(&played).await?, log };
    progress.end();
    Ok(outcome::compare(&day, &played, &seen, &services))
}
