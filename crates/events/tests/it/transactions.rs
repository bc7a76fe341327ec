//! Transactions: visible as a whole or not at all, whoever dies in between.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use events::{
    contract::topics::AI_RESPONSES,
    kafka::{
        config::KafkaConfig,
        producer::{OutRecord, Producer},
        transactional::{TransactionError, TransactionalProducer},
    },
};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use test_kit::{
    broker::Broker,
    kafka::{self, TestRecord},
    process::ServiceProcess,
    stack,
    wait::wait_until,
};

use crate::support::{LONG, Rig, said, settings};

const PATIENCE: Duration = Duration::from_secs(20);

/// A topic of one test, and who works with it.
struct Place {
    config: KafkaConfig,
    topic: String,
}

impl Place {
    async fn new(partitions: i32) -> Self {
        let namespace = kafka::namespace();
        let topic = format!("{namespace}words");
        kafka::create_topic(&stack::kafka(), &topic, partitions, &[]).await;
        Self { config: settings(&stack::kafka(), &namespace, &[]), topic }
    }

    async fn producer(&self) -> TransactionalProducer {
        TransactionalProducer::new(&self.config, "test", "writer", PATIENCE).await.unwrap()
    }

    fn record(&self, text: &str) -> OutRecord {
        let (key, payload) = (Some(b"key".to_vec()), Some(text.as_bytes().to_vec()));
        OutRecord { topic: self.topic.clone(), key, payload, headers: Vec::new() }
    }

    async fn committed(&self) -> Vec<String> {
        texts(kafka::read_topic_to_end(&stack::kafka(), &self.topic).await)
    }

    async fn uncommitted(&self) -> Vec<String> {
        texts(kafka::read_uncommitted_to_end(&stack::kafka(), &self.topic).await)
    }

    async fn wait_for(&self, committed: &[&str]) {
        wait_until("the committed records are visible", LONG, || async { self.committed().await == committed }).await;
    }
}

