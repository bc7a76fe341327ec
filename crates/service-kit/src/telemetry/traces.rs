//! Traces on their way to a collector: OTLP over HTTP, from a thread of its own, in batches. On when
//! `OTEL_EXPORTER_OTLP_ENDPOINT` is set; else nobody takes the spans, and none is made.

use std::{sync::OnceLock, time::Duration};

use anyhow::Context;
pub(super) use events::kafka::trace::TARGET;
use opentelemetry::{KeyValue, global, trace::TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

use crate::config::TelemetryConfig;

/// What a collector may take for a batch, and for the last one at shutdown. Spans that it does not take by then are dropped:
/// a service does not wait for those who watch it.
const LIMIT: Duration = Duration::from_secs(3);

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// The layer that takes the spans, unless traces are off.
pub(super) fn layer<S>(
    config: &TelemetryConfig,
    service: &'static str,
    version: &'static str,
) -> anyhow::Result<Option<Box<dyn Layer<S> + Send + Sync>>>
where
    S: Subscriber + for<'s> LookupSpan<'s> + Send + Sync,
{
    let Some(endpoint) = &config.otlp_endpoint else { return Ok(None) };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_timeout(LIMIT)
        .build()
        .context("OTEL_EXPORTER_OTLP_ENDPOINT: cannot export traces to it")?;
    let resource = Resource::builder()
        .with_service_name(config.service_name.clone().unwrap_or_else(|| service.to_owned()))
        .with_attribute(KeyValue::new("service.version", version))
        .build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    let tracer = provider.tracer(service);
    // A second start in one test process: the first one's goes on.
    if PROVIDER.set(provider).is_err() {
        return Ok(None);
    }
    global::set_text_map_propagator(TraceContextPropagator::new());
    let layer = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        // Where the code stands, which thread ran it and how long it was idle is told by nobody's question.
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(Targets::new().with_target(TARGET, LevelFilter::TRACE));
    Ok(Some(layer.boxed()))
}

/// Sends what has gathered and ends the export; after at most 3 s the rest is dropped. Blocks.
pub fn finish() {
    if let Some(provider) = PROVIDER.get()
        && let Err(error) = provider.shutdown_with_timeout(LIMIT)
    {
        tracing::warn!(%error, "the last traces were not taken by the collector");
    }
}
