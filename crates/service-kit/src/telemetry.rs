//! Logs, metrics and traces: the tracing subscriber and the Prometheus recorder, the only global state.
//!
//! Logs go to standard error, so that what a command prints can be piped. Starting twice is harmless (several services in one
//! test process): the first start decides how logs look and where traces go.

pub mod traces;

use std::{io::IsTerminal, sync::OnceLock, time::Duration};

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{LogFormat, TelemetryConfig};

/// Histogram buckets in seconds. 1 ms is about the quickest statement or send, 60 s the longest that a handler may take.
const BUCKETS: [f64; 15] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Buckets of what counts records: a batch is of one record while little happens and of some thousands at full speed.
const SIZES: [f64; 8] = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0];

/// How often the recorder drains what histograms have gathered, which is 24 bytes a value until then: in the exporter's own
/// 5 s a worker that catches up gathers 50 MB.
const UPKEEP: Duration = Duration::from_secs(1);

/// Too talkative to be told by `info` or `debug` alone; naming a target in RUST_LOG turns it on.
const QUIET: &str = "librdkafka=warn,rdkafka=warn,sqlx=warn,sqlx::query=off,sqlx::postgres::notice=warn,hyper=warn,\
                     hyper_util=warn,rustls=warn,h2=warn,reqwest=warn";

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts logs, metrics and, where they are asked for, traces, and publishes `build_info{service,version}` = 1.
///
/// # Errors
/// The filter or the collector's address is not valid, or another recorder than ours is installed.
pub fn start(config: &TelemetryConfig, service: &'static str, version: &'static str) -> anyhow::Result<()> {
    let mut filter =
        EnvFilter::try_new(format!("{QUIET},{}", config.rust_log)).context("RUST_LOG is not understood")?;
    let on_terminal = std::io::stderr().is_terminal();
    let format = config.log_format.unwrap_or(if on_terminal { LogFormat::Text } else { LogFormat::Json });
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let logs = match format {
        LogFormat::Text => lines.with_ansi(on_terminal).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
    };
    let traces = traces::layer(config, service, version)?;
    if traces.is_some() {
        filter = filter.add_directive(format!("{}=trace", traces::TARGET).parse()?);
    }
    // One filter for all, and none of the logs' own: a layer with its own filter loses the line that follows a question
    // such as sqlx's, whether a line would be wanted. Fails only where a subscriber is set already, that is in a test process.
    _ = tracing_subscriber::registry().with(filter).with(logs).with(traces).try_init();
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
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_batch_size".to_owned()), &SIZES))
        .and_then(PrometheusBuilder::install_recorder)
        .context("cannot install the metrics recorder")?;
    describe();
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

/// What the metrics mean; those of the road are described where they are counted.
fn describe() {
    metrics::describe_gauge!("build_info", "1; what is running");
    metrics::describe_counter!("http_requests_total", "Requests that were answered");
    metrics::describe_gauge!("http_connections", "Connections that are open");
    metrics::describe_counter!(
        "http_connections_closed_total",
        "Connections that did not end by themselves: header, idle, answer, made_room, stopped"
    );
    metrics::describe_counter!(
        "http_connections_refused_total",
        "Connections that found no place, as all had a request under way"
    );
    metrics::describe_histogram!("http_request_duration_seconds", metrics::Unit::Seconds, "Until the answer began");
    events::kafka::metrics::describe();
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
        let config =
            TelemetryConfig { rust_log: "warn".into(), log_format: None, otlp_endpoint: None, service_name: None };
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
