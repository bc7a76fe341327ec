//! What every request passes through: an id, a line in the log, a figure in the metrics, a time limit, a net for panics.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use axum::{
    body::{Body, HttpBody},
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use events::{contract::no_id::is_no_id, kafka::trace};
use futures::{StreamExt, stream};
use opentelemetry::propagation::Extractor;
use tracing::{Instrument, Span, field::Empty};
use uuid::Uuid;

use super::{Health, Problem, problem::OutdatedSessions};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The request's id, in the answer's `x-request-id` header and on every line that is logged for it. Also a request extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);

/// Gives the request an id (the caller's, if it is a sensible one) and tells how it was answered. Neither log nor metrics hold
/// path or query, only the route: both may be personal data.
pub(super) async fn observe(mut request: Request, next: Next) -> Response {
    let id: Arc<str> = match request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok()) {
        Some(given) if is_sensible(given) => given.into(),
        _ => Uuid::now_v7().to_string().into(),
    };
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let method = method_label(request.method());
    request.extensions_mut().insert(RequestId(id.clone()));
    let span = tracing::info_span!("request", request_id = %id);
    let start = Instant::now();
    let server = server_span(method, &route, request.headers());
    let mut response = next.run(request).instrument(span).instrument(server.clone()).await;
    let (status, seconds) = (response.status().as_u16(), start.elapsed().as_secs_f64());
    server.record("http.response.status_code", status);
    if status >= 500 {
        trace::failed(&server, "server");
    }
    tracing::debug!(request_id = %id, method, route, status, seconds, "answered");
    let labels = [("method", method.to_owned()), ("route", route), ("status", status.to_string())];
    metrics::counter!("http_requests_total", &labels).increment(1);
    metrics::histogram!("http_request_duration_seconds", &labels[..2]).record(seconds);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Where the database's sessions are out of date, the next request is not to meet another of them.
pub(super) async fn end_outdated_sessions(health: Health, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    if response.extensions().get::<OutdatedSessions>().is_some() {
        health.end_sessions();
    }
    response
}

/// The span of a request, a child of the caller's. Probes and scrapes have none.
fn server_span(method: &'static str, route: &str, headers: &HeaderMap) -> Span {
    struct Carrier<'a>(&'a HeaderMap);
    impl Extractor for Carrier<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            self.0.get(key)?.to_str().ok()
        }

        fn keys(&self) -> Vec<&str> {
            self.0.keys().map(HeaderName::as_str).collect()
        }
    }
    if ["/healthz", "/readyz", "/metrics"].contains(&route) {
        return Span::none();
    }
    let span = tracing::trace_span!(
        target: trace::TARGET,
        "request",
        otel.name = %format_args!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        error.type = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
    );
    trace::set_parent(&span, &Carrier(headers));
    span
}

fn is_sensible(id: &str) -> bool {
    (8..=64).contains(&id.len())
        && !is_no_id(id)
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Callers may invent methods; a label must not take unbounded values.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// A body is read as it is: one that says that it is compressed is refused, whatever it really is.
pub(super) async fn refuse_encodings(request: Request, next: Next) -> Response {
    let is_plain = |value: &HeaderValue| {
        value.to_str().is_ok_and(|codings| {
            codings.split(',').map(str::trim).all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case("identity"))
        })
    };
    if request.headers().get_all(header::CONTENT_ENCODING).iter().all(is_plain) {
        return next.run(request).await;
    }
    let detail = "The body has a Content-Encoding, and none is taken here. Send it as it is, without that header.";
    let mut response = Problem::unsupported_media_type(detail).into_response();
    response.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    response
}

/// Ends a request after `limit`: 408 when the caller has not sent its body by then, else 503.
pub(super) async fn limit_time(limit: Duration, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = if body.is_end_stream() { body } else { read_out(body) };
    let received = Arc::new(AtomicBool::new(body.is_end_stream()));
    let body = if body.is_end_stream() { body } else { watched(body, received.clone()) };
    match tokio::time::timeout(limit, next.run(Request::from_parts(parts, body))).await {
        Ok(response) => response,
        Err(_) if received.load(Ordering::Relaxed) => {
            tracing::warn!(limit_seconds = limit.as_secs_f64(), "a request took too long and was given up");
            Problem::unavailable("The answer took too long and was given up. Try again.")
                .with_retry_after(Duration::from_secs(5))
                .into_response()
        }
        Err(_) => {
            let detail = "The request's body did not arrive in time. Send it faster or in parts.";
            Problem::new(axum::http::StatusCode::REQUEST_TIMEOUT, detail).into_response()
        }
    }
}

/// A client that writes before it reads sees no answer when its connection is closed over an unread body: what a handler
/// leaves is read and forgotten, within bounds.
fn read_out(body: Body) -> Body {
    struct Rest(Option<axum::body::BodyDataStream>);
    impl Drop for Rest {
        fn drop(&mut self) {
            let Some(mut rest) = self.0.take() else { return };
            tokio::spawn(tokio::time::timeout(Duration::from_secs(5), async move {
                let mut left: usize = 32 << 20;
                while let Some(Ok(bytes)) = rest.next().await {
                    left = left.saturating_sub(bytes.len());
                    if left == 0 {
                        break;
                    }
                }
            }));
        }
    }
    let mut rest = Rest(Some(body.into_data_stream()));
    Body::from_stream(stream::poll_fn(move |context| {
        let Some(body) = rest.0.as_mut() else { return Poll::Ready(None) };
        let polled = body.poll_next_unpin(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            rest.0 = None;
        }
        polled
    }))
}

fn watched(body: Body, received: Arc<AtomicBool>) -> Body {
    let end = stream::poll_fn(move |_| {
        received.store(true, Ordering::Relaxed);
        Poll::Ready(None)
    });
    Body::from_stream(body.into_data_stream().chain(end))
}

/// The answer for a handler that panicked; the panic itself is logged by the hook.
pub(super) fn after_panic(_: Box<dyn Any + Send>) -> Response {
    Problem::internal().into_response()
}
