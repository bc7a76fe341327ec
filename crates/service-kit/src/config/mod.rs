//! Settings: typed, validated once at the start, refused by the name of the variable.
//!
//! A part is a clap struct that a service flattens into its own. A value comes from, in this order: the command line, the
//! process environment, `.env` in the working folder, an alias, the default. A secret (`hide_env_values = true`) may also be
//! given as `<NAME>_FILE`. All wrong settings are reported at once; the process environment is never changed.
//!
//! Ids of arguments must be unique over all parts of a service: `#[arg(id = "http_bind", long = "http-bind", env = "HTTP_BIND")]`.
//! `requires` and `conflicts_with` are not supported between settings: check what belongs together after loading.

mod aliases;
mod database_url;
mod dotenv;
mod environment;
mod known;
mod load;
mod parts;
mod report;
mod roles;
#[cfg(test)]
mod tests;
mod values;

pub use aliases::ALIASES;
pub use database_url::parse_database_url;
pub use environment::{Environment, Source};
pub use known::KAFKA_VARIABLES;
pub use load::{Loaded, Need, load, load_for, parse};
pub use parts::{ConnectionConfig, DatabaseConfig, HttpConfig, LogFormat, TelemetryConfig};
pub use report::{Setting, print};
pub use roles::{Roles, UnknownRole};
pub use values::{parse_bind, parse_bool, parse_bytes, parse_duration, parse_duration_not_zero, parse_log_filter};

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Settings that are wrong or missing, one sentence each.
    #[error("{}", .0.join("\n"))]
    Wrong(Vec<String>),
    /// The command line is not understood, or it asks for help or the version.
    #[error(transparent)]
    Usage(#[from] clap::Error),
}

impl ConfigError {
    /// One thing that is wrong; also for checks of a service's own, such as two settings that exclude each other.
    pub fn one(problem: impl Into<String>) -> Self {
        Self::Wrong(vec![problem.into()])
    }
}
