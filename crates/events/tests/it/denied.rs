//! A right or a topic that is missing: nothing is held, readiness says what to do, and publishing goes on by itself in order.

use std::{collections::BTreeMap, time::Duration};

use events::{
    contract::topics::{AI_RESPONSES, LEAD_CREATED, TopicSpec},
    kafka::{
        admin,
        producer::{OutRecord, Producer, SendError},
    },
    publish::RelayStatus,
};
use test_kit::{broker::Broker, kafka, stack, wait::wait_until};

use crate::support::{LONG, Rig, said};

/// Rows of three keys in turn.
async fn publish(rig: &Rig, topic: &TopicSpec, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let mut tx = rig.outbox.begin().await.unwrap();
        let key = format!("key-{}", number % 3);
        tx.publish_raw(topic, &key, &[], number.to_string().as_bytes()).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// The numbers of each key are all there, in their order.
async fn are_published(rig: &Rig, topic: &TopicSpec, numbers: std::ops::Range<usize>) {
    let mut read = kafka::read_topic(&rig.servers(), &rig.topic(topic), numbers.len(), LONG).await;
    read.sort_by_key(|record| (record.partition, record.offset));
    let mut keys: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for record in &read {
        let number: usize = String::from_utf8_lossy(record.payload.as_deref().unwrap()).parse().unwrap();
        let key = keys.entry(number % 3).or_default();
        if !key.contains(&number) {
            key.push(number);
        }
    }
    for (key, found) in keys {
        assert_eq!(found, numbers.clone().filter(|number| number % 3 == key).collect::<Vec<_>>());
    }
}

async fn says(status: &RelayStatus, what: &[&str]) {
    wait_until(&format!("readiness says {what:?}"), LONG, || async {
        status.check().is_err_and(|said| what.iter().all(|what| said.contains(what)))
    })
    .await;
}

async fn nothing_is_held(rig: &Rig) {
    let held: Vec<String> = sqlx::query_scalar("SELECT reason FROM outbox_held").fetch_all(rig.pool()).await.unwrap();
    assert_eq!(held, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_holds_nothing_and_its_return_is_noticed() {
    let broker = Broker::start_guarded().await;
    let rig = Rig::with(&broker.bootstrap(), &[]).await;
    rig.create_topics().await;
    let topic = rig.topic(&AI_RESPONSES);
    let (relay, status) = rig.relay();
    publish(&rig, &AI_RESPONSES, 0..30).await;
    are_published(&rig, &AI_RESPONSES, 0..30).await;
    broker.deny_write(&topic).await;
    publish(&rig, &AI_RESPONSES, 30..300).await;
    says(&status, &["TopicAuthorizationFailed", &topic, "Write"]).await;

    let producer = Producer::new(&rig.config, "test", LONG).unwrap();
    let record = OutRecord { topic: topic.clone(), key: None, payload: Some(vec![1]), headers: Vec::new() };
    let denied = producer.send(&record).await.unwrap_err();
    assert!(matches!(denied, SendError::Denied { .. }) && !denied.is_refusal(), "{denied}");
    assert!(denied.to_string().contains("Write") && denied.to_string().contains(&topic), "{denied}");

    // For several turns of the relay, also while it is looked at between two of them.
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(status.check().is_err(), "it was ready for a moment");
    }
    nothing_is_held(&rig).await;
    let before = kafka::read_topic_to_end(&rig.servers(), &topic).await.len();
    assert_eq!(before, 30, "what waits is not published again and again");
    broker.allow_write(&topic).await;
    are_published(&rig, &AI_RESPONSES, 0..300).await;
    wait_until("it is ready", LONG, || async { status.check() == Ok("active".to_owned()) }).await;
    nothing_is_held(&rig).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_not_there_is_made_and_holds_nothing() {
    let rig = Rig::new().await;
    let topic = rig.topic(&LEAD_CREATED);
    let (relay, status) = rig.relay();
    publish(&rig, &LEAD_CREATED, 0..50).await;
    are_published(&rig, &LEAD_CREATED, 0..50).await;
    wait_until("it is ready", LONG, || async { status.check() == Ok("active".to_owned()) }).await;

    // And one that vanishes while it is written to.
    kafka::delete_topic(&rig.servers(), &topic).await;
    publish(&rig, &LEAD_CREATED, 50..100).await;
    are_published(&rig, &LEAD_CREATED, 50..100).await;
    wait_until("it is ready", LONG, || async { status.check() == Ok("active".to_owned()) }).await;
    nothing_is_held(&rig).await;
    relay.stop().await;
}

/// Two relays take turns while a right is missing; once it is back only one of them gets to know.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_stands_by_does_not_tell_what_it_met_when_it_was_active() {
    let broker = Broker::start_guarded().await;
    let rig = Rig::with(&broker.bootstrap(), &[]).await;
    rig.create_topics().await;
    let topic = rig.topic(&AI_RESPONSES);
    let ((one, one_says), (two, two_says)) = (rig.relay(), rig.relay());
    publish(&rig, &AI_RESPONSES, 0..5).await;
    are_published(&rig, &AI_RESPONSES, 0..5).await;
    broker.deny_write(&topic).await;
    publish(&rig, &AI_RESPONSES, 5..20).await;
    for status in [&one_says, &two_says] {
        says(status, &["TopicAuthorizationFailed", &topic]).await;
    }
    broker.allow_write(&topic).await;
    are_published(&rig, &AI_RESPONSES, 0..20).await;
    wait_until("both are ready", LONG, || async { one_says.check().is_ok() && two_says.check().is_ok() }).await;
    nothing_is_held(&rig).await;
    one.stop().await;
    two.stop().await;
}

/// The owner of the dead-letter topic needs it twice: as its own and for its dead letters.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_named_twice_counts_once() {
    let rig = Rig::new().await;
    for _ in 0..2 {
        admin::ensure(&rig.config, "test", &[&AI_RESPONSES, &LEAD_CREATED, &AI_RESPONSES]).await.unwrap();
    }
    let (relay, status) = rig.relay_of("dlq-replayer");
    wait_until("the relay is active", LONG, || async { status.is_active() }).await;
    relay.stop().await;
    // Once more, when the topics are there.
    let (relay, status) = rig.relay_of("dlq-replayer");
    wait_until("the relay is active", LONG, || async { status.is_active() }).await;
    let mut tx = rig.outbox.begin().await.unwrap();
    tx.publish(said("call-1", "one")).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(kafka::read_topic(&stack::kafka(), &rig.topic(&AI_RESPONSES), 1, LONG).await.len(), 1);
    relay.stop().await;
}