fn texts(records: Vec<TestRecord>) -> Vec<String> {
    records.into_iter().map(|record| String::from_utf8(record.payload.unwrap()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_committed_transaction_is_seen_whole_and_of_an_aborted_or_dropped_one_nothing() {
    let place = Place::new(1).await;
    let mut producer = place.producer().await;

    let mut transaction = producer.begin().await.unwrap();
    for text in ["a", "b"] {
        transaction.send(&place.record(text)).await.unwrap();
    }
    wait_until("both are in the log", LONG, || async { place.uncommitted().await.len() == 2 }).await;
    assert!(place.committed().await.is_empty(), "visible before the commit");
    transaction.commit().await.unwrap();
    place.wait_for(&["a", "b"]).await;

    let mut transaction = producer.begin().await.unwrap();
    transaction.send(&place.record("aborted")).await.unwrap();
    wait_until("it is in the log", LONG, || async { place.uncommitted().await.len() == 3 }).await;
    transaction.abort().await.unwrap();

    let mut transaction = producer.begin().await.unwrap();
    transaction.send(&place.record("dropped")).await.unwrap();
    wait_until("it is in the log", LONG, || async { place.uncommitted().await.len() == 4 }).await;
    drop(transaction);
    // What stands behind an open transaction is withheld from the reader too.
    kafka::produce(&stack::kafka(), &place.topic, None, b"plain", &[]).await;
    place.wait_for(&["a", "b", "plain"]).await;

    producer.begin().await.unwrap().commit().await.unwrap();
    let mut transaction = producer.begin().await.unwrap();
    transaction.send(&place.record("c")).await.unwrap();
    transaction.commit().await.unwrap();
    place.wait_for(&["a", "b", "plain", "c"]).await;
    assert_eq!(place.uncommitted().await, ["a", "b", "aborted", "dropped", "plain", "c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_producer_with_the_same_id_fences_the_first() {
    let place = Place::new(1).await;
    let mut first = place.producer().await;
    let mut transaction = first.begin().await.unwrap();
    transaction.send(&place.record("of the first")).await.unwrap();
    wait_until("it is in the log", LONG, || async { place.uncommitted().await.len() == 1 }).await;

    let mut second = place.producer().await;
    let refused = transaction.commit().await.unwrap_err();
    assert!(matches!(refused, TransactionError::Fenced { .. }), "{refused:?}");
    assert!(refused.to_string().contains("writer"), "{refused}");
    let again = first.begin().await.unwrap_err();
    assert!(matches!(again, TransactionError::Fenced { .. }), "{again:?}");

    let mut transaction = second.begin().await.unwrap();
    transaction.send(&place.record("of the second")).await.unwrap();
    transaction.commit().await.unwrap();
    place.wait_for(&["of the second"]).await;
    assert_eq!(place.uncommitted().await, ["of the first", "of the second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_committed_with_the_records_or_not_at_all() {
    let place = Place::new(1).await;
    let group = place.config.topic_names().group("reader");
    let source = format!("{}-source", place.topic);
    kafka::create_topic(&stack::kafka(), &source, 1, &[]).await;
    for _ in 0..2 {
        kafka::produce(&stack::kafka(), &source, None, b"in", &[]).await;
    }
    let consumer: BaseConsumer = place.config.consumer("test", &group).create().unwrap();
    consumer.subscribe(&[&source]).unwrap();
    wait_until("the consumer has joined", LONG, || async { consumer.poll(Duration::ZERO).is_some() }).await;
    let committed = async || kafka::committed(&stack::kafka(), &group, &source).await[0].1;

    let mut producer = place.producer().await;
    for (text, next, commit) in [("aborted", 1, false), ("kept", 2, true)] {
        let mut transaction = producer.begin().await.unwrap();
        transaction.send(&place.record(text)).await.unwrap();
        transaction.send_offsets(&[(&source, 0, next)], consumer.group_metadata().unwrap()).await.unwrap();
        if commit {
            transaction.commit().await.unwrap();
            wait_until("the offset is committed", LONG, || async { committed().await == next }).await;
        } else {
            transaction.abort().await.unwrap();
            assert_eq!(committed().await, -1);
        }
    }
    place.wait_for(&["kept"]).await;

    // One who lost its partitions has nothing to commit any more.
    let stale = consumer.group_metadata().unwrap();
    consumer.unsubscribe();
    let other: BaseConsumer = place.config.consumer("test", &group).create().unwrap();
    other.subscribe(&[&source]).unwrap();
    wait_until("the group has another member", LONG, || async {
        let _ = (consumer.poll(Duration::ZERO), other.poll(Duration::ZERO));
        other.assignment().unwrap().count() == 1
    })
    .await;
    let mut transaction = producer.begin().await.unwrap();
    let refused = transaction.send_offsets(&[(&source, 0, 0)], stale).await.unwrap_err();
    assert!(matches!(refused, TransactionError::Abortable { .. }), "{refused:?}");
    drop(transaction);
    producer.begin().await.unwrap().abort().await.unwrap();
    assert_eq!(committed().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_kafka_refuses_aborts_its_transaction_and_says_which() {
    let place = Place::new(1).await;
    let mut producer = place.producer().await;
    let small = format!("{}-small", place.topic);
    kafka::create_topic(&stack::kafka(), &small, 1, &[("max.message.bytes", "1000")]).await;
    let mut transaction = producer.begin().await.unwrap();
    transaction.send(&place.record("beside it")).await.unwrap();
    let payload = Some((0..1_100).map(|_| fastrand::u8(..)).collect());
    transaction.send(&OutRecord { topic: small, payload, ..place.record("") }).await.unwrap();
    let refused = transaction.commit().await.unwrap_err();
    assert!(matches!(refused, TransactionError::Abortable { .. }), "{refused:?}");
    let source = std::error::Error::source(&refused).unwrap().to_string();
    assert!(source.contains("words-small"), "{source}");

    let mut transaction = producer.begin().await.unwrap();
    let large = OutRecord { payload: Some(vec![b'x'; 1_300_000]), ..place.record("") };
    let refused = transaction.send(&large).await.unwrap_err();
    assert!(matches!(refused, TransactionError::Abortable { .. }), "{refused:?}");
    // It was never handed over, so what is left may be committed by whoever wants to.
    transaction.send(&place.record("the rest")).await.unwrap();
    transaction.commit().await.unwrap();
    place.wait_for(&["the rest"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_kafka_a_producer_says_so_within_its_patience() {
    let config = settings("127.0.0.1:1", &kafka::namespace(), &[]);
    let begun = std::time::Instant::now();
    let away = TransactionalProducer::new(&config, "test", "writer", Duration::from_secs(2)).await.unwrap_err();
    assert!(matches!(away, TransactionError::Unavailable { .. }), "{away:?}");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_an_outage_cuts_off_is_done_again_by_the_same_producer() {
    let mut broker = Broker::start().await;
    kafka::create_topic(&broker.bootstrap(), "words", 1, &[]).await;
    let place = Place { config: settings(&broker.bootstrap(), "", &[]), topic: "words".to_owned() };
    let patience = Duration::from_secs(10);
    let mut producer = TransactionalProducer::new(&place.config, "test", "writer", patience).await.unwrap();
    let mut transaction = producer.begin().await.unwrap();
    transaction.send(&place.record("in the log")).await.unwrap();
    wait_until("it is in the log", LONG, || async {
        kafka::read_uncommitted_to_end(&broker.bootstrap(), "words").await.len() == 1
    })
    .await;
    broker.kill();
    transaction.send(&place.record("not in the log")).await.unwrap();
    let cut_off = transaction.commit().await.unwrap_err();
    assert!(matches!(cut_off, TransactionError::Abortable { .. }), "{cut_off:?}");

    broker.start_again().await;
    let mut transaction = producer.begin().await.unwrap();
    transaction.send(&place.record("done again")).await.unwrap();
    transaction.commit().await.unwrap();
    let read = async |uncommitted| match uncommitted {
        true => texts(kafka::read_uncommitted_to_end(&broker.bootstrap(), "words").await),
        false => texts(kafka::read_topic_to_end(&broker.bootstrap(), "words").await),
    };
    wait_until("what was committed is visible", LONG, || async { read(false).await == ["done again"] }).await;
    assert_eq!(read(true).await[0], "in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_consumer_never_handles_an_aborted_record() {
    let rig = Rig::new().await;
    rig.create_topics().await;
    let mut producer = TransactionalProducer::new(&rig.config, "test", "writer", PATIENCE).await.unwrap();
    for (name, commit) in [("one", true), ("aborted", false), ("two", true)] {
        let mut transaction = producer.begin().await.unwrap();
        transaction.publish(said("call-1", name)).await.unwrap();
        if commit {
            transaction.commit().await.unwrap();
        } else {
            let topic = rig.topic(&AI_RESPONSES);
            wait_until("the aborted one is in the log", LONG, || async {
                kafka::read_uncommitted_to_end(&rig.servers(), &topic).await.len() == 2
            })
            .await;
            transaction.abort().await.unwrap();
        }
    }
    let worker = rig.consume("worker").await;
    rig.wait_for_effects(2).await;
    worker.stop().await;
    let names: Vec<_> = rig.effects().await.into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["one", "two"]);
}

/// The example that users begin with, killed in the middle of its work.
#[tokio::test(flavor = "multi_thread")]
async fn a_transform_that_is_killed_again_and_again_leaves_no_gap_and_no_double() {
    const RECORDS: usize = 60_000;
    let place = Place::new(3).await;
    let loud = format!("{}-loud", place.topic);
    kafka::create_topic(&stack::kafka(), &loud, 3, &[]).await;
    let source = Producer::new(&place.config, "test", PATIENCE).unwrap();
    let mut window = Vec::new();
    for number in 0..RECORDS {
        let record =
            OutRecord { key: Some(format!("k{}", number % 7).into_bytes()), ..place.record(&format!("n{number}")) };
        window.push(source.enqueue(&record).await.unwrap());
    }
    for delivery in window {
        delivery.await.unwrap();
    }

    let environment = [
        ("KAFKA_BOOTSTRAP_SERVERS", stack::kafka()),
        ("KAFKA_CONSUMER_SESSION_TIMEOUT_MS", "6000".to_owned()),
        ("FROM_TOPIC", place.topic.clone()),
        ("TO_TOPIC", loud.clone()),
        ("GROUP", format!("{}-transform", place.topic)),
    ];
    let written = async || kafka::read_uncommitted_to_end(&stack::kafka(), &loud).await.len();
    let visible = async || kafka::read_topic_to_end(&stack::kafka(), &loud).await;
    let mut transform = ServiceProcess::spawn("examples/transform", &environment).await;
    let mut kills = 0;
    let mut cut_off = 0;
    while kills < 3 || cut_off == 0 {
        let before = written().await;
        wait_until("it goes on", LONG, || async { written().await > before }).await;
        transform.kill9();
        kills += 1;
        let (written, visible) = (written().await, visible().await.len());
        println!("killed: {written} written, {visible} visible");
        cut_off = cut_off.max(written - visible);
        assert!(visible < RECORDS, "it was done before it could be killed in the middle of a transaction");
        transform.restart().await;
    }
    wait_until("all of it is visible", LONG, || async { visible().await.len() >= RECORDS }).await;
    transform.kill9();

    let mut records = visible().await;
    records.sort_by_key(|record| (record.partition, record.offset));
    let mut order: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
    for record in records {
        let number = String::from_utf8(record.payload.unwrap()).unwrap().strip_prefix('N').unwrap().parse().unwrap();
        order.entry(record.key.unwrap()).or_default().push(number);
    }
    let expected: HashMap<_, Vec<usize>> =
        (0..7).map(|key| (format!("k{key}").into_bytes(), (key..RECORDS).step_by(7).collect())).collect();
    for (key, numbers) in &order {
        assert_eq!(numbers, &expected[key], "gap, double or disorder");
    }
    assert_eq!(order.len(), 7);
    assert!(written().await > RECORDS, "nothing was cut off, so nothing was proven");
}
