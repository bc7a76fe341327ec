//! Forgetting what was published long ago: a slot of the outbox is truncated as a whole, never row by row.

use std::time::Duration;

use sqlx::{Connection, PgConnection};

/// The slots of `crates/events/sql`.
const SLOTS: [&str; 4] = ["outbox_0", "outbox_1", "outbox_2", "outbox_3"];

/// Slots come round after two days and hold half a day each: what is younger than this is never in a slot whose turn
/// comes again.
pub(super) const LONGEST: Duration = Duration::from_secs(36 * 3600);

/// Truncates every slot whose rows are all published and older than `keep`.
///
/// The lock shuts writers out for a moment, so that no row can be in the making while its slot is looked through; where it
/// is not to be had at once, the slot waits for the next time.
pub async fn forget(connection: &mut PgConnection, keep: Duration) -> Result<(), sqlx::Error> {
    for slot in SLOTS {
        let mut tx = connection.begin().await?;
        sqlx::query("SET LOCAL lock_timeout = '50ms'").execute(&mut *tx).await?;
        // Index look-ups only, and first without the lock: on a slot in use it would stop its writers for nothing.
        let old = format!(
            "SELECT EXISTS (SELECT FROM {slot})
                AND (SELECT created_at FROM {slot} ORDER BY xid DESC LIMIT 1)
                    < clock_timestamp() - make_interval(secs => $1)
                AND NOT EXISTS (SELECT FROM {slot} WHERE xid >= (SELECT pg_snapshot_xmax(snapshot) FROM outbox_cursor))
                AND NOT EXISTS (SELECT FROM {slot}
                                WHERE xid IN (SELECT pg_snapshot_xip(snapshot) FROM outbox_cursor))"
        );
        let is_old = || sqlx::query_scalar::<_, bool>(sqlx::AssertSqlSafe(old.clone())).bind(keep.as_secs_f64());
        if !is_old().fetch_one(&mut *tx).await? {
            continue;
        }
        let lock = format!("LOCK TABLE ONLY {slot} IN ACCESS EXCLUSIVE MODE");
        if sqlx::query(sqlx::AssertSqlSafe(lock)).execute(&mut *tx).await.is_err() {
            tx.rollback().await?;
            continue;
        }
        if is_old().fetch_one(&mut *tx).await? {
            sqlx::query(sqlx::AssertSqlSafe(format!("TRUNCATE ONLY {slot}"))).execute(&mut *tx).await?;
            tracing::debug!(slot, "outbox slot truncated");
        }
        tx.commit().await?;
    }
    Ok(())
}
