//! What a person may ask of this process's consumer, and do to it.

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use events::consume::ConsumerStatus;
use serde::Serialize;

use super::{ApiJson, Problem, auth::Identity};

/// `GET /api/v1/consumer`, `POST /api/v1/consumer/release`.
pub(crate) fn consumer_routes(status: ConsumerStatus) -> Router {
    Router::new()
        .route("/api/v1/consumer", get(show))
        .route("/api/v1/consumer/release", post(release))
        .with_state(status)
}

#[derive(Serialize)]
struct Shown {
    ok: bool,
    /// What it is doing, or what is wrong.
    detail: String,
    partitions: usize,
    /// Why it has stopped taking records, if it has.
    brake: Option<String>,
}

async fn show(State(status): State<ConsumerStatus>) -> ApiJson<Shown> {
    let check = status.check();
    ApiJson(Shown {
        ok: check.is_ok(),
        partitions: status.partitions(),
        brake: status.brake(),
        detail: check.unwrap_or_else(|problem| problem),
    })
}

/// The brake is off a moment later.
async fn release(State(status): State<ConsumerStatus>, who: Identity) -> Result<StatusCode, Problem> {
    let Some(reason) = status.brake() else {
        return Err(Problem::conflict("The brake is not on; there is nothing to release."));
    };
    tracing::warn!(who = &*who.name, brake = reason, "the brake is released by a person");
    status.release_brake();
    Ok(StatusCode::ACCEPTED)
}
