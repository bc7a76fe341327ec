//! Appointments, as the handlers find and write them.

use chrono::{NaiveDate, NaiveTime};
use events::contract::schema::voice::BookingConfirmationV1;
use sqlx::PgConnection;

use super::locks::Slot;
use crate::domain::ReviewReason;

/// A live booking of a call that none of the call's patients has: its patient is not known, or was found by the name alone.
#[derive(Debug)]
pub struct WaitingBooking {
    pub id: i64,
    pub patient_name: String,
    pub dentist: String,
    pub date: NaiveDate,
    pub time: NaiveTime,
    pub service: Option<String>,
    /// What else keeps it from being booked.
    pub time_problem: Option<String>,
}

impl WaitingBooking {
    pub fn slot(&self) -> Slot<'_> {
        Slot { dentist: &self.dentist, date: self.date, time: self.time }
    }
}

/// Those of a call, as they were said. What a person decided stays: a hold for a reason of their own, and a booking that they gave
/// to somebody of another name.
pub async fn waiting_bookings(tx: &mut PgConnection, call_id: &str) -> Result<Vec<WaitingBooking>, sqlx::Error> {
    let ours = ReviewReason::ALL.map(|reason| reason.as_str().to_owned());
    sqlx::query_as!(
        WaitingBooking,
        "SELECT id, patient_name, dentist, date, time, service,
                healthcore.local_time_problem(date + time, time_zone) AS time_problem
         FROM healthcore.appointments a
         WHERE call_id = $1
           AND (status = 'needs_review' AND reason = ANY ($2)
                OR status = 'booked' AND (patient_id IS NULL
                   OR healthcore.name_key(patient_name)
                      = (SELECT healthcore.name_key(p.name) FROM healthcore.patients p WHERE p.id = a.patient_id)))
           AND NOT EXISTS (SELECT FROM healthcore.patient_calls c
                           WHERE c.call_id = a.call_id AND c.patient_id = a.patient_id)
           AND healthcore.readable(date) IS NOT NULL AND healthcore.readable(time) IS NOT NULL
         ORDER BY id",
        call_id,
        &ours
    )
    .fetch_all(tx)
    .await
}

/// Another booking of the same call.
#[derive(Debug)]
pub struct OtherBooking {
    pub id: i64,
    pub patient_id: Option<i64>,
    pub patient_name: String,
    /// Whether it is for the same dentist.
    pub same_dentist: bool,
    /// At the same time, too.
    pub same_slot: bool,
    pub service: Option<String>,
    pub is_booked: bool,
    /// Why it is held.
    pub reason: Option<String>,
}

/// The live bookings of a call but this one, beside a slot.
pub async fn other_bookings(
    tx: &mut PgConnection,
    call_id: &str,
    besides: Option<i64>,
    slot: Slot<'_>,
) -> Result<Vec<OtherBooking>, sqlx::Error> {
    sqlx::query_as!(
        OtherBooking,
        r#"SELECT id, patient_id, patient_name, healthcore.name_key(dentist) = healthcore.name_key($3) AS "same_dentist!",
                  (healthcore.name_key(dentist), date, time) = (healthcore.name_key($3), $4, $5) AS "same_slot!",
                  service, status = 'booked' AS "is_booked!", reason
           FROM healthcore.appointments
           WHERE call_id = $1 AND id IS DISTINCT FROM $2 AND status IN ('booked', 'needs_review') ORDER BY id"#,
        call_id,
        besides,
        slot.dentist,
        slot.date,
        slot.time
    )
    .fetch_all(tx)
    .await
}

/// Who has a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotHolder {
    pub appointment_id: i64,
    pub patient_id: Option<i64>,
    pub service: Option<String>,
}

/// The slot is locked.
pub async fn slot_holder(tx: &mut PgConnection, slot: Slot<'_>) -> Result<Option<SlotHolder>, sqlx::Error> {
    sqlx::query_as!(
        SlotHolder,
        "SELECT id AS appointment_id, patient_id, service FROM healthcore.appointments
         WHERE status = 'booked' AND healthcore.name_key(dentist) = healthcore.name_key($1) AND date = $2 AND time = $3",
        slot.dentist,
        slot.date,
        slot.time
    )
    .fetch_optional(tx)
    .await
}

