//! Whether a partition's log is still the one that was handled. Kafka tells nobody when a topic is deleted and made anew, or when
//! a broker's disk is put back to an earlier state: offsets then mean other records, and whoever goes on at the old one skips what
//! stands below it without a word.
//!
//! Every question blocks, each within a limit.

use std::time::{Duration, Instant};

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::partition::{LogMark, LogReset};
use crate::{
    kafka::{client::Client, config::KafkaConfig},
    sabotage::{self, Sabotage},
};

/// One question takes a few milliseconds; a broker that needs this long is as good as away.
const LIMIT: Duration = Duration::from_secs(5);

/// A client that belongs to no group and asks as one. It sees what is not committed: the end before an open transaction is no end
/// of the log.
pub(super) struct LogCheck {
    client: Option<BaseConsumer<Client>>,
    settings: ClientConfig,
}

/// What is known of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// It is as it was, or nothing speaks against that.
    AsItWas,
    Another(LogReset),
    /// The broker did not tell in time.
    Unknown,
}

impl Found {
    pub(super) fn reset(self) -> Option<LogReset> {
        match self {
            Self::Another(why) => Some(why),
            Self::AsItWas | Self::Unknown => None,
        }
    }
}

/// A partition by its name in Kafka, and how its log is known.
pub(super) type Known = (String, i32, LogMark);

impl LogCheck {
    pub(super) fn new(config: &KafkaConfig, client_id: &str, group: &str) -> Result<Self, KafkaError> {
        let mut settings = config.consumer(client_id, group);
        settings
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_uncommitted")
            // One record of each partition is wanted, and no more.
            .set("fetch.wait.max.ms", "10")
            .set("queued.min.messages", "1")
            .set("fetch.message.max.bytes", "1");
        Ok(Self { client: Some(settings.create_with_context(Client::default())?), settings })
    }

    fn client(&self) -> Result<&BaseConsumer<Client>, KafkaError> {
        self.client.as_ref().ok_or(KafkaError::Canceled)
    }

    /// Where the group left off in these partitions, as far as it ever committed.
    pub(super) fn committed(&self, partitions: &TopicPartitionList) -> Result<Vec<Known>, KafkaError> {
        let mut asked = TopicPartitionList::new();
        for of in partitions.elements() {
            asked.add_partition(of.topic(), of.partition());
        }
        let answer = self.client()?.committed_offsets(asked, LIMIT)?;
        let known = answer.elements().into_iter().filter_map(|of| match of.offset() {
            Offset::Offset(next) => {
                Some((of.topic().to_owned(), of.partition(), LogMark::committed(next, of.metadata())))
            }
            _ => None,
        });
        Ok(known.collect())
    }

    /// These partitions with the offsets behind what may be read: what an open transaction has written comes from now on.
    pub(super) fn ends(&self, partitions: &[(String, i32)]) -> Result<TopicPartitionList, KafkaError> {
        let mark = |(topic, partition): &(String, i32)| (topic.clone(), *partition, LogMark::committed(0, ""));
        let asked: Vec<Known> = partitions.iter().map(mark).collect();
        let mut list = TopicPartitionList::new();
        if asked.is_empty() {
            return Ok(list);
        }
        let mut settings = self.settings.clone();
        settings.set("isolation.level", "read_committed");
        let other = Self { client: Some(settings.create_with_context(Client::default())?), settings };
        for ((topic, partition, _), end) in asked.iter().zip(other.at(&asked, Offset::End)?) {
            let end = end.ok_or(KafkaError::OffsetFetch(RDKafkaErrorCode::NoOffset))?;
            list.add_partition_offset(topic, *partition, Offset::Offset(end))?;
        }
        Ok(list)
    }

    /// The state of each log, in the order of `known`.
    pub(super) fn look(&self, known: &[Known]) -> Result<Vec<Found>, KafkaError> {
        if known.is_empty() || sabotage::is(Sabotage::IgnoreShorterLog) {
            return Ok(vec![Found::AsItWas; known.len()]);
        }
        let (begins, ends) = (self.at(known, Offset::Beginning)?, self.at(known, Offset::End)?);
        let mut found = Vec::with_capacity(known.len());
        let mut to_read = Vec::new();
        for (index, (_, _, mark)) in known.iter().enumerate() {
            let (begin, end) = (begins[index], ends[index]);
            found.push(match end {
                Some(end) if end < mark.next => Found::Another(LogReset::Shorter),
                _ if begin.is_some_and(|begin| begin > mark.next) => Found::Another(LogReset::Trimmed),
                _ => Found::AsItWas,
            });
            // What stands before the place is asked where there is such a record, and its time is known.
            if found[index] == Found::AsItWas
                && mark.timestamp_ms.is_some()
                && begin.is_some_and(|begin| begin < mark.next)
            {
                to_read.push(index);
            }
        }
        self.read_before(known, &to_read, &mut found)?;
        Ok(found)
    }

    /// Compares the record before each of these places with the one that was handled. Topic by topic: the end of a partition is
    /// told without its topic.
    fn read_before(&self, known: &[Known], which: &[usize], found: &mut [Found]) -> Result<(), KafkaError> {
        let client = self.client()?;
        for of_topic in which.chunk_by(|one, next| known[*one].0 == known[*next].0) {
            let mut list = TopicPartitionList::new();
            for (topic, partition, mark) in of_topic.iter().map(|index| &known[*index]) {
                list.add_partition_offset(topic, *partition, Offset::Offset(mark.next - 1))?;
            }
            client.assign(&list)?;
            let mut open = of_topic.to_vec();
            let deadline = Instant::now() + LIMIT;
            while !open.is_empty() && Instant::now() < deadline {
                match client.poll(Duration::from_millis(100)) {
                    Some(Ok(record)) => {
                        let Some(at) = open.iter().position(|index| known[*index].1 == record.partition()) else {
                            continue;
                        };
                        let index = open.swap_remove(at);
                        let mark = known[index].2;
                        // A later record stands there where the one that was handled is compacted away: that says nothing.
                        if record.offset() == mark.next - 1 && record.timestamp().to_millis() != mark.timestamp_ms {
                            found[index] = Found::Another(LogReset::Replaced);
                        }
                    }
                    Some(Err(KafkaError::PartitionEOF(partition))) => open.retain(|index| known[*index].1 != partition),
                    Some(Err(_)) | None => {}
                }
            }
            open.into_iter().for_each(|index| found[index] = Found::Unknown);
            client.unassign()?;
        }
        Ok(())
    }

    fn at(&self, known: &[Known], place: Offset) -> Result<Vec<Option<i64>>, KafkaError> {
        let mut asked = TopicPartitionList::new();
        for (topic, partition, _) in known {
            asked.add_partition_offset(topic, *partition, place)?;
        }
        let answer = self.client()?.offsets_for_times(asked, LIMIT)?;
        let offset = |(topic, partition, _): &Known| match answer.find_partition(topic, *partition)?.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        Ok(known.iter().map(offset).collect())
    }
}

impl Drop for LogCheck {
    /// Ending a client waits for its threads, and whoever asked must not.
    fn drop(&mut self) {
        let client = self.client.take();
        let _ = std::thread::Builder::new().name("kafka-drop".to_owned()).spawn(move || drop(client));
    }
}
