//! The zone of what other programs write: who inserts an appointment and says no zone means the practice's.
//!
//! A migration cannot know it, so the column's default is brought to the setting at each start.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgPool};

/// Whoever writes appointments waits behind this for as long as it waits for them.
const PATIENCE: Duration = Duration::from_secs(1);

/// Makes the zone the default of new rows. Where that is not to be had (no right, a long transaction), what is there stays and
/// a warning says so: all that the service writes itself names its zone.
pub async fn make_default(pool: &PgPool, zone: &str) {
    match change(pool, zone).await {
        Ok(false) => {}
        Ok(true) => tracing::info!(zone, "appointments that are written without a time zone are the practice's"),
        Err(error) => tracing::warn!(
            zone,
            error = %error,
            "cannot make the practice's time zone the default of healthcore.appointments.time_zone; what others insert without \
             one keeps the zone of before until the next start"
        ),
    }
}

async fn change(pool: &PgPool, zone: &str) -> Result<bool, sqlx::Error> {
    // In words of the database, which quotes.
    let statement = sqlx::query_scalar!(
        r#"SELECT format('ALTER TABLE healthcore.appointments ALTER COLUMN time_zone SET DEFAULT %L', $1::text) AS "statement!"
           FROM pg_attribute a LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
           WHERE a.attrelid = 'healthcore.appointments'::regclass AND a.attname = 'time_zone'
             AND pg_get_expr(d.adbin, d.adrelid) IS DISTINCT FROM format('%L::text', $1::text)"#,
        zone
    );
    let Some(statement) = statement.fetch_optional(pool).await? else { return Ok(false) };
    let mut tx = pool.begin().await?;
    let patience = format!("SET LOCAL lock_timeout = '{}ms'", PATIENCE.as_millis());
    sqlx::raw_sql(AssertSqlSafe(patience)).execute(&mut *tx).await?;
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(true)
}
