//! Direct sending: in the order of the calls, each record answered for.

use std::time::Duration;

use events::kafka::producer::{OutRecord, Producer, SendError};
use futures::future::join_all;
use rdkafka::{
    mocking::MockCluster,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};
use test_kit::{broker::Broker, kafka, stack, wait::wait_until};
use tokio::time::timeout;

use crate::support::{LONG, recorder, settings};

fn record(topic: &str, payload: Vec<u8>) -> OutRecord {
    OutRecord { topic: topic.to_owned(), key: Some(b"one key".to_vec()), payload: Some(payload), headers: Vec::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_keep_the_order_of_their_calls_while_the_queue_is_full() {
    // librdkafka's queue takes 100 000.
    const RECORDS: u32 = 101_000;
    let mut broker = Broker::start().await;
    kafka::create_topic(&broker.bootstrap(), "ordered", 1, &[]).await;
    broker.stop().await;
    let producer = Producer::new(&settings(&broker.bootstrap(), "", &[]), "test", LONG).unwrap();
    let records: Vec<_> = (0..RECORDS).map(|number| record("ordered", number.to_be_bytes().to_vec())).collect();
    let mut calls = Box::pin(join_all(records.iter().map(|record| producer.enqueue(record))));
    assert!(timeout(Duration::from_secs(3), &mut calls).await.is_err(), "the queue was never full");
    let (deliveries, ()) = tokio::join!(calls, broker.start_again());
    for delivery in deliveries {
        delivery.unwrap().await.unwrap();
    }
    let read = kafka::read_topic_to_end(&broker.bootstrap(), "ordered").await;
    let numbers = read.iter().map(|read| u32::from_be_bytes(read.payload.as_deref().unwrap().try_into().unwrap()));
    assert!(numbers.eq(0..RECORDS), "a gap, a double or disorder");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_acknowledged_is_answered_for_when_the_producer_is_dropped() {
    let producer = Producer::new(&settings("127.0.0.1:1", "", &[]), "test", LONG).unwrap();
    let delivery = producer.enqueue(&record("nowhere", vec![1])).await.unwrap();
    assert!(producer.flush(Duration::from_millis(100)).await.is_err());
    drop(producer);
    let lost = timeout(Duration::from_secs(10), delivery).await.unwrap().unwrap_err();
    assert!(matches!(lost, SendError::Unacknowledged { .. }), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kafka_will_never_take_is_a_refusal() {
    let topic = format!("{}small", kafka::namespace());
    kafka::create_topic(&stack::kafka(), &topic, 1, &[("max.message.bytes", "1000")]).await;
    let producer = Producer::new(&settings(&stack::kafka(), "", &[]), "test", LONG).unwrap();
    // By the broker, and by the client itself.
    for size in [1_100, 1_300_000] {
        let payload = (0..size).map(|_| fastrand::u8(..)).collect();
        let refused = producer.send(&record(&topic, payload)).await.unwrap_err();
        assert!(refused.is_refusal() && refused.to_string().contains(&topic), "{refused}");
    }
    producer.send(&record(&topic, vec![1])).await.unwrap();
}

/// A real broker gives no such answer on demand; librdkafka's own simulation of one does.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_died_is_replaced() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("topic", 1, 1).unwrap();
    let producer = Producer::new(&settings(&cluster.bootstrap_servers(), "", &[]), "test", LONG).unwrap();
    producer.send(&record("topic", vec![1])).await.unwrap();
    let fatal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    cluster.request_errors(RDKafkaApiKey::Produce, &[fatal]);
    let failed = producer.send(&record("topic", vec![2])).await.unwrap_err();
    assert!(!failed.is_refusal(), "{failed:?}");
    producer.send(&record("topic", vec![2])).await.unwrap();
    let read = kafka::read_topic(&cluster.bootstrap_servers(), "topic", 2, LONG).await;
    assert_eq!(read.iter().map(|read| read.payload.clone().unwrap()).collect::<Vec<_>>(), [[1], [2]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_are_counted_by_topic() {
    let recorder = recorder();
    let namespace = kafka::namespace();
    let topic = format!("{namespace}ai-responses");
    kafka::create_topic(&stack::kafka(), &topic, 1, &[]).await;
    let producer = Producer::new(&settings(&stack::kafka(), &namespace, &[]), "test", LONG).unwrap();
    for _ in 0..3 {
        producer.send(&record(&topic, vec![1; 100])).await.unwrap();
    }
    producer.send(&record(&topic, vec![1; 1_300_000])).await.unwrap_err();
    wait_until("all four are published", LONG, || async {
        let text = recorder.render();
        let expected = [
            r#"kafka_producer_messages_sent_total{topic="ai-responses"} "#,
            r#"kafka_producer_messages_failed_total{topic="ai-responses"} "#,
            r#"kafka_producer_send_duration_seconds_count{topic="ai-responses"} "#,
            r#"kafka_producer_batch_size_count{topic="ai-responses"} "#,
        ];
        expected.iter().all(|line| text.contains(line))
    })
    .await;
    assert!(!recorder.render().contains(&namespace), "a series for each name space");
}
