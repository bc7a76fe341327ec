//! Topics with records of which a consumer's share is held up, and what a plain client counts behind it.

use std::{collections::BTreeMap, marker::PhantomData, time::Duration};

use chrono::Utc;
use events::{
    consume::{Consumer, ConsumerBuilder, Listener, NoDatabase, Received},
    contract::{
        event::Event,
        schema::voice::PatientCreationV1,
        topics::{AI_RESPONSES, TopicSpec},
    },
    flow::error::HandlerError,
    kafka::config::KafkaConfig,
};
use test_kit::{kafka, wait::wait_until};

use crate::support::{LONG, Rig, Running, figure, said};

/// Hears of `E`, and never gets further with an event in whose bytes there is "hold".
pub struct Hold<E>(PhantomData<E>);

impl<E: Event> Hold<E> {
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<E: Event> Listener for Hold<E> {
    const NAME: &'static str = E::TYPE;
    type Event = E;

    async fn hear(&self, event: &Received<E>) -> Result<(), HandlerError> {
        if serde_json::to_string(&event.data).unwrap().contains("hold") {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

/// A consumer of `ai-responses` that can be held up. It looks at its lag every other second.
pub fn holding(config: &KafkaConfig) -> ConsumerBuilder<NoDatabase> {
    Consumer::without_database(config.clone(), "test-group", "test-service")
        .listen(Hold::<PatientCreationV1>::new())
        .attempt_limit(Duration::from_secs(600))
        .stall_limit(Duration::from_secs(8))
}

/// How many records a plain client finds behind what the group has committed, by partition, and the time of the oldest of them.
pub async fn counted(config: &KafkaConfig, spec: &TopicSpec) -> BTreeMap<i32, (usize, Option<i64>)> {
    let (servers, names) = (config.kafka_bootstrap_servers.to_string(), config.topic_names());
    let topic = names.in_kafka(spec);
    let committed = kafka::committed(&servers, &names.group("test-group"), &topic).await;
    let records = kafka::read_topic_to_end(&servers, &topic).await;
    let behind = |(partition, committed): (i32, i64)| {
        let of: Vec<_> =
            records.iter().filter(|record| record.partition == partition && record.offset >= committed).collect();
        (partition, (of.len(), of.first().and_then(|record| record.timestamp_ms)))
    };
    committed.into_iter().map(behind).collect()
}

/// The lag that is told, by partition; those that are not known are not in it.
pub fn told(config: &KafkaConfig, spec: &TopicSpec) -> BTreeMap<i32, usize> {
    let lag = |partition: i32| told_of("kafka_consumer_lag", config, spec, partition).filter(|lag| !lag.is_nan());
    (0..64).filter_map(|partition| Some((partition, lag(partition)? as usize))).collect()
}

/// One figure of one partition.
pub fn told_of(name: &str, config: &KafkaConfig, spec: &TopicSpec, partition: i32) -> Option<f64> {
    figure(name, &[&config.topic_names().group("test-group"), spec.name, &partition.to_string()])
}

/// Waits until what is told is what a plain client counts, in records and in seconds, and that is so many records.
pub async fn wait_until_told(when: &str, config: &KafkaConfig, spec: &TopicSpec, records: usize) {
    let what = format!("{when}, {records} records of {} are told to be behind", spec.name);
    let last = std::sync::Mutex::new(String::new());
    let is_told = || async {
        let counted = counted(config, spec).await;
        let lag: BTreeMap<i32, usize> = counted.iter().map(|(of, (count, _))| (*of, *count)).collect();
        let told = told(config, spec);
        *last.lock().unwrap() = format!("counted {lag:?}, told {told:?}");
        let age = |oldest: &Option<i64>| {
            oldest.map_or(0.0, |oldest| (Utc::now().timestamp_millis() - oldest).max(0) as f64 / 1e3)
        };
        let seconds_hold = counted.iter().all(|(of, (_, oldest))| {
            // It was told some seconds ago.
            told_of("kafka_consumer_lag_seconds", config, spec, *of).is_some_and(|seconds| {
                (age(oldest) - 25.0..=age(oldest) + 1.0).contains(&seconds) && (oldest.is_some() || seconds == 0.0)
            })
        });
        lag == told && lag.values().sum::<usize>() == records && seconds_hold
    };
    let waited = tokio::time::timeout(LONG, wait_until(&what, LONG * 2, is_told)).await;
    assert!(waited.is_ok(), "{what}: {}", last.lock().unwrap());
}

/// The name of `ai-responses` in Kafka.
pub fn topic(config: &KafkaConfig) -> String {
    config.topic_names().in_kafka(&AI_RESPONSES)
}

/// Sends one event and waits until it is handled and committed: what is looked at then is what comes after it.
pub async fn first_event(rig: &Rig) -> Running {
    figure("recorder", &[]);
    rig.create_topics().await;
    rig.send(said("call-1", "first")).await;
    // Looks at the lag every quarter of it.
    let consumer = Running::consumer(rig.builder("w").stall_limit(Duration::from_secs(3)).build().unwrap()).await;
    rig.wait_for_effects(1).await;
    consumer
}
