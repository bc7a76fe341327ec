//! The service's settings.

use clap::{Args, Subcommand, ValueEnum};
use events::publish::RelayCommand;
use service_kit::{
    config::{DatabaseConfig, HttpConfig, Roles, TelemetryConfig},
    road::RoadConfig,
};

use crate::domain::{DateOrder, Kind, Region};

#[derive(Debug, Clone, Args)]
pub struct Config {
    /// What this process does: all, or a comma list of api, worker, relay
    #[arg(long, env = "ROLES", default_value = "all")]
    pub roles: Roles<Role>,
    /// The country whose national phone numbers are understood, as in US or DE
    #[arg(long, env = "PHONE_REGION", default_value = "US")]
    pub phone_region: Region,
    /// How 03/04/1985 is read
    #[arg(long, env = "DATE_ORDER", default_value = "month-first", ignore_case = true)]
    pub date_order: DateOrderName,
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
    /// Takes what the AI says.
    Api,
    /// Hears what became of it.
    Worker,
    /// Publishes; one relay at a time is active.
    Relay,
}

/// [`DateOrder`] as a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DateOrderName {
    MonthFirst,
    DayFirst,
}

impl From<DateOrderName> for DateOrder {
    fn from(name: DateOrderName) -> Self {
        match name {
            DateOrderName::MonthFirst => Self::MonthFirst,
            DateOrderName::DayFirst => Self::DayFirst,
        }
    }
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
