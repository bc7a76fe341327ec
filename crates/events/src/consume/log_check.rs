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

use super::{
    partition::{LogMark, LogReset},
    record::Subscribed,
};
use crate::{
    contract::topics::Cleanup,
    kafka::{client::Client, config::KafkaConfig, lifetime},
    sabotage::{self, Sabotage},
};

/// One question takes a few milliseconds; a broker that needs this long is as good as away.
const LIMIT: Duration = Duration::from_secs(5);

/// A client that belongs to no group and asks as one. It sees what is not committed: the end before an open transaction is no end
/// of the log.
pub(super) struct LogCheck<'e> {
    client: Option<BaseConsumer<Client>>,
    settings: ClientConfig,
    /// To ask what a topic is like.
    admin: ClientConfig,
    topics: &'e [Subscribed],
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

/// What a client gets from an offset on.
#[derive(Debug, Clone, Copy)]
enum Stands {
    /// A record at this offset, and its time in milliseconds since 1970.
    Record(i64, Option<i64>),
    /// The end of the log.
    Nothing,
}

impl Stands {
    fn time_at(self, place: i64) -> Option<i64> {
        match self {
            Self::Record(offset, time) if offset == place => time,
            _ => None,
        }
    }
}

/// A partition by its name in Kafka, and how its log is known.
pub(super) type Known = (String, i32, LogMark);

