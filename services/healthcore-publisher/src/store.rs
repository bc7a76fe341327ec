//! All SQL of the service. The writers take the connection of a transaction: what they change is published by the row
//! triggers in that same transaction.

use chrono::{NaiveDate, NaiveTime};
use events::contract::schema::voice::{BookingConfirmationV1, PatientCreationV1};
use sqlx::{PgConnection, PgPool};

use crate::{
    domain::{Appointment, OF_ONE_NAME, Patient, ReviewReason, contact_locks},
    identity::{Doubt, Known},
};

/// Names the handler, the journey and the cause that the triggers put into the events of this transaction.
pub async fn tell_cause(
    tx: &mut PgConnection,
    handler: &str,
    correlation_id: Option<&str>,
    causation_id: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "SELECT set_config('switchboard.actor', $1, true) AS actor,
                set_config('switchboard.correlation_id', $2, true) AS correlation_id,
                set_config('switchboard.causation_id', $3, true) AS causation_id",
        format!("handler:{handler}"),
        correlation_id.unwrap_or_default(),
        causation_id
    )
    .fetch_one(tx)
    .await?;
    Ok(())
}

/// Makes what belongs to one call wait for each other until the transaction ends: its patient and its booking may come side by
/// side. The first of a handler's locks: the call's, then contacts, then slots, each kind sorted, so that no two wait for each
/// other in a circle.
pub async fn lock_call(tx: &mut PgConnection, call_id: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('call ' || $1::text, 0))", call_id)
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

/// Who a caller could be: all that have the address or number, or that the same call spoke of.
pub async fn known_people(tx: &mut PgConnection, said: &PatientCreationV1) -> Result<Vec<Known>, sqlx::Error> {
    sqlx::query_as!(
        Known,
        r#"SELECT p.id, p.name, healthcore.readable(p.date_of_birth) AS date_of_birth,
                  coalesce(lower(p.email) = lower($1) OR p.phone = $2 OR p.phone_e164 = $3, false) AS "same_contact!",
                  coalesce(lower(p.email) = lower($1), false)::int
                      + coalesce(p.phone = $2 OR p.phone_e164 = $3, false)::int AS "contacts!",
                  c.patient_id IS NOT NULL AS "same_call!", p.doubt IS NOT DISTINCT FROM 'name_in_part' AS "said_too_little!"
           FROM healthcore.patients p
           LEFT JOIN healthcore.patient_calls c ON c.patient_id = p.id AND c.call_id = $4
           WHERE lower(p.email) = lower($1) OR p.phone = $2 OR p.phone_e164 = $3
              OR p.id IN (SELECT patient_id FROM healthcore.patient_calls WHERE call_id = $4)
           ORDER BY p.id"#,
        said.email,
        said.phone,
        said.phone_e164,
        said.call_id
    )
    .fetch_all(tx)
    .await
}

/// Writes a new patient; with a doubt, one who may be in the record already.
pub async fn create_patient(
    tx: &mut PgConnection,
    said: &PatientCreationV1,
    doubt: Option<Doubt>,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        "INSERT INTO healthcore.patients
             (name, email, phone, phone_e164, date_of_birth, last_contact_at, possible_duplicate_of, doubt)
         VALUES ($1, $2, $3, $4, $5, clock_timestamp(), $6, $7) RETURNING id",
        said.name,
        said.email,
        said.phone,
        said.phone_e164,
        said.date_of_birth,
        doubt.map(|doubt| doubt.of),
        doubt.map(|doubt| doubt.why.as_str())
    )
    .fetch_one(tx)
    .await
}

/// What was said now overrides what was said before; what was not said stays. `name` is none where the record has more of it.
pub async fn update_patient(
    tx: &mut PgConnection,
    id: i64,
    name: Option<&str>,
    said: &PatientCreationV1,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE healthcore.patients SET name = coalesce($2, name), email = coalesce($3, email), phone = coalesce($4, phone),
                phone_e164 = CASE WHEN $4::text IS NULL THEN phone_e164 ELSE $5 END,
                date_of_birth = coalesce($6, date_of_birth), last_contact_at = clock_timestamp()
         WHERE id = $1",
        id,
        name,
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

/// Those of a call, as they were said.
pub async fn waiting_bookings(tx: &mut PgConnection, call_id: &str) -> Result<Vec<WaitingBooking>, sqlx::Error> {
    sqlx::query_as!(
        WaitingBooking,
        "SELECT id, patient_name, dentist, date, time, service,
                healthcore.local_time_problem(date + time, time_zone) AS time_problem
         FROM healthcore.appointments a
         WHERE call_id = $1 AND status IN ('booked', 'needs_review')
           AND NOT EXISTS (SELECT FROM healthcore.patient_calls c
                           WHERE c.call_id = a.call_id AND c.patient_id = a.patient_id)
           AND healthcore.readable(date) IS NOT NULL AND healthcore.readable(time) IS NOT NULL
         ORDER BY id",
        call_id
    )
    .fetch_all(tx)
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

/// Calls an appointment off.
pub async fn cancel_appointment(tx: &mut PgConnection, id: i64, reason: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE healthcore.appointments SET status = 'cancelled', reason = $2 WHERE id = $1", id, reason)
        .execute(tx)
        .await?;
    Ok(())
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

/// Those of a name, whatever their titles; nobody where they are too many to tell.
pub async fn patients_of_name(tx: &mut PgConnection, name: &str) -> Result<Vec<(i64, String)>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT id, name FROM healthcore.patients WHERE healthcore.name_key(name) = healthcore.name_key($1) LIMIT $2",
        name,
        OF_ONE_NAME as i64 + 1
    )
    .fetch_all(tx)
    .await?;
    let too_many = rows.len() > OF_ONE_NAME;
    Ok(if too_many { Vec::new() } else { rows.into_iter().map(|row| (row.id, row.name)).collect() })
}

/// A time of a dentist's.
#[derive(Debug, Clone, Copy)]
pub struct Slot<'a> {
    pub dentist: &'a str,
    pub date: NaiveDate,
    pub time: NaiveTime,
}

