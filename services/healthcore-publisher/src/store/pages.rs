//! What the pages of the API show.

use sqlx::PgPool;

use crate::domain::{Appointment, Patient};

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