impl<'e> LogCheck<'e> {
    pub(super) fn new(
        config: &KafkaConfig,
        topics: &'e [Subscribed],
        client_id: &str,
        group: &str,
    ) -> Result<Self, KafkaError> {
        let mut settings = config.consumer(client_id, group);
        settings
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_uncommitted")
            // One record of each partition is wanted, and no more.
            .set("fetch.wait.max.ms", "10")
            .set("queued.min.messages", "1")
            .set("fetch.message.max.bytes", "1");
        let client = Some(settings.create_with_context(Client::beside())?);
        Ok(Self { client, settings, admin: config.client(client_id), topics })
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

    /// These partitions where they end for who may read: what an open transaction has written comes from now on. Each with the time
    /// of the record before, so that the log is known by it.
    pub(super) fn ends(&self, partitions: &[(String, i32)]) -> Result<Vec<Known>, KafkaError> {
        let mark = |(topic, partition): &(String, i32)| (topic.clone(), *partition, LogMark::committed(0, ""));
        let mut asked: Vec<Known> = partitions.iter().map(mark).collect();
        if asked.is_empty() {
            return Ok(asked);
        }
        let mut settings = self.settings.clone();
        settings.set("isolation.level", "read_committed");
        let client = Some(settings.create_with_context(Client::beside())?);
        let other = Self { client, settings, admin: self.admin.clone(), topics: self.topics };
        let ends = other.at(&asked, Offset::End)?;
        for ((_, _, mark), end) in asked.iter_mut().zip(ends) {
            mark.next = end.ok_or(KafkaError::OffsetFetch(RDKafkaErrorCode::NoOffset))?;
        }
        let begins = self.at(&asked, Offset::Beginning)?;
        let has_one = |index: &usize| begins[*index].is_some_and(|begin| begin < asked[*index].2.next);
        let to_read: Vec<usize> = (0..asked.len()).filter(has_one).collect();
        for (index, before) in to_read.iter().zip(self.read_before(&asked, &to_read)?) {
            asked[*index].2.timestamp_ms = before.and_then(|before| before.time_at(asked[*index].2.next - 1));
        }
        Ok(asked)
    }

    /// The state of each log, in the order of `known`: held against its place, and then against the earlier one beside it.
    pub(super) fn look(&self, known: &[Known]) -> Result<Vec<Found>, KafkaError> {
        let mut found = self.look_once(known)?;
        let is_open = |index: &usize| found[*index] == Found::AsItWas && known[*index].2.anchor.is_some();
        let with_anchor: Vec<usize> = (0..known.len()).filter(is_open).collect();
        let anchor = |index: &usize| {
            let (topic, partition, mark) = &known[*index];
            (topic.clone(), *partition, mark.anchor().unwrap_or(*mark))
        };
        let anchors: Vec<Known> = with_anchor.iter().map(anchor).collect();
        for (index, at_anchor) in with_anchor.into_iter().zip(self.look_once(&anchors)?) {
            // What retention took of that was handled.
            if at_anchor != Found::Another(LogReset::Trimmed) {
                found[index] = at_anchor;
            }
        }
        Ok(found)
    }

    fn look_once(&self, known: &[Known]) -> Result<Vec<Found>, KafkaError> {
        if known.is_empty() || sabotage::is(Sabotage::IgnoreShorterLog) {
            return Ok(vec![Found::AsItWas; known.len()]);
        }
        let (begins, ends) = (self.at(known, Offset::Beginning)?, self.at(known, Offset::End)?);
        let mut found = Vec::with_capacity(known.len());
        let mut to_read = Vec::new();
        for (index, (_, _, mark)) in known.iter().enumerate() {
            let (begin, end) = (begins[index], ends[index]);
            found.push(match (begin, end) {
                (_, Some(end)) if end < mark.empty_until => Found::Another(LogReset::Shorter),
                (Some(begin), _) if begin > mark.empty_until => Found::Another(LogReset::Trimmed),
                (Some(_), Some(_)) => Found::AsItWas,
                // As while the partition has no leader.
                _ => Found::Unknown,
            });
            // What stands before the place is asked where there is such a record, and its time is known.
            if found[index] == Found::AsItWas
                && mark.timestamp_ms.is_some()
                && begin.is_some_and(|begin| begin < mark.next)
            {
                to_read.push(index);
            }
        }
        for (index, before) in to_read.iter().zip(self.read_before(known, &to_read)?) {
            let mark = known[*index].2;
            found[*index] = match before {
                Some(Stands::Record(offset, time)) if offset == mark.next - 1 => match time == mark.timestamp_ms {
                    true => Found::AsItWas,
                    false => Found::Another(LogReset::Replaced),
                },
                // Something that no reader gets to see, as a marker of a transaction, where a record was handled.
                Some(_) => self.without_its_record(&known[*index])?,
                None => Found::Unknown,
            };
        }
        Ok(found)
    }

    /// What it means that the record before a place is not there. Compaction takes single ones, which says nothing; retention takes
    /// all up to there, and may have done so since the beginning was asked for.
    fn without_its_record(&self, known: &Known) -> Result<Found, KafkaError> {
        if self.is_compacted(&known.0) {
            return Ok(Found::AsItWas);
        }
        let begin = self.at(std::slice::from_ref(known), Offset::Beginning)?[0];
        Ok(match begin {
            Some(begin) if begin < known.2.next => Found::Another(LogReset::Replaced),
            _ => Found::Unknown,
        })
    }

    /// By the broker; by the catalogue where that does not tell.
    fn is_compacted(&self, topic: &str) -> bool {
        let in_catalogue = || self.topics.iter().any(|of| of.name == topic && of.spec.cleanup != Cleanup::Delete);
        lifetime::is_compacted(&self.admin, topic, LIMIT).unwrap_or_else(in_catalogue)
    }

    /// What stands before each of these places or behind that; `None` where the broker did not tell in time. Topic by topic: the end
    /// of a partition is told without its topic.
    fn read_before(&self, known: &[Known], which: &[usize]) -> Result<Vec<Option<Stands>>, KafkaError> {
        let client = self.client()?;
        let mut stands = vec![None; known.len()];
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
                        let time = record.timestamp().to_millis();
                        stands[open.swap_remove(at)] = Some(Stands::Record(record.offset(), time));
                    }
                    Some(Err(KafkaError::PartitionEOF(partition))) => {
                        if let Some(at) = open.iter().position(|index| known[*index].1 == partition) {
                            stands[open.swap_remove(at)] = Some(Stands::Nothing);
                        }
                    }
                    Some(Err(_)) | None => {}
                }
            }
            client.unassign()?;
        }
        Ok(which.iter().map(|index| stands[*index]).collect())
    }

    fn at(&self, known: &[Known], place: Offset) -> Result<Vec<Option<i64>>, KafkaError> {
        let mut asked = TopicPartitionList::new();
        for (topic, partition, _) in known {
            asked.add_partition_offset(topic, *partition, place)?;
        }
        let client = self.client()?;
        let answer = match client.offsets_for_times(asked, LIMIT) {
            Ok(answer) => answer,
            // The client does not say of which partition an error is, and one is no reason to know nothing of the others.
            Err(_) if known.len() > 1 => return self.at_each(known, place),
            Err(error) => return Err(error),
        };
        let offset = |(topic, partition, _): &Known| match answer.find_partition(topic, *partition)?.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        Ok(known.iter().map(offset).collect())
    }

    /// Partition by partition, as far as the time of one question goes.
    fn at_each(&self, known: &[Known], place: Offset) -> Result<Vec<Option<i64>>, KafkaError> {
        let deadline = Instant::now() + LIMIT;
        let each = known.iter().map(|of| {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let mut asked = TopicPartitionList::new();
            asked.add_partition_offset(&of.0, of.1, place).ok()?;
            let answer = self.client().ok()?.offsets_for_times(asked, left.min(LIMIT / 5)).ok()?;
            match answer.find_partition(&of.0, of.1)?.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            }
        });
        let each: Vec<_> = each.collect();
        if each.iter().all(Option::is_none) {
            Err(KafkaError::OffsetFetch(RDKafkaErrorCode::OperationTimedOut))
        } else {
            Ok(each)
        }
    }
}

impl Drop for LogCheck<'_> {
    /// Ending a client waits for its threads, and whoever asked must not.
    fn drop(&mut self) {
        let client = self.client.take();
        let _ = std::thread::Builder::new().name("kafka-drop".to_owned()).spawn(move || drop(client));
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;

    use super::*;

    #[test]
    fn a_partition_without_a_leader_is_not_told_to_be_as_it_was() {
        let cluster = MockCluster::new(2).unwrap();
        cluster.create_topic("one", 2, 1).unwrap();
        let config = KafkaConfig::at(&cluster.bootstrap_servers());
        let known =
            [(0, 0), (1, 100)].map(|(of, next)| ("one".to_owned(), of, LogMark::committed(next, "timestamp_ms=1")));
        let look = || LogCheck::new(&config, &[], "test", "test").unwrap().look(&known).unwrap();
        assert_eq!(look(), [Found::AsItWas, Found::Another(LogReset::Shorter)]);
        cluster.partition_leader("one", 1, None).unwrap();
        assert_eq!(look(), [Found::AsItWas, Found::Unknown]);
    }
}
