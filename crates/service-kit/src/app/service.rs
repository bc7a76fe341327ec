//! What a service is to the frame.

use std::{fmt::Debug, future::Future};

use crate::{
    config::{ConfigError, HttpConfig, TelemetryConfig},
    lifecycle::Lifecycle,
};

/// The settings that the frame itself needs.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'c> {
    /// For `healthcheck`.
    pub http: &'c HttpConfig,
    /// For logs and metrics.
    pub telemetry: &'c TelemetryConfig,
}

/// A service.
pub trait App: Sized + Send {
    /// Its name, as in `voice-ingest`.
    const NAME: &'static str;
    /// What it does, in a line of `--help`.
    const ABOUT: &'static str;
    /// Where it listens unless HTTP_BIND says otherwise, as in `127.0.0.1:8001`.
    const DEFAULT_BIND: &'static str;
    /// Its version.
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    /// Its settings, flattened from parts.
    type Config: clap::Args + Debug + Clone + Send + Sync;
    /// Its own subcommands; [`NoCommands`](super::NoCommands) for none.
    type Command: clap::Subcommand + Debug + Send;

    /// The parts of the settings that the frame needs.
    fn parts(config: &Self::Config) -> Parts<'_>;

    /// Checks what no single setting can know: what excludes or needs each other.
    ///
    /// # Errors
    /// Sentences that name the variables.
    fn check(config: &Self::Config) -> Result<(), ConfigError> {
        let _ = config;
        Ok(())
    }

    /// Whether a subcommand of its own works with the database. Others run without DATABASE_URL.
    fn needs_database(command: &Self::Command) -> bool {
        let _ = command;
        true
    }

    /// Connects, and checks that all is there. Spawns nothing.
    fn build(config: Self::Config) -> impl Future<Output = anyhow::Result<Self>> + Send;

    /// Spawns the parts of the service, then runs until told to stop, usually by ending with [`Lifecycle::join`].
    fn run(self, lifecycle: Lifecycle) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Brings the database schema up to date.
    fn migrate(config: &Self::Config) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Does a subcommand of its own.
    fn command(config: Self::Config, command: Self::Command) -> impl Future<Output = anyhow::Result<()>> + Send;
}
