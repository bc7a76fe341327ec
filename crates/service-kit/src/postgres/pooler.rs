//! Tells a pool that gives each transaction another session, as PgBouncer does in transaction mode.
//!
//! The services need a session of their own per connection: prepared statements, advisory locks, `LISTEN` and settings live in
//! it. With shared ones they would work for a while and then not.

use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection, Row, postgres::PgConnectOptions};

/// Ends the sentence that begins with the place.
pub(super) const SHARED: &str = "is a pool (PgBouncer or its like) in transaction mode, where a connection has no session of its own. \
    Give PostgreSQL's own address (DIRECT_URL, where there is one), or a pool with pool_mode = session and \
    ignore_startup_parameters = extra_float_digits,options";
/// The same.
pub(super) const REFUSED: &str = "is a pool (PgBouncer or its like) that refuses how a connection begins. \
    Give PostgreSQL's own address (DIRECT_URL, where there is one), or a pool with pool_mode = session and \
    ignore_startup_parameters = extra_float_digits,options";

/// A pool gives the session that was used last to whoever comes next, so two connections meet in one at the first round, unless
/// others are quicker.
const ROUNDS: usize = 4;
/// Whether there is a pool is not worth a longer wait.
const LIMIT: Duration = Duration::from_secs(5);

/// PgBouncer's answer to `options` and `extra_float_digits`, by the code of a broken protocol.
pub(super) fn refuses_parameters(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| {
        error.code().as_deref() == Some("08P01") && error.message().contains("unsupported startup parameter")
    })
}

/// Whether two connections that are open at once are served by one session. Where that cannot be found out, it is not so.
pub(super) async fn shares_sessions(first: PgConnection, options: &PgConnectOptions) -> bool {
    let asked = async {
        let mut first = first;
        let mut second = PgConnection::connect_with(options).await?;
        let own = session(&mut first).await?;
        let mut shared = false;
        for _ in 0..ROUNDS {
            shared |= session(&mut second).await? == own || session(&mut first).await? != own;
        }
        // Both farewells, or the server counts them as lost.
        _ = first.close().await;
        _ = second.close().await;
        Ok::<_, sqlx::Error>(shared)
    };
    matches!(tokio::time::timeout(LIMIT, asked).await, Ok(Ok(true)))
}

/// Without a prepared statement, of which the next one to use the session would have the same name.
async fn session(connection: &mut PgConnection) -> sqlx::Result<i32> {
    connection.fetch_one(sqlx::raw_sql("SELECT pg_backend_pid()")).await?.try_get(0)
}
