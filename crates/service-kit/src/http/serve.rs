//! Puts a service's routes into the frame that all services share, and listens.

use std::net::SocketAddr;

use anyhow::Context;
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::header,
    middleware::{Next, from_fn},
    routing::get,
};
use tower::Layer;
use tower_http::{catch_panic::CatchPanicLayer, normalize_path::NormalizePathLayer};

use super::{Health, Problem, auth::Guard, connections, frame};
use crate::{config::HttpConfig, lifecycle::Lifecycle, telemetry};

/// The routes of a service.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    guarded: Router,
    open: Router,
}

impl Routes {
    /// Routes that need a bearer token (where tokens are configured).
    pub fn new(guarded: Router) -> Self {
        Self { guarded, open: Router::new() }
    }

    /// Adds routes that need none: API description, webhooks that verify a signature by themselves.
    pub fn open(mut self, routes: Router) -> Self {
        self.open = self.open.merge(routes);
        self
    }
}

impl From<Router> for Routes {
    fn from(guarded: Router) -> Self {
        Self::new(guarded)
    }
}

/// Listens on `config.bind` and serves until the lifecycle stops; requests under way are then finished, and connections without
/// one are closed within a quarter of a second. The address that is returned has the real port where the configured one is 0.
///
/// # Errors
/// The address is taken or not of this machine, it is not a loopback one and there are no tokens, or the tokens file is bad.
pub async fn serve(
    config: &HttpConfig,
    routes: impl Into<Routes>,
    health: &Health,
    lifecycle: &Lifecycle,
) -> anyhow::Result<SocketAddr> {
    let router = router(config, routes, health, lifecycle)?;
    let listener = tokio::net::TcpListener::bind(config.bind)
        .await
        .with_context(|| format!("HTTP_BIND: cannot listen on {}", config.bind))?;
    let address = listener.local_addr().context("cannot tell the address of the HTTP port")?;
    let limits = config.connections.clone();
    // A request that began just before the shutdown may take its whole time limit; the 5 s are for sending the answer.
    let budget = config.request_timeout + std::time::Duration::from_secs(5);
    lifecycle.spawn("http", budget, move |token| async move {
        connections::serve(listener, router, limits, token).await;
        Ok(())
    });
    tracing::info!(%address, "listening");
    Ok(address)
}

/// The same without a port, for tests through `oneshot`.
///
/// The routes get `/healthz`, `/readyz` and `/metrics` beside them and problems for unknown routes and methods; a fallback of
/// their own is replaced. A path is the same with and without a slash at its end.
///
/// # Errors
/// As [`serve`], for the guard.
pub fn router(
    config: &HttpConfig,
    routes: impl Into<Routes>,
    health: &Health,
    lifecycle: &Lifecycle,
) -> anyhow::Result<Router> {
    let guard = Guard::from_config(config)?;
    let Routes { mut guarded, open } = routes.into();
    // axum panics for a layer on nothing.
    if guarded.has_routes() {
        guarded = guarded.route_layer(from_fn(move |request: Request, next: Next| guard.clone().check(request, next)));
    }
    let (limit, watched) = (config.request_timeout, health.clone());
    let app = guarded
        .merge(open)
        .merge(probes(health.clone(), lifecycle.clone()))
        .route_layer(from_fn(frame::refuse_encodings))
        .fallback(|| async {
            Problem::not_found("There is nothing at this path. Check its spelling and its version; the README of the service lists its paths.")
        })
        .method_not_allowed_fallback(|| async {
            let detail = "This path does not take this method. The Allow header names those that it takes.";
            Problem::new(axum::http::StatusCode::METHOD_NOT_ALLOWED, detail)
        })
        // From the inside to the outside: what is logged is the answer as it leaves, after panics and time limit.
        .layer(from_fn(move |request: Request, next: Next| {
            frame::end_outdated_sessions(watched.clone(), request, next)
        }))
        .layer(DefaultBodyLimit::max(config.body_limit))
        .layer(from_fn(move |request: Request, next: Next| frame::limit_time(limit, request, next)))
        .layer(CatchPanicLayer::custom(frame::after_panic))
        .layer(from_fn(frame::observe));
    // Outside of the router, as a path must be normal before it is matched.
    Ok(Router::new().fallback_service(NormalizePathLayer::trim_trailing_slash().layer(app)))
}

fn probes(health: Health, lifecycle: Lifecycle) -> Router {
    let text = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(move || async move { health.readiness(&lifecycle).await }))
        .route("/metrics", get(move || async move { (text, telemetry::render()) }))
}
