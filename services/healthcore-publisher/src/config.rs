//! The service's settings.

use clap::{Args, Subcommand, ValueEnum};
use events::publish::RelayCommand;
use service_kit::{
    config::{DatabaseConfig, HttpConfig, Roles, TelemetryConfig},
    road::RoadConfig,
};

#[derive(Debug, Clone, Args)]
pub struct Config {
    /// What this process does: all, or a comma list of api, worker, relay
    #[arg(long, env = "ROLES", default_value = "all")]
    pub roles: Roles<Role>,
    /// Where the practice is, as in Europe/Berlin: the times that callers are told are local
    #[arg(long, env = "PRACTICE_TIME_ZONE", default_value = "UTC")]
    pub practice_time_zone: String,
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
    /// Answers HTTP.
    Api,
    /// Handles the voice AI's responses.
    Worker,
    /// Publishes row changes; one relay at a time is active.
    Relay,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prints events as they come, as lines of JSON
    Tail(TailArgs),
    Relay(RelayCommand),
}

#[derive(Debug, Args)]
pub struct TailArgs {
    /// Event types such as patient.created; all of patients and appointments unless named
    pub event_types: Vec<String>,
    /// Begin with the oldest event that Kafka keeps
    #[arg(long)]
    pub from_beginning: bool,
    /// End after what is there now
    #[arg(long)]
    pub once: bool,
}
