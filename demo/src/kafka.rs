//! What the day left in Kafka, read from the beginning of the topics without a group. Only records of the day's calls are kept.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Context;
use events::{
    contract::{
        headers::{self, Headers, dlq},
        topics::{AI_RESPONSES, APPOINTMENT_BOOKED, DEAD_LETTER_QUEUE, PATIENT_CREATED, PATIENT_UPDATED, TopicSpec},
    },
    kafka::{
        config::KafkaConfig,
        tail::{From, Tail},
    },
};
use serde_json::Value;
use uuid::Uuid;

use crate::day::Day;

static TOPICS: [&TopicSpec; 5] =
    [&AI_RESPONSES, &PATIENT_CREATED, &PATIENT_UPDATED, &APPOINTMENT_BOOKED, &DEAD_LETTER_QUEUE];

/// A record of the day.
#[derive(Debug, Clone)]
pub struct Record {
    pub spec: &'static TopicSpec,
    /// The name in Kafka.
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub key: String,
    pub headers: Headers,
    pub value: Value,
}

/// The records of the day.
#[derive(Debug, Default)]
pub struct Log {
    records: Vec<Record>,
}

impl Log {
    /// Fails with what to do when Kafka does not answer or has no such topics.
    pub async fn check(config: &KafkaConfig) -> anyhow::Result<()> {
        let config = config.clone();
        tokio::task::spawn_blocking(move || open(&config).map(drop)).await.context("asking Kafka broke off")?
    }

    /// Reads all that is there, and then waits up to `patience` for dead letters that are under way: no page tells when
    /// they have arrived.
    ///
    /// # Errors
    /// When Kafka does not answer or has no such topics.
    pub async fn read(config: &KafkaConfig, day: &Day, patience: Duration) -> anyhow::Result<Self> {
        let config = config.clone();
        let calls: Vec<String> = day.calls.iter().map(|call| call.id.clone()).collect();
        let dead_letters = day.totals.extractions_rejected;
        let reading = tokio::task::spawn_blocking(move || Self::blocking(&config, &calls, dead_letters, patience));
        reading.await.context("reading Kafka broke off")?
    }

    fn blocking(
        config: &KafkaConfig,
        calls: &[String],
        dead_letters: usize,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let names = config.topic_names();
        let mut tail = open(config)?;
        let deadline = Instant::now() + patience;
        let mut log = Self::default();
        while !(tail.is_past_the_opening() && log.dead_letters().len() >= dead_letters) && Instant::now() < deadline {
            let Some(seen) = tail.read(Duration::from_millis(100))? else { continue };
            let Some(spec) = names.in_catalogue(&seen.topic) else { continue };
            let correlation = if spec == &DEAD_LETTER_QUEUE { dlq::CORRELATION_ID } else { headers::CORRELATION_ID };
            if !seen.headers.text(correlation).is_some_and(|id| calls.iter().any(|call| call == id)) {
                continue;
            }
            let value = seen.json().unwrap_or_default();
            log.records.push(Record {
                spec,
                topic: seen.topic,
                partition: seen.partition,
                offset: seen.offset,
                key: String::from_utf8_lossy(&seen.key.unwrap_or_default()).into_owned(),
                headers: seen.headers,
                // A dead letter's bytes are what they were; its headers tell all that is asked here.
                value,
            });
        }
        Ok(log)
    }

    /// The record of an event on `ai-responses`.
    pub fn said(&self, event_id: Uuid) -> Option<&Record> {
        self.on(&AI_RESPONSES).find(|record| record.is(headers::CE_ID, &event_id.to_string()))
    }

    /// What an event caused on a topic.
    pub fn caused_by(&self, event_id: Uuid, topic: &TopicSpec) -> Option<&Record> {
        self.on(topic).find(|record| record.is(headers::CAUSATION_ID, &event_id.to_string()))
    }

    /// Whether the event caused the first that was told of an appointment in the book.
    pub fn is_first_of_appointment(&self, event_id: Uuid, appointment_id: i64) -> bool {
        let mut told = self.on(&APPOINTMENT_BOOKED);
        let first = told.find(|record| record.value["data"]["appointment_id"] == appointment_id);
        first.is_some_and(|record| record.is(headers::CAUSATION_ID, &event_id.to_string()))
    }

    /// By their ids: one that was written twice is one.
    pub fn dead_letters(&self) -> BTreeMap<&str, &Record> {
        self.on(&DEAD_LETTER_QUEUE).filter_map(|record| Some((record.headers.text(dlq::ID)?, record))).collect()
    }

    fn on(&self, topic: &TopicSpec) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(move |record| record.spec == topic)
    }
}

fn open(config: &KafkaConfig) -> anyhow::Result<Tail> {
    let topics: Vec<String> = TOPICS.iter().map(|topic| config.topic_names().in_kafka(topic)).collect();
    Tail::open(config, "demo", &topics, From::Beginning)
        .context("cannot read the day's topics; KAFKA_BOOTSTRAP_SERVERS says where Kafka is")
}

impl Record {
    fn is(&self, header: &str, value: &str) -> bool {
        self.headers.text(header) == Some(value)
    }
}
