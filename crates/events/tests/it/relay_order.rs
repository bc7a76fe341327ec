//! Late commits. Writers draw ids and transaction ids in one order and commit in another; whoever reads the outbox while
//! they do must skip nothing and reorder no key. The same workload is read by two plausible cursors, to show that it
//! catches them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use events::publish::cursor;
use futures::{StreamExt, TryStreamExt};
use sqlx::{Connection, PgConnection, PgPool, Row};

use crate::support::outbox_database;

const WRITERS: u64 = 12;
const KEYS: u64 = 5;
const TRANSACTIONS: u64 = 400;

/// What a reader saw: for each key, the numbers in the order in which it saw them.
type Seen = BTreeMap<String, Vec<i64>>;

/// Reads what is new; called again and again while the writers write.
trait Reader {
    async fn read(&mut self, connection: &mut PgConnection, seen: &mut Seen);
}

struct BySnapshot(cursor::Position);

impl Reader for BySnapshot {
    async fn read(&mut self, connection: &mut PgConnection, seen: &mut Seen) {
        loop {
            let from = self.0.clone();
            let looked: Vec<_> = cursor::look(connection, &from).try_collect().await.unwrap();
            let until = match (looked.first(), &from.step) {
                (Some((until, _)), _) => until.as_ref().clone(),
                (None, Some((until, _))) => until.clone(),
                (None, None) => unreachable!("without news there is an item without a row"),
            };
            let rows: Vec<_> = looked.into_iter().filter_map(|(_, row)| row).collect();
            self.0 = from.after(until, rows.len(), rows.last().map_or(0, |row| row.id));
            rows.into_iter().for_each(|row| see(seen, row.key, row.payload));
            if self.0.step.is_none() {
                break;
            }
        }
    }
}

/// `id > last`: what late commits bring with a smaller id is never read.
struct ById(i64);

impl Reader for ById {
    async fn read(&mut self, connection: &mut PgConnection, seen: &mut Seen) {
        let rows = sqlx::query("SELECT id, key, payload FROM outbox WHERE id > $1 ORDER BY id").bind(self.0);
        let mut rows = rows.fetch(connection);
        while let Some(row) = rows.next().await {
            let row = row.unwrap();
            self.0 = row.get(0);
            see(seen, row.get(1), row.get(2));
        }
    }
}

/// Below the oldest running transaction, by (xid, id): loses nothing, but transaction ids are not drawn in the order of a
/// key's changes.
struct ByXid(String, i64);

impl Reader for ByXid {
    async fn read(&mut self, connection: &mut PgConnection, seen: &mut Seen) {
        let rows = sqlx::query(
            "SELECT xid::text, id, key, payload FROM outbox
             WHERE (xid, id) > ($1::text::xid8, $2) AND xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xid, id",
        );
        let rows = rows.bind(self.0.clone()).bind(self.1);
        let mut rows = rows.fetch(connection);
        while let Some(row) = rows.next().await {
            let row = row.unwrap();
            (self.0, self.1) = (row.get(0), row.get(1));
            see(seen, row.get(2), row.get(3));
        }
    }
}

fn see(seen: &mut Seen, key: String, payload: Vec<u8>) {
    seen.entry(key).or_default().push(String::from_utf8(payload).unwrap().parse().unwrap());
}

/// One writer: each transaction counts a key up under its row's lock and writes the number to the outbox. Some take their
/// transaction id early by an unrelated write, some use savepoints, some are rolled back.
async fn write(pool: PgPool, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..TRANSACTIONS {
        let key = format!("key-{}", random.u64(..KEYS));
        let mut tx = pool.begin().await.unwrap();
        if random.u8(..10) < 3 {
            sqlx::query("INSERT INTO unrelated DEFAULT VALUES").execute(&mut *tx).await.unwrap();
            tokio::time::sleep(Duration::from_micros(random.u64(..2_000))).await;
        }
        let number: i64 = sqlx::query_scalar("UPDATE counters SET n = n + 1 WHERE key = $1 RETURNING n")
            .bind(&key)
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        if random.u8(..10) < 2 {
            // A row that a savepoint takes back, and the real one inside another savepoint.
            let mut inner = tx.begin().await.unwrap();
            append(&mut inner, &key, -1).await;
            inner.rollback().await.unwrap();
            let mut inner = tx.begin().await.unwrap();
            append(&mut inner, &key, number).await;
            inner.commit().await.unwrap();
        } else {
            append(&mut tx, &key, number).await;
        }
        if random.u8(..10) < 3 {
            tokio::time::sleep(Duration::from_micros(random.u64(..1_000))).await;
        }
        if random.u8(..10) < 1 {
            tx.rollback().await.unwrap();
        } else {
            tx.commit().await.unwrap();
        }
    }
}

async fn append(connection: &mut PgConnection, key: &str, number: i64) {
    sqlx::query("INSERT INTO outbox (topic, key, headers, payload) VALUES ('ai-responses', $1, '{}', $2)")
        .bind(key)
        .bind(number.to_string().into_bytes())
        .execute(connection)
        .await
        .unwrap();
}

struct Outcome {
    lost: usize,
    misplaced: usize,
    repeated: usize,
    total: usize,
}

