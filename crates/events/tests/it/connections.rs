//! Connections that go from one transaction to the next: what is begun, committed and given back is what a pool alone
//! would have begun, committed and given back.

use std::{
    future::poll_fn,
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use events::publish::{Outbox, Tx};
use sqlx::{Connection, PgConnection, PgPool, postgres::PgPoolOptions};
use test_kit::wait::wait_until;

use crate::support::{LONG, Rig, said};

async fn backend(tx: &mut Tx) -> i32 {
    sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(tx.connection()).await.unwrap()
}

/// Connections of this database within a transaction, as its server sees them; asked by one that is of no pool.
async fn in_transactions(rig: &Rig) -> i64 {
    let mut stranger = PgConnection::connect(rig.database.url()).await.unwrap();
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE '%in transaction%'",
    )
    .fetch_one(&mut stranger)
    .await
    .unwrap()
}

async fn all_are_back(rig: &Rig, pool: &PgPool) {
    wait_until("every connection is back", LONG, || async { pool.num_idle() == pool.size() as usize }).await;
    assert_eq!(in_transactions(rig).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_has_the_connection_and_not_the_time_of_the_one_before() {
    let rig = Rig::new().await;
    let mut tx = rig.outbox.begin().await.unwrap();
    let first = backend(&mut tx).await;
    tx.commit().await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let between: DateTime<Utc> = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(rig.pool()).await.unwrap();
    let mut tx = rig.outbox.begin().await.unwrap();
    assert_eq!(backend(&mut tx).await, first);
    let now: DateTime<Utc> = sqlx::query_scalar("SELECT now()").fetch_one(tx.connection()).await.unwrap();
    assert!(now > between, "{now} is the time of the transaction before, {between} was later");
    drop(tx);
    all_are_back(&rig, rig.pool()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_is_undone_and_what_is_kept_holds_nobody_up() {
    let rig = Rig::new().await;
    let outbox =
        Outbox::new(PgPoolOptions::new().max_connections(1).connect(rig.database.url()).await.unwrap(), "test");
    for name in ["kept", "dropped"] {
        let mut tx = outbox.begin().await.unwrap();
        tx.publish(said("call-1", name)).await.unwrap();
        match name {
            "kept" => tx.commit().await.unwrap(),
            _ => drop(tx),
        }
        // The only connection of the pool: kept at hand, it would be missing here.
        let began = Instant::now();
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(outbox.pool()).await.unwrap();
        assert_eq!(rows, 1);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?} for a connection", began.elapsed());
    }
    all_are_back(&rig, outbox.pool()).await;
    outbox.pool().close().await;
    assert!(outbox.begin().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_died_at_hand_is_not_missed() {
    let rig = Rig::new().await;
    let mut tx = rig.outbox.begin().await.unwrap();
    let pid = backend(&mut tx).await;
    tx.commit().await.unwrap();
    let killed: bool =
        sqlx::query_scalar("SELECT pg_terminate_backend($1, 5000)").bind(pid).fetch_one(rig.pool()).await.unwrap();
    assert!(killed);
    let mut tx = rig.outbox.begin().await.unwrap();
    assert_ne!(backend(&mut tx).await, pid);
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_begin_that_is_cut_off_leaves_no_transaction_open() {
    let rig = Rig::new().await;
    for polls in 1..12 {
        let mut left = polls;
        let begun = {
            let mut begin = pin!(rig.outbox.begin());
            poll_fn(|context| {
                left -= 1;
                match begin.as_mut().poll(context) {
                    Poll::Ready(tx) => Poll::Ready(Some(tx)),
                    Poll::Pending if left == 0 => Poll::Ready(None),
                    Poll::Pending => Poll::Pending,
                }
            })
            .await
        };
        drop(begun);
        all_are_back(&rig, rig.pool()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_after_a_failure_that_went_unheard_is_refused() {
    let rig = Rig::new().await;
    let mut tx = rig.outbox.begin().await.unwrap();
    tx.publish(said("call-1", "lost?")).await.unwrap();
    assert!(sqlx::query("SELECT 1 / 0").execute(tx.connection()).await.is_err());
    let refused = tx.commit().await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "25P02");
    all_are_back(&rig, rig.pool()).await;
}

/// What one transaction may do, and what the next sees of it.
const LEFT: [(&str, &str, &str); 11] = [
    ("SET TRANSACTION READ ONLY", "SHOW transaction_read_only", "off"),
    ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SHOW transaction_isolation", "read committed"),
    ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SHOW transaction_isolation", "read committed"),
    ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE", "SHOW transaction_deferrable", "off"),
    ("SET LOCAL statement_timeout = '1s'", "SHOW statement_timeout", "0"),
    ("SET LOCAL search_path = pg_catalog", "SHOW search_path", "\"$user\", public"),
    ("SET LOCAL ROLE pg_monitor", "SELECT current_user::text", "postgres"),
    (
        "SELECT set_config('switchboard.traceparent', '1', true)",
        "SELECT current_setting('switchboard.traceparent', true)",
        "",
    ),
    (
        "CREATE TEMP TABLE left_over () ON COMMIT DROP",
        "SELECT count(*)::text FROM pg_class WHERE relname = 'left_over'",
        "0",
    ),
    (
        "SELECT pg_advisory_xact_lock(42)",
        "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
        "0",
    ),
    ("DECLARE left_over CURSOR FOR SELECT 1", "SELECT count(*)::text FROM pg_cursors WHERE name = 'left_over'", "0"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_a_transaction_set_for_itself_is_not_the_next_ones() {
    let rig = Rig::new().await;
    let mut wrong = Vec::new();
    for (done, asked, expected) in LEFT {
        let mut tx = rig.outbox.begin().await.unwrap();
        let first = backend_of(&rig, &mut tx).await;
        sqlx::raw_sql(done).execute(tx.connection()).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = rig.outbox.begin().await.unwrap();
        let found: String = sqlx::query_scalar(asked).fetch_one(tx.connection()).await.unwrap();
        assert_eq!(backend(&mut tx).await, first);
        if found != expected {
            wrong.push(format!("{done}: {asked} says {found:?} to the next, not {expected:?}"));
        }
        let write = tx.publish(said("call-1", "next")).await;
        if let Err(error) = write {
            wrong.push(format!("{done}: the next one's write fails: {:?}", std::error::Error::source(&error)));
            continue;
        }
        tx.commit().await.unwrap();
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    all_are_back(&rig, rig.pool()).await;
}

/// The backend, asked by another, so that the transaction has had no statement yet.
async fn backend_of(rig: &Rig, tx: &mut Tx) -> i32 {
    let _ = tx;
    sqlx::query_scalar(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'",
    )
    .fetch_one(rig.pool())
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_pool_sets_for_its_connections_stays() {
    let rig = Rig::new().await;
    let set_up = PgPoolOptions::new().max_connections(2).after_connect(|connection, _| {
        Box::pin(async move {
            let settings = "SET default_transaction_isolation = 'repeatable read'; SET statement_timeout = '7s'";
            sqlx::raw_sql(settings).execute(connection).await.map(|_| ())
        })
    });
    let outbox = Outbox::new(set_up.connect(rig.database.url()).await.unwrap(), "test");
    for _ in 0..3 {
        let mut tx = outbox.begin().await.unwrap();
        let found: (String, String) =
            sqlx::query_as("SELECT current_setting('transaction_isolation'), current_setting('statement_timeout')")
                .fetch_one(tx.connection())
                .await
                .unwrap();
        assert_eq!(found, ("repeatable read".to_owned(), "7s".to_owned()));
        tx.commit().await.unwrap();
        let mut tx = outbox.begin().await.unwrap();
        let other = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY";
        sqlx::raw_sql(other).execute(tx.connection()).await.unwrap();
        tx.commit().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_was_ended_by_hand_is_refused() {
    let rig = Rig::new().await;
    for ended in ["COMMIT", "ROLLBACK"] {
        let mut tx = rig.outbox.begin().await.unwrap();
        sqlx::raw_sql(ended).execute(tx.connection()).await.unwrap();
        let refused = tx.commit().await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "25P01", "{ended}");
        all_are_back(&rig, rig.pool()).await;
    }
}
