//! `demo play`: plays the recorded day against running services and says whether all came out as it must.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use demo::{Options, report};

/// Plays the recorded day of a dental practice's front desk.
#[derive(Debug, Parser)]
#[command(version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play the day, wait until everything has settled, and compare it with what must come of it; exit code 0 or 1
    Play(Box<Options>),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Play(options) = CommandLine::parse().command;
    match demo::play(&options, report::Progress::new()).await {
        Ok(outcome) => {
            report::print(&outcome);
            if outcome.is_as_expected() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            report::failed(&error);
            ExitCode::FAILURE
        }
    }
}
