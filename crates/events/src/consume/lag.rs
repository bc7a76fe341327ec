//! How far a consumer is behind, in records and in seconds, and the watchdog: a partition that has more and of which nothing
//! is taken has a client that is to be built anew.
//!
//! On a thread of its own, since asking the brokers blocks. What is in flight is never called stalled, whatever it waits
//! for (a handler, a retry, a breaker, the brake), nor is anything while the brokers do not answer.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use chrono::Utc;
use rdkafka::error::KafkaError;

use super::{
    attempt::Engine,
    ends::{Ends, Found},
    partition::{Assigned, AssignmentId, Board},
    rebuild::Place,
    record::Subscribed,
    status::ConsumerStatus,
};
use crate::{
    flow::error::chain,
    kafka::config::{KafkaConfig, OffsetReset},
};

/// The brokers are asked this often: below the 15 s in which metrics are usually scraped, and one question costs a broker
/// next to nothing.
const INTERVAL: Duration = Duration::from_secs(10);
/// The first partitions are looked for this often.
const FIRST: Duration = Duration::from_secs(1);

/// Looks at one consumer from outside.
pub(super) struct Watch {
    pub(super) config: KafkaConfig,
    pub(super) service: String,
    pub(super) group: String,
    pub(super) topics: Arc<[Subscribed]>,
    pub(super) board: Board,
    pub(super) status: ConsumerStatus,
    /// How long a partition may stand still.
    pub(super) limit: Duration,
    /// Asked when the client is to be built anew.
    pub(super) engine: Arc<Engine>,
}

/// One assignment as it was seen last.
struct Seen {
    of: Assigned,
    lag: metrics::Gauge,
    seconds: metrics::Gauge,
    /// The next offset to be handled, and the one that the next record will get.
    next: i64,
    end: i64,
    /// Where the group begins, until something was handled here.
    begin: i64,
    /// Up to here there is nothing to be read.
    empty_until: i64,
    /// It is at the end, has moved, or has something in flight; and when that was so last.
    goes_on: bool,
    well_at: Instant,
    /// The time of the record that nobody takes.
    stuck_on_ms: Option<i64>,
    /// A new client was asked for on its account.
    ordered: bool,
}

