//! All SQL of the service. The writers take the connection of a transaction: what they change is published by the row
//! triggers in that same transaction.

use chrono::{NaiveDate, NaiveTime};
use events::contract::schema::voice::{BookingConfirmationV1, PatientCreationV1};
use sqlx::{PgConnection, PgPool};

use crate::domain::{Appointment, Patient, ReviewReason, contact_locks};

/// Names the journey and the cause that the triggers put into the events of this transaction.
pub async fn tell_cause(
    tx: &mut PgConnection,
    actor: &str,
    correlation_id: Option<&str>,
    causation_id: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "SELECT set_config('switchboard.actor', $1, true) AS actor,
                set_config('switchboard.correlation_id', $2, true) AS correlation_id,
                set_config('switchboard.causation_id', $3, true) AS causation_id",
        actor,
        correlation_id.unwrap_or_default(),
        causation_id
    )
    .fetch_one(tx)
    .await?;
    Ok(())
}

/// Makes callers who give the same contact wait for each other until the transaction ends.
pub async fn lock_contact(tx: &mut PgConnection, said: &PatientCreationV1) -> Result<(), sqlx::Error> {
    let locks = contact_locks(said.email.as_deref(), [said.phone.as_deref(), said.phone_e164.as_deref()], &said.name);
    for lock in locks {
        sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", lock).fetch_one(&mut *tx).await?;
    }
    Ok(())
}

/// Finds the patient that a caller's data belong to: by address or number and birth date; where no birth date tells, by
/// address or number and name; else one of the same call and name, which is a caller who corrects himself.
pub async fn find_patient(tx: &mut PgConnection, said: &PatientCreationV1) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT p.id FROM healthcore.patients p
         WHERE (lower(p.email) = lower($1) OR p.phone = $2 OR p.phone_e164 = $3)
           AND (p.date_of_birth = $4
                OR (p.date_of_birth IS NULL OR $4::date IS NULL) AND lower(p.name) = lower($5))
            OR p.id IN (SELECT patient_id FROM healthcore.patient_calls WHERE call_id = $6) AND lower(p.name) = lower($5)
         ORDER BY p.id LIMIT 1",
        said.email,
        said.phone,
        said.phone_e164,
        said.date_of_birth,
        said.name,
        said.call_id
    )
    .fetch_optional(tx)
    .await
}

pub async fn create_patient(tx: &mut PgConnection, said: &PatientCreationV1) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        "INSERT INTO healthcore.patients (name, email, phone, phone_e164, date_of_birth, last_contact_at)
         VALUES ($1, $2, $3, $4, $5, clock_timestamp()) RETURNING id",
        said.name,
        said.email,
        said.phone,
        said.phone_e164,
        said.date_of_birth
    )
    .fetch_one(tx)
    .await
}

/// What was said now overrides what was said before; what was not said stays.
pub async fn update_patient(tx: &mut PgConnection, id: i64, said: &PatientCreationV1) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE healthcore.patients SET name = $2, email = coalesce($3, email), phone = coalesce($4, phone),
                phone_e164 = CASE WHEN $4::text IS NULL THEN phone_e164 ELSE $5 END,
                date_of_birth = coalesce($6, date_of_birth), last_contact_at = clock_timestamp(),
                updated_at = clock_timestamp()
         WHERE id = $1",
        id,
        said.name,
        said.email,
        said.phone,
        said.phone_e164,
        said.date_of_birth
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub async fn note_call(tx: &mut PgConnection, call_id: &str, patient_id: i64) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO healthcore.patient_calls (call_id, patient_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        call_id,
        patient_id
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A booking that waits for its patient to be known.
#[derive(Debug)]
pub struct WaitingBooking {
    pub id: i64,
    pub patient_name: String,
    pub dentist: String,
    pub date: NaiveDate,
    pub time: NaiveTime,
}

pub async fn bookings_without_patient(
    tx: &mut PgConnection,
    call_id: &str,
) -> Result<Vec<WaitingBooking>, sqlx::Error> {
    sqlx::query_as!(
        WaitingBooking,
        "SELECT id, patient_name, dentist, date, time FROM healthcore.appointments
         WHERE call_id = $1 AND status = 'needs_review' AND reason = $2 ORDER BY id FOR UPDATE",
        call_id,
        ReviewReason::UnknownPatient.as_str()
    )
    .fetch_all(tx)
    .await
}

/// Gives a booking that waited its patient: it is booked, or held for another reason.
pub async fn give_patient(
    tx: &mut PgConnection,
    id: i64,
    patient_id: i64,
    review: Option<ReviewReason>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE healthcore.appointments SET patient_id = $2, reason = $3, updated_at = clock_timestamp(),
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

pub async fn patients_of_call(tx: &mut PgConnection, call_id: &str) -> Result<Vec<(i64, String)>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT p.id, p.name FROM healthcore.patient_calls c JOIN healthcore.patients p ON p.id = c.patient_id
         WHERE c.call_id = $1 ORDER BY p.id",
        call_id
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

pub async fn patients_of_name(tx: &mut PgConnection, name: &str) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!("SELECT id FROM healthcore.patients WHERE lower(name) = lower($1) ORDER BY id LIMIT 2", name)
        .fetch_all(tx)
        .await
}

/// Who has a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotHolder {
    pub patient_id: Option<i64>,
}

