//! Kafka away: writers do not notice, and when it is back everything goes out in order, without a restart.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use events::contract::topics::{AI_RESPONSES, DEAD_LETTER_QUEUE};
use events::publish::{Outbox, RelayStatus};
use sqlx::postgres::PgPoolOptions;
use test_kit::{
    broker::Broker,
    kafka::{self, TestRecord},
    proxy::Proxy,
    wait::wait_until,
};

use crate::support::{LONG, Rig, Running, said};

/// Events of one key, each in a transaction of its own. Returns the longest that one took.
async fn publish(rig: &Rig, numbers: Range<usize>) -> Duration {
    let mut slowest = Duration::ZERO;
    for number in numbers {
        let began = Instant::now();
        let mut tx = rig.outbox.begin().await.unwrap();
        tx.publish(said("call-1", &number.to_string())).await.unwrap();
        tx.commit().await.unwrap();
        slowest = slowest.max(began.elapsed());
    }
    slowest
}

fn numbers(records: &[TestRecord]) -> Vec<usize> {
    let number = |record: &TestRecord| {
        let value: serde_json::Value = serde_json::from_slice(record.payload.as_deref().unwrap()).unwrap();
        value["data"]["name"].as_str().unwrap().parse().unwrap()
    };
    records.iter().map(number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_kafka_delays_nobody_and_loses_and_reorders_nothing() {
    let mut broker = Broker::start().await;
    let rig = Rig::with(&broker.bootstrap(), &[]).await;
    let (relay, _) = rig.relay();
    publish(&rig, 0..100).await;
    let topic = rig.topic(&AI_RESPONSES);
    assert!(kafka::read_topic(&rig.servers(), &topic, 100, LONG).await.len() >= 100);
    broker.kill();
    println!("slowest commit while Kafka is away: {:?}", publish(&rig, 100..400).await);
    broker.start_again().await;
    publish(&rig, 400..500).await;
    let records = kafka::read_topic(&rig.servers(), &topic, 500, LONG).await;
    // The client of a relay that goes on resends nothing that was acknowledged, and an idempotent one nothing twice.
    assert_eq!(numbers(&records), (0..500).collect::<Vec<_>>());
    relay.stop().await;
}

/// A relay whose Kafka is gone, and fifty events that were committed since.
async fn without_kafka() -> (Broker, Rig, Running, RelayStatus) {
    let mut broker = Broker::start().await;
    let rig = Rig::with(&broker.bootstrap(), &[]).await;
    let (relay, status) = rig.relay();
    wait_until("the relay is active", LONG, || async { status.is_active() }).await;
    broker.kill();
    publish(&rig, 0..50).await;
    (broker, rig, relay, status)
}

async fn all_fifty_are_published(rig: &Rig) {
    let records = kafka::read_topic(&rig.servers(), &rig.topic(&AI_RESPONSES), 50, LONG).await;
    assert_eq!(numbers(&records), (0..50).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kafka_has_not_acknowledged_is_published_by_the_next_relay() {
    let (mut broker, rig, relay, _) = without_kafka().await;
    // Long enough for the relay to have read them all. It saves where it is when it is stopped.
    tokio::time::sleep(Duration::from_secs(1)).await;
    relay.stop().await;
    broker.start_again().await;
    let (relay, _) = rig.relay();
    all_fifty_are_published(&rig).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hears_nothing_for_long_is_replaced() {
    let (mut broker, rig, relay, status) = without_kafka().await;
    wait_until("its client is given up", LONG, || async { !status.is_active() }).await;
    broker.start_again().await;
    all_fifty_are_published(&rig).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_makes_nothing_a_dead_letter() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    // The consumer's own way to the database, which can be cut.
    let (_, rest) = rig.database.url().split_once('@').unwrap();
    let (server, name) = rest.split_once('/').unwrap();
    let mut proxy = Proxy::before(server).await;
    let url = format!("postgres://postgres@{}/{name}", proxy.address());
    let pool = PgPoolOptions::new().acquire_timeout(Duration::from_secs(1)).connect(&url).await.unwrap();
    let consumer = rig.builder_with("w", Outbox::new(pool, "test-service")).build().unwrap();
    let consumer = Running::consumer(consumer).await;
    rig.send(said("call-0", "before")).await;
    rig.wait_for_effects(1).await;

    proxy.cut().await;
    for call in 0..40 {
        rig.send(said(&format!("call-{call}"), "meanwhile")).await;
    }
    // Four attempts are this consumer's limit: many times that pass.
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(rig.effects().await.len(), 1);
    proxy.mend().await;

    let mended = Instant::now();
    rig.wait_for_effects(41).await;
    println!("all done {:?} after the database was back", mended.elapsed());
    rig.wait_until_committed().await;
    assert_eq!(rig.effects().await.len(), 41);
    assert!(kafka::read_topic_to_end(&rig.servers(), &rig.topic(&DEAD_LETTER_QUEUE)).await.is_empty());
    consumer.stop().await;
}
