//! Rows become records: all that was committed, nothing that was not, in order per key.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use events::{contract::topics::AI_RESPONSES, publish::cursor};
use sqlx::Connection;
use test_kit::{
    kafka::{self, TestRecord},
    wait::wait_until,
};

use crate::support::{LONG, Rig, said};

/// For each key the names in the order of the log, repeats left out.
fn order(records: &[TestRecord]) -> BTreeMap<String, Vec<String>> {
    let mut sorted: Vec<_> = records.iter().collect();
    sorted.sort_by_key(|record| (record.partition, record.offset));
    let mut seen = BTreeSet::new();
    let mut order: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in sorted {
        let value: serde_json::Value = serde_json::from_slice(record.payload.as_deref().unwrap()).unwrap();
        if seen.insert(value["event_id"].as_str().unwrap().to_owned()) {
            let key = String::from_utf8(record.key.clone().unwrap()).unwrap();
            order.entry(key).or_default().push(value["data"]["name"].as_str().unwrap().to_owned());
        }
    }
    order
}

async fn publish(rig: &Rig, call: &str, name: &str) {
    let mut tx = rig.outbox.begin().await.unwrap();
    tx.publish(said(call, name)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn records(rig: &Rig, at_least: usize) -> Vec<TestRecord> {
    let records = kafka::read_topic(&rig.servers(), &rig.topic(&AI_RESPONSES), at_least, LONG).await;
    assert!(records.len() >= at_least, "{} of {at_least} records", records.len());
    records
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_is_published_with_its_envelope_and_headers() {
    let rig = Rig::new().await;
    let mut undone = rig.outbox.begin().await.unwrap();
    undone.publish(said("call-1", "rolled back")).await.unwrap();
    undone.rollback().await.unwrap();
    let mut tx = rig.outbox.begin().await.unwrap();
    let id = tx.publish(said("call-1", "Zoë Krüger")).await.unwrap();
    tx.commit().await.unwrap();
    let (relay, status) = rig.relay();
    let records = records(&rig, 1).await;
    assert_eq!(records.len(), 1);
    let value: serde_json::Value = serde_json::from_slice(records[0].payload.as_deref().unwrap()).unwrap();
    assert_eq!(value["event_id"], id.to_string());
    assert_eq!(value["event_type"], "ai_response.patient_creation");
    assert_eq!(value["data"]["name"], "Zoë Krüger");
    assert_eq!(value["metadata"]["source"], "test-service");
    assert_eq!(value["metadata"]["version"], "1.0");
    let headers: BTreeMap<_, _> = records[0].headers.iter().cloned().collect();
    assert_eq!(headers["ce_id"], id.to_string().into_bytes());
    assert_eq!(headers["ce_type"], b"ai_response.patient_creation");
    assert_eq!(headers["content-type"], b"application/json");
    assert_eq!(headers["correlation_id"], b"call-1");
    assert!(status.is_active());
    assert_eq!(status.check(), Ok("active".to_owned()));
    let (second, stands_by) = rig.relay();
    wait_until("the second stands by", LONG, || async {
        stands_by.check() == Ok("stands by: another process is the active relay".to_owned())
    })
    .await;
    second.stop().await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_dies_is_followed_by_another_that_loses_and_reorders_nothing() {
    let rig = Rig::new().await;
    const CALLS: usize = 10;
    const EVENTS: usize = 200;
    let writer = async {
        for number in 0..EVENTS {
            for call in 0..CALLS {
                publish(&rig, &format!("call-{call}"), &number.to_string()).await;
            }
        }
    };
    let relays = async {
        for _ in 0..4 {
            let (relay, status) = rig.relay();
            wait_until("the relay is active", LONG, || async { status.is_active() }).await;
            tokio::time::sleep(Duration::from_millis(400)).await;
            relay.abort();
        }
        rig.relay().0
    };
    let ((), relay) = tokio::join!(writer, relays);
    wait_until("everything is published", LONG, || async {
        let open: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM outbox o, outbox_cursor c WHERE NOT pg_visible_in_snapshot(o.xid, c.snapshot)",
        )
        .fetch_one(rig.pool())
        .await
        .unwrap();
        open == 0
    })
    .await;
    relay.stop().await;
    let order = order(&kafka::read_topic_to_end(&rig.servers(), &rig.topic(&AI_RESPONSES)).await);
    let expected: Vec<String> = (0..EVENTS).map(|number| number.to_string()).collect();
    assert_eq!(order.len(), CALLS);
    for (call, names) in order {
        assert_eq!(names, expected, "{call}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_one_relay_is_active_and_another_takes_over() {
    let rig = Rig::new().await;
    let (first, one) = rig.relay();
    wait_until("the first is active", LONG, || async { one.is_active() }).await;
    let (second, other) = rig.relay();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(!other.is_active(), "two at once");
    first.stop().await;
    wait_until("the second takes over", Duration::from_secs(10), || async { other.is_active() }).await;
    publish(&rig, "call-1", "after the takeover").await;
    records(&rig, 1).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_kafka_refuses_holds_its_key_and_nobody_else() {
    let rig = Rig::new().await;
    let row = "INSERT INTO outbox (topic, key, headers, payload) VALUES ('ai-responses', 'call-1', '{}', $1)";
    sqlx::query(row).bind(vec![b'x'; 1_100_000]).execute(rig.pool()).await.unwrap();
    publish(&rig, "call-1", "behind it").await;
    publish(&rig, "call-2", "another key").await;
    let (relay, status) = rig.relay();
    let read = records(&rig, 1).await;
    wait_until("readiness tells it", LONG, || async { status.check().is_err_and(|why| why.contains("1 keys")) }).await;
    assert_eq!(order(&read).into_keys().collect::<Vec<_>>(), ["call-2"]);
    let held: Vec<(String, String)> =
        sqlx::query_as("SELECT key, reason FROM outbox_held ORDER BY id").fetch_all(rig.pool()).await.unwrap();
    assert_eq!(held.len(), 2);
    assert!(held[0].1.contains("larger") && held[1].1.contains("held"), "{held:?}");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_cannot_be_records_are_held_with_the_reason_also_over_a_restart_and_all_others_go_out() {
    let rig = Rig::new().await;
    let long = "k".repeat(1_100_000);
    let rows = [
        ("ai-responses", "", "{}", None),
        ("ai-responses", "\n\t\u{7f}é", r#"{"": "", "a\u0000b": "c\u0000d", "n": null}"#, None),
        ("ai-responses", "list", "[]", Some("JSON object")),
        ("ai-responses", "half a character", r#"{"a": "\ud800"}"#, Some("JSON object")),
        ("ai-responses", &long, "{}", Some("larger")),
        ("no such topic", "call-1", "{}", Some("catalogue")),
        ("", "call-1", "{}", Some("catalogue")),
        ("ai-responses", "list", "{}", Some("earlier record")),
    ];
    for (topic, key, headers, _) in rows {
        let row = "INSERT INTO outbox (topic, key, headers, payload) VALUES ($1, $2, $3::text::json, '')";
        sqlx::query(row).bind(topic).bind(key).bind(headers).execute(rig.pool()).await.unwrap();
    }
    let expected: Vec<_> = rows.iter().filter_map(|(.., reason)| *reason).collect();
    for _ in 0..2 {
        let (relay, status) = rig.relay();
        wait_until("all is held", LONG, || async { status.check().is_err_and(|said| said.contains("5 keys")) }).await;
        assert_eq!(records(&rig, 2).await.len(), 2, "each once");
        relay.stop().await;
        let held: Vec<String> =
            sqlx::query_scalar("SELECT reason FROM outbox_held ORDER BY id").fetch_all(rig.pool()).await.unwrap();
        assert_eq!(held.len(), expected.len(), "{held:?}");
        assert!(held.iter().zip(&expected).all(|(reason, part)| reason.contains(part)), "{held:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn published_rows_are_kept_for_a_while_and_then_go_as_a_whole_slot() {
    let rig = Rig::new().await;
    for call in 0..10 {
        publish(&rig, &format!("call-{call}"), "old").await;
    }
    sqlx::query("UPDATE outbox SET created_at = created_at - interval '25 hours'").execute(rig.pool()).await.unwrap();
    let (relay, _) = rig.relay();
    records(&rig, 10).await;
    relay.stop().await;
    let mut connection = rig.pool().acquire().await.unwrap().detach();
    let keep = Duration::from_secs(24 * 3600);
    // One row that is not published keeps its slot.
    publish(&rig, "call-1", "not published").await;
    sqlx::query("UPDATE outbox SET created_at = created_at - interval '25 hours'").execute(rig.pool()).await.unwrap();
    events::publish::forget(&mut connection, keep).await.unwrap();
    let rows = "SELECT count(*) FROM outbox";
    assert_eq!(sqlx::query_scalar::<_, i64>(rows).fetch_one(rig.pool()).await.unwrap(), 11);
    cursor::reset(&mut connection, cursor::Reset::StartHere).await.unwrap();
    events::publish::forget(&mut connection, keep).await.unwrap();
    assert_eq!(sqlx::query_scalar::<_, i64>(rows).fetch_one(rig.pool()).await.unwrap(), 0);
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restore_nothing_is_published_until_a_person_chooses_and_then_once() {
    let rig = Rig::new().await;
    for number in 0..5 {
        publish(&rig, "call-1", &number.to_string()).await;
    }
    // Rows and cursor of a cluster that had come much further.
    sqlx::raw_sql("UPDATE outbox SET xid = '999999999999'; UPDATE outbox_cursor SET system_identifier = 1")
        .execute(rig.pool())
        .await
        .unwrap();
    let (relay, status) = rig.relay();
    wait_until("it says so", LONG, || async { status.check().is_err_and(|why| why.contains("relay reset")) }).await;
    let mut connection = rig.pool().acquire().await.unwrap();
    cursor::reset(&mut connection, cursor::Reset::PublishAgain).await.unwrap();
    records(&rig, 5).await;
    wait_until("readiness is back", LONG, || async { status.check().is_ok() }).await;
    publish(&rig, "call-1", "5").await;
    let read = records(&rig, 6).await;
    assert_eq!(read.len(), 6, "each once");
    assert_eq!(order(&read)["call-1"], ["0", "1", "2", "3", "4", "5"]);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn released_records_go_out_before_later_ones_of_their_key() {
    let rig = Rig::new().await;
    let (relay, status) = rig.relay();
    wait_until("the relay is active", LONG, || async { status.is_active() }).await;
    relay.stop().await;
    // As a refusal leaves it: the record is held, and so is what came while the relay ran.
    publish(&rig, "call-1", "0").await;
    publish(&rig, "call-1", "1").await;
    sqlx::raw_sql(
        "INSERT INTO outbox_held SELECT id, topic, key, headers, payload, created_at, 'refused' FROM outbox;
         UPDATE outbox_cursor SET snapshot = pg_current_snapshot()",
    )
    .execute(rig.pool())
    .await
    .unwrap();
    // And what came after it was stopped.
    publish(&rig, "call-1", "2").await;
    publish(&rig, "call-2", "another key").await;
    let said = release(&rig).await;
    assert!(said.starts_with("2 records"), "{said}");
    let (relay, status) = rig.relay();
    let read = records(&rig, 4).await;
    assert_eq!(order(&read)["call-1"], ["0", "1", "2"]);
    assert_eq!(read.len(), 4);
    assert!(status.check().is_ok());
    relay.stop().await;
}

async fn release(rig: &Rig) -> String {
    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        relay: events::publish::RelayCommand,
    }
    use clap::Parser;
    Cli::parse_from(["relay", "release"]).relay.run(rig.pool()).await.unwrap()
}
