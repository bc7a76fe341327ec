//! Logs and metrics: the tracing subscriber and the Prometheus recorder, the only global state.
//!
//! Logs go to standard error, so that what a command prints can be piped. Starting twice is harmless (several services in one
//! test process): the first start decides how logs look. Does not export traces.

use std::{io::IsTerminal, sync::OnceLock, time::Duration};

use anyhow::Context;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, TelemetryConfig};

/// Histogram buckets in seconds. 1 ms is about the quickest statement or send, 60 s the longest that a handler may take.
const BUCKETS: [f64; 15] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// How often the recorder drains what histograms have gathered; without it they grow until somebody scrapes. 5 s is the
/// exporter's own default.
const UPKEEP: Duration = Duration::from_secs(5);

/// Too talkative to be told by `info` or `debug` alone; naming a target in RUST_LOG turns it on.
const QUIET: &str = "librdkafka=warn,rdkafka=warn,sqlx=warn,sqlx::query=off,sqlx::postgres::notice=warn,hyper=warn,\
                     hyper_util=warn,rustls=warn,h2=warn,reqwest=warn";

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts logs and metrics and publishes `build_info{service,version}` = 1.
///
/// # Errors
/// The filter is not valid, or another recorder than ours is installed.
pub fn start(config: &TelemetryConfig, service: &'static str, version: &'static str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", config.rust_log)).context("RUST_LOG is not understood")?;
    let on_terminal = std::io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let format = config.log_format.unwrap_or(if on_terminal { LogFormat::Text } else { LogFormat::Json });
    // Fails only where a subscriber is set already, that is in a test process.
    _ = match format {
        LogFormat::Text => logs.with_ansi(on_terminal).try_init(),
        LogFormat::Json => logs.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
    };
    install_recorder()?;
    metrics::gauge!("build_info", "service" => service, "version" => version).set(1.0);
    Ok(())
}

/// Installs the recorder unless it is there already.
///
/// # Errors
/// Another recorder than ours is installed.
pub fn install_recorder() -> anyhow::Result<()> {
    // Serialises the first installation: a race would install twice, which fails.
    static INSTALLING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _installing = INSTALLING.lock();
    if RECORDER.get().is_some() {
        return Ok(());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets(&BUCKETS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("cannot install the metrics recorder")?;
    let upkeep = handle.clone();
    std::thread::Builder::new()
        .name("metrics-upkeep".into())
        .spawn(move || {
            loop {
                std::thread::sleep(UPKEEP);
                upkeep.run_upkeep();
            }
        })
        .context("cannot start the thread of the metrics recorder")?;
    _ = RECORDER.set(handle);
    Ok(())
}

/// All metrics in Prometheus' text format; empty before the recorder is installed.
pub fn render() -> String {
    RECORDER.get().map(PrometheusHandle::render).unwrap_or_default()
}

/// Logs panics of all threads and tasks with their place, in place of the standard message.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        let panic = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(panic, place, thread, "panicked");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starting_twice_is_harmless_and_both_services_are_shown() {
        let config = TelemetryConfig { rust_log: "warn".into(), log_format: None };
        start(&config, "first", "1.2.3").unwrap();
        start(&config, "second", "1.2.3").unwrap();
        metrics::histogram!("some_duration_seconds").record(0.02);
        let text = render();
        assert!(text.contains(r#"build_info{service="first",version="1.2.3"} 1"#), "{text}");
        assert!(text.contains(r#"build_info{service="second",version="1.2.3"} 1"#), "{text}");
        assert!(text.contains(r#"some_duration_seconds_bucket{le="0.025"} 1"#), "{text}");
    }

    #[test]
    fn the_quiet_list_is_a_valid_filter() {
        EnvFilter::try_new(format!("{QUIET},info")).unwrap();
    }
}
