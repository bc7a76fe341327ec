//! The inbox: who has handled which event. The claim is part of the effect's transaction, so that an effect happens once
//! however often its event is delivered.

use std::{collections::HashSet, time::Duration};

use sqlx::PgPool;

use super::identity::ClaimedBy;
use crate::{
    contract::event::EventId,
    publish::Tx,
    sabotage::{self, Sabotage},
};

/// Claims an event for a consumer. `false` when it was claimed before; while another transaction is about to claim it,
/// this waits for that one's end.
pub(super) async fn claim(tx: &mut Tx, consumer: &str, by: ClaimedBy) -> Result<bool, sqlx::Error> {
    // Both, whatever comes of the first.
    let is_fresh = match by.letter {
        Some(letter) => claim_one(tx, consumer, letter).await?,
        None => true,
    };
    Ok(claim_one(tx, consumer, by.id).await? && is_fresh)
}

async fn claim_one(tx: &mut Tx, consumer: &str, event: EventId) -> Result<bool, sqlx::Error> {
    let claimed = sqlx::query("INSERT INTO inbox (consumer, event_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(consumer)
        .bind(event.0)
        .execute(tx.connection())
        .await?;
    Ok(claimed.rows_affected() == 1 || sabotage::is(Sabotage::NoInbox))
}

/// Claims many at once. Returns those that were not claimed before.
pub(super) async fn claim_all(
    tx: &mut Tx,
    consumer: &str,
    events: &[EventId],
) -> Result<HashSet<EventId>, sqlx::Error> {
    let mut ids: Vec<uuid::Uuid> = events.iter().map(|event| event.0).collect();
    // In one order everywhere: two batches that share events must not wait for each other.
    ids.sort_unstable();
    let claimed =
        sqlx::query("INSERT INTO inbox (consumer, event_id) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING")
            .bind(consumer)
            .bind(&ids)
            .execute(tx.connection())
            .await?;
    // All of them, nearly always; to have each returned would cost more than the claim.
    if claimed.rows_affected() < ids.len() as u64 {
        ids = sqlx::query_scalar(
            "SELECT event_id FROM inbox
             WHERE consumer = $1 AND event_id = ANY ($2) AND xmin = pg_current_xact_id()::xid",
        )
        .bind(consumer)
        .bind(&ids)
        .fetch_all(tx.connection())
        .await?;
    }
    Ok(ids.into_iter().map(EventId).collect())
}

pub(super) async fn is_claimed(pool: &PgPool, consumer: &str, event: EventId) -> Result<bool, sqlx::Error> {
    if sabotage::is(Sabotage::NoInbox) {
        return Ok(false);
    }
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM inbox WHERE consumer = $1 AND event_id = $2)")
        .bind(consumer)
        .bind(event.0)
        .fetch_one(pool)
        .await
}

/// Forgets claims of these consumers that are older than `age`, which must be longer than their topics hold a record. Small
/// batches, so that no lock is held for long. Returns how many were forgotten.
pub(super) async fn forget_before(pool: &PgPool, consumers: &[&str], age: Duration) -> Result<u64, sqlx::Error> {
    const BATCH: i64 = 5_000;
    let mut forgotten = 0;
    loop {
        let batch = sqlx::query(
            "DELETE FROM inbox WHERE ctid = ANY (ARRAY(
                 SELECT ctid FROM inbox
                 WHERE handled_at < clock_timestamp() - make_interval(secs => $1) AND consumer = ANY ($3) LIMIT $2))",
        )
        .bind(age.as_secs_f64())
        .bind(BATCH)
        .bind(consumers)
        .execute(pool)
        .await?
        .rows_affected();
        forgotten += batch;
        if batch < BATCH as u64 {
            return Ok(forgotten);
        }
    }
}
