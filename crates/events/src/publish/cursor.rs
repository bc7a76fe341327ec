//! How far the outbox was read: a snapshot, not an id.
//!
//! Ids are drawn before they become visible, and transaction ids are drawn in another order than commits happen, so a
//! cursor on either loses rows or reorders a key. What became visible between two snapshots is known exactly: it is what
//! the newer one sees and the older one did not. Read that way nothing is skipped, nothing is read twice, and no long
//! transaction holds anything up. Within one step the id is the true order of a key.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::{Stream, TryStreamExt};
use sqlx::{Connection, PgConnection, Row, postgres::PgRow};
use thiserror::Error;

/// A database snapshot: which transactions had ended when it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    text: String,
    /// The first transaction id that had not been given out.
    xmax: String,
    /// The transactions below `xmax` that were still running.
    running: Vec<String>,
}

/// Text that is no snapshot.
#[derive(Debug, Error)]
#[error("{0:?} is no pg_snapshot")]
pub struct NoSnapshot(String);

impl std::str::FromStr for Snapshot {
    type Err = NoSnapshot;

    fn from_str(text: &str) -> Result<Self, NoSnapshot> {
        let mut parts = text.split(':');
        let (Some(_), Some(xmax), Some(running), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NoSnapshot(text.to_owned()));
        };
        let running = running.split(',').filter(|xid| !xid.is_empty()).map(str::to_owned).collect();
        Ok(Self { text: text.to_owned(), xmax: xmax.to_owned(), running })
    }
}

/// A place in the stream of the outbox's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Everything that this snapshot sees lies behind.
    pub snapshot: Snapshot,
    /// A step that was cut off: of what this newer snapshot sees besides, the rows up to this id lie behind too.
    pub step: Option<(Snapshot, i64)>,
}

impl Position {
    /// Where a look from here has come to once all that it brought is taken: `rows` rows, the last one with the id `last`.
    pub fn after(&self, until: Snapshot, rows: usize, last: i64) -> Self {
        if self.step.is_none() && rows >= PAGE {
            return Self { snapshot: self.snapshot.clone(), step: Some((until, last)) };
        }
        Self { snapshot: until, step: None }
    }
}

/// A row of the outbox.
#[derive(Debug, Clone)]
pub struct OutboxRow {
    /// The true order within a key.
    pub id: i64,
    /// The catalogue's name.
    pub topic: String,
    /// The record key.
    pub key: String,
    /// A JSON object of strings.
    pub headers: String,
    /// The record value.
    pub payload: Vec<u8>,
    /// When it was written; its transaction may have committed later.
    pub created_at: DateTime<Utc>,
}

/// Why the saved position cannot be read from.
#[derive(Debug, Error)]
pub enum CursorError {
    /// The outbox was restored into another cluster, where the saved snapshot means nothing.
    #[error(
        "the outbox's cursor was saved by another database cluster; run `relay reset --publish-again` to publish what \
         the outbox holds once more (readers with an inbox drop repeats), or `relay reset --start-here` to skip it"
    )]
    ForeignCluster,
    /// The cluster was put back to an earlier state.
    #[error(
        "the outbox's cursor lies in the future of this database, which was put back to an earlier state; run \
         `relay reset --publish-again` or `relay reset --start-here`"
    )]
    Future,
    /// The row is gone.
    #[error("the outbox has no cursor row; run `relay reset --publish-again` or `relay reset --start-here`")]
    Missing,
    #[error(transparent)]
    Snapshot(#[from] NoSnapshot),
    #[error("reading the outbox failed")]
    Database(#[from] sqlx::Error),
}

/// A look brings at most this many rows. Sorting a backlog of a million would keep its first row waiting for seconds and
/// spill; the first of them are found by one pass, and the rest is read by the index on the id.
pub const PAGE: usize = 10_000;

/// One statement has one snapshot, the one that it reports; so no transaction is needed around it. A row without an id
/// comes when there is nothing new, to bring the snapshot. The order is by an expression, so that the index on the id,
/// which would read all rows that are kept, is none of the choices.
const LOOK: &str = "
    SELECT (SELECT pg_current_snapshot()::text), o.id, o.topic, o.key, o.headers::text, o.payload, o.created_at
    FROM (VALUES (1)) AS always
    LEFT JOIN outbox o ON o.xid >= $1::text::xid8 OR o.xid = ANY ($2::text[]::xid8[])
    ORDER BY o.id + 0
    LIMIT $3";

/// The same rows, without a condition that the index on the xid could serve: they come by the id's, in order, unsorted.
const RESUME: &str = "
    SELECT $2::text, o.id, o.topic, o.key, o.headers::text, o.payload, o.created_at
    FROM outbox o
    WHERE NOT pg_visible_in_snapshot(o.xid, (SELECT $1::text::pg_snapshot))
      AND pg_visible_in_snapshot(o.xid, (SELECT $2::text::pg_snapshot)) AND o.id > $3
    ORDER BY o.id";

/// Makes a connection fit for looking often: the indexes are used whatever the statistics say, nothing is sorted that an
/// index has in order, and each plan is made once.
pub async fn prepare(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    for setting in [
        "SET enable_seqscan = off",
        "SET enable_sort = off",
        "SET plan_cache_mode = force_generic_plan",
        "SET jit = off",
        "SET work_mem = '64MB'",
    ] {
        sqlx::query(setting).execute(&mut *connection).await?;
    }
    Ok(())
}

/// The rows that became visible since `from`, in their order, each with the snapshot that the step leads to. Without news
/// there is one item without a row; a step that is resumed and has nothing left yields no item at all. What comes after
/// [`PAGE`] rows is left for a look that resumes the step; see [`Position::after`].
pub fn look<'c>(
    connection: &'c mut PgConnection,
    from: &Position,
) -> impl Stream<Item = Result<(Arc<Snapshot>, Option<OutboxRow>), CursorError>> + Send + 'c {
    let query = match &from.step {
        None => {
            sqlx::query(LOOK).bind(from.snapshot.xmax.clone()).bind(from.snapshot.running.clone()).bind(PAGE as i64)
        }
        Some((step, id)) => sqlx::query(RESUME).bind(from.snapshot.text.clone()).bind(step.text.clone()).bind(*id),
    };
    // Every row of a look brings the same snapshot.
    let mut read: Option<Arc<Snapshot>> = None;
    query.fetch(connection).map_err(CursorError::from).and_then(move |row| {
        let outcome = read_row(&row, &mut read);
        std::future::ready(outcome)
    })
}

