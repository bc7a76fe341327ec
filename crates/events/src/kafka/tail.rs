//! Watching topics without a group: nothing is committed, nobody else is disturbed. For tools.

use std::time::{Duration, Instant};

use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::Headers as _,
};
use thiserror::Error;

use super::{
    blame::{Blame, blame},
    client::Client,
    config::KafkaConfig,
};
use crate::contract::{codec, headers::Headers};

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// With the oldest record that is kept.
    Beginning,
    /// With what comes from now on.
    Now,
}

/// Why topics cannot be watched.
#[derive(Debug, Error)]
pub enum TailError {
    #[error("Kafka at {servers} did not answer{hint}")]
    Away { servers: String, hint: String, source: Box<KafkaError> },
    #[error("Kafka has no topic {0}; is the name right, and has its owner been started once?")]
    NoTopic(String),
    #[error("watching failed")]
    Kafka(#[from] Box<KafkaError>),
}

/// A record as it stands.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The name in Kafka.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key, where it has one.
    pub key: Option<Vec<u8>>,
    /// Its value; empty for a tombstone.
    pub payload: Vec<u8>,
    /// Its headers.
    pub headers: Headers,
}

/// Watches some topics. All calls block: use it from a thread that may.
pub struct Tail {
    consumer: BaseConsumer<Client>,
    /// The end of each partition when it was opened, where there was something.
    ends: Vec<(String, i32, i64)>,
}

impl Seen {
    /// Its value as JSON, whether or not it is in the frame of a schema registry.
    ///
    /// # Errors
    /// When it is no JSON.
    pub fn json(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::from_slice(codec::unframed(&self.payload))
    }
}

impl std::fmt::Debug for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tail").field("ends", &self.ends).finish_non_exhaustive()
    }
}

const LIMIT: Duration = Duration::from_secs(10);
/// After so long every broker has heard of a topic that was made just now.
const NEW: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(100);

impl Tail {
    /// Opens topics by their names in Kafka.
    ///
    /// # Errors
    /// When Kafka is away or has no such topic.
    pub fn open(config: &KafkaConfig, client_id: &str, topics: &[String], from: From) -> Result<Self, TailError> {
        let context = Client::default();
        let last_error = context.last_error.clone();
        let mut settings = config.consumer(client_id, "tail-never-commits");
        settings.set("fetch.wait.max.ms", "100");
        let consumer: BaseConsumer<Client> = settings.create_with_context(context).map_err(Box::new)?;
        let away = |source| TailError::Away {
            servers: config.kafka_bootstrap_servers.to_string(),
            hint: hint(&source, last_error.get().as_deref()),
            source: Box::new(source),
        };
        let mut list = TopicPartitionList::new();
        let mut ends = Vec::new();
        for topic in topics {
            let partitions = match patiently(|| partitions(&consumer, topic)) {
                Err(error) if error.rdkafka_error_code().is_some_and(is_unknown) => {
                    return Err(TailError::NoTopic(topic.clone()));
                }
                answer => answer.map_err(away)?,
            };
            for partition in partitions {
                let watermarks = patiently(|| consumer.fetch_watermarks(topic, partition, LIMIT));
                let (low, high) = watermarks.map_err(away)?;
                let begin = if from == From::Beginning { low } else { high };
                list.add_partition_offset(topic, partition, Offset::Offset(begin)).map_err(Box::new)?;
                if begin < high {
                    ends.push((topic.clone(), partition, high));
                }
            }
        }
        consumer.assign(&list).map_err(Box::new)?;
        Ok(Self { consumer, ends })
    }

    /// The next record, if one comes within `patience`.
    pub fn read(&mut self, patience: Duration) -> Result<Option<Seen>, TailError> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = match self.consumer.poll(left) {
                None => return Ok(None),
                // What the client mends by itself is no reason to stop watching.
                Some(Err(_)) if !left.is_zero() => continue,
                Some(Err(error)) => return Err(Box::new(error).into()),
                Some(Ok(message)) => message,
            };
            self.ends.retain(|(topic, partition, end)| {
                (topic.as_str(), *partition) != (message.topic(), message.partition()) || message.offset() + 1 < *end
            });
            let headers = message.headers().map(|headers| {
                let pairs =
                    headers.iter().map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()));
                Headers::new(pairs.collect())
            });
            return Ok(Some(Seen {
                topic: message.topic().to_owned(),
                partition: message.partition(),
                offset: message.offset(),
                key: message.key().map(<[u8]>::to_vec),
                payload: message.payload().unwrap_or_default().to_vec(),
                headers: headers.unwrap_or_default(),
            }));
        }
    }

    /// Whether everything was read that was there when it was opened.
    pub fn is_past_the_opening(&self) -> bool {
        self.ends.is_empty()
    }
}

/// What to do, where the answer says so; else what the client met last.
fn hint(error: &KafkaError, last: Option<&str>) -> String {
    match error.rdkafka_error_code().map(blame) {
        Some(Blame::Setting(remedy)) => format!(" as asked: {remedy}"),
        _ => last.map(|reason| format!(" ({reason})")).unwrap_or_default(),
    }
}

