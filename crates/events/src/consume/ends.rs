//! What a consumer's partitions hold and what its group has committed, asked by clients of their own, so that a fetch that has
//! stopped cannot look up to date. Every call blocks, each within a limit.

use std::time::{Duration, Instant};

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode as Code},
};

use super::{partition::Assigned, record::Subscribed, reset::Bounds};
use crate::kafka::{client::Client, config::KafkaConfig};

/// One question takes a few milliseconds; a broker that needs this long is as good as away.
const LIMIT: Duration = Duration::from_secs(5);

/// Two clients, since a client sees the end either of what is committed or of what is there.
pub(super) struct Ends {
    settings: ClientConfig,
    committed: BaseConsumer<Client>,
    all: BaseConsumer<Client>,
}

/// What stands at an offset or behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A record at this offset, and its time in milliseconds since 1970.
    Record(i64, Option<i64>),
    /// Nothing up to the end but what no reader gets to see: markers of transactions, records that were compacted away.
    Nothing,
    /// Something that no client can read.
    Unreadable(Code),
    /// The broker did not tell in time.
    Unknown,
}

impl Ends {
    /// Clients that belong to no group: they ask as `group`, and never join it.
    pub(super) fn new(config: &KafkaConfig, client_id: &str, group: &str) -> Result<Self, KafkaError> {
        let mut settings = config.consumer(client_id, group);
        settings
            // Where a log became shorter since it was asked for its bounds.
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "100")
            .set("queued.min.messages", "1")
            // One record is looked for; a larger batch comes whole all the same.
            .set("fetch.message.max.bytes", "65536");
        let committed = settings.create_with_context(Client::beside())?;
        let all = settings.clone().set("isolation.level", "read_uncommitted").create_with_context(Client::beside())?;
        Ok(Self { settings, committed, all })
    }

    /// How many partitions a topic has; 0 for one that is not there.
    pub(super) fn partition_count(&self, topic: &str) -> Result<usize, KafkaError> {
        let metadata = self.all.fetch_metadata(Some(topic), LIMIT)?;
        Ok(metadata.topics().first().map_or(0, |topic| topic.partitions().len()))
    }

    /// What the logs of a topic's partitions hold, in the order of `partitions`.
    pub(super) fn bounds(&self, topic: &str, partitions: &[i32]) -> Result<Vec<Bounds>, KafkaError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        served(&self.all);
        served(&self.committed);
        // In this order, so that what is written meanwhile does not look like an open transaction for long, nor the end like
        // one before the beginning.
        let oldest = at(&self.all, topic, partitions, Offset::Beginning)?;
        let stable = at(&self.committed, topic, partitions, Offset::End)?;
        let end = at(&self.all, topic, partitions, Offset::End)?;
        let bounds = oldest.into_iter().zip(stable).zip(end);
        Ok(bounds.map(|((oldest, stable), end)| Bounds { oldest, stable, end }).collect())
    }

    /// What the group has committed, if anything, in the order of `partitions`.
    pub(super) fn committed(
        &self,
        topics: &[Subscribed],
        partitions: &[Assigned],
    ) -> Result<Vec<Option<i64>>, KafkaError> {
        let mut list = TopicPartitionList::new();
        let name = |of: &Assigned| &topics[usize::from(of.topic)].name;
        for of in partitions {
            list.add_partition(name(of), of.partition);
        }
        // Asked of the client that does not wait for transactions which commit offsets.
        let answer = self.all.committed_offsets(list, LIMIT)?;
        Ok(partitions.iter().map(|of| offset(&answer, name(of), of.partition)).collect())
    }

    /// What stands at each of these offsets of a topic or behind it, in their order.
    pub(super) fn look(&mut self, topic: &str, places: &[(i32, i64)]) -> Vec<Found> {
        if places.is_empty() {
            return Vec::new();
        }
        match self.fetch(topic, places) {
            Ok(found) => found,
            // The client does not say of which partition an error is.
            Err(_) if places.len() > 1 => places.iter().flat_map(|place| self.look(topic, &[*place])).collect(),
            Err(code) => vec![Found::Unreadable(code)],
        }
    }

    /// `Err` when the client met something that it cannot read.
    fn fetch(&mut self, topic: &str, places: &[(i32, i64)]) -> Result<Vec<Found>, Code> {
        let mut found = vec![Found::Unknown; places.len()];
        let mut list = TopicPartitionList::new();
        let added = places.iter().try_for_each(|(of, at)| list.add_partition_offset(topic, *of, Offset::Offset(*at)));
        if added.and_then(|()| self.committed.assign(&list)).is_err() {
            return Ok(found);
        }
        let deadline = Instant::now() + LIMIT;
        let mut unreadable = None;
        while unreadable.is_none() && found.contains(&Found::Unknown) && Instant::now() < deadline {
            let (partition, what) = match self.committed.poll(Duration::from_millis(100)) {
                Some(Ok(record)) => {
                    (record.partition(), Found::Record(record.offset(), record.timestamp().to_millis()))
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => (partition, Found::Nothing),
                Some(Err(KafkaError::MessageConsumption(code))) if is_unreadable(code) => {
                    unreadable = Some(code);
                    continue;
                }
                Some(Err(_)) | None => continue,
            };
            if let Some(place) = places.iter().position(|(of, _)| *of == partition)
                && found[place] == Found::Unknown
            {
                found[place] = what;
                let mut known = TopicPartitionList::new();
                known.add_partition(topic, partition);
                // Of this one there is nothing more to be fetched.
                let _ = self.committed.incremental_unassign(&known);
            }
        }
        let _ = self.committed.unassign();
        if unreadable.is_none()
            && found.contains(&Found::Unknown)
            && let Ok(another) = self.settings.create_with_context(Client::beside())
        {
            // Its connection may be what does not answer.
            self.committed = another;
        }
        unreadable.map_or(Ok(found), Err)
    }
}