fn read_row(row: &PgRow, read: &mut Option<Arc<Snapshot>>) -> Result<(Arc<Snapshot>, Option<OutboxRow>), CursorError> {
    let snapshot = match read {
        Some(snapshot) => Arc::clone(snapshot),
        None => Arc::clone(read.insert(Arc::new(row.try_get::<&str, _>(0)?.parse()?))),
    };
    let Some(id) = row.try_get::<Option<i64>, _>(1)? else { return Ok((snapshot, None)) };
    let row = OutboxRow {
        id,
        topic: row.try_get(2)?,
        key: row.try_get(3)?,
        headers: row.try_get(4)?,
        payload: row.try_get(5)?,
        created_at: row.try_get(6)?,
    };
    Ok((snapshot, Some(row)))
}

/// Reads the saved position, and refuses one that means nothing here.
pub async fn load(connection: &mut PgConnection) -> Result<Position, CursorError> {
    let row = sqlx::query(
        "SELECT snapshot::text, step::text, step_id, c.system_identifier = s.system_identifier,
                pg_snapshot_xmax(coalesce(step, snapshot)) > pg_snapshot_xmax(pg_current_snapshot())
         FROM outbox_cursor c, pg_control_system() s",
    )
    .fetch_optional(connection)
    .await?
    .ok_or(CursorError::Missing)?;
    if !row.try_get::<bool, _>(3)? {
        return Err(CursorError::ForeignCluster);
    }
    if row.try_get::<bool, _>(4)? {
        return Err(CursorError::Future);
    }
    let step = match (row.try_get::<Option<&str>, _>(1)?, row.try_get::<Option<i64>, _>(2)?) {
        (Some(step), Some(id)) => Some((step.parse()?, id)),
        _ => None,
    };
    Ok(Position { snapshot: row.try_get::<&str, _>(0)?.parse()?, step })
}

/// Saves a position; everything behind it must be acknowledged.
pub async fn save(connection: &mut PgConnection, position: &Position) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE outbox_cursor SET snapshot = $1::text::pg_snapshot, step = $2::text::pg_snapshot, step_id = $3,
                saved_at = clock_timestamp()",
    )
    .bind(&position.snapshot.text)
    .bind(position.step.as_ref().map(|(step, _)| &step.text))
    .bind(position.step.as_ref().map(|(_, id)| id))
    .execute(connection)
    .await?;
    Ok(())
}

/// Where to begin again after the saved position has lost its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// Publish everything that the outbox still holds.
    PublishAgain,
    /// Take everything that it holds for published.
    StartHere,
}

/// Sets the position anew, in a transaction of its own. The relay must not be running.
///
/// The rows of another cluster carry its transaction ids. Above this one's they would be new at every look, so all rows
/// become as old as can be; their order is by id either way.
pub async fn reset(connection: &mut PgConnection, choice: Reset) -> Result<(), sqlx::Error> {
    let mut tx = connection.begin().await?;
    sqlx::query("UPDATE outbox SET xid = '3'").execute(&mut *tx).await?;
    sqlx::query(
        "INSERT INTO outbox_cursor (snapshot, system_identifier)
         SELECT CASE WHEN $1 THEN '1:1:'::pg_snapshot ELSE pg_current_snapshot() END, system_identifier
         FROM pg_control_system()
         ON CONFLICT (one) DO UPDATE SET snapshot = excluded.snapshot, step = NULL, step_id = NULL,
             system_identifier = excluded.system_identifier, saved_at = clock_timestamp()",
    )
    .bind(choice == Reset::PublishAgain)
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_read() {
        let snapshot: Snapshot = "10:20:10,14,15".parse().unwrap();
        assert_eq!((snapshot.xmax.as_str(), snapshot.running.len()), ("20", 3));
        assert!("20:20:".parse::<Snapshot>().unwrap().running.is_empty());
        assert!("20".parse::<Snapshot>().is_err());
    }
}
