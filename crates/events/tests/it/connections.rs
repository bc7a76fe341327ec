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
