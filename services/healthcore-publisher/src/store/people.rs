//! Patients, as the handlers find and write them.

use events::contract::schema::voice::PatientCreationV1;
use sqlx::PgConnection;

use crate::{
    domain::OF_ONE_NAME,
    identity::{Doubt, Known},
};

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
