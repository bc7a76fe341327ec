//! All SQL of the service.

use std::ops::Range;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgPool, postgres::types::PgRange};
use uuid::Uuid;

use crate::domain::Kind;

/// Makes sure that the call is known and locks it until the transaction ends, so that the pieces of one call are taken one
/// after the other. Returns where its text stands.
pub async fn lock_call(tx: &mut PgConnection, call_id: &str) -> Result<TextState, sqlx::Error> {
    sqlx::query_as!(
        TextState,
        "INSERT INTO voice.calls (call_id) VALUES ($1)
         ON CONFLICT (call_id) DO UPDATE SET last_heard_at = clock_timestamp() RETURNING scanner, unfinished",
        call_id
    )
    .fetch_one(tx)
    .await
}

/// Where the text of a call stands.
#[derive(Debug)]
pub struct TextState {
    /// The scanner's state; none before the first piece.
    pub scanner: Option<Value>,
    /// More of a text is to come.
    pub unfinished: bool,
}

pub async fn keep_scanner(
    tx: &mut PgConnection,
    call_id: &str,
    scanner: Value,
    unfinished: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE voice.calls SET scanner = $2, unfinished = $3 WHERE call_id = $1",
        call_id,
        scanner,
        unfinished
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What one marker came to.
#[derive(Debug)]
pub struct NewExtraction<'a> {
    pub id: Uuid,
    pub call_id: &'a str,
    pub kind: Kind,
    pub span: Option<Range<u64>>,
    /// The text that it was found in, where it came as a whole.
    pub text_id: Option<Uuid>,
    pub event_id: Uuid,
    /// What was changed to make JSON of it.
    pub repairs: Option<Value>,
    pub said: Said<'a>,
}

#[derive(Debug)]
pub enum Said<'a> {
    Accepted { data: Value },
    Rejected { raw: &'a str, problems: Value },
}

/// Writes an extraction; `false` when the same was said before in this call.
pub async fn add_extraction(tx: &mut PgConnection, new: &NewExtraction<'_>) -> Result<bool, sqlx::Error> {
    // A text longer than 8 EiB cannot come.
    let bound = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
    let span = new.span.as_ref().map(|span| PgRange::from(bound(span.start)..bound(span.end)));
    let (data, raw, problems) = match &new.said {
        Said::Accepted { data } => (Some(data), None, None),
        Said::Rejected { raw, problems } => (None, Some(*raw), Some(problems)),
    };
    let written = sqlx::query!(
        "INSERT INTO voice.extractions (id, call_id, kind, span, data, raw, problems, event_id, repairs, text_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING",
        new.id,
        new.call_id,
        new.kind.as_str(),
        span,
        data,
        raw,
        problems,
        new.event_id,
        new.repairs,
        new.text_id
    )
    .execute(tx)
    .await?;
    Ok(written.rows_affected() == 1)
}

/// What was accepted in a call.
#[derive(Debug)]
pub struct Accepted {
    pub id: Uuid,
    pub text_id: Option<Uuid>,
}

/// What was accepted of a kind in a call, in the order in which it was said.
pub async fn accepted(tx: &mut PgConnection, call_id: &str, kind: Kind) -> Result<Vec<Accepted>, sqlx::Error> {
    sqlx::query_as!(
        Accepted,
        "SELECT id, text_id FROM voice.extractions
         WHERE call_id = $1 AND kind = $2 AND data IS NOT NULL ORDER BY position",
        call_id,
        kind.as_str()
    )
    .fetch_all(tx)
    .await
}

/// A call and the state of its scanner.
#[derive(Debug)]
pub struct CallRow {
    pub first_heard_at: DateTime<Utc>,
    pub last_heard_at: DateTime<Utc>,
    pub unfinished: bool,
}

pub async fn call(pool: &PgPool, call_id: &str) -> Result<Option<CallRow>, sqlx::Error> {
    sqlx::query_as!(
        CallRow,
        "SELECT first_heard_at, last_heard_at, unfinished FROM voice.calls WHERE call_id = $1",
        call_id
    )
    .fetch_optional(pool)
    .await
}

