//! Topics and records as a test sees them: create, produce, read from the beginning, ask what a group has committed.
//!
//! Independent of the crates under test, so that a mistake in their client is not repeated here.

use std::{
    cell::Cell,
    collections::{BTreeSet, HashMap},
    panic::{self, AssertUnwindSafe},
    sync::{LazyLock, Mutex, Once},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedHeaders, BorrowedMessage, Header, Headers, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use uuid::Uuid;

use crate::wait::{INTERVAL, wait_until};

/// For what takes milliseconds unless something is broken.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Stands for a header name that is not UTF-8; its value is not told.
pub const UNREADABLE: &str = "\u{fffd}";

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
    /// A copy of what a client was given.
    pub fn of(message: &BorrowedMessage<'_>) -> Self {
        let headers = message
            .headers()
            .map_or_else(Vec::new, |headers| (0..headers.count()).map(|index| header(headers, index)).collect());
        Self {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            payload: message.payload().map(<[u8]>::to_vec),
            headers,
            timestamp_ms: message.timestamp().to_millis(),
        }
    }

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

pub(crate) fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(LIMIT)).request_timeout(Some(LIMIT))
}

/// Creates a topic of one replica; one that is there already is left as it is.
pub async fn create_topic(bootstrap: &str, name: &str, partitions: i32, config: &[(&str, &str)]) {
    let admin: AdminClient<DefaultClientContext> = client(bootstrap).create().unwrap();
    let topic = config
        .iter()
        .fold(NewTopic::new(name, partitions, TopicReplication::Fixed(1)), |topic, (key, value)| topic.set(key, value));
    let results = admin
        .create_topics([&topic], &options())
        .await
        .unwrap_or_else(|error| panic!("cannot create topic {name} on {bootstrap}: {error}"));
    match results.into_iter().next() {
        Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => {}
        other => panic!("cannot create topic {name} on {bootstrap}: {other:?}"),
    }
}

/// Gives a topic these settings, and the broker's own for all others; the broker tells them when this returns.
pub async fn alter_topic(bootstrap: &str, name: &str, config: &[(&str, &str)]) {
    let admin: AdminClient<DefaultClientContext> = client(bootstrap).create().unwrap();
    let topic = AlterConfig::new(ResourceSpecifier::Topic(name));
    let topic = config.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
    for altered in admin.alter_configs([&topic], &options()).await.unwrap() {
        altered.unwrap_or_else(|(_, code)| panic!("cannot alter topic {name} on {bootstrap}: {code}"));
    }
    wait_until("the broker tells the topic's settings", LIMIT, || async {
        let described = admin.describe_configs([&ResourceSpecifier::Topic(name)], &options()).await.unwrap();
        let told = described.into_iter().next().unwrap().unwrap();
        config.iter().all(|(key, value)| told.get(key).is_some_and(|entry| entry.value.as_deref() == Some(value)))
    })
    .await;
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

/// Writes one record without a key that claims to be of that time, in milliseconds since 1970: its offset.
pub async fn produce_as_of(bootstrap: &str, topic: &str, partition: i32, payload: &[u8], timestamp_ms: i64) -> i64 {
    let record: FutureRecord<'_, [u8], [u8]> = FutureRecord {
        topic,
        partition: Some(partition),
        payload: Some(payload),
        key: None,
        timestamp: Some(timestamp_ms),
        headers: None,
    };
    let delivery = producer(bootstrap)
        .send(record, LIMIT)
        .await
        .unwrap_or_else(|(error, _)| panic!("cannot produce to {topic} on {bootstrap}: {error}"));
    delivery.offset
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

/// Deletes a topic and waits until the broker does not know it any more.
pub async fn delete_topic(bootstrap: &str, name: &str) {
    let admin: AdminClient<DefaultClientContext> = client(bootstrap).create().unwrap();
    let results = admin.delete_topics(&[name], &options()).await;
    let results = results.unwrap_or_else(|error| panic!("cannot delete topic {name} on {bootstrap}: {error}"));
    assert!(matches!(results.first(), Some(Ok(_))), "cannot delete topic {name} on {bootstrap}: {results:?}");
    let topic = name.to_owned();
    blocking(move || {
        let deadline = Instant::now() + LIMIT;
        loop {
            let metadata = admin.inner().fetch_metadata(None, LIMIT).unwrap();
            if !metadata.topics().iter().any(|one| one.name() == topic) {
                return;
            }
            assert!(Instant::now() < deadline, "{topic} is still there");
            std::thread::sleep(INTERVAL);
        }
    })
    .await;
}

/// The offset that the next record of each partition gets.
pub async fn ends(bootstrap: &str, topic: &str) -> Vec<(i32, i64)> {
    let (config, topic) = (consumer(bootstrap, "test-kit"), topic.to_owned());
    blocking(move || {
        let deadline = Instant::now() + LIMIT;
        let consumer: BaseConsumer = config.create().unwrap();
        let end = |partition| (partition, consumer.fetch_watermarks(&topic, partition, LIMIT).unwrap().1);
        partitions(&consumer, &topic, deadline).into_iter().map(end).collect()
    })
    .await
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
                Some(Ok(message)) => records.push(TestRecord::of(&message)),
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

/// The client panics at a name that is not UTF-8, and gives no other way to it.
fn header(headers: &BorrowedHeaders, index: usize) -> (String, Vec<u8>) {
    thread_local!(static READING: Cell<bool> = const { Cell::new(false) });
    static QUIET: Once = Once::new();
    // Of panics that are met here nobody need be told.
    QUIET.call_once(|| {
        let tell = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !READING.get() {
                tell(info);
            }
        }));
    });
    READING.set(true);
    let read = panic::catch_unwind(AssertUnwindSafe(|| {
        let one = headers.get(index);
        (one.key.to_owned(), one.value.unwrap_or_default().to_vec())
    }));
    READING.set(false);
    read.unwrap_or_else(|_| (UNREADABLE.to_owned(), Vec::new()))
}

fn number(offset: Offset) -> i64 {
    match offset {
        Offset::Offset(offset) => offset,
        _ => -1,
    }
}

pub(crate) fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("reconnect.backoff.max.ms", "500");
    // Tests take brokers away on purpose.
    config.set_log_level(RDKafkaLogLevel::Emerg);
    config
}

pub(crate) fn consumer(bootstrap: &str, group: &str) -> ClientConfig {
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
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => panic::resume_unwind(error.into_panic()),
    }
}
