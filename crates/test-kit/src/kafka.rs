//! Topics and records as a test sees them: create, produce, read from the beginning, ask what a group has committed.
//!
//! Independent of the crates under test, so that a mistake in their client is not repeated here.

use std::{
    collections::{BTreeSet, HashMap},
    panic,
    sync::{LazyLock, Mutex},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Header, Headers, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, FutureProducer, FutureRecord, Producer as _},
};
use uuid::Uuid;

use crate::wait::INTERVAL;

/// For what takes milliseconds unless something is broken.
const LIMIT: Duration = Duration::from_secs(30);

/// A record as it is in the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRecord {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub timestamp_ms: Option<i64>,
}

impl TestRecord {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_slice())
    }
}

/// A prefix for topics and groups that no other test has, such as `t1a2b3c4d.`.
pub fn namespace() -> String {
    let random = Uuid::new_v4().simple().to_string();
    format!("t{}.", &random[..8])
}

/// Creates a topic of one replica; one that is there already is left as it is.
pub async fn create_topic(bootstrap: &str, name: &str, partitions: i32, config: &[(&str, &str)]) {
    let admin: AdminClient<DefaultClientContext> = client(bootstrap).create().unwrap();
    let topic = config
        .iter()
        .fold(NewTopic::new(name, partitions, TopicReplication::Fixed(1)), |topic, (key, value)| topic.set(key, value));
    let options = AdminOptions::new().operation_timeout(Some(LIMIT)).request_timeout(Some(LIMIT));
    let results = admin
        .create_topics([&topic], &options)
        .await
        .unwrap_or_else(|error| panic!("cannot create topic {name} on {bootstrap}: {error}"));
    match results.into_iter().next() {
        Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => {}
        other => panic!("cannot create topic {name} on {bootstrap}: {other:?}"),
    }
}

/// Deletes a topic, with all that is in it.
pub async fn delete_topic(bootstrap: &str, name: &str) {
    let admin: AdminClient<DefaultClientContext> = client(bootstrap).create().unwrap();
    let options = AdminOptions::new().operation_timeout(Some(LIMIT)).request_timeout(Some(LIMIT));
    for outcome in admin.delete_topics(&[name], &options).await.unwrap() {
        outcome.unwrap_or_else(|(_, error)| panic!("cannot delete topic {name} on {bootstrap}: {error}"));
    }
}

/// Writes one record and waits for its acknowledgement by all replicas: its partition and offset.
pub async fn produce(
    bootstrap: &str,
    topic: &str,
    key: Option<&[u8]>,
    payload: &[u8],
    headers: &[(&str, &[u8])],
) -> (i32, i64) {
    let headers = headers
        .iter()
        .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(*value) }));
    let record: FutureRecord<'_, [u8], [u8]> =
        FutureRecord { topic, partition: None, payload: Some(payload), key, timestamp: None, headers: Some(headers) };
    let delivery = producer(bootstrap)
        .send(record, LIMIT)
        .await
        .unwrap_or_else(|(error, _)| panic!("cannot produce to {topic} on {bootstrap}: {error}"));
    (delivery.partition, delivery.offset)
}

/// Sends one record in a transaction that is aborted: it stays in the log with a marker behind it, and nobody gets to see either.
pub async fn produce_and_abort(bootstrap: &str, topic: &str, key: &[u8], value: &[u8]) {
    let mut config = client(bootstrap);
    config.set("transactional.id", Uuid::new_v4().to_string());
    let (topic, key, value) = (topic.to_owned(), key.to_vec(), value.to_vec());
    blocking(move || {
        let producer: BaseProducer = config.create().unwrap();
        producer.init_transactions(LIMIT).unwrap();
        producer.begin_transaction().unwrap();
        producer.send(BaseRecord::to(&topic).key(&key).payload(&value)).map_err(|(error, _)| error).unwrap();
        // An abort would throw away what is not sent.
        producer.flush(LIMIT).unwrap();
        producer.abort_transaction(LIMIT).unwrap();
    })
    .await;
}

/// Reads from the beginning until there are `at_least` records; panics with the number read once `limit` has passed. Waits for
/// the topic too. Joins no group, so nobody is rebalanced.
pub async fn read_topic(bootstrap: &str, topic: &str, at_least: usize, limit: Duration) -> Vec<TestRecord> {
    read(bootstrap, topic, limit, Until::Count(at_least)).await
}

/// Reads everything that is in the topic now.
pub async fn read_topic_to_end(bootstrap: &str, topic: &str) -> Vec<TestRecord> {
    read(bootstrap, topic, LIMIT, Until::End).await
}

/// The same with what no committed transaction holds: of those that were aborted, and of those that are open.
pub async fn read_uncommitted_to_end(bootstrap: &str, topic: &str) -> Vec<TestRecord> {
    let mut config = consumer(bootstrap, "test-kit");
    config.set("isolation.level", "read_uncommitted");
    read_by(config, topic, LIMIT, Until::End).await
}