/// An extraction with what became of it.
#[derive(Debug)]
pub struct ExtractionRow {
    pub id: Uuid,
    pub kind: String,
    pub span: Option<PgRange<i64>>,
    pub data: Option<Value>,
    pub raw: Option<String>,
    pub problems: Option<Value>,
    pub repairs: Option<Value>,
    pub event_id: Uuid,
    /// Whether its event (or its dead letter) is in Kafka.
    pub published: bool,
    pub patient_id: Option<i64>,
    pub appointment_id: Option<i64>,
    /// What the record system said last of an appointment.
    pub outcome: Option<String>,
    pub outcome_reason: Option<String>,
    pub appointment: Option<Value>,
    pub applied_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// The extractions of a call in the order in which they were said.
pub async fn extractions(pool: &PgPool, call_id: &str) -> Result<Vec<ExtractionRow>, sqlx::Error> {
    sqlx::query_as!(
        ExtractionRow,
        r#"SELECT e.id, e.kind, e.span, e.data, e.raw, e.problems, e.repairs, e.event_id,
                  pg_visible_in_snapshot(e.xid, c.snapshot)
                    AND NOT EXISTS (SELECT FROM voice.outbox_held h
                                    WHERE h.key = e.call_id AND h.headers->>'ce_id' = e.event_id::text) AS "published!",
                  e.patient_id, e.appointment_id, e.outcome, e.outcome_reason, e.appointment, e.applied_at, e.created_at
           FROM voice.extractions e, voice.outbox_cursor c WHERE e.call_id = $1 ORDER BY e.position"#,
        call_id
    )
    .fetch_all(pool)
    .await
}

/// After a restore into another cluster: transaction ids that this one has not given out would never count as published.
pub async fn adopt_foreign_rows(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE voice.extractions SET xid = '3' WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())")
        .execute(pool)
        .await?;
    Ok(())
}

/// The record system wrote the patient that our event asked for. Returns whether it was one of ours.
pub async fn patient_applied(tx: &mut PgConnection, event_id: Uuid, patient_id: i64) -> Result<bool, sqlx::Error> {
    let noted = sqlx::query!(
        "UPDATE voice.extractions SET patient_id = $2, applied_at = coalesce(applied_at, clock_timestamp())
         WHERE event_id = $1 AND kind = 'PATIENT_CREATION'",
        event_id,
        patient_id
    )
    .execute(tx)
    .await?;
    Ok(noted.rows_affected() > 0)
}

/// What the record system says of an appointment.
#[derive(Debug)]
pub struct AppointmentNews<'a> {
    pub appointment_id: i64,
    pub patient_id: Option<i64>,
    pub outcome: Outcome,
    pub reason: Option<&'a str>,
    /// When it happened there.
    pub at: DateTime<Utc>,
    /// Dentist, date and time.
    pub appointment: Value,
}

/// What an appointment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Booked,
    Held,
    Cancelled,
    Completed,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Booked => "booked",
            Self::Held => "held",
            Self::Cancelled => "cancelled",
            Self::Completed => "completed",
        }
    }
}

/// Notes what became of what our event announced, and of what later confirmed the same appointment. Values play no part: one
/// appointment is another's by nothing but its cause. The events of four topics come in any order, so the latest stands. Of what
/// happened in one millisecond the more final stands: what is booked may be called off in the transaction that booked it, and of one
/// that is taken back to be looked at, `cancelled` and `held` say so at once.
pub async fn note_appointment(
    tx: &mut PgConnection,
    cause: Option<Uuid>,
    journey: Option<&str>,
    news: &AppointmentNews<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE voice.extractions SET appointment_id = $3, patient_id = $4, outcome = $5, outcome_reason = $6,
                outcome_at = $7, appointment = $8, appointment_journey = $2,
                applied_at = CASE WHEN $5 IN ('booked', 'completed') THEN coalesce(applied_at, clock_timestamp())
                                  ELSE applied_at END
         WHERE kind = 'BOOKING_CONFIRMATION' AND data IS NOT NULL
           AND (event_id = $1 OR appointment_journey = $2 AND appointment_id = $3)
           AND (outcome_at IS NULL OR outcome_at < $7
                OR outcome_at = $7
                   AND array_position(ARRAY['booked', 'completed', 'cancelled', 'held'], $5::text)
                       >= array_position(ARRAY['booked', 'completed', 'cancelled', 'held'], outcome))",
        cause,
        journey,
        news.appointment_id,
        news.patient_id,
        news.outcome.as_str(),
        news.reason,
        news.at,
        news.appointment
    )
    .execute(tx)
    .await?;
    Ok(())
}