/// A snapshot's horizon is the whole cluster's: the long writer of one of these tests would stop the reader of another.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Reads while twelve writers write, then compares with what was committed.
async fn run(mut reader: impl Reader, long_writer: bool) -> Outcome {
    let _alone = ALONE.lock().await;
    let database = outbox_database().await;
    let pool = database.pool().clone();
    sqlx::raw_sql(
        "CREATE TABLE counters (key text PRIMARY KEY, n bigint NOT NULL);
         INSERT INTO counters SELECT 'key-' || i, 0 FROM generate_series(0, 4) i;
         CREATE TABLE unrelated (at timestamptz DEFAULT now())",
    )
    .execute(&pool)
    .await
    .unwrap();

    // Somebody's long transaction, with an id, that has nothing to do with any of this.
    let mut long = pool.acquire().await.unwrap().detach();
    if long_writer {
        sqlx::raw_sql("BEGIN; INSERT INTO unrelated DEFAULT VALUES").execute(&mut long).await.unwrap();
    }

    let writing = Arc::new(AtomicBool::new(true));
    let done = Arc::clone(&writing);
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let writers: Vec<_> =
        (0..WRITERS).map(|writer| tokio::spawn(write(pool.clone(), seed.wrapping_add(writer)))).collect();
    let all = tokio::spawn(async move {
        for writer in writers {
            writer.await.unwrap();
        }
        done.store(false, Ordering::SeqCst);
    });

    let mut connection = pool.acquire().await.unwrap().detach();
    cursor::prepare(&mut connection).await.unwrap();
    let mut seen = Seen::new();
    loop {
        let last = !writing.load(Ordering::SeqCst);
        reader.read(&mut connection, &mut seen).await;
        if last {
            break;
        }
    }
    all.await.unwrap();
    connection.close().await.unwrap();
    long.close().await.unwrap();

    let mut outcome = Outcome { lost: 0, misplaced: 0, repeated: 0, total: 0 };
    for row in sqlx::query("SELECT key, n FROM counters").fetch_all(&pool).await.unwrap() {
        let numbers = seen.remove(row.get::<&str, _>(0)).unwrap_or_default();
        let committed: i64 = row.get(1);
        outcome.total += committed as usize;
        let mut distinct = numbers.clone();
        distinct.sort_unstable();
        distinct.dedup();
        outcome.repeated += numbers.len() - distinct.len();
        outcome.lost += (1..=committed).filter(|number| distinct.binary_search(number).is_err()).count();
        outcome.misplaced += numbers.windows(2).filter(|pair| pair[0] > pair[1]).count();
    }
    println!(
        "{} committed, {} lost, {} misplaced, {} repeated",
        outcome.total, outcome.lost, outcome.misplaced, outcome.repeated
    );
    outcome
}

/// From before everything, as the migration sets it.
fn beginning() -> BySnapshot {
    BySnapshot(cursor::Position { snapshot: "1:1:".parse().unwrap(), step: None })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_snapshot_cursor_skips_nothing_and_reorders_no_key_and_waits_for_nobody() {
    // The long writer is still open when the last row must have been read: it held nothing up.
    for _ in 0..3 {
        let outcome = run(beginning(), true).await;
        assert!(outcome.total > 3_000, "the workload ran");
        assert_eq!((outcome.lost, outcome.misplaced, outcome.repeated), (0, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_workload_shows_that_a_cursor_on_ids_loses_rows() {
    let outcome = run(ById(0), true).await;
    assert!(outcome.lost > 0, "the test would not see what it is for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_workload_shows_that_a_cursor_on_transaction_ids_reorders_keys() {
    let outcome = run(ByXid("0".to_owned(), 0), false).await;
    assert!(outcome.misplaced > 0, "the test would not see what it is for");
}

#[tokio::test]
async fn an_idle_look_over_many_kept_rows_uses_the_index() {
    let database = outbox_database().await;
    let mut connection = database.pool().acquire().await.unwrap().detach();
    sqlx::query(
        "INSERT INTO outbox (topic, key, headers, payload)
         SELECT 'ai-responses', 'key', '{}', i::text::bytea FROM generate_series(1, 200000) i",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    cursor::prepare(&mut connection).await.unwrap();
    let mut reader = beginning();
    let mut seen = Seen::new();
    reader.read(&mut connection, &mut seen).await;
    assert_eq!(seen.remove("key"), Some((1..=200_000).collect()), "a backlog of many pages comes whole and in order");
    reader.read(&mut connection, &mut seen).await;
    let blocks = async |connection: &mut PgConnection| -> i64 {
        sqlx::raw_sql("SELECT pg_stat_force_next_flush()").execute(&mut *connection).await.unwrap();
        sqlx::query_scalar(
            "SELECT coalesce(sum(heap_blks_read + heap_blks_hit), 0)::bigint FROM pg_statio_user_tables
             WHERE relname LIKE 'outbox_%'",
        )
        .fetch_one(connection)
        .await
        .unwrap()
    };
    let before = blocks(&mut connection).await;
    let began = Instant::now();
    for _ in 0..100 {
        reader.read(&mut connection, &mut seen).await;
    }
    println!("an idle look takes {:?}", began.elapsed() / 100);
    let after = blocks(&mut connection).await;
    assert!(after - before < 200, "100 idle looks read {} blocks of the table", after - before);
    assert!(seen.is_empty());
}