/// Waits for whoever is about to book the same slot, then tells who has it.
pub async fn slot_holder(
    tx: &mut PgConnection,
    dentist: &str,
    date: NaiveDate,
    time: NaiveTime,
) -> Result<Option<SlotHolder>, sqlx::Error> {
    let slot = format!("slot {} {date} {time}", dentist.to_lowercase());
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", slot).fetch_one(&mut *tx).await?;
    sqlx::query_as!(
        SlotHolder,
        "SELECT patient_id FROM healthcore.appointments
         WHERE status = 'booked' AND lower(dentist) = lower($1) AND date = $2 AND time = $3",
        dentist,
        date,
        time
    )
    .fetch_optional(tx)
    .await
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

/// Whether PostgreSQL knows this time zone.
pub async fn knows_time_zone(pool: &PgPool, name: &str) -> Result<bool, sqlx::Error> {
    let known = sqlx::query_scalar!("SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = $1)", name);
    Ok(known.fetch_one(pool).await?.unwrap_or(false))
}

pub async fn patient(pool: &PgPool, id: i64) -> Result<Option<Patient>, sqlx::Error> {
    sqlx::query_as!(
        Patient,
        r#"SELECT id, name, email, phone, healthcore.readable(date_of_birth) AS date_of_birth,
                  healthcore.readable(last_contact_at) AS last_contact_at, healthcore.readable(created_at) AS created_at,
                  healthcore.readable(updated_at) AS updated_at, healthcore.unreadable(p) AS "unreadable!"
           FROM healthcore.patients p WHERE id = $1"#,
        id
    )
    .fetch_optional(pool)
    .await
}

/// One page of patients, the oldest first, after the one with the id `after`.
pub async fn patients(pool: &PgPool, after: i64, limit: i64) -> Result<Vec<Patient>, sqlx::Error> {
    sqlx::query_as!(
        Patient,
        r#"SELECT id, name, email, phone, healthcore.readable(date_of_birth) AS date_of_birth,
                  healthcore.readable(last_contact_at) AS last_contact_at, healthcore.readable(created_at) AS created_at,
                  healthcore.readable(updated_at) AS updated_at, healthcore.unreadable(p) AS "unreadable!"
           FROM healthcore.patients p WHERE id > $1 ORDER BY id LIMIT $2"#,
        after,
        limit
    )
    .fetch_all(pool)
    .await
}

pub async fn appointment(pool: &PgPool, id: i64) -> Result<Option<Appointment>, sqlx::Error> {
    sqlx::query_as!(
        Appointment,
        r#"SELECT id, patient_id, patient_name, dentist, healthcore.readable(date) AS date,
                  healthcore.readable(time) AS time, healthcore.readable(starts_at) AS starts_at, service, notes, status,
                  reason, call_id, healthcore.readable(created_at) AS created_at,
                  healthcore.readable(updated_at) AS updated_at, healthcore.unreadable(a) AS "unreadable!"
           FROM healthcore.appointments a WHERE id = $1"#,
        id
    )
    .fetch_optional(pool)
    .await
}

/// One page of appointments, the oldest first, after the one with the id `after`.
pub async fn appointments(
    pool: &PgPool,
    status: Option<&str>,
    patient_id: Option<i64>,
    after: i64,
    limit: i64,
) -> Result<Vec<Appointment>, sqlx::Error> {
    sqlx::query_as!(
        Appointment,
        r#"SELECT id, patient_id, patient_name, dentist, healthcore.readable(date) AS date,
                  healthcore.readable(time) AS time, healthcore.readable(starts_at) AS starts_at, service, notes, status,
                  reason, call_id, healthcore.readable(created_at) AS created_at,
                  healthcore.readable(updated_at) AS updated_at, healthcore.unreadable(a) AS "unreadable!"
           FROM healthcore.appointments a
           WHERE id > $3 AND ($1::text IS NULL OR status = $1) AND ($2::bigint IS NULL OR patient_id = $2)
           ORDER BY id LIMIT $4"#,
        status,
        patient_id,
        after,
        limit
    )
    .fetch_all(pool)
    .await
}
