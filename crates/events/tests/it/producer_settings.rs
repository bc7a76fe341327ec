//! Whatever the producer's settings say and whatever a broker answers: every row is published or held, in order per key.

use std::{collections::BTreeMap, time::Duration};

use events::contract::topics::AI_RESPONSES;
use test_kit::{
    faulty_broker::{FaultyBroker, ProduceFault},
    kafka::{self, TestRecord},
    stack,
    wait::wait_until,
};

use crate::support::{LONG, Rig};

/// Rows of `keys` keys in turn, numbered, of this many bytes each.
async fn fill(rig: &Rig, rows: i32, keys: i32, bytes: i32) {
    // Random, so that no compression makes them smaller.
    sqlx::query(
        "INSERT INTO outbox (topic, key, headers, payload)
         SELECT 'ai-responses', 'call-' || n % $2, '{}', convert_to(n || ' ', 'UTF8') || noise
         FROM generate_series(0, $1 - 1) n,
              LATERAL (SELECT substring(string_agg(uuid_send(gen_random_uuid()), '') FOR $3) AS noise
                       FROM generate_series(0, $3 / 16 + n * 0)) AS random
         ORDER BY n",
    )
    .bind(rows)
    .bind(keys)
    .bind(bytes)
    .execute(rig.pool())
    .await
    .unwrap();
}

/// The numbers of each key in the order of the log, repeats left out.
fn numbers(records: &[TestRecord]) -> BTreeMap<String, Vec<i32>> {
    let mut sorted: Vec<_> = records.iter().collect();
    sorted.sort_by_key(|record| (record.partition, record.offset));
    let mut keys: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for record in sorted {
        let value = record.payload.as_deref().unwrap();
        let number = value.split(|byte| *byte == b' ').next().unwrap();
        let number = String::from_utf8_lossy(number).parse().unwrap();
        let key = keys.entry(String::from_utf8(record.key.clone().unwrap()).unwrap()).or_default();
        if !key.contains(&number) {
            key.push(number);
        }
    }
    keys
}

fn expected(rows: i32, keys: i32) -> BTreeMap<String, Vec<i32>> {
    (0..keys).map(|key| (format!("call-{key}"), (key..rows).step_by(keys as usize).collect())).collect()
}

async fn held(rig: &Rig) -> Vec<(String, String)> {
    sqlx::query_as("SELECT key, reason FROM outbox_held ORDER BY id").fetch_all(rig.pool()).await.unwrap()
}

async fn wait_until_all_is_published(rig: &Rig) {
    wait_until("everything is published", LONG, || async {
        sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM outbox o, outbox_cursor c WHERE NOT pg_visible_in_snapshot(o.xid, c.snapshot)",
        )
        .fetch_one(rig.pool())
        .await
        .unwrap()
            == 0
    })
    .await;
}

async fn published(rig: &Rig) -> Vec<TestRecord> {
    kafka::read_topic_to_end(&rig.servers(), &rig.topic(&AI_RESPONSES)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_setting_larger_than_a_topic_takes_holds_and_reorders_nothing() {
    let more = ["--kafka-producer-batch-size", "4000000", "--kafka-producer-compression-type", "none"];
    let rig = Rig::with(&stack::kafka(), &more).await;
    fill(&rig, 9_000, 7, 1_000).await;
    let (relay, _) = rig.relay();
    wait_until_all_is_published(&rig).await;
    relay.stop().await;
    let held = held(&rig).await;
    assert_eq!(held.len(), 0, "held, the first for: {:?}", held.first());
    assert_eq!(numbers(&published(&rig).await), expected(9_000, 7));
}

/// A broker takes any number from a client that it has not heard of, so the first refusal is the one that reorders.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_client_whose_first_records_are_refused_for_now_keeps_the_order() {
    let broker = FaultyBroker::start().await;
    for retries in ["1", "2147483647"] {
        let more = ["--kafka-producer-batch-size", "1", "--kafka-producer-retries", retries];
        let rig = Rig::with(&broker.bootstrap(), &more).await;
        rig.create_topics().await;
        fill_more(&rig, 60, 1).await;
        broker.spoil_produces([Some(ProduceFault::Refused(NOT_ENOUGH_REPLICAS))]);
        let (relay, _) = rig.relay();
        wait_until_all_is_published(&rig).await;
        relay.stop().await;
        assert_eq!(numbers(&published(&rig).await), expected(60, 1), "{retries} retries");
        assert_eq!(held(&rig).await.len(), 0);
    }
}

/// An operator made the topic smaller than the catalogue says.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_too_large_only_together_are_not_held() {
    let rig = Rig::with(&stack::kafka(), &["--kafka-producer-compression-type", "none"]).await;
    kafka::create_topic(&rig.servers(), &rig.topic(&AI_RESPONSES), 1, &[("max.message.bytes", "100000")]).await;
    fill(&rig, 150, 3, 1_000).await;
    // This one is too large by itself.
    fill(&rig, 1, 1, 150_000).await;
    sqlx::raw_sql("UPDATE outbox SET key = 'large' WHERE length(payload) > 100000").execute(rig.pool()).await.unwrap();
    let (relay, status) = rig.relay();
    wait_until_all_is_published(&rig).await;
    wait_until("the large one is held", LONG, || async { status.check().is_err() }).await;
    relay.stop().await;
    let held = held(&rig).await;
    assert_eq!(held.len(), 1, "{} rows are held", held.len());
    assert_eq!(held[0].0, "large");
    assert_eq!(numbers(&published(&rig).await), expected(150, 3));
}

