//! `/api/v1/appointments/`

use axum::extract::State;
use serde::Deserialize;
use service_kit::http::{ApiJson, ApiPath, ApiQuery, Page, PageQuery, Problem};
use sqlx::PgPool;

use crate::{domain::Appointment, store};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    status: Option<Status>,
    patient_id: Option<i64>,
    limit: Option<i64>,
    cursor: Option<i64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Booked,
    NeedsReview,
    Cancelled,
    Completed,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Booked => "booked",
            Self::NeedsReview => "needs_review",
            Self::Cancelled => "cancelled",
            Self::Completed => "completed",
        }
    }
}

pub(super) async fn list(
    State(pool): State<PgPool>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<ApiJson<Page<Appointment>>, Problem> {
    let (after, limit) = PageQuery { limit: query.limit, cursor: query.cursor }.range()?;
    let status = query.status.map(Status::as_str);
    let appointments = store::appointments(&pool, status, query.patient_id, after, limit).await?;
    Ok(ApiJson(Page::new(appointments, limit, |appointment| appointment.id)))
}

pub(super) async fn read(
    State(pool): State<PgPool>,
    ApiPath(id): ApiPath<i64>,
) -> Result<ApiJson<Appointment>, Problem> {
    let appointment = store::appointment(&pool, id).await?;
    appointment.map(ApiJson).ok_or_else(|| Problem::not_found("There is no such appointment."))
}