/// What a group has committed, by partition; -1 where it has committed nothing.
pub async fn committed(bootstrap: &str, group: &str, topic: &str) -> Vec<(i32, i64)> {
    let (config, topic) = (consumer(bootstrap, group), topic.to_owned());
    blocking(move || {
        let deadline = Instant::now() + LIMIT;
        let consumer: BaseConsumer = config.create().unwrap();
        let mut asked = TopicPartitionList::new();
        for partition in partitions(&consumer, &topic, deadline) {
            asked.add_partition(&topic, partition);
        }
        loop {
            match consumer.committed_offsets(asked.clone(), Duration::from_secs(5)) {
                Ok(answer) => {
                    return answer.elements().iter().map(|one| (one.partition(), number(one.offset()))).collect();
                }
                // The coordinator of a group that is new may not be there yet.
                Err(error) if Instant::now() >= deadline => panic!("cannot ask what was committed to {topic}: {error}"),
                Err(_) => std::thread::sleep(INTERVAL),
            }
        }
    })
    .await
}

enum Until {
    Count(usize),
    End,
}

async fn read(bootstrap: &str, topic: &str, limit: Duration, until: Until) -> Vec<TestRecord> {
    // The client demands a group's name even for reading without one.
    read_by(consumer(bootstrap, "test-kit"), topic, limit, until).await
}

async fn read_by(config: ClientConfig, topic: &str, limit: Duration, until: Until) -> Vec<TestRecord> {
    let topic = topic.to_owned();
    blocking(move || {
        let deadline = Instant::now() + limit;
        let consumer: BaseConsumer = config.create().unwrap();
        let mut open: BTreeSet<i32> = partitions(&consumer, &topic, deadline).into_iter().collect();
        let mut assignment = TopicPartitionList::new();
        for partition in &open {
            assignment.add_partition_offset(&topic, *partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&assignment).unwrap();
        let mut records = Vec::new();
        let mut last_error = None;
        loop {
            let enough = match until {
                Until::Count(count) => records.len() >= count,
                Until::End => open.is_empty(),
            };
            if enough {
                return records;
            }
            let count = records.len();
            assert!(
                Instant::now() < deadline,
                "read only {count} records of {topic} in {limit:?} (last error: {last_error:?})"
            );
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => records.push(owned(&message)),
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    open.remove(&partition);
                }
                // The client goes on by itself; a broker may be starting.
                Some(Err(error)) => last_error = Some(error),
                None => {}
            }
        }
    })
    .await
}

/// The topic's partitions; waits for a topic that somebody else is about to create.
fn partitions(consumer: &BaseConsumer, topic: &str, deadline: Instant) -> Vec<i32> {
    loop {
        let found: Vec<i32> = consumer
            .fetch_metadata(Some(topic), Duration::from_secs(5))
            .map(|metadata| {
                let topics = metadata.topics().iter().filter(|one| one.error().is_none());
                topics.flat_map(|one| one.partitions().iter().map(|partition| partition.id())).collect()
            })
            .unwrap_or_default();
        if !found.is_empty() {
            return found;
        }
        assert!(Instant::now() < deadline, "there is no topic {topic}");
        std::thread::sleep(INTERVAL);
    }
}

fn owned(message: &BorrowedMessage<'_>) -> TestRecord {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers.iter().map(|one| (one.key.to_owned(), one.value.unwrap_or_default().to_vec())).collect()
    });
    TestRecord {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().map(<[u8]>::to_vec),
        headers,
        timestamp_ms: message.timestamp().to_millis(),
    }
}

fn number(offset: Offset) -> i64 {
    match offset {
        Offset::Offset(offset) => offset,
        _ => -1,
    }
}

fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("reconnect.backoff.max.ms", "500");
    // Tests take brokers away on purpose.
    config.set_log_level(RDKafkaLogLevel::Emerg);
    config
}

fn consumer(bootstrap: &str, group: &str) -> ClientConfig {
    let mut config = client(bootstrap);
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("allow.auto.create.topics", "false")
        // The end of a partition is told by an empty answer, for which the broker waits this long.
        .set("fetch.wait.max.ms", "10");
    config
}

/// One producer for each broker: making one takes longer than sending a record by it.
fn producer(bootstrap: &str) -> FutureProducer {
    static PRODUCERS: LazyLock<Mutex<HashMap<String, FutureProducer>>> = LazyLock::new(Mutex::default);
    let mut producers = PRODUCERS.lock().unwrap();
    let make = || {
        let mut config = client(bootstrap);
        config.set("acks", "all").set("linger.ms", "0").set("message.timeout.ms", LIMIT.as_millis().to_string());
        config.create().unwrap()
    };
    producers.entry(bootstrap.to_owned()).or_insert_with(make).clone()
}

/// The client's waiting calls would hold up the runtime. A panic keeps its message.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => panic::resume_unwind(error.into_panic()),
    }
}
