//! A consumer of the dead-letter topic: what it cannot handle is parked, and nothing goes back to the topic.

use std::time::Duration;

use events::{
    consume::{BatchHandler, Batching, BuildError, Consumer, Listener, Raw, Received},
    contract::{
        event::Event,
        topics::{DEAD_LETTER_QUEUE, TopicSpec},
    },
    flow::error::HandlerError,
    publish::Tx,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use test_kit::{kafka, wait::wait_until};

use crate::support::{LONG, Rig, Running, settings};

/// Stores letters, except those whose value says otherwise.
struct StoreLetters;

impl BatchHandler for StoreLetters {
    const NAME: &'static str = "store-letters";
    type Item = Raw;

    fn topics(&self) -> Vec<&'static TopicSpec> {
        vec![&DEAD_LETTER_QUEUE]
    }

    async fn apply(&self, batch: &[&Raw], tx: &mut Tx) -> Result<(), HandlerError> {
        for letter in batch {
            let value = String::from_utf8_lossy(letter.payload.as_deref().unwrap_or_default()).into_owned();
            if value == "bad" {
                return Err(HandlerError::reject("said_so", "told to be\0 rejected"));
            }
            sqlx::query("INSERT INTO effects (event_id, call_id, name, worker) VALUES (uuid_v7(), '', $1, '')")
                .bind(&value)
                .execute(tx.connection())
                .await?;
        }
        Ok(())
    }
}

async fn consume(rig: &Rig) -> Running {
    let consumer = Consumer::builder(rig.config.clone(), "test-group", "test-service", rig.outbox.clone())
        .handle_batches(StoreLetters, Batching { most: 100, wait: Duration::from_millis(20) })
        .build()
        .unwrap();
    Running::begin(consumer).0
}

async fn send(rig: &Rig, value: &str) {
    let headers: [(&str, &[u8]); 2] = [("dlq.id", b"11111111-1111-5111-8111-111111111111"), ("x-any", b"\xff\0")];
    kafka::produce(&rig.servers(), &rig.topic(&DEAD_LETTER_QUEUE), Some(b"k"), value.as_bytes(), &headers).await;
}

async fn parked(rig: &Rig) -> Vec<(i64, Vec<u8>, String)> {
    sqlx::query_as("SELECT record_offset, value, code FROM dead_letters_parked ORDER BY 1")
        .fetch_all(rig.pool())
        .await
        .unwrap()
}

async fn wait_for_parked(rig: &Rig, count: usize) {
    wait_until(&format!("{count} letters are parked"), LONG, || async { parked(rig).await.len() == count }).await;
}

async fn in_topic(rig: &Rig) -> usize {
    kafka::read_topic_to_end(&rig.servers(), &rig.topic(&DEAD_LETTER_QUEUE)).await.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_its_consumer_refuses_is_parked_and_breeds_none() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    for value in ["one", "bad", "two", "bad", "three"] {
        send(&rig, value).await;
    }
    let consumer = consume(&rig).await;
    let status = consumer.status.clone().unwrap();
    rig.wait_for_effects(3).await;
    wait_for_parked(&rig, 2).await;
    let said_so = |offset| (offset, b"bad".to_vec(), "said_so".to_owned());
    assert_eq!(parked(&rig).await, [said_so(1), said_so(3)]);
    assert_eq!(in_topic(&rig).await, 5, "nothing was written back");
    wait_until("readiness tells it", LONG, || async { status.check().is_err() }).await;
    let reason = status.check().unwrap_err();
    assert!(reason.contains("2 records") && reason.contains("dead_letters_parked"), "{reason}");
    consumer.stop().await;

    // Another process of the service.
    let consumer = consume(&rig).await;
    let status = consumer.status.clone().unwrap();
    send(&rig, "four").await;
    rig.wait_for_effects(4).await;
    wait_until("the next one tells it too", LONG, || async {
        status.check().is_err_and(|reason| reason.contains("dead_letters_parked"))
    })
    .await;
    assert_eq!((parked(&rig).await.len(), in_topic(&rig).await), (2, 6));
    sqlx::query("DELETE FROM dead_letters_parked").execute(rig.pool()).await.unwrap();
    wait_until("a person has looked at them", LONG, || async { status.check().is_ok() }).await;
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_parked_whatever_time_it_claims_to_be_of() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let before_the_calendar = [-5, -1_000_000_000_000_000, -9_000_000_000_000_000_000];
    for time in before_the_calendar {
        kafka::produce_as_of(&rig.servers(), &rig.topic(&DEAD_LETTER_QUEUE), 0, b"bad", time).await;
    }
    let consumer = consume(&rig).await;
    wait_for_parked(&rig, before_the_calendar.len()).await;
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_cannot_be_parked_now_holds_its_offset() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let moved = "ALTER TABLE dead_letters_parked RENAME TO elsewhere";
    sqlx::query(moved).execute(rig.pool()).await.unwrap();
    send(&rig, "bad").await;
    let consumer = consume(&rig).await;
    let status = consumer.status.clone().unwrap();
    wait_until("readiness tells it", LONG, || async {
        status.check().is_err_and(|reason| reason.contains("cannot write dead letters"))
    })
    .await;
    let committed = kafka::committed(&rig.servers(), &rig.group(), &rig.topic(&DEAD_LETTER_QUEUE)).await;
    assert!(committed.iter().all(|(_, offset)| *offset <= 0), "{committed:?}");
    sqlx::query("ALTER TABLE elsewhere RENAME TO dead_letters_parked").execute(rig.pool()).await.unwrap();
    wait_for_parked(&rig, 1).await;
    assert_eq!(in_topic(&rig).await, 1);
    consumer.stop().await;
}

/// What somebody might make of the letters' topic.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Letter {}

impl Event for Letter {
    const TYPE: &'static str = "letter";
    const VERSION: u16 = 1;
    const TOPIC: &'static TopicSpec = &DEAD_LETTER_QUEUE;

    fn key(&self) -> String {
        String::new()
    }
}

struct Hear;

impl Listener for Hear {
    const NAME: &'static str = "hear";
    type Event = Letter;

    async fn hear(&self, _: &Received<Letter>) -> Result<(), HandlerError> {
        Ok(())
    }
}

#[tokio::test]
async fn reading_the_topic_without_a_place_to_park_is_refused_at_the_start() {
    let config = settings("127.0.0.1:1", "ns.", &[]);
    let without = Consumer::without_database(config.clone(), "test-group", "test-service").listen(Hear);
    let reason = without.build().unwrap_err();
    assert!(matches!(&reason, BuildError::NowhereToPark(group) if group == "ns.test-group"), "{reason}");
    let rig = Rig::with_config(config.clone()).await;
    Consumer::builder(config, "test-group", "test-service", rig.outbox.clone()).listen(Hear).build().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_came_again_loses_no_parked_letter() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    send(&rig, "bad").await;
    let consumer = consume(&rig).await;
    wait_for_parked(&rig, 1).await;
    // The same place holds another record, as after the topic was made anew.
    sqlx::query("UPDATE dead_letters_parked SET recorded_at = recorded_at - interval '1 day', value = 'earlier'")
        .execute(rig.pool())
        .await
        .unwrap();
    consumer.stop().await;
    rig.forget_offsets().await;
    let consumer = consume(&rig).await;
    wait_for_parked(&rig, 2).await;
    consumer.stop().await;
}
