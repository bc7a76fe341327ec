//! Rows that somebody locks and does not let go hold up who writes them, and leave connections to everybody else.

use std::time::Duration;

use events::{
    consume::{Consumer, Handler, Received},
    contract::{schema::voice::PatientCreationV1, topics::DEAD_LETTER_QUEUE},
    flow::error::HandlerError,
    publish::{Outbox, Tx},
};
use sqlx::postgres::PgPoolOptions;
use test_kit::{kafka, wait::wait_until};
use tokio::time::timeout;

use crate::support::{LONG, Rig, Running, said};

const POOL: u32 = 5;
/// More than a handler may have connections.
const ROWS: usize = 12;

/// Counts on the row of its call.
struct CountCalls;

impl Handler for CountCalls {
    const NAME: &'static str = "count-calls";
    type Event = PatientCreationV1;
    type Plan = ();

    async fn apply(&self, event: &Received<PatientCreationV1>, _: (), tx: &mut Tx) -> Result<(), HandlerError> {
        let sql = "UPDATE calls SET heard = heard + 1 WHERE call_id = $1";
        sqlx::query(sql).bind(&event.data.call_id).execute(tx.connection()).await?;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_stay_locked_leave_connections_to_others() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let admin = rig.pool();
    let table = "CREATE TABLE calls (call_id text PRIMARY KEY, heard int NOT NULL DEFAULT 0)";
    sqlx::raw_sql(table).execute(admin).await.unwrap();
    for call in 0..ROWS {
        let insert = sqlx::query("INSERT INTO calls (call_id) VALUES ($1)").bind(format!("call-{call}"));
        insert.execute(admin).await.unwrap();
    }
    let pool = PgPoolOptions::new()
        .max_connections(POOL)
        .acquire_timeout(Duration::from_secs(2))
        .connect_lazy_with((*admin.connect_options()).clone());
    let outbox = Outbox::new(pool.clone(), "test-service");
    let consumer = Consumer::builder(rig.config.clone(), "test-group", "test-service", outbox).handle(CountCalls);
    let consumer = Running::consumer(consumer.build().unwrap()).await;

    let mut person = admin.begin().await.unwrap();
    sqlx::query("SELECT FROM calls FOR UPDATE").execute(&mut *person).await.unwrap();
    for call in 0..ROWS {
        rig.send(said(&format!("call-{call}"), "Jo")).await;
    }
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let wait = || async { sqlx::query_scalar::<_, i64>(waiting).fetch_one(admin).await.unwrap() };
    wait_until("handlers wait for the rows with all that they may have", LONG, || async { wait().await == 3 }).await;
    // Longer than a handler waits for its turn.
    for _ in 0..6 {
        let read = sqlx::query("SELECT count(*) FROM calls").execute(&pool);
        timeout(Duration::from_secs(1), read).await.expect("a read has a connection").unwrap();
        assert_eq!(wait().await, 3);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    person.rollback().await.unwrap();
    let heard = || async {
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM calls WHERE heard = 1").fetch_one(admin).await.unwrap()
    };
    wait_until("every call is counted", LONG, || async { heard().await == ROWS as i64 }).await;
    let letters = kafka::read_topic_to_end(&rig.servers(), &rig.topic(&DEAD_LETTER_QUEUE)).await;
    assert!(letters.is_empty(), "{letters:?}");
    consumer.stop().await;
}
