//! What a consumer's partitions hold, asked by a client of its own, so that a fetch that has stopped cannot look up to date.
//! Every call blocks, each within a limit.

use std::time::{Duration, Instant};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{partition::Assigned, record::Subscribed};
use crate::kafka::{client::Client, config::KafkaConfig};

/// One question takes a few milliseconds; a broker that needs this long is as good as away.
const LIMIT: Duration = Duration::from_secs(5);

pub(super) struct Ends(BaseConsumer<Client>);

/// What stands at an offset.
pub(super) enum Found {
    /// A record, and its time in milliseconds since 1970.
    Record(Option<i64>),
    /// Nothing up to the end but what no reader gets to see: markers of transactions, records that were compacted away.
    Nothing,
    /// The broker did not tell in time.
    Unknown,
}

impl Ends {
    /// A client that belongs to no group: it asks as `group`, and never joins it.
    pub(super) fn new(config: &KafkaConfig, client_id: &str, group: &str) -> Result<Self, KafkaError> {
        let mut settings = config.consumer(client_id, group);
        settings.set("enable.partition.eof", "true").set("fetch.wait.max.ms", "100").set("queued.min.messages", "1");
        Ok(Self(settings.create_with_context(Client::default())?))
    }

    /// How many partitions a topic has.
    pub(super) fn partition_count(&self, topic: &str) -> Result<usize, KafkaError> {
        let metadata = self.0.fetch_metadata(Some(topic), LIMIT)?;
        Ok(metadata.topics().first().map_or(0, |topic| topic.partitions().len()))
    }

    /// The offset that the next record will get, in the order of `partitions`.
    pub(super) fn of(&self, topics: &[Subscribed], partitions: &[Assigned]) -> Result<Vec<i64>, KafkaError> {
        self.at(topics, partitions, Offset::End)
    }

    /// What the group has committed, if anything, and the oldest record; in the order of `partitions`.
    pub(super) fn begins(
        &self,
        topics: &[Subscribed],
        partitions: &[Assigned],
    ) -> Result<Vec<(Option<i64>, i64)>, KafkaError> {
        let oldest = self.at(topics, partitions, Offset::Beginning)?;
        let committed = self.0.committed_offsets(list(topics, partitions, Offset::Invalid)?, LIMIT)?;
        Ok(partitions.iter().map(|of| offset(&committed, topics, of)).zip(oldest).collect())
    }

    /// One question for all partitions of a broker: librdkafka takes these two in place of a time.
    fn at(&self, topics: &[Subscribed], partitions: &[Assigned], place: Offset) -> Result<Vec<i64>, KafkaError> {
        let answer = self.0.offsets_for_times(list(topics, partitions, place)?, LIMIT)?;
        partitions
            .iter()
            .map(|of| offset(&answer, topics, of).ok_or(KafkaError::OffsetFetch(RDKafkaErrorCode::NoOffset)))
            .collect()
    }

    /// What stands at `offset` or behind it.
    pub(super) fn look(&self, topic: &str, partition: i32, offset: i64) -> Found {
        let mut list = TopicPartitionList::new();
        if list.add_partition_offset(topic, partition, Offset::Offset(offset)).is_err() || self.0.assign(&list).is_err()
        {
            return Found::Unknown;
        }
        let deadline = Instant::now() + LIMIT;
        let mut found = Found::Unknown;
        while Instant::now() < deadline {
            match self.0.poll(Duration::from_millis(100)) {
                Some(Ok(record)) => {
                    found = Found::Record(record.timestamp().to_millis());
                    break;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    found = Found::Nothing;
                    break;
                }
                Some(Err(_)) | None => {}
            }
        }
        let _ = self.0.unassign();
        found
    }
}

fn list(topics: &[Subscribed], partitions: &[Assigned], place: Offset) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    for of in partitions {
        list.add_partition_offset(&topics[usize::from(of.topic)].name, of.partition, place)?;
    }
    Ok(list)
}

fn offset(list: &TopicPartitionList, topics: &[Subscribed], of: &Assigned) -> Option<i64> {
    match list.find_partition(&topics[usize::from(of.topic)].name, of.partition)?.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}
