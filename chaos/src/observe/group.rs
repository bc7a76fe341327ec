//! How far a group is in a topic, by asking Kafka; joins nothing.

use std::{collections::BTreeMap, fmt, time::Duration};

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};

/// What takes longer is an outage, and the next look makes up for it.
const LIMIT: Duration = Duration::from_secs(2);

/// A client that only asks. Its calls block.
#[allow(missing_debug_implementations, reason = "the client has none")]
pub struct GroupView {
    client: BaseConsumer,
    topic: String,
    partitions: Vec<i32>,
}

impl GroupView {
    /// # Errors
    /// Kafka does not answer, or has no such topic.
    pub fn open(servers: &str, group: &str, topic: &str) -> Result<Self, KafkaError> {
        let client: BaseConsumer = client(servers, group).create()?;
        let metadata = client.fetch_metadata(Some(topic), LIMIT * 5)?;
        let found = metadata.topics().iter().flat_map(|topic| topic.partitions());
        let partitions: Vec<i32> = found.map(|partition| partition.id()).collect();
        if partitions.is_empty() {
            return Err(KafkaError::MetadataFetch(rdkafka::error::RDKafkaErrorCode::UnknownTopic));
        }
        Ok(Self { client, topic: topic.to_owned(), partitions })
    }

    /// By partition, the next offset to be handled; partitions without a commit are left out.
    ///
    /// # Errors
    /// Kafka does not answer in time.
    pub fn committed(&self) -> Result<BTreeMap<i32, i64>, KafkaError> {
        let mut asked = TopicPartitionList::new();
        for partition in &self.partitions {
            asked.add_partition(&self.topic, *partition);
        }
        let answer = self.client.committed_offsets(asked, LIMIT)?;
        let numbers = answer.elements().into_iter().filter_map(|one| match one.offset() {
            Offset::Offset(offset) => Some((one.partition(), offset)),
            _ => None,
        });
        Ok(numbers.collect())
    }

    /// How many partitions the topic has.
    pub fn partitions(&self) -> i32 {
        self.partitions.len() as i32
    }

    /// How far it is, by partition.
    ///
    /// # Errors
    /// Kafka does not answer in time.
    pub fn spans(&self) -> Result<BTreeMap<i32, Span>, KafkaError> {
        let committed = self.committed()?;
        let span = |partition: &i32| {
            let (first, end) = self.client.fetch_watermarks(&self.topic, *partition, LIMIT)?;
            Ok((*partition, Span { first, end, committed: committed.get(partition).copied() }))
        };
        self.partitions.iter().map(span).collect()
    }
}

/// A partition's log, and how far a group is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first offset that is in the log.
    pub first: i64,
    /// The offset that the next record gets.
    pub end: i64,
    committed: Option<i64>,
}

impl Span {
    /// The offset to be handled next. One that was committed and is beyond the end was committed in another log.
    pub fn next(&self) -> i64 {
        self.committed.filter(|committed| (self.first..=self.end).contains(committed)).unwrap_or(self.first)
    }

    /// How many records are still to be handled.
    pub fn open(&self) -> i64 {
        self.end - self.next()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let committed = self.committed.map_or("nothing".to_owned(), |committed| committed.to_string());
        write!(f, "{} to {}, {committed} committed", self.first, self.end)
    }
}

pub(super) fn client(servers: &str, group: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", servers)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("reconnect.backoff.max.ms", "500")
        // Brokers are taken away on purpose.
        .set_log_level(RDKafkaLogLevel::Emerg);
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_of_another_log_leaves_all_of_this_one_to_be_handled() {
        let open = |committed| Span { first: 5, end: 20, committed }.open();
        assert_eq!([None, Some(3), Some(5), Some(12), Some(20), Some(21)].map(open), [15, 15, 15, 8, 0, 15]);
    }
}
