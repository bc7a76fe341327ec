//! Watches over the session that migrates: it does not outlive its client, and what it waits for is told.
//!
//! The server notices a client that vanished without a word after two hours, and keeps the session with its locks for so long. How
//! long a migration takes is its own affair: who works is waited for, who is idle is not.

use std::{io, time::Duration};

use anyhow::anyhow;
use sqlx::{PgConnection, PgPool};
use tokio::time::{Instant, sleep, timeout};

use super::connect::WAIT;

const EVERY: Duration = Duration::from_secs(5);

/// Who keeps a session waiting. Of another role's sessions the server may tell no more than their numbers.
#[derive(sqlx::FromRow)]
struct Holder {
    pid: i32,
    what: String,
    idle_for: Option<f64>,
}

/// A session of the server, which gives its number to another once it is over.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct Session {
    pid: i32,
    since: String,
}

/// Has the server end this session soon after its client is gone: one that is idle in the midst of migrating has lost it.
pub(super) async fn end_with_its_client(session: &mut PgConnection) -> sqlx::Result<Session> {
    let settings = "SELECT set_config(name, value, false) FROM pg_settings JOIN (VALUES
            ('tcp_keepalives_idle', '5'), ('tcp_keepalives_interval', '2'), ('tcp_keepalives_count', '3'),
            ('idle_in_transaction_session_timeout', '5s'), ('idle_session_timeout', '5s')) AS ours (name, value) USING (name)";
    sqlx::query(settings).execute(&mut *session).await?;
    let this = "SELECT pid, backend_start::text AS since FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    sqlx::query_as(this).fetch_one(session).await
}

/// Returns why the session cannot go on: the server has it no more, or what it waits for is idle for 30 s.
pub(super) async fn watch(pool: &PgPool, session: &Session, schema: &str) -> anyhow::Error {
    let mut answered = Instant::now();
    loop {
        sleep(EVERY).await;
        match timeout(EVERY, look(pool, session)).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(Some(holders)) => {
                answered = Instant::now();
                for Holder { pid, what, idle_for } in holders {
                    let waits_for = format!("the session {pid} ({what})");
                    if idle_for.is_some_and(|idle| idle >= WAIT.as_secs_f64()) {
                        return anyhow!(
                            "{waits_for} holds a lock and does nothing; if nobody works there, end it: SELECT pg_terminate_backend({pid})"
                        );
                    }
                    tracing::warn!(
                        schema,
                        waits_for,
                        "the migration waits for a lock, as it does while another process migrates; if nobody works there, \
                         end it: SELECT pg_terminate_backend({pid})"
                    );
                }
            }
            Ok(None) => return lost("the server has the session that migrates no more"),
            // It answers, if not this; who is not let in any more learns nothing of the session.
            Err(sqlx::Error::Database(error)) if !refuses_us(error.code().as_deref()) => answered = Instant::now(),
            Err(error) if answered.elapsed() < WAIT => {
                tracing::warn!(schema, %error, "whether the session that migrates goes on cannot be asked");
            }
            Err(error) => {
                return lost(&format!(
                    "for {} s nobody could ask for the session that migrates: {error}",
                    WAIT.as_secs()
                ));
            }
        }
    }
}

/// A password or a right that was taken away (class 28), or no place for one more connection (class 53).
fn refuses_us(code: Option<&str>) -> bool {
    code.is_some_and(|code| code.starts_with("28") || code.starts_with("53"))
}

/// As an error of the connection, since it is one.
fn lost(what: &str) -> anyhow::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::ConnectionAborted, what)).into()
}

/// Those that the session waits for, unless it is gone.
async fn look(pool: &PgPool, session: &Session) -> sqlx::Result<Option<Vec<Holder>>> {
    let is_there: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2)")
            .bind(session.pid)
            .bind(&session.since)
            .fetch_one(pool)
            .await?;
    if !is_there {
        return Ok(None);
    }
    // Those that wait for the same are before it in the queue, and hold nothing.
    let holders = "SELECT pid, concat_ws(', ', nullif(application_name, ''), host(client_addr), state, 'since ' || state_change) AS what,
            CASE WHEN state LIKE 'idle%' THEN extract(epoch FROM clock_timestamp() - state_change)::float8 END AS idle_for
        FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids($1)) AND wait_event_type IS DISTINCT FROM 'Lock' ORDER BY pid";
    sqlx::query_as(holders).bind(session.pid).fetch_all(pool).await.map(Some)
}

#[cfg(test)]
mod tests {
    use sqlx::Connection;
    use test_kit::postgres::TestDatabase;

    use super::*;

    async fn session(connection: &mut PgConnection) -> Session {
        end_with_its_client(connection).await.unwrap()
    }

    #[tokio::test]
    async fn a_session_that_has_the_number_of_one_that_is_over_is_another() {
        let database = TestDatabase::create().await;
        let mut first = PgConnection::connect(database.url()).await.unwrap();
        let first = session(&mut first).await;
        let mut second = PgConnection::connect(database.url()).await.unwrap();
        let second = session(&mut second).await;
        for there in [&first, &second] {
            assert!(look(database.pool(), there).await.unwrap().is_some(), "{there:?}");
        }
        let over = Session { pid: second.pid, since: first.since };
        assert!(look(database.pool(), &over).await.unwrap().is_none(), "{over:?}");
        let why = watch(database.pool(), &over, "voice").await.to_string();
        assert!(why.contains("no more"), "{why}");
    }
}