/// The name of an appointment without a patient and that of a patient, where they are one and nobody else's, or of his call.
pub async fn same_names(
    tx: &mut PgConnection,
    appointment_id: i64,
    patient_id: i64,
    call_id: &str,
) -> Result<Option<(String, String)>, sqlx::Error> {
    let names = sqlx::query!(
        "SELECT a.patient_name, p.name FROM healthcore.appointments a, healthcore.patients p
         WHERE a.id = $1 AND p.id = $2 AND a.patient_id IS NULL
           AND healthcore.name_key(a.patient_name) = healthcore.name_key(p.name)
           AND (a.call_id = $3 OR NOT EXISTS (SELECT FROM healthcore.patients o
                                              WHERE healthcore.name_key(o.name) = healthcore.name_key(p.name) AND o.id <> p.id))",
        appointment_id,
        patient_id,
        call_id
    )
    .fetch_optional(tx)
    .await?;
    Ok(names.map(|row| (row.patient_name, row.name)))
}

/// Writes an appointment; with a reason it is held for review.
pub async fn create_appointment(
    tx: &mut PgConnection,
    said: &BookingConfirmationV1,
    patient_id: Option<i64>,
    time_zone: &str,
    review: Option<ReviewReason>,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        "INSERT INTO healthcore.appointments
             (patient_id, patient_name, dentist, date, time, time_zone, service, notes, status, reason, call_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $9::text IS NULL THEN 'booked' ELSE 'needs_review' END, $9, $10)
         RETURNING id",
        patient_id,
        said.patient_name,
        said.dentist,
        said.date,
        said.time,
        time_zone,
        said.service,
        said.notes,
        review.map(ReviewReason::as_str),
        said.call_id
    )
    .fetch_one(tx)
    .await
}

/// Gives a booking of this call its patient: it is booked, or held for another reason. It stays what the call announced, also
/// where somebody else had it.
pub async fn give_patient(
    tx: &mut PgConnection,
    id: i64,
    patient_id: i64,
    review: Option<ReviewReason>,
) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT set_config('switchboard.same_booking', 'on', true) AS noted").fetch_one(&mut *tx).await?;
    sqlx::query!(
        "UPDATE healthcore.appointments SET patient_id = $2, reason = $3,
                status = CASE WHEN $3::text IS NULL THEN 'booked' ELSE 'needs_review' END
         WHERE id = $1",
        id,
        patient_id,
        review.map(ReviewReason::as_str)
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// An appointment that had no patient is this one's. Whether it was announced by something else, which is what this was told of.
pub async fn take_over(tx: &mut PgConnection, id: i64, patient_id: i64) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"UPDATE healthcore.appointments SET patient_id = $2, confirmed_at = clock_timestamp(),
                  cause = coalesce(cause, nullif(current_setting('switchboard.causation_id', true), '')),
                  correlation = coalesce(correlation, nullif(current_setting('switchboard.correlation_id', true), ''))
           WHERE id = $1
           RETURNING cause IS DISTINCT FROM nullif(current_setting('switchboard.causation_id', true), '') AS "anothers!""#,
        id,
        patient_id
    )
    .fetch_one(tx)
    .await
}

/// A caller confirmed what is there: nothing of it changes, and it is told with this confirmation as its cause. What no call
/// announced, such as what the practice entered, is this one's from now on.
pub async fn confirm_again(tx: &mut PgConnection, id: i64) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE healthcore.appointments SET confirmed_at = clock_timestamp(),
                cause = coalesce(cause, nullif(current_setting('switchboard.causation_id', true), '')),
                correlation = coalesce(correlation, nullif(current_setting('switchboard.correlation_id', true), ''))
         WHERE id = $1",
        id
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Calls an appointment off.
pub async fn cancel_appointment(tx: &mut PgConnection, id: i64, reason: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE healthcore.appointments SET status = 'cancelled', reason = $2 WHERE id = $1", id, reason)
        .execute(tx)
        .await?;
    Ok(())
}
