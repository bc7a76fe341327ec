//! The service's settings.

use clap::{Args, Subcommand, ValueEnum};
use events::publish::RelayCommand;
use forms::{DateOrder, Practice, Region};
use service_kit::{
    config::{DatabaseConfig, HttpConfig, Roles, TelemetryConfig},
    road::RoadConfig,
};

#[derive(Debug, Clone, Args)]
pub struct Config {
    /// What this process does: all, or a comma list of api, worker, relay
    #[arg(long, env = "ROLES", default_value = "all")]
    pub roles: Roles<Role>,
    /// The country whose national phone numbers are understood, as in US or DE
    #[arg(long, env = "PHONE_REGION", default_value = "US")]
    pub phone_region: Region,
    /// How 03/04/1985 is read: month-first or day-first
    #[arg(long, env = "DATE_ORDER", default_value = "month-first")]
    pub date_order: DateOrder,
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

impl Config {
    /// By whose rules what is heard is read.
    ///
    /// # Errors
    /// When the zone is none that the time zone database has.
    pub fn practice(&self) -> anyhow::Result<Practice> {
        let zone = self.practice_time_zone.parse().map_err(|_| {
            let zone = &self.practice_time_zone;
            anyhow::anyhow!("PRACTICE_TIME_ZONE: {zone:?} is no known time zone; allowed: a name such as Europe/Berlin")
        })?;
        Ok(Practice { region: self.phone_region, date_order: self.date_order, zone })
    }
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
