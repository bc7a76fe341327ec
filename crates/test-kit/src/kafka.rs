//! A plain client, as any other program would have it: it knows nothing of the system's own crates.

use std::time::{Duration, Instant};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    message::{Header, Headers as _, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use tokio::task::spawn_blocking;

const LIMIT: Duration = Duration::from_secs(20);

/// A prefix for topics and groups that nobody else has.
pub fn namespace() -> String {
    let id = uuid::Uuid::now_v7().simple().to_string();
    format!("t{}.", &id[id.len() - 10..])
}

/// A record as it stands in Kafka.
#[derive(Debug, Clone)]
pub struct TestRecord {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub timestamp_ms: Option<i64>,
}

fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("reconnect.backoff.max.ms", "500");
    config
}

pub async fn create_topic(bootstrap: &str, name: &str, partitions: i32, config: &[(&str, &str)]) {
    let admin: AdminClient<DefaultClientContext> = client(bootstrap).create().unwrap();
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let topic = config.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
    let options = AdminOptions::new().operation_timeout(Some(LIMIT));
    for created in admin.create_topics([&topic], &options).await.unwrap() {
        created.unwrap();
    }
}

/// Sends a record and waits for all replicas. Returns its partition and offset.
pub async fn produce(
    bootstrap: &str,
    topic: &str,
    key: Option<&[u8]>,
    payload: &[u8],
    headers: &[(&str, &[u8])],
) -> (i32, i64) {
    // One producer for each server, or every record of a test would cost a connection.
    static PRODUCERS: std::sync::Mutex<Vec<(String, FutureProducer)>> = std::sync::Mutex::new(Vec::new());
    let producer = {
        let mut producers = PRODUCERS.lock().unwrap();
        match producers.iter().find(|(servers, _)| servers == bootstrap) {
            Some((_, producer)) => producer.clone(),
            None => {
                let producer: FutureProducer =
                    client(bootstrap).set("acks", "all").set("linger.ms", "0").create().unwrap();
                producers.push((bootstrap.to_owned(), producer.clone()));
                producer
            }
        }
    };
    let all =
        headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(*value) }));
    let mut record = FutureRecord::to(topic).payload(payload).headers(all);
    record.key = key;
    let delivered = producer.send(record, LIMIT).await.expect("the record is accepted");
    (delivered.partition, delivered.offset)
}

/// Reads a topic from its beginning, without a group, until there are `at_least` records and then what came with them.
/// Returns what there is when `limit` is over.
pub async fn read_topic(bootstrap: &str, topic: &str, at_least: usize, limit: Duration) -> Vec<TestRecord> {
    let (bootstrap, topic) = (bootstrap.to_owned(), topic.to_owned());
    spawn_blocking(move || {
        let deadline = Instant::now() + limit;
        let Some(consumer) = assigned(&bootstrap, &topic, deadline) else { return Vec::new() };
        let mut records = Vec::new();
        while Instant::now() < deadline {
            let patience = Duration::from_millis(if records.len() >= at_least { 300 } else { 100 });
            match consumer.poll(patience) {
                Some(Ok(message)) => records.push(copy(&message)),
                Some(Err(_)) => {}
                None if records.len() >= at_least => break,
                None => {}
            }
        }
        records
    })
    .await
    .unwrap()
}

/// Reads everything that a topic holds now.
pub async fn read_topic_to_end(bootstrap: &str, topic: &str) -> Vec<TestRecord> {
    let (bootstrap, topic) = (bootstrap.to_owned(), topic.to_owned());
    spawn_blocking(move || {
        let deadline = Instant::now() + LIMIT;
        let consumer = assigned(&bootstrap, &topic, deadline).expect("the topic exists");
        let list = consumer.assignment().unwrap();
        let mut left: i64 = 0;
        for element in list.elements() {
            let (low, high) = consumer.fetch_watermarks(&topic, element.partition(), LIMIT).unwrap();
            left += high - low;
        }
        let mut records = Vec::new();
        while (records.len() as i64) < left {
            assert!(Instant::now() < deadline, "{} of {left} records of {topic} read", records.len());
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                records.push(copy(&message));
            }
        }
        records
    })
    .await
    .unwrap()
}

fn assigned(bootstrap: &str, topic: &str, deadline: Instant) -> Option<BaseConsumer> {
    let consumer: BaseConsumer =
        client(bootstrap).set("group.id", "tests-never-commit").set("enable.auto.commit", "false").create().unwrap();
    loop {
        if let Ok(metadata) = consumer.fetch_metadata(Some(topic), Duration::from_secs(2)) {
            let partitions = metadata.topics()[0].partitions();
            if !partitions.is_empty() {
                let mut list = TopicPartitionList::new();
                for partition in partitions {
                    list.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
                }
                consumer.assign(&list).unwrap();
                return Some(consumer);
            }
        }
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn copy(message: &rdkafka::message::BorrowedMessage<'_>) -> TestRecord {
    let headers = message.headers().map(|headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect()
    });
    TestRecord {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        timestamp_ms: message.timestamp().to_millis(),
    }
}

/// The committed offset of each partition of a topic; -1 where there is none.
pub async fn committed(bootstrap: &str, group: &str, topic: &str) -> Vec<(i32, i64)> {
    let (bootstrap, group, topic) = (bootstrap.to_owned(), group.to_owned(), topic.to_owned());
    spawn_blocking(move || {
        let consumer: BaseConsumer = client(&bootstrap).set("group.id", &group).create().unwrap();
        let metadata = consumer.fetch_metadata(Some(&topic), LIMIT).unwrap();
        let mut list = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            list.add_partition(&topic, partition.id());
        }
        let offset = |offset: Offset| if let Offset::Offset(at) = offset { at } else { -1 };
        let committed = consumer.committed_offsets(list, LIMIT).unwrap();
        committed.elements().iter().map(|element| (element.partition(), offset(element.offset()))).collect()
    })
    .await
    .unwrap()
}
