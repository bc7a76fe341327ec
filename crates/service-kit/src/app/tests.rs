//! A service as small as can be, driven through its command line and its port.

use std::ffi::OsString;

use super::{command_line::command, *};
use crate::config::{HttpConfig, TelemetryConfig};

#[derive(Debug, Clone, clap::Args)]
struct Config {
    #[command(flatten)]
    http: HttpConfig,
    #[command(flatten)]
    telemetry: TelemetryConfig,
}

#[derive(Debug, clap::Subcommand)]
enum Own {
    /// Send a test message
    Send {
        #[arg(long)]
        call_id: String,
    },
}

struct Tiny(Config);

impl App for Tiny {
    const NAME: &'static str = "tiny";
    const ABOUT: &'static str = "Does little";
    const DEFAULT_BIND: &'static str = "127.0.0.1:8999";
    type Config = Config;
    type Command = Own;

    fn parts(config: &Config) -> Parts<'_> {
        Parts { http: &config.http, telemetry: &config.telemetry }
    }

    async fn build(config: Config) -> anyhow::Result<Self> {
        Ok(Self(config))
    }

    async fn run(self, lifecycle: Lifecycle) -> anyhow::Result<()> {
        let health = crate::http::Health::new();
        crate::http::serve(&self.0.http, axum::Router::new(), &health, &lifecycle).await?;
        lifecycle.join().await
    }

    async fn migrate(_: &Config) -> anyhow::Result<()> {
        Ok(())
    }

    async fn command(_: Config, _: Own) -> anyhow::Result<()> {
        Ok(())
    }
}

fn asked(argv: &[&str]) -> Result<Loaded<(Config, Asked<Own>)>, ConfigError> {
    let argv = std::iter::once("tiny").chain(argv.iter().copied()).map(OsString::from);
    read::<Tiny>(argv, &Environment::default())
}

#[test]
fn the_command_line_is_well_formed() {
    command::<Tiny>().debug_assert();
}

#[test]
fn subcommands_are_understood_and_run_is_the_default() {
    let of = |argv: &[&str]| asked(argv).unwrap().value.1;
    assert!(matches!(of(&[]), Asked::Run));
    assert!(matches!(of(&["run"]), Asked::Run));
    assert!(matches!(of(&["migrate"]), Asked::Migrate));
    assert!(matches!(of(&["config", "check"]), Asked::ConfigCheck));
    assert!(matches!(of(&["healthcheck"]), Asked::Healthcheck));
    assert!(matches!(of(&["send", "--call-id", "7"]), Asked::Own(Own::Send { call_id }) if call_id == "7"));
    assert!(asked(&["fly"]).is_err());
    assert_eq!(asked(&["send", "--http-bind", "127.0.0.1:1", "--call-id=7"]).unwrap().value.0.http.bind.port(), 1);
}

#[test]
fn the_service_brings_its_own_port_and_about() {
    let loaded = asked(&[]).unwrap();
    assert_eq!(loaded.value.0.http.bind.port(), 8999);
    let help = asked(&["--help"]).unwrap_err().to_string();
    assert!(help.starts_with("Does little"), "{help}");
    assert!(help.contains("[env: HTTP_BIND] [default: 127.0.0.1:8999]"), "{help}");
    assert!(help.contains("healthcheck") && help.contains("Send a test message"), "{help}");
}

#[test]
fn an_address_that_is_open_to_all_is_refused_before_anything_starts() {
    let open = |argv: &[&str]| checked::<Tiny>(&asked(argv).unwrap().value);
    let error = open(&["--http-bind=0.0.0.0:8999"]).unwrap_err().to_string();
    assert!(error.starts_with("HTTP_BIND: 0.0.0.0:8999") && error.contains("API_TOKENS_FILE"), "{error}");
    assert!(open(&["config", "check", "--http-bind=0.0.0.0:8999"]).is_err());
    assert!(open(&["migrate", "--http-bind=0.0.0.0:8999"]).is_ok());
    let error = open(&["--http-bind=0.0.0.0:8999", "--api-tokens-file=/no/such"]).unwrap_err().to_string();
    assert!(error.starts_with("API_TOKENS_FILE: cannot read /no/such: "), "{error}");
}

#[tokio::test]
async fn healthcheck_tells_ready_from_unready_and_from_away() {
    let (lifecycle, health) = (Lifecycle::new(), crate::http::Health::new());
    let config = asked(&["--http-bind=127.0.0.1:0"]).unwrap().value.0;
    let address = crate::http::serve(&config.http, axum::Router::new(), &health, &lifecycle).await.unwrap();
    let mut out = Vec::new();
    healthcheck::ask(address, &mut out).await.unwrap();
    health.register("database", || Box::pin(async { Err("the database does not answer".to_owned()) }));
    let error = healthcheck::ask(address, &mut out).await.unwrap_err();
    assert_eq!(error.to_string(), format!("the service at {address} is unready"));
    assert_eq!(String::from_utf8(out).unwrap(), "database: the database does not answer\n");
    lifecycle.shutdown();
    lifecycle.join().await.unwrap();
    assert!(
        healthcheck::ask(address, &mut Vec::new()).await.unwrap_err().to_string().starts_with("nothing answers at")
    );
    assert!(healthcheck::ask(([127, 0, 0, 1], 0).into(), &mut Vec::new()).await.is_err());
}

#[tokio::test]
async fn an_app_runs_until_it_is_told_to_stop() {
    let config = asked(&["--http-bind=127.0.0.1:0"]).unwrap().value.0;
    let (app, lifecycle) = (Tiny::build(config).await.unwrap(), Lifecycle::new());
    let running = tokio::spawn(app.run(lifecycle.clone()));
    tokio::task::yield_now().await;
    assert!(!running.is_finished());
    lifecycle.shutdown();
    running.await.unwrap().unwrap();
}
