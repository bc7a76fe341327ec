//! `GET /api/v1/calls/{call_id}`: what was said to the caller, and what is really so.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use service_kit::http::{ApiJson, ApiPath, ApiQuery, Problem};
use uuid::Uuid;

use super::{NoQuery, checked};
use crate::{
    intake::Intake,
    store::{self, ExtractionRow},
};

#[derive(Debug, Serialize)]
pub(super) struct Call {
    call_id: String,
    first_heard_at: DateTime<Utc>,
    last_heard_at: DateTime<Utc>,
    /// More of its text is to come.
    unfinished: bool,
    extractions: Vec<Extraction>,
}

#[derive(Debug, Serialize)]
struct Extraction {
    extraction_id: Uuid,
    kind: String,
    status: Status,
    /// Where in the text it stood, in bytes.
    span: Option<Span>,
    data: Option<Value>,
    /// What was said, where it was rejected.
    raw: Option<String>,
    problems: Option<Value>,
    /// What was changed in what was said to make JSON of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    repaired: Option<Value>,
    event_id: Uuid,
    patient_id: Option<i64>,
    appointment_id: Option<i64>,
    /// Why it is held or was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What is in the book, which is not what was said where somebody moved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    appointment: Option<Value>,
    applied_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
struct Span {
    from: i64,
    to: i64,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// Stored, on its way to Kafka.
    Accepted,
    /// In Kafka; the record system has not told of it.
    Published,
    /// In the record.
    Applied,
    /// A person has to look at it first; it is confirmed to nobody.
    Held,
    /// It was called off, or another has taken its place.
    Cancelled,
    /// Kept as a dead letter for a person to correct.
    Rejected,
}

pub(super) async fn read(
    State(intake): State<Intake>,
    ApiPath(call_id): ApiPath<String>,
    _: ApiQuery<NoQuery>,
) -> Result<ApiJson<Call>, Problem> {
    checked(&call_id)?;
    let pool = intake.outbox.pool();
    let Some(call) = store::call(pool, &call_id).await? else {
        return Err(Problem::not_found("No such call was heard of."));
    };
    let extractions = store::extractions(pool, &call_id).await?;
    Ok(ApiJson(Call {
        call_id,
        first_heard_at: call.first_heard_at,
        last_heard_at: call.last_heard_at,
        unfinished: call.unfinished,
        extractions: extractions.into_iter().map(shown).collect(),
    }))
}

fn shown(row: ExtractionRow) -> Extraction {
    let status = match (&row.problems, row.outcome.as_deref(), row.applied_at, row.published) {
        (Some(_), _, _, _) => Status::Rejected,
        (None, Some("held"), _, _) => Status::Held,
        (None, Some("cancelled"), _, _) => Status::Cancelled,
        (None, _, Some(_), _) => Status::Applied,
        (None, _, None, true) => Status::Published,
        (None, _, None, false) => Status::Accepted,
    };
    Extraction {
        extraction_id: row.id,
        kind: row.kind,
        status,
        span: row.span.and_then(|range| match (range.start, range.end) {
            (std::ops::Bound::Included(from), std::ops::Bound::Excluded(to)) => Some(Span { from, to }),
            _ => None,
        }),
        data: row.data,
        raw: row.raw,
        problems: row.problems,
        repaired: row.repairs,
        event_id: row.event_id,
        patient_id: row.patient_id,
        appointment_id: row.appointment_id,
        reason: row.outcome_reason,
        appointment: row.appointment,
        applied_at: row.applied_at,
        created_at: row.created_at,
    }
}
