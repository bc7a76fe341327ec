//! The HTTP interface: patients and appointments.

mod appointments;
mod patients;

use axum::{Router, routing::get};
use sqlx::PgPool;

pub(crate) fn routes(pool: PgPool) -> Router {
    Router::new()
        .route("/api/v1/patients", get(patients::list))
        .route("/api/v1/patients/{id}", get(patients::read))
        .route("/api/v1/appointments", get(appointments::list))
        .route("/api/v1/appointments/{id}", get(appointments::read))
        .with_state(pool)
}