impl Watch {
    /// Looks until the other end of `stop` is dropped.
    pub(super) fn run(self, stop: &Receiver<()>) {
        let ends = match Ends::new(&self.config, &self.service, &self.group) {
            Ok(ends) => ends,
            Err(error) => return tracing::error!(error = chain(&error), "the lag of the consumer is not known"),
        };
        let stalled = metrics::gauge!("kafka_consumer_stalled", "group" => self.group.clone());
        stalled.set(0.0);
        let mut seen = HashMap::new();
        loop {
            let interval = INTERVAL.min(self.limit / 4);
            let pause = if seen.is_empty() { interval.min(FIRST) } else { interval };
            if stop.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                break;
            }
            self.look(&ends, &mut seen);
            stalled.set(f64::from(u8::from(self.status.stalled().is_some())));
        }
        seen.values().for_each(Seen::leave);
    }

    fn look(&self, ends: &Ends, seen: &mut HashMap<AssignmentId, Seen>) {
        let assigned = self.board.assigned();
        seen.retain(|id, partition| {
            let stays = assigned.iter().any(|of| of.id == *id);
            if !stays {
                partition.leave();
            }
            stays
        });
        for of in &assigned {
            seen.entry(of.id).or_insert_with(|| self.meet(of));
        }
        if let Err(error) = self.measure(ends, &assigned, seen) {
            tracing::debug!(error = chain(&error), "the brokers did not tell where the topics end");
            // What nobody can fetch does not stall.
            seen.values_mut().for_each(|partition| partition.well_at = Instant::now());
            return;
        }
        self.watch(ends, seen);
    }

    fn meet(&self, of: &Assigned) -> Seen {
        let labels = [
            ("group", self.group.clone()),
            ("topic", self.topics[usize::from(of.topic)].spec.name.to_owned()),
            ("partition", of.partition.to_string()),
        ];
        Seen {
            of: of.clone(),
            lag: metrics::gauge!("kafka_consumer_lag", &labels),
            seconds: metrics::gauge!("kafka_consumer_lag_seconds", &labels),
            next: -1,
            end: -1,
            begin: -1,
            empty_until: -1,
            goes_on: true,
            well_at: Instant::now(),
            stuck_on_ms: None,
            ordered: false,
        }
    }

    fn measure(
        &self,
        ends: &Ends,
        assigned: &[Assigned],
        seen: &mut HashMap<AssignmentId, Seen>,
    ) -> Result<(), KafkaError> {
        for topic in self.topics.iter() {
            let count = ends.partition_count(&topic.name)?;
            metrics::gauge!("kafka_topic_partition_count", "topic" => topic.spec.name).set(count as f64);
        }
        if assigned.is_empty() {
            return Ok(());
        }
        let untouched: Vec<Assigned> =
            assigned.iter().filter(|of| of.progress.next.load(Ordering::Relaxed) < 0).cloned().collect();
        if !untouched.is_empty() {
            let from_the_oldest = self.config.consumer.kafka_consumer_auto_offset_reset == OffsetReset::Earliest;
            for (of, (committed, oldest)) in untouched.iter().zip(ends.begins(&self.topics, &untouched)?) {
                if let Some(partition) = seen.get_mut(&of.id) {
                    match committed.filter(|committed| *committed >= oldest) {
                        Some(committed) => partition.begin = committed,
                        None if from_the_oldest => partition.begin = oldest,
                        // It begins with what comes after it came.
                        None => {}
                    }
                }
            }
        }
        // The ends first: what is done meanwhile must not stand behind them.
        for (of, end) in assigned.iter().zip(ends.of(&self.topics, assigned)?) {
            if let Some(partition) = seen.get_mut(&of.id) {
                partition.measure(end);
            }
        }
        Ok(())
    }

    fn watch(&self, ends: &Ends, seen: &mut HashMap<AssignmentId, Seen>) {
        let mut stuck = None;
        for partition in seen.values_mut().filter(|partition| partition.well_at.elapsed() >= self.limit) {
            let (topic, number) = (&self.topics[usize::from(partition.of.topic)], partition.of.partition);
            match ends.look(&topic.name, number, partition.next) {
                Found::Record(time) => {
                    partition.stuck_on_ms = time;
                    partition.tell();
                    let place = Place { topic: partition.of.topic, partition: number, offset: partition.next };
                    stuck = stuck.or(Some((topic.spec.name, place, !partition.ordered)));
                    partition.ordered = true;
                }
                Found::Nothing => {
                    partition.empty_until = partition.end;
                    partition.measure(partition.end);
                }
                // The others would not be told either.
                Found::Unknown => break,
            }
        }
        if let Some((topic, place, is_new)) = stuck {
            let Place { partition, offset, .. } = place;
            let limit = self.limit;
            self.status.stalls(Some(format!(
                "stalled: has taken nothing of {topic}[{partition}] from offset {offset} on for {limit:?} although there is more; \
                 another Kafka client is tried three times"
            )));
            if is_new {
                tracing::error!(
                    group = self.group,
                    topic,
                    partition,
                    ?limit,
                    "the consumer has stalled; its client is built anew"
                );
                self.engine.rebuild.ask("stalled", Some(place));
            }
        } else if self.status.has_joined() && seen.values().all(|partition| partition.goes_on) {
            self.status.stalls(None);
        }
    }
}

impl Seen {
    fn measure(&mut self, end: i64) {
        let progress = &self.of.progress;
        let in_flight = progress.taken.load(Ordering::Relaxed) > progress.records.load(Ordering::Relaxed);
        if self.begin < 0 {
            self.begin = end;
        }
        let next = progress.next.load(Ordering::Relaxed).max(self.begin);
        let moved = self.next != next;
        (self.next, self.end) = (next, end);
        self.goes_on = moved || in_flight || self.behind() == 0;
        if self.goes_on {
            (self.well_at, self.stuck_on_ms, self.ordered) = (Instant::now(), None, false);
        }
        self.tell();
    }

    /// How many records are not handled, as far as offsets tell.
    fn behind(&self) -> i64 {
        (self.end - self.next.max(self.empty_until)).max(0)
    }

    fn tell(&self) {
        let oldest = self.of.progress.oldest_ms.load(Ordering::Relaxed);
        let since = self.stuck_on_ms.or((oldest >= 0).then_some(oldest));
        let seconds = match since {
            Some(since) => (Utc::now().timestamp_millis() - since).max(0) as f64 / 1e3,
            None if self.behind() > 0 => self.well_at.elapsed().as_secs_f64(),
            None => 0.0,
        };
        self.lag.set(self.behind() as f64);
        self.seconds.set(seconds);
    }

    /// The partition is another's now, who tells of it.
    fn leave(&self) {
        self.lag.set(0.0);
        self.seconds.set(0.0);
    }
}