/// The partitions of a topic; what the broker says of the topic is an error, too.
fn partitions(consumer: &BaseConsumer<Client>, topic: &str) -> KafkaResult<Vec<i32>> {
    let metadata = consumer.fetch_metadata(Some(topic), LIMIT)?;
    let unknown = RDKafkaErrorCode::UnknownTopicOrPartition;
    let found = metadata.topics().first().ok_or(KafkaError::MetadataFetch(unknown))?;
    if let Some(error) = found.error() {
        return Err(KafkaError::MetadataFetch(error.into()));
    }
    match found.partitions() {
        [] => Err(KafkaError::MetadataFetch(unknown)),
        partitions => Ok(partitions.iter().map(|partition| partition.id()).collect()),
    }
}

/// What is said of a topic that is not there, by a broker or by the client.
fn is_unknown(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(code, Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition)
}

/// Asks again, for [`LIMIT`] in all, or for [`NEW`] what nobody has heard of, where the answer is one that passes by itself: a partition has no leader for a moment
/// when its topic is new or a broker has just come back, and a broker may not have heard of a topic that another names.
fn patiently<T>(ask: impl Fn() -> KafkaResult<T>) -> KafkaResult<T> {
    let passes = |code| blame(code) == Blame::Outage || is_unknown(code);
    let began = Instant::now();
    loop {
        let error = match ask() {
            Err(error) if error.rdkafka_error_code().is_some_and(passes) => error,
            answer => return answer,
        };
        if began.elapsed() >= if error.rdkafka_error_code().is_some_and(is_unknown) { NEW } else { LIMIT } {
            return Err(error);
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::{
        mocking::MockCluster,
        types::{RDKafkaApiKey, RDKafkaRespErr},
    };

    use super::*;

    fn at(cluster: &MockCluster<'_, impl rdkafka::client::ClientContext>) -> KafkaConfig {
        KafkaConfig::at(&cluster.bootstrap_servers())
    }

    #[test]
    fn a_topic_whose_leader_is_not_there_yet_is_waited_for() {
        use RDKafkaRespErr as Code;
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("new", 2, 1).unwrap();
        let config = at(&cluster);
        let moving = [
            Code::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            Code::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
            Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
        ];
        cluster.request_errors(RDKafkaApiKey::ListOffsets, &moving);
        let tail = Tail::open(&config, "test", &["new".to_owned()], From::Beginning).unwrap();
        assert!(tail.is_past_the_opening());
    }

    #[test]
    fn what_does_not_pass_by_itself_is_told_at_once() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("new", 1, 1).unwrap();
        // The client may ask more than once by itself.
        let denied = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED; 8];
        cluster.request_errors(RDKafkaApiKey::ListOffsets, &denied);
        let config = at(&cluster);
        let began = Instant::now();
        assert!(Tail::open(&config, "test", &["new".to_owned()], From::Beginning).is_err());
        assert!(began.elapsed() < LIMIT / 2);
    }

    #[test]
    fn a_topic_that_its_brokers_do_not_know_is_asked_for_again_and_then_told() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("new", 1, 1).unwrap();
        let config = at(&cluster);
        let open = || Tail::open(&config, "test", &["new".to_owned()], From::Beginning).map(drop);
        cluster.topic_error("new", RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
        let began = Instant::now();
        assert!(matches!(open(), Err(TailError::NoTopic(_))));
        assert!(began.elapsed() >= NEW, "it was given up after {:?}", began.elapsed());
        std::thread::scope(|scope| {
            let opened = scope.spawn(open);
            std::thread::sleep(NEW / 3);
            cluster.topic_error("new", RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
            opened.join().unwrap().unwrap();
        });
        cluster.topic_error("new", RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED).unwrap();
        let refused = open().unwrap_err().to_string();
        assert!(refused.contains("rights"), "{refused}");
    }

    #[test]
    fn a_partition_that_has_no_leader_for_a_moment_is_waited_for() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("new", 2, 1).unwrap();
        let config = at(&cluster);
        cluster.partition_leader("new", 1, None).unwrap();
        std::thread::scope(|scope| {
            let opened = scope.spawn(|| Tail::open(&config, "test", &["new".to_owned()], From::Beginning).map(drop));
            std::thread::sleep(NEW / 3);
            cluster.partition_leader("new", 1, Some(1)).unwrap();
            opened.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_value_is_shown_as_json_in_and_out_of_the_frame_of_a_registry() {
        for payload in [&b"{\"event_id\": 1}"[..], b"\0\0\0\0\x0e{\"event_id\": 1}"] {
            let seen = Seen {
                topic: String::new(),
                partition: 0,
                offset: 0,
                key: None,
                payload: payload.to_vec(),
                headers: Headers::default(),
            };
            assert_eq!(seen.json().unwrap()["event_id"], 1);
        }
    }
}
