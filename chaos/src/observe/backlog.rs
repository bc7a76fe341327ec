//! What the database says: effects, rows that were written, and what the relays have still to publish.

use sqlx::{AssertSqlSafe, PgPool};

use crate::{
    history::{Effect, Fact, Write, WriteOutcome},
    system::Hop,
};

/// In the order in which they were applied.
///
/// # Errors
/// The database is away.
pub async fn effects(pool: &PgPool, hop: &Hop) -> sqlx::Result<Vec<Effect>> {
    let rows: Vec<(String, i64, String)> = sqlx::query_as(hop.effects).fetch_all(pool).await?;
    Ok(rows.into_iter().map(|(key, seq, of)| Effect { fact: fact(key, seq), key: of }).collect())
}

/// Rows that count as acknowledged writes.
///
/// # Errors
/// The database is away.
pub async fn written(pool: &PgPool, query: &'static str) -> sqlx::Result<Vec<Write>> {
    let rows: Vec<(String, i64)> = sqlx::query_as(query).fetch_all(pool).await?;
    let write = |(key, seq)| Write { fact: fact(key, seq), poison: false, outcome: WriteOutcome::Acknowledged };
    Ok(rows.into_iter().map(write).collect())
}

fn fact(key: String, seq: i64) -> Fact {
    Fact { key, seq: seq.try_into().unwrap_or(u32::MAX) }
}

/// Rows of a schema's outbox that are not behind its cursor, and those that are held.
///
/// # Errors
/// The database is away.
pub async fn unpublished(pool: &PgPool, schema: &str) -> sqlx::Result<i64> {
    let sql = format!(
        "SELECT (SELECT count(*) FROM {schema}.outbox_held)
              + (SELECT count(*) FROM {schema}.outbox o
                 WHERE NOT pg_visible_in_snapshot(o.xid, c.snapshot)
                   AND NOT coalesce(pg_visible_in_snapshot(o.xid, c.step) AND o.id <= c.step_id, false))
         FROM {schema}.outbox_cursor c"
    );
    // Only names of this crate go into it.
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await
}
