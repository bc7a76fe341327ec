//! One rule of size: what is accepted when it is written is delivered, to the byte, and what is not is refused there.

use events::{
    contract::topics::{AI_RESPONSES, DEAD_LETTER_QUEUE, TopicSpec},
    kafka::producer::{OutRecord, Producer},
    publish::PublishError,
};
use test_kit::{kafka, stack, wait::wait_until};

use crate::support::{LONG, Rig, said};

/// Of these the record is not smaller for being compressed.
fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|_| fastrand::u8(1..)).collect()
}

fn too_much(outcome: Result<impl Sized, PublishError>) -> usize {
    match outcome {
        Err(PublishError::TooLarge { size, limit, topic }) => {
            let said = PublishError::TooLarge { size, limit, topic }.to_string();
            assert!(said.contains(topic) && said.contains(&limit.to_string()), "{said}");
            size - limit
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("accepted"),
    }
}

async fn publish_largest(rig: &Rig, topic: &TopicSpec, key: &str, headers: &[(&str, String)]) {
    let mut tx = rig.outbox.begin().await.unwrap();
    let mut value = noise(1_300_000);
    let over = too_much(tx.publish_raw(topic, key, headers, &value).await);
    value.truncate(value.len() - over + 1);
    assert_eq!(too_much(tx.publish_raw(topic, key, headers, &value).await), 1, "one byte more");
    value.pop();
    tx.publish_raw(topic, key, headers, &value).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_row_that_is_accepted_is_delivered_and_one_byte_more_is_refused_when_it_is_written() {
    for registry in [None, Some(stack::registry())] {
        let mut rig = Rig::with(&stack::kafka(), &["--kafka-producer-compression-type", "none"]).await;
        rig.config.registry.schema_registry_url = registry.map(|url| url.parse().unwrap());
        rig.create_topics().await;
        let many: Vec<_> = (0..60).map(|number| ("a-header", "v".repeat(number))).collect();
        let long = [("correlation_id", "c".repeat(200_000))];
        for headers in [&[][..], &many[..], &long[..]] {
            publish_largest(&rig, &AI_RESPONSES, "call-1", headers).await;
        }
        publish_largest(&rig, &AI_RESPONSES, "", &[]).await;
        publish_largest(&rig, &AI_RESPONSES, &"k".repeat(100_000), &[]).await;
        publish_largest(&rig, &DEAD_LETTER_QUEUE, "call-1", &many).await;
        // An event, which gets a frame where there is a registry.
        let mut tx = rig.outbox.begin().await.unwrap();
        let mut name = "x".repeat(1_300_000);
        let over = too_much(tx.publish(said("call-2", &name)).await);
        name.truncate(name.len() - over + 1);
        assert_eq!(too_much(tx.publish(said("call-2", &name)).await), 1);
        name.pop();
        tx.publish(said("call-2", &name)).await.unwrap();
        tx.commit().await.unwrap();
        let (relay, status) = rig.relay();
        let read = kafka::read_topic(&rig.servers(), &rig.topic(&AI_RESPONSES), 6, LONG).await;
        assert_eq!(kafka::read_topic(&rig.servers(), &rig.topic(&DEAD_LETTER_QUEUE), 1, LONG).await.len(), 1);
        assert_eq!((read.len(), status.check()), (6, Ok("active".to_owned())));
        relay.stop().await;
    }
}

/// A trigger writes rows past every check: the relay has the same rule for them.
#[tokio::test(flavor = "multi_thread")]
async fn a_triggers_row_is_measured_by_the_same_rule() {
    let rig = Rig::with(&stack::kafka(), &["--kafka-producer-compression-type", "none"]).await;
    let mut tx = rig.outbox.begin().await.unwrap();
    let over = too_much(tx.publish_raw(&AI_RESPONSES, "call-1", &[], &noise(1_300_000)).await);
    tx.rollback().await.unwrap();
    let row = "INSERT INTO outbox (topic, key, headers, payload) VALUES ('ai-responses', $1, '{}', $2)";
    for (key, bytes) in [("call-1", 1_300_000 - over), ("call-2", 1_300_000 - over + 1)] {
        sqlx::query(row).bind(key).bind(noise(bytes)).execute(rig.pool()).await.unwrap();
    }
    let (relay, status) = rig.relay();
    wait_until("one is held", LONG, || async { status.check().is_err() }).await;
    let read = kafka::read_topic(&rig.servers(), &rig.topic(&AI_RESPONSES), 1, LONG).await;
    assert_eq!((read.len(), read[0].key.as_deref()), (1, Some(&b"call-1"[..])));
    let held: Vec<(String, String)> =
        sqlx::query_as("SELECT key, reason FROM outbox_held").fetch_all(rig.pool()).await.unwrap();
    assert!(held.len() == 1 && held[0].0 == "call-2" && held[0].1.contains("larger"), "{held:?}");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_sent_directly_is_measured_by_the_same_rule() {
    let rig = Rig::with(&stack::kafka(), &["--kafka-producer-compression-type", "none"]).await;
    rig.create_topics().await;
    let mut tx = rig.outbox.begin().await.unwrap();
    let over = too_much(tx.publish_raw(&AI_RESPONSES, "call-1", &[], &noise(1_300_000)).await);
    tx.rollback().await.unwrap();
    let producer = Producer::new(&rig.config, "test", LONG).unwrap();
    let record = |bytes| OutRecord {
        topic: rig.topic(&AI_RESPONSES),
        key: Some(b"call-1".to_vec()),
        payload: Some(noise(bytes)),
        headers: Vec::new(),
    };
    producer.send(&record(1_300_000 - over)).await.unwrap();
    let refused = producer.send(&record(1_300_000 - over + 1)).await.unwrap_err();
    assert!(refused.is_refusal(), "{refused}");
}