/// What the client has met since is told now: nobody else polls it, and it would keep all of an outage until its end.
fn served(client: &BaseConsumer<Client>) {
    while client.poll(Duration::ZERO).is_some() {}
}

/// Errors that stay as they are whoever asks again; all others are the broker's being away.
fn is_unreadable(code: Code) -> bool {
    use Code::{
        BadCompression, BadMessage, InvalidMessage, InvalidMessageSize, KafkaStorageError, MessageSizeTooLarge,
        NotImplemented, TopicAuthorizationFailed, Unknown,
    };
    matches!(
        code,
        BadCompression
            | BadMessage
            | InvalidMessage
            | InvalidMessageSize
            | KafkaStorageError
            | MessageSizeTooLarge
            | NotImplemented
            | TopicAuthorizationFailed
            | Unknown
    )
}

/// One question for all partitions of a broker: librdkafka takes a logical place instead of a time.
fn at(client: &BaseConsumer<Client>, topic: &str, partitions: &[i32], place: Offset) -> Result<Vec<i64>, KafkaError> {
    let mut list = TopicPartitionList::new();
    partitions.iter().try_for_each(|of| list.add_partition_offset(topic, *of, place))?;
    let answer = client.offsets_for_times(list, LIMIT)?;
    let found = |of: &i32| offset(&answer, topic, *of).ok_or(KafkaError::OffsetFetch(Code::NoOffset));
    partitions.iter().map(found).collect()
}

fn offset(list: &TopicPartitionList, topic: &str, partition: i32) -> Option<i64> {
    match list.find_partition(topic, partition)?.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;

    use super::*;

    /// Kept back, it would be told at the end of the process, and blame brokers that are well by then.
    #[test]
    fn what_the_clients_meet_is_told_while_it_is_so() {
        let cluster = MockCluster::new(1).unwrap();
        let config = KafkaConfig::at(&cluster.bootstrap_servers());
        let ends = Ends::new(&config, "test", "test").unwrap();
        drop(cluster);
        let told = |client: &BaseConsumer<Client>| client.context().last_error.get().is_some();
        let deadline = Instant::now() + 12 * LIMIT;
        while !(told(&ends.all) && told(&ends.committed)) {
            assert!(Instant::now() < deadline, "all: {}, committed: {}", told(&ends.all), told(&ends.committed));
            ends.bounds("one", &[0]).unwrap_err();
        }
    }
}
