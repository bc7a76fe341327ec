//! Who waits for whom: the call, then contacts, then slots, then rows, each kind sorted, so that no two wait for each other in a
//! circle.

use chrono::{NaiveDate, NaiveTime};
use events::contract::schema::voice::PatientCreationV1;
use sqlx::PgConnection;

use crate::domain::contact_locks;

/// Makes what belongs to one call wait for each other until the transaction ends: its patient and its booking may come side by
/// side.
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
