//! The table of idempotency keys. All statements rely on the pool's `search_path`.

use std::sync::Arc;

use axum::{extract::OptionalFromRequestParts, http::request::Parts};
use sqlx::{PgConnection, PgPool, Row, migrate::Migrator};
use uuid::Uuid;

use super::super::Problem;
use crate::postgres::Migrations;

static MIGRATOR: Migrator = sqlx::migrate!("sql/idempotency");

/// The table, for [`prepare`](crate::postgres::prepare).
pub const MIGRATIONS: Migrations = Migrations { migrator: &MIGRATOR, table: "_idempotency_migrations" };

/// How long a process may hold a key: the 60 s of a handler and 30 s for the statements around it. Only a process that died
/// lets it run out.
const HOLD_SECONDS: f64 = 90.0;
/// Few enough not to hold locks for more than some milliseconds.
const BATCH: i64 = 1000;

/// A key that is being worked on, as an extractor `Option<Claim>`: none where the caller sent no key.
#[derive(Debug, Clone)]
pub struct Claim {
    caller: Arc<str>,
    key: Arc<str>,
    token: Uuid,
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Claim {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

impl Claim {
    /// Notes in the effect's own transaction that it happens. Should the answer get lost with the process, asking again is then
    /// answered 409 instead of doing the work twice.
    ///
    /// # Errors
    /// The statement fails, or the key is no longer held (`RowNotFound`): then do not commit.
    pub async fn carried_out(&self, transaction: &mut PgConnection) -> sqlx::Result<()> {
        let sql = "UPDATE idempotency_keys SET carried_out = true WHERE caller = $1 AND key = $2 AND claim = $3";
        let marked =
            sqlx::query(sql).bind(&*self.caller).bind(&*self.key).bind(self.token).execute(transaction).await?;
        if marked.rows_affected() == 1 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
    }
}

/// An answer as it is kept.
#[derive(Debug)]
pub(super) struct StoredAnswer {
    pub(super) status: u16,
    pub(super) content_type: Option<String>,
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
}

/// What became of a claim.
#[derive(Debug)]
pub(super) enum Claimed {
    Ours(Claim),
    Answered(StoredAnswer),
    OtherRequest,
    UnderWay,
    AnswerLost,
}

pub(super) async fn claim(pool: &PgPool, caller: &str, key: &str, hash: &[u8]) -> sqlx::Result<Claimed> {
    let token = Uuid::now_v7();
    // A key may be freed between the two statements; then it is ours the next time.
    for _ in 0..3 {
        let ours = sqlx::query(
            "INSERT INTO idempotency_keys AS held (caller, key, request_hash, claim, claimed_until)
             VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))
             ON CONFLICT (caller, key) DO UPDATE
                SET request_hash = excluded.request_hash, claim = excluded.claim, claimed_until = excluded.claimed_until,
                    carried_out = false, status = NULL, content_type = NULL, location = NULL, body = NULL,
                    created_at = now()
              WHERE held.created_at < now() - interval '24 hours'
                 OR (held.status IS NULL AND NOT held.carried_out AND held.claimed_until < now()
                     AND held.request_hash = excluded.request_hash)",
        )
        .bind(caller)
        .bind(key)
        .bind(hash)
        .bind(token)
        .bind(HOLD_SECONDS)
        .execute(pool)
        .await?;
        if ours.rows_affected() == 1 {
            return Ok(Claimed::Ours(Claim { caller: caller.into(), key: key.into(), token }));
        }
        let held = sqlx::query(
            "SELECT request_hash, status, content_type, location, body, carried_out AND claimed_until < now() AS lost
               FROM idempotency_keys WHERE caller = $1 AND key = $2",
        )
        .bind(caller)
        .bind(key)
        .fetch_optional(pool)
        .await?;
        let Some(held) = held else { continue };
        if held.try_get::<&[u8], _>("request_hash")? != hash {
            return Ok(Claimed::OtherRequest);
        }
        return Ok(match held.try_get::<Option<i16>, _>("status")? {
            Some(status) => Claimed::Answered(StoredAnswer {
                status: u16::try_from(status).unwrap_or(200),
                content_type: held.try_get("content_type")?,
                location: held.try_get("location")?,
                body: held.try_get::<Option<Vec<u8>>, _>("body")?.unwrap_or_default(),
            }),
            None if held.try_get("lost")? => Claimed::AnswerLost,
            None => Claimed::UnderWay,
        });
    }
    Ok(Claimed::UnderWay)
}

pub(super) async fn keep(pool: &PgPool, claim: &Claim, answer: &StoredAnswer) -> sqlx::Result<()> {
    let sql = "UPDATE idempotency_keys SET status = $4, content_type = $5, location = $6, body = $7, carried_out = true
                WHERE caller = $1 AND key = $2 AND claim = $3";
    let query = sqlx::query(sql).bind(&*claim.caller).bind(&*claim.key).bind(claim.token);
    // A status has three digits.
    let query =
        query.bind(i16::try_from(answer.status).unwrap_or(200)).bind(&answer.content_type).bind(&answer.location);
    query.bind(&answer.body).execute(pool).await.map(|_| ())
}

/// For an answer that cannot be kept: the claim ends at once, the key stays.
pub(super) async fn carried_out(pool: &PgPool, claim: &Claim) -> sqlx::Result<()> {
    let sql = "UPDATE idempotency_keys SET carried_out = true, claimed_until = now()
                WHERE caller = $1 AND key = $2 AND claim = $3";
    sqlx::query(sql).bind(&*claim.caller).bind(&*claim.key).bind(claim.token).execute(pool).await.map(|_| ())
}

/// Lets go of a key whose work failed, so that it can be tried again. One whose effect is committed stays.
pub(super) async fn free(pool: &PgPool, claim: &Claim) -> sqlx::Result<()> {
    let sql =
        "WITH freed AS (DELETE FROM idempotency_keys WHERE caller = $1 AND key = $2 AND claim = $3 AND NOT carried_out)
               UPDATE idempotency_keys SET claimed_until = now()
                WHERE caller = $1 AND key = $2 AND claim = $3 AND carried_out";
    sqlx::query(sql).bind(&*claim.caller).bind(&*claim.key).bind(claim.token).execute(pool).await.map(|_| ())
}

pub(super) async fn remove_old(pool: &PgPool) -> sqlx::Result<u64> {
    let mut removed = 0;
    loop {
        let batch = sqlx::query(
            "DELETE FROM idempotency_keys WHERE (caller, key) IN (
                 SELECT caller, key FROM idempotency_keys WHERE created_at < now() - interval '24 hours'
                  ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
        )
        .bind(BATCH)
        .execute(pool)
        .await?
        .rows_affected();
        removed += batch;
        if batch < BATCH.unsigned_abs() {
            return Ok(removed);
        }
    }
}
