//! The frame of every binary: settings, telemetry, runtime, signals, subcommands, exit codes.
//!
//! `fn main() -> ExitCode { service_kit::app::main::<VoiceIngest>() }` is a whole `main.rs`. Exit codes: 0 for a clean end,
//! 1 for a failure, 2 for wrong settings or a wrong command line, 130 when told twice to stop.

mod command_line;
mod healthcheck;
mod service;
#[cfg(test)]
mod tests;

use std::{io::Write, path::Path, process::ExitCode, time::Duration};

use anyhow::Context;

use self::command_line::{Asked, Request, read};
pub use self::{
    command_line::NoCommands,
    service::{App, Parts},
};
use crate::{
    chain::chain,
    config::{self, ConfigError, Environment, Loaded},
    http::auth::Guard,
    lifecycle::Lifecycle,
    telemetry,
};

/// The whole of a binary.
pub fn main<A: App>() -> ExitCode {
    // Before anything that speaks TLS. It fails only when a provider is installed already, which then is this one.
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let loaded = read::<A>(std::env::args_os(), &Environment::of_process(Path::new(".")))
        .and_then(|loaded| checked::<A>(&loaded.value).map(|()| loaded));
    let Loaded { value: (config, asked), settings, warnings } = match loaded {
        Ok(loaded) => loaded,
        Err(error) => return refused(A::NAME, &error),
    };
    if let Asked::ConfigCheck = asked {
        return config_check(&settings, &warnings);
    }
    let ran = telemetry::start(A::parts(&config).telemetry, A::NAME, A::VERSION).and_then(|()| {
        telemetry::log_panics();
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        on_runtime::<A>(config, asked)
    });
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = chain(&error), "{} failed", A::NAME);
            ExitCode::FAILURE
        }
    }
}

/// What is wrong beyond single settings; a command that only visits the database is not held up by the HTTP part.
fn checked<A: App>((config, asked): &Request<A>) -> Result<(), ConfigError> {
    if matches!(asked, Asked::Run | Asked::ConfigCheck) {
        Guard::from_config(A::parts(config).http).map_err(|error| ConfigError::one(format!("{error:#}.")))?;
    }
    A::check(config)
}

fn on_runtime<A: App>(config: A::Config, asked: Asked<A::Command>) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let result = runtime.block_on(async {
        match asked {
            Asked::Run | Asked::ConfigCheck => run::<A>(config).await,
            Asked::Migrate => A::migrate(&config).await,
            Asked::Healthcheck => healthcheck::ask(A::parts(&config).http.bind, &mut std::io::stdout()).await,
            Asked::Own(command) => A::command(config, command).await,
        }
    });
    // Parts had their budgets; what is left is blocking work, which would hold the process for as long as it likes.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn run<A: App>(config: A::Config) -> anyhow::Result<()> {
    let lifecycle = Lifecycle::new();
    lifecycle.listen_for_signals()?;
    tracing::info!(version = A::VERSION, "{} starts", A::NAME);
    let stopped = lifecycle.token();
    let app = tokio::select! {
        app = A::build(config) => app?,
        () = stopped.cancelled() => return Ok(()),
    };
    let ran = app.run(lifecycle.clone()).await;
    lifecycle.shutdown();
    let joined = lifecycle.join().await;
    // After the parts, whose last spans go with it.
    _ = tokio::task::spawn_blocking(telemetry::traces::finish).await;
    match (ran, joined) {
        (Ok(()), Ok(())) => {
            tracing::info!("{} has stopped", A::NAME);
            Ok(())
        }
        (Err(error), Ok(())) | (Ok(()), Err(error)) => Err(error),
        (Err(error), Err(further)) => {
            tracing::error!(error = chain(&further), "a part failed too");
            Err(error)
        }
    }
}

fn refused(name: &str, error: &ConfigError) -> ExitCode {
    match error {
        ConfigError::Usage(usage) => {
            _ = usage.print();
            u8::try_from(usage.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
        }
        ConfigError::Wrong(problems) => {
            let mut stderr = std::io::stderr().lock();
            _ = writeln!(stderr, "{name}: wrong settings; nothing was started:");
            for problem in problems {
                _ = writeln!(stderr, "  {problem}");
            }
            ExitCode::from(2)
        }
    }
}

fn config_check(settings: &[config::Setting], warnings: &[String]) -> ExitCode {
    let printed = config::print(settings, &mut std::io::stdout().lock());
    let mut stderr = std::io::stderr().lock();
    for warning in warnings {
        _ = writeln!(stderr, "warning: {warning}");
    }
    match printed {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        // Who reads no further, as `head`, has seen enough.
        _ => ExitCode::SUCCESS,
    }
}
