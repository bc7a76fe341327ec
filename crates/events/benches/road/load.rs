//! The records of all lines, a place of their own for them, and the plainest ways to write and read them.

use std::{
    borrow::Borrow,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser;
use events::{
    contract::{
        codec,
        envelope::Envelope,
        event::{Coordinates, EventId, NewEvent},
        headers,
        schema::voice::PatientCreationV1,
        topics::{AI_RESPONSES, CATALOGUE, DEAD_LETTER_QUEUE},
    },
    kafka::{admin, config::KafkaConfig},
    publish::{MIGRATOR, Outbox},
};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Header, OwnedHeaders},
    producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer},
};
use sqlx::PgPool;
use test_kit::{kafka, postgres::TestDatabase};
use tokio::task::spawn_blocking;

use crate::{books::Books, cpu::Servers};

/// Longer than anything here takes.
pub const LONG: Duration = Duration::from_secs(600);
/// Records share this many keys.
pub const KEYS: usize = 1_000;

/// Event number `n`: 290 bytes as JSON. Its name is its number, so that a reader can tell what it has.
pub fn event(n: usize) -> NewEvent<PatientCreationV1> {
    NewEvent::fact(PatientCreationV1 {
        call_id: format!("call-{:05}", n % KEYS),
        name: n.to_string(),
        email: None,
        phone: Some("555-0100".to_owned()),
        phone_e164: None,
        date_of_birth: None,
        extraction_id: "1".to_owned(),
    })
}

/// Which of the keys a call is.
pub fn number_of_key(call_id: &str) -> Option<usize> {
    call_id.strip_prefix("call-")?.parse().ok()
}

/// A record as the relay would write it.
pub struct Ready {
    pub key: String,
    pub payload: Vec<u8>,
    pub headers: Vec<(&'static str, String)>,
}

impl Ready {
    pub fn number(n: usize) -> Self {
        let envelope = Envelope::seal(event(n), "voice-ingest");
        Self { payload: codec::encode(&envelope).unwrap(), headers: headers::of(&envelope), key: envelope.data.call_id }
    }
}

/// Reads a record's value as a handler gets it.
pub fn decode(value: &[u8]) -> (EventId, PatientCreationV1) {
    let at = Coordinates { topic: AI_RESPONSES.name, partition: 0, offset: 0, timestamp_ms: None };
    let opened = codec::open(&AI_RESPONSES, at, value).unwrap();
    (opened.event_id, opened.typed().unwrap())
}

/// A name space of Kafka and a database that nobody else has.
pub struct Place {
    pub config: KafkaConfig,
    pub topic: String,
    pub servers: Arc<Servers>,
    database: TestDatabase,
}

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    kafka: KafkaConfig,
}

impl Place {
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With settings of the line's own, as flags.
    pub async fn with(settings: &[&str]) -> Self {
        let database = TestDatabase::create().await;
        MIGRATOR.run(database.pool()).await.unwrap();
        let config = settings_in(&kafka::namespace(), settings);
        let topic = config.topic_names().in_kafka(&AI_RESPONSES);
        let servers = Arc::new(Servers::find(&config.kafka_bootstrap_servers.to_string(), database.url()));
        Self { config, topic, servers, database }
    }

    pub fn pool(&self) -> &PgPool {
        self.database.pool()
    }

    pub fn url(&self) -> &str {
        self.database.url()
    }

    pub fn outbox(&self) -> Outbox {
        Outbox::new(self.pool().clone(), "voice-ingest")
    }

    /// The same database, other topics.
    pub fn move_on(&mut self) {
        self.config.kafka_topic_namespace = kafka::namespace();
        self.topic = self.config.topic_names().in_kafka(&AI_RESPONSES);
    }

    pub async fn create_topics(&self) {
        admin::ensure(&self.config, "bench", &[&AI_RESPONSES, &DEAD_LETTER_QUEUE]).await.unwrap();
    }

    pub async fn delete_topics(&self) {
        let admin: AdminClient<DefaultClientContext> = self.config.client("bench").create().unwrap();
        let names: Vec<String> = CATALOGUE.iter().map(|topic| self.config.topic_names().in_kafka(topic)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        // Most of them were never made.
        let _ = admin.delete_topics(&names, &AdminOptions::new()).await;
    }

    /// A plain consumer of the whole topic from its beginning, with the settings of our own: the client's let a full queue
    /// rest for a second, which slows a quick reader down.
    pub fn reader(&self, more: &[(&str, &str)]) -> BaseConsumer {
        let mut client = self.config.consumer("bench", "bench-never-commits");
        for (name, value) in more {
            client.set(*name, *value);
        }
        let consumer: BaseConsumer = client.create().unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..AI_RESPONSES.partitions {
            list.add_partition_offset(&self.topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        consumer
    }

    /// How many records the topic has.
    pub fn end(&self, consumer: &BaseConsumer) -> usize {
        let end = |partition| consumer.fetch_watermarks(&self.topic, partition, LONG).unwrap().1 as usize;
        (0..AI_RESPONSES.partitions).map(end).sum()
    }
}

/// What the environment says, in this name space. All lines run with lz4: gzip, the default, would measure gzip.
pub fn settings_in(namespace: &str, more: &[&str]) -> KafkaConfig {
    let ours = ["bench", "--kafka-topic-namespace", namespace, "--kafka-producer-compression-type", "lz4"];
    Settings::parse_from(ours.iter().chain(more)).kafka
}

/// Sends records with the service's own settings and waits for the last; returns records a second.
pub fn produce(place: &Place, records: impl Iterator<Item = impl Borrow<Ready>>, with_headers: bool) -> f64 {
    let producer: ThreadedProducer<DefaultProducerContext> = place.config.producer("bench", None).create().unwrap();
    let began = Instant::now();
    let mut count = 0;
    for ready in records {
        let ready = ready.borrow();
        let mut record = BaseRecord::to(&place.topic).key(&ready.key).payload(&ready.payload);
        if with_headers {
            let all = OwnedHeaders::new_with_capacity(ready.headers.len());
            let insert =
                |all: OwnedHeaders, (key, value): &(&str, String)| all.insert(Header { key, value: Some(value) });
            record = record.headers(ready.headers.iter().fold(all, insert));
        }
        while let Err((error, refused)) = producer.send(record) {
            assert!(matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)), "{error}");
            std::thread::sleep(Duration::from_millis(1));
            record = refused;
        }
        count += 1;
    }
    producer.flush(LONG).unwrap();
    f64::from(count) / began.elapsed().as_secs_f64()
}

/// Reads `count` records. Returns when the first one came.
pub fn read(consumer: &BaseConsumer, count: usize, mut each: impl FnMut(&BorrowedMessage<'_>)) -> Instant {
    let mut began = None;
    let mut left = count;
    while left > 0 {
        if let Some(message) = consumer.poll(LONG) {
            began.get_or_insert_with(Instant::now);
            each(&message.unwrap());
            left -= 1;
        }
    }
    began.unwrap()
}

/// Reads the whole topic and holds every event against the books.
pub fn audit(place: &Place, books: &Books, count: usize) {
    let consumer = place.reader(&[]);
    assert_eq!(place.end(&consumer), count, "records in the topic");
    read(&consumer, count, |message| books.note(&decode(message.payload().unwrap()).1));
    books.close();
}

/// Blocking work on the place, away from the runtime's threads.
pub async fn blocking<T: Send + 'static>(place: &Arc<Place>, work: impl FnOnce(&Place) -> T + Send + 'static) -> T {
    let place = Arc::clone(place);
    spawn_blocking(move || work(&place)).await.unwrap()
}
