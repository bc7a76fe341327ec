//! Traces: the spans of the road, and the trace context in the headers of records (W3C `traceparent`, `tracestate`).
//!
//! Spans have the target [`TARGET`], which nobody takes unless traces are exported: then no span is made and no header is
//! read or written. Attributes are OpenTelemetry's for messaging; what is in a key or a value never is one.

use opentelemetry::{
    Context, global,
    propagation::{Extractor, Injector},
    trace::TraceContextExt,
};
use tracing::{Level, Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// What the exporting layer of a subscriber has to take.
pub const TARGET: &str = "otel::tracing";

/// Whether somebody takes the spans.
pub(crate) fn is_on() -> bool {
    tracing::enabled!(target: TARGET, Level::TRACE)
}

/// A record of `topic` (as the catalogue names it) is sent; into an outbox, the writing of its row.
pub(crate) fn send(topic: &str) -> Span {
    tracing::trace_span!(
        target: TARGET,
        "send",
        otel.name = %format_args!("send {topic}"),
        otel.kind = "producer",
        messaging.system = "kafka",
        messaging.operation.name = "send",
        messaging.operation.type = "send",
        messaging.destination.name = topic,
    )
}

/// A record is handled: one attempt of one handler.
pub(crate) fn process(topic: &str, group: &str, handler: &str, partition: i32, offset: i64) -> Span {
    tracing::trace_span!(
        target: TARGET,
        "process",
        otel.name = %format_args!("process {topic}"),
        otel.kind = "consumer",
        otel.status_code = Empty,
        error.type = Empty,
        messaging.system = "kafka",
        messaging.operation.name = "process",
        messaging.operation.type = "process",
        messaging.destination.name = topic,
        messaging.destination.partition.id = %partition,
        messaging.kafka.message.offset = offset,
        messaging.consumer.group.name = group,
        handler,
    )
}

/// Many records are handled together.
pub(crate) fn process_batch(topic: &str, group: &str, handler: &str, count: usize) -> Span {
    tracing::trace_span!(
        target: TARGET,
        "process",
        otel.name = %format_args!("process {topic}"),
        otel.kind = "consumer",
        otel.status_code = Empty,
        error.type = Empty,
        messaging.system = "kafka",
        messaging.operation.name = "process",
        messaging.operation.type = "process",
        messaging.destination.name = topic,
        messaging.consumer.group.name = group,
        messaging.batch.message_count = count,
        handler,
    )
}

/// Marks a span as failed.
pub fn failed(span: &Span, category: &str) {
    span.record("otel.status_code", "error").record("error.type", category);
}

/// The headers by which a record belongs to `span`; none while traces are off.
pub(crate) fn headers_of(span: &Span) -> Vec<(&'static str, String)> {
    let mut headers = Written(Vec::new());
    if !span.is_disabled() {
        global::get_text_map_propagator(|propagator| propagator.inject_context(&span.context(), &mut headers));
    }
    headers.0
}

/// Makes `span` a child of what `carrier` belongs to, if anything.
pub fn set_parent(span: &Span, carrier: &dyn Extractor) {
    if let Some(context) = read(span, carrier) {
        // Refused only for a span that has begun, which this one has not.
        let _ = span.set_parent(context);
    }
}

/// Links `span` with what `carrier` belongs to, if anything.
pub(crate) fn link(span: &Span, carrier: &dyn Extractor) {
    if let Some(context) = read(span, carrier) {
        span.add_link(context.span().span_context().clone());
    }
}

fn read(span: &Span, carrier: &dyn Extractor) -> Option<Context> {
    if span.is_disabled() {
        return None;
    }
    let context =
        global::get_text_map_propagator(|propagator| propagator.extract_with_context(&Context::new(), carrier));
    context.span().span_context().is_valid().then_some(context)
}

struct Written(Vec<(&'static str, String)>);

impl Injector for Written {
    fn set(&mut self, key: &str, value: String) {
        use crate::contract::headers::{TRACEPARENT, TRACESTATE};
        let name = [TRACEPARENT, TRACESTATE].into_iter().find(|name| *name == key);
        // Most have no state, and an empty header says nothing.
        self.0.extend(name.filter(|_| !value.is_empty()).map(|name| (name, value)));
    }
}
