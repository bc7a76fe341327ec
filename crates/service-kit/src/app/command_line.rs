//! The command line of a service: the frame's subcommands and its own, all settings as flags.

use std::ffi::OsString;

use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};

use super::service::App;
use crate::config::{self, ConfigError, Environment, Loaded, Need};

/// For a service without subcommands of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum NoCommands {}

/// What the command line asks for.
#[derive(Debug)]
pub(super) enum Asked<C> {
    Run,
    Migrate,
    ConfigCheck,
    Healthcheck,
    Own(C),
}

#[derive(Debug, Subcommand)]
enum Frame {
    /// Run the service (this is the default)
    Run,
    /// Bring the database schema up to date, then end
    Migrate,
    /// Look at the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Ask the running service whether it is ready; exit code 0 or 1
    Healthcheck,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print every setting that is in force and where it comes from
    Check,
}

pub(super) fn command<A: App>() -> Command {
    let command = Command::new(A::NAME).about(A::ABOUT).version(A::VERSION).disable_help_subcommand(true);
    let command = A::Config::augment_args(command).mut_args(|arg| match arg.get_id().as_str() {
        "http_bind" => arg.default_value(A::DEFAULT_BIND),
        _ => arg,
    });
    // A flattened part changes the description to its own.
    let command = A::Command::augment_subcommands(Frame::augment_subcommands(command));
    command.about(A::ABOUT).long_about(None::<&str>).subcommand_required(false).arg_required_else_help(false)
}

/// The settings, and what is to be done with them.
pub(super) type Request<A> = (<A as App>::Config, Asked<<A as App>::Command>);

/// Reads the command line and the environment.
pub(super) fn read<A: App>(
    argv: impl IntoIterator<Item = OsString>,
    environment: &Environment,
) -> Result<Loaded<Request<A>>, ConfigError> {
    let need = |matches: &ArgMatches, setting: &str| match setting {
        "database_url" => database_for::<A>(matches),
        _ => Need::Needed,
    };
    let Loaded { value: matches, settings, warnings } = config::load_for(command::<A>(), argv, environment, need)?;
    let config = A::Config::from_arg_matches(&matches)?;
    Ok(Loaded { value: (config, asked::<A>(&matches)?), settings, warnings })
}

/// Where the database is: not every command wants to know.
fn database_for<A: App>(matches: &ArgMatches) -> Need {
    match asked::<A>(matches) {
        Ok(Asked::Healthcheck) => Need::Unneeded,
        Ok(Asked::Own(command)) if !A::needs_database(&command) => Need::Unneeded,
        Ok(Asked::ConfigCheck) => Need::MayBeMissing,
        _ => Need::Needed,
    }
}

fn asked<A: App>(matches: &ArgMatches) -> Result<Asked<A::Command>, clap::Error> {
    Ok(match matches.subcommand_name() {
        None => Asked::Run,
        Some(name) if Frame::has_subcommand(name) => match Frame::from_arg_matches(matches)? {
            Frame::Run => Asked::Run,
            Frame::Migrate => Asked::Migrate,
            Frame::Config(ConfigCommand::Check) => Asked::ConfigCheck,
            Frame::Healthcheck => Asked::Healthcheck,
        },
        Some(_) => Asked::Own(A::Command::from_arg_matches(matches)?),
    })
}
