//! What an operator can ask of a relay from the command line: `relay status`, `relay reset`, `relay held`.

use clap::{Args, Subcommand};
use sqlx::{Acquire, PgConnection, PgPool, Row};
use thiserror::Error;

use super::cursor::{self, Reset};

/// Looks at the relay of a service's outbox, or sets it right
#[derive(Debug, Clone, Args)]
pub struct RelayCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, Subcommand)]
enum What {
    /// Shows how far it has come and what it holds
    Status,
    /// Sets its position anew, after a restore; stop the relay first
    #[command(group(clap::ArgGroup::new("choice").required(true)))]
    Reset {
        /// Publish everything that the outbox still holds once more; readers with an inbox drop the repeats
        #[arg(long, group = "choice")]
        publish_again: bool,
        /// Take everything that the outbox holds for published
        #[arg(long, group = "choice")]
        start_here: bool,
    },
    /// Shows the records that Kafka refused, and those that wait behind them
    Held,
    /// Puts held records back into the outbox in their order, once the cause is mended; restart the relay then
    Release,
}

/// Why it could not be done.
#[derive(Debug, Error)]
pub enum RelayCommandError {
    #[error("the relay is running: stop the service (or its relay role) first")]
    Running,
    #[error("the outbox could not be read or written")]
    Database(#[from] sqlx::Error),
}

impl RelayCommand {
    /// Whether it changes nothing: it may be asked at any time, of a standby too.
    pub fn only_reads(&self) -> bool {
        matches!(self.what, What::Status | What::Held)
    }

    /// Does it in the schema of `pool`'s search path, and says what came of it.
    ///
    /// # Errors
    /// When the relay runs and must not, or the database refuses.
    pub async fn run(self, pool: &PgPool) -> Result<String, RelayCommandError> {
        let mut connection = pool.acquire().await?;
        match self.what {
            What::Status | What::Held => {
                let mut tx = connection.begin().await?;
                sqlx::query("SET TRANSACTION READ ONLY").execute(&mut *tx).await?;
                let told = self.tell(&mut tx).await?;
                tx.rollback().await?;
                Ok(told)
            }
            What::Reset { publish_again, .. } => {
                let mut tx = connection.begin().await?;
                stopped(&mut tx).await?;
                let choice = if publish_again { Reset::PublishAgain } else { Reset::StartHere };
                cursor::reset(&mut tx, choice).await?;
                tx.commit().await?;
                Ok(match choice {
                    Reset::PublishAgain => "the relay will publish everything that the outbox holds once more",
                    Reset::StartHere => "the relay will publish what comes from now on",
                }
                .to_owned())
            }
            What::Release => {
                let mut tx = connection.begin().await?;
                stopped(&mut tx).await?;
                let held: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox_held").fetch_one(&mut *tx).await?;
                // Rows of these keys that came after the relay had stopped go behind the released ones; and whoever is
                // about to write one waits, so that its id is drawn behind them too.
                sqlx::query("LOCK TABLE outbox IN SHARE ROW EXCLUSIVE MODE").execute(&mut *tx).await?;
                sqlx::query(RELEASE).execute(&mut *tx).await?;
                tx.commit().await?;
                Ok(format!("{held} records are in the outbox again, in their order"))
            }
        }
    }

    async fn tell(&self, connection: &mut PgConnection) -> Result<String, RelayCommandError> {
        if matches!(self.what, What::Held) {
            return held(connection).await;
        }
        let row = sqlx::query(
            "SELECT snapshot::text, step_id, to_char(saved_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
                    (SELECT count(*) FROM outbox o WHERE NOT pg_visible_in_snapshot(o.xid, c.snapshot)),
                    (SELECT count(*) FROM outbox_held)
             FROM outbox_cursor c",
        )
        .fetch_one(connection)
        .await?;
        Ok(format!(
            "published up to the snapshot {} (saved {})\nrows not published yet: {}\nrows held: {}",
            row.try_get::<String, _>(0)?,
            row.try_get::<String, _>(2)?,
            row.try_get::<i64, _>(3)?,
            row.try_get::<i64, _>(4)?
        ))
    }
}

async fn held(connection: &mut PgConnection) -> Result<String, RelayCommandError> {
    let rows = sqlx::query("SELECT id, topic, reason, held_at::text FROM outbox_held ORDER BY id LIMIT 200")
        .fetch_all(connection)
        .await?;
    let mut text = format!("{} records held", rows.len());
    for row in rows {
        text.push_str(&format!(
            "\n{}\t{}\t{}\t{}",
            row.try_get::<i64, _>(0)?,
            row.try_get::<String, _>(1)?,
            row.try_get::<String, _>(3)?,
            row.try_get::<String, _>(2)?
        ));
    }
    Ok(text)
}

const RELEASE: &str = "
    WITH later AS (
        DELETE FROM outbox o USING outbox_cursor c
        WHERE (o.topic, o.key) IN (SELECT topic, key FROM outbox_held)
          AND NOT pg_visible_in_snapshot(o.xid, c.snapshot)
          AND NOT (c.step IS NOT NULL AND pg_visible_in_snapshot(o.xid, c.step) AND o.id <= c.step_id)
        RETURNING o.id, o.topic, o.key, o.headers, o.payload, o.created_at),
    held AS (DELETE FROM outbox_held RETURNING id, topic, key, headers, payload, created_at)
    INSERT INTO outbox (topic, key, headers, payload, created_at)
    SELECT topic, key, headers, payload, created_at
    FROM (SELECT DISTINCT ON (id) * FROM (SELECT * FROM held UNION ALL SELECT * FROM later) AS all_of_them) AS again
    ORDER BY id";

/// Takes the relay's lock for the length of a transaction.
async fn stopped(tx: &mut PgConnection) -> Result<(), RelayCommandError> {
    let free: bool =
        sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(hashtext('outbox relay'), hashtext(current_schema()))")
            .fetch_one(tx)
            .await?;
    if free { Ok(()) } else { Err(RelayCommandError::Running) }
}
