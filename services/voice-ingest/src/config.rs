//! The service's settings.

use clap::{Args, Subcommand, ValueEnum};
use events::publish::RelayCommand;
use forms::Tz;
use service_kit::{
    config::{DatabaseConfig, HttpConfig, Roles, TelemetryConfig},
    road::RoadConfig,
};

use crate::domain::{DateOrder, Kind, Practice, Region};

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
    /// Where the practice is, as in Europe/Berlin: nobody is born after its today
    #[arg(long, env = "PRACTICE_TIME_ZONE", default_value = "UTC", value_parser = zone)]
    pub practice_time_zone: Tz,
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
    /// By whose rules what is said is read.
    pub fn practice(&self) -> Practice {
        Practice { region: self.phone_region, date_order: self.date_order, zone: self.practice_time_zone }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Takes what the AI says.
    Api,
    /// Hears what became of it.
    Worker,
    /// Publishes; one relay at a time is active.
    Relay,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sends one response straight to Kafka, to test the road without the HTTP interface
    Send(SendArgs),
    Relay(RelayCommand),
}

#[derive(Debug, Args)]
pub struct SendArgs {
    /// The call that it belongs to
    #[arg(long)]
    pub call_id: String,
    /// PATIENT_CREATION or BOOKING_CONFIRMATION
    #[arg(long = "type", value_name = "TYPE", value_parser = kind)]
    pub kind: Kind,
    /// The data, a JSON object
    #[arg(long)]
    pub data: String,
}

fn kind(word: &str) -> Result<Kind, String> {
    Kind::from_word(word).ok_or_else(|| format!("allowed: {}", Kind::ALL.map(Kind::as_str).join(", ")))
}

fn zone(name: &str) -> Result<Tz, String> {
    name.parse().map_err(|_| "is no known time zone; allowed: a name such as Europe/Berlin".to_owned())
}