/// Makes whoever decides about the same slots or bookings wait until the transaction ends: handlers by the slots, everybody
/// else by the rows that have them and those of the call. What is read of them afterwards stays so. Slots come before rows, each
/// kind sorted: see [`lock_call`].
pub async fn lock_book(tx: &mut PgConnection, call_id: &str, slots: &[Slot<'_>]) -> Result<(), sqlx::Error> {
    let dentists: Vec<String> = slots.iter().map(|slot| slot.dentist.to_owned()).collect();
    let moments: Vec<String> = slots.iter().map(|slot| format!("{} {}", slot.date, slot.time)).collect();
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(id) FROM (
             SELECT DISTINCT hashtextextended('slot ' || moment || ' ' || healthcore.name_key(dentist), 0) AS id
             FROM unnest($1::text[], $2::text[]) AS slot (dentist, moment) ORDER BY id
         ) AS slots",
        &dentists,
        &moments
    )
    .fetch_all(&mut *tx)
    .await?;
    let (dates, times): (Vec<NaiveDate>, Vec<NaiveTime>) = slots.iter().map(|slot| (slot.date, slot.time)).unzip();
    let mut locked: Vec<i64> = Vec::new();
    loop {
        let wanted = sqlx::query_scalar!(
            r#"SELECT id AS "id!" FROM healthcore.appointments WHERE call_id = $1 AND status IN ('booked', 'needs_review')
               UNION
               SELECT a.id FROM healthcore.appointments a
               JOIN unnest($2::text[], $3::date[], $4::time[]) AS slot (dentist, date, time)
                 ON healthcore.name_key(a.dentist) = healthcore.name_key(slot.dentist)
                    AND a.date = slot.date AND a.time = slot.time
               WHERE a.status = 'booked'"#,
            call_id,
            &dentists,
            &dates,
            &times
        )
        .fetch_all(&mut *tx)
        .await?;
        // A row that was waited for may be gone or another's, and the slot somebody else's.
        if wanted.iter().all(|id| locked.contains(id)) {
            return Ok(());
        }
        locked = sqlx::query_scalar!(
            "SELECT id FROM healthcore.appointments WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE",
            &wanted
        )
        .fetch_all(&mut *tx)
        .await?;
    }
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

/// What is wrong with a local time of the practice: see [`ReviewReason::of_time`].
pub async fn time_problem(
    tx: &mut PgConnection,
    date: NaiveDate,
    time: NaiveTime,
    time_zone: &str,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!("SELECT healthcore.local_time_problem($1::date + $2::time, $3)", date, time, time_zone)
        .fetch_one(tx)
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
                  healthcore.readable(last_contact_at) AS last_contact_at, possible_duplicate_of, doubt,
                  healthcore.readable(created_at) AS created_at,
                  healthcore.readable(updated_at) AS updated_at, healthcore.unreadable(p) AS "unreadable!"
           FROM healthcore.patients p WHERE id = $1"#,
        id
    )
    .fetch_optional(pool)
    .await
}

/// One page of patients, the oldest first, after the one with the id `after`; of all, or of those who may be somebody else of
/// the record.
pub async fn patients(
    pool: &PgPool,
    in_doubt: Option<bool>,
    after: i64,
    limit: i64,
) -> Result<Vec<Patient>, sqlx::Error> {
    sqlx::query_as!(
        Patient,
        r#"SELECT id, name, email, phone, healthcore.readable(date_of_birth) AS date_of_birth,
                  healthcore.readable(last_contact_at) AS last_contact_at, possible_duplicate_of, doubt,
                  healthcore.readable(created_at) AS created_at,
                  healthcore.readable(updated_at) AS updated_at, healthcore.unreadable(p) AS "unreadable!"
           FROM healthcore.patients p WHERE id > $1 AND ($3::boolean IS NULL OR (possible_duplicate_of IS NOT NULL) = $3)
           ORDER BY id LIMIT $2"#,
        after,
        limit,
        in_doubt
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
