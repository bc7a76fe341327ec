//! The watch: asks every few seconds how far a consumer is behind, and has its client built anew when that does not go on.
//!
//! On a thread of its own, since asking the brokers blocks. While they do not answer nothing is known, and nothing is called
//! stalled.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use rdkafka::error::KafkaError;

use super::{
    attempt::Engine,
    diagnosis::Diagnosis,
    ends::Ends,
    partition::{Assigned, AssignmentId, Board},
    record::Subscribed,
    status::ConsumerStatus,
    watched::Watched,
};
use crate::{flow::error::chain, kafka::config::KafkaConfig};

/// The brokers are asked this often: below the 15 s in which metrics are usually scraped, and one question costs a broker
/// next to nothing.
const INTERVAL: Duration = Duration::from_secs(10);
/// What the brokers did not tell is asked again after this time.
const AGAIN: Duration = Duration::from_secs(1);
/// A partition that comes or goes is noticed within this time: with `latest`, a reader begins where the end is then.
const GLANCE: Duration = Duration::from_millis(100);

/// Looks at one consumer from outside.
pub(super) struct Watch {
    pub(super) config: KafkaConfig,
    pub(super) service: String,
    pub(super) group: String,
    pub(super) topics: Arc<[Subscribed]>,
    pub(super) board: Board,
    pub(super) status: ConsumerStatus,
    /// How long a partition may stand still, and an offset be uncommitted.
    pub(super) limit: Duration,
    /// Asked when the client is to be built anew.
    pub(super) engine: Arc<Engine>,
}

type Partitions = HashMap<AssignmentId, Watched>;

impl Watch {
    /// Looks until the other end of `stop` is dropped.
    pub(super) fn run(self, stop: &Receiver<()>) {
        let mut ends = match Ends::new(&self.config, &self.service, &self.group) {
            Ok(ends) => ends,
            Err(error) => return tracing::error!(error = chain(&error), "the lag of the consumer is not known"),
        };
        let stalled = metrics::gauge!("kafka_consumer_stalled", "group" => self.group.clone());
        stalled.set(0.0);
        let (topics, status) = (Arc::clone(&self.topics), self.status.clone());
        let mut diagnosis = Diagnosis::new(self.group.clone(), topics, status, self.limit);
        let mut partitions = Partitions::new();
        let (mut changes, mut next) = (self.board.changes(), Instant::now());
        while stop.recv_timeout(GLANCE) == Err(RecvTimeoutError::Timeout) {
            if self.board.changes() == changes && Instant::now() < next {
                continue;
            }
            changes = self.board.changes();
            let interval = INTERVAL.min(self.limit / 4);
            let all_is_told = self.look(&mut ends, &mut partitions);
            if let Some(place) = diagnosis.of(partitions.values_mut()) {
                self.engine.rebuild.ask("stalled", Some(place));
            }
            next = Instant::now() + if all_is_told { interval } else { interval.min(AGAIN) };
            stalled.set(f64::from(u8::from(self.status.stalled().is_some())));
        }
        partitions.values().for_each(Watched::leave);
    }

    /// Whether the brokers told all.
    fn look(&self, ends: &mut Ends, partitions: &mut Partitions) -> bool {
        let assigned = self.board.assigned();
        partitions.retain(|id, partition| {
            let stays = assigned.iter().any(|of| of.id == *id);
            if !stays {
                partition.leave();
            }
            stays
        });
        for of in &assigned {
            partitions.entry(of.id).or_insert_with(|| self.meet(of));
        }
        let told = self.measure(ends, &assigned, partitions);
        if let Err(error) = &told {
            tracing::debug!(error = chain(error), "the brokers did not tell where the topics end");
            partitions.values_mut().for_each(Watched::is_not_known);
        }
        told.unwrap_or(false)
    }

    fn meet(&self, of: &Assigned) -> Watched {
        let labels = [
            ("group", self.group.clone()),
            ("topic", self.topics[usize::from(of.topic)].spec.name.to_owned()),
            ("partition", of.partition.to_string()),
        ];
        Watched::new(of.clone(), &labels)
    }

    /// Some questions for each topic and one for all, however many partitions there are. `Err` when the brokers are away, `false`
    /// when they did not tell all.
    fn measure(&self, ends: &mut Ends, assigned: &[Assigned], partitions: &mut Partitions) -> Result<bool, KafkaError> {
        for topic in self.topics.iter() {
            let count = ends.partition_count(&topic.name)?;
            metrics::gauge!("kafka_topic_partition_count", "topic" => topic.spec.name).set(count as f64);
        }
        if assigned.is_empty() {
            return Ok(true);
        }
        let committed = ends.committed(&self.topics, assigned);
        if let Err(error) = &committed {
            tracing::debug!(error = chain(error), "the group's coordinator did not tell what is committed");
        }
        let mut all_is_told = committed.is_ok();
        for (of, committed) in assigned.iter().zip(committed.into_iter().flatten()) {
            if let Some(partition) = partitions.get_mut(&of.id) {
                partition.committed(committed);
            }
        }
        for (index, topic) in self.topics.iter().enumerate() {
            let of_topic =
                partitions.values_mut().filter(|partition| usize::from(partition.of.topic) == index).collect();
            all_is_told &= self.measure_topic(ends, &topic.name, of_topic);
        }
        Ok(all_is_told)
    }

    fn measure_topic(&self, ends: &mut Ends, topic: &str, mut partitions: Vec<&mut Watched>) -> bool {
        let policy = self.config.consumer.kafka_consumer_auto_offset_reset;
        let numbers: Vec<i32> = partitions.iter().map(|partition| partition.of.partition).collect();
        let bounds = match ends.bounds(topic, &numbers) {
            Ok(bounds) => bounds,
            // A topic that is gone does not keep the others from being told.
            Err(error) => {
                tracing::debug!(error = chain(&error), topic, "the brokers did not tell where the topic ends");
                partitions.into_iter().for_each(Watched::is_not_known);
                return false;
            }
        };
        for (partition, bounds) in partitions.iter_mut().zip(bounds) {
            partition.measure(bounds, policy);
        }
        let place = |of: &&mut Watched| Some((of.of.partition, of.is_to_be_looked_at()?));
        let places: Vec<(i32, i64)> = partitions.iter().filter_map(place).collect();
        for ((number, _), found) in places.iter().zip(ends.look(topic, &places)) {
            partitions.iter_mut().filter(|of| of.of.partition == *number).for_each(|of| of.finds(found));
        }
        partitions.iter().for_each(|partition| partition.tell());
        true
    }
}
