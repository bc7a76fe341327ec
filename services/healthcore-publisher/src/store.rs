//! All SQL of the service. The writers take the connection of a transaction: what they change is published by the row
//! triggers in that same transaction.

mod bookings;
mod locks;
mod pages;
mod people;

use chrono::{NaiveDate, NaiveTime};
use sqlx::{PgConnection, PgPool};

pub use self::{
    bookings::{
        OtherBooking, SlotHolder, WaitingBooking, cancel_appointment, confirm_again, create_appointment, give_patient,
        other_bookings, same_names, slot_holder, take_over, waiting_bookings,
    },
    locks::{Slot, lock_book, lock_call, lock_contact},
    pages::{appointment, appointments, patient, patients},
    people::{create_patient, known_people, note_call, patients_of_call, patients_of_name, update_patient},
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

/// Whether PostgreSQL knows this time zone.
pub async fn knows_time_zone(pool: &PgPool, name: &str) -> Result<bool, sqlx::Error> {
    let known = sqlx::query_scalar!("SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = $1)", name);
    Ok(known.fetch_one(pool).await?.unwrap_or(false))
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