const REQUEST_TIMED_OUT: i16 = 7;
const MESSAGE_TOO_LARGE: i16 = 10;
const NOT_ENOUGH_REPLICAS: i16 = 19;
const NOT_ENOUGH_REPLICAS_AFTER_APPEND: i16 = 20;

/// What a broker may do to a request. Of those that end a client there are few in a case: each costs a second.
const FAULTS: [ProduceFault; 14] = {
    use ProduceFault::{Lost, Refused, RefusedTogether, TakenAndLost, TakenAndRefused};
    const LEADER_NOT_AVAILABLE: i16 = 5;
    const NOT_LEADER: i16 = 6;
    const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
    const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
    const UNKNOWN_PRODUCER_ID: i16 = 59;
    const STORAGE_ERROR: i16 = 56;
    const UNKNOWN_SERVER_ERROR: i16 = -1;
    [
        Lost,
        TakenAndLost,
        Refused(UNKNOWN_TOPIC_OR_PARTITION),
        Refused(LEADER_NOT_AVAILABLE),
        Refused(NOT_LEADER),
        Refused(NOT_ENOUGH_REPLICAS),
        Refused(STORAGE_ERROR),
        TakenAndRefused(REQUEST_TIMED_OUT),
        TakenAndRefused(NOT_ENOUGH_REPLICAS_AFTER_APPEND),
        RefusedTogether(MESSAGE_TOO_LARGE),
        Refused(UNKNOWN_PRODUCER_ID),
        Refused(TOPIC_AUTHORIZATION_FAILED),
        Refused(UNKNOWN_SERVER_ERROR),
        TakenAndRefused(UNKNOWN_SERVER_ERROR),
    ]
};

#[tokio::test(flavor = "multi_thread")]
async fn no_setting_and_no_answer_of_a_broker_loses_holds_or_reorders_a_row() {
    const CASES: u64 = 6;
    const ROWS: i32 = 400;
    let first =
        std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..100_000));
    let broker = FaultyBroker::start().await;
    for seed in first..first + CASES {
        let mut draw = fastrand::Rng::with_seed(seed);
        let mut one = |of: &[&'static str]| draw.choice(of).copied().unwrap();
        let more = [
            "--kafka-producer-retries",
            one(&["0", "1", "3", "2147483647"]),
            "--kafka-producer-batch-size",
            one(&["1", "700", "16384", "1048576", "4000000"]),
            "--kafka-producer-linger-ms",
            one(&["0", "1", "20", "50"]),
            "--kafka-producer-compression-type",
            one(&["none", "gzip", "snappy", "lz4", "zstd"]),
        ];
        let keys = draw.i32(1..9);
        // Few, since those that end a client cost a second each, and scattered over the requests.
        let mut faults = vec![None; draw.usize(1..30)];
        for _ in 0..draw.usize(1..6) {
            let at = draw.usize(..faults.len());
            faults[at] = draw.choice(&FAULTS).copied();
        }
        println!("SEED={seed} {more:?} {keys} keys {faults:?}");
        let rig = Rig::with(&broker.bootstrap(), &more).await;
        rig.create_topics().await;
        broker.spoil_produces(faults);
        let (relay, _) = rig.relay();
        for _ in 0..4 {
            fill_more(&rig, ROWS / 4, keys).await;
            tokio::time::sleep(Duration::from_millis(draw.u64(0..40))).await;
        }
        wait_until_all_is_published(&rig).await;
        relay.stop().await;
        broker.spoil_produces([]);
        let held = held(&rig).await;
        assert_eq!(held.len(), 0, "SEED={seed}: held, the first for {:?}", held.first());
        assert_eq!(numbers(&published(&rig).await), expected(ROWS, keys), "SEED={seed}");
    }
}

/// More rows behind those that are there.
async fn fill_more(rig: &Rig, rows: i32, keys: i32) {
    sqlx::query(
        "INSERT INTO outbox (topic, key, headers, payload)
         SELECT 'ai-responses', 'call-' || (before + n) % $2, '{}', convert_to(before + n || ' and more', 'UTF8')
         FROM (SELECT count(*)::int AS before FROM outbox) AS there, generate_series(0, $1 - 1) n ORDER BY n",
    )
    .bind(rows)
    .bind(keys)
    .execute(rig.pool())
    .await
    .unwrap();
}

/// An operator made the topic smaller than the catalogue says, and any two rows are too large together. The row behind the last
/// that goes alone must not share its batch.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_goes_alone_is_not_held_for_the_one_behind_it() {
    let more = ["--kafka-producer-compression-type", "none", "--kafka-producer-linger-ms", "20"];
    let rig = Rig::with(&stack::kafka(), &more).await;
    kafka::create_topic(&rig.servers(), &rig.topic(&AI_RESPONSES), 1, &[("max.message.bytes", "100000")]).await;
    fill(&rig, 3, 1, 60_000).await;
    let (relay, status) = rig.relay();
    for number in 3..12 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        sqlx::query(
            "INSERT INTO outbox (topic, key, headers, payload)
             SELECT topic, key, headers, convert_to($1 || ' ', 'UTF8') || payload FROM outbox WHERE id = 1",
        )
        .bind(number.to_string())
        .execute(rig.pool())
        .await
        .unwrap();
    }
    wait_until("all is published or held", LONG, || async {
        numbers(&published(&rig).await).values().map(Vec::len).sum::<usize>() + held(&rig).await.len() >= 12
    })
    .await;
    assert_eq!(held(&rig).await, []);
    assert_eq!(numbers(&published(&rig).await), expected(12, 1));
    wait_until_all_is_published(&rig).await;
    assert_eq!(status.check(), Ok("active".to_owned()));
    relay.stop().await;
}

/// Its refusal ends the client, and with it whatever else is on its way.
#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_row_that_is_refused_alone_is_published_in_order() {
    let more = ["--kafka-producer-compression-type", "none", "--kafka-producer-linger-ms", "20"];
    let rig = Rig::with(&stack::kafka(), &more).await;
    kafka::create_topic(&rig.servers(), &rig.topic(&AI_RESPONSES), 1, &[("max.message.bytes", "100000")]).await;
    fill(&rig, 1, 1, 10).await;
    let (relay, status) = rig.relay();
    wait_until_all_is_published(&rig).await;
    sqlx::raw_sql(
        "INSERT INTO outbox (topic, key, headers, payload)
         VALUES ('ai-responses', 'call-0', '{}', '1 '), ('ai-responses', 'large', '{}', convert_to(repeat('2', 150000), 'UTF8'))",
    )
    .execute(rig.pool())
    .await
    .unwrap();
    wait_until("both were refused together", LONG, || async {
        status.check().is_ok_and(|said| said.contains("begins again"))
    })
    .await;
    // These come while it waits, and are handed over right behind the large one.
    for number in 2..60 {
        sqlx::query("INSERT INTO outbox (topic, key, headers, payload) VALUES ('ai-responses', 'call-0', '{}', $1)")
            .bind(format!("{number} ").into_bytes())
            .execute(rig.pool())
            .await
            .unwrap();
    }
    wait_until_all_is_published(&rig).await;
    relay.stop().await;
    let held = held(&rig).await;
    assert_eq!(held.iter().map(|(key, _)| &**key).collect::<Vec<_>>(), ["large"]);
    assert_eq!(numbers(&published(&rig).await), expected(60, 1));
}
