//! Partitions come and go: where each begins, and how it is given away.
//!
//! A partition begins where the group left it, unless its log is another than the group left; see `log_check`.

use std::{
    sync::{Arc, atomic::Ordering, mpsc::sync_channel},
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext},
    error::KafkaError,
    types::RDKafkaRespErr,
};

use super::{
    figures::Count,
    intake::{Intake, Latest, Slot},
    log_check::{Found, Known, LogCheck},
    notice::Notice,
    partition::{Assigned, LogMark, LogReset},
    rebuild,
};
use crate::kafka::config::OffsetReset;

/// Going back within a partition may take this long.
const SEEK: Duration = Duration::from_secs(5);
/// For so long it is tried to learn what the logs of new partitions are, before they are taken for those that the group left.
const ASK: Duration = Duration::from_secs(15);
/// A refusal can come at once.
const PAUSE: Duration = Duration::from_millis(100);

/// For so long it is tried to learn where a group begins that begins with what comes from now on: the client by itself would begin
/// with all that there is. It loses its partitions when it is not polled for five minutes.
const LONGEST: Duration = Duration::from_secs(200);

/// What was learnt of partitions that come to this worker.
struct Asked {
    /// Those that the group has committed something of.
    known: Vec<Known>,
    /// Those that it begins at their end.
    news: Vec<(String, i32)>,
    /// Where those end, and what was found of the logs of the known ones.
    looked: Result<(Vec<Known>, Vec<Found>), KafkaError>,
}

/// Where a partition begins that comes to this worker.
struct Beginning {
    topic: String,
    partition: i32,
    mark: LogMark,
    found: Found,
}

impl Beginning {
    fn new(((topic, partition, mark), found): (Known, Found)) -> Self {
        Self { topic, partition, mark, found }
    }
}

impl Intake {
    /// Gives partitions away: nothing new is taken from them, what runs may finish, and what is done is committed.
    /// `None` gives all of them away.
    pub(super) fn release(&self, consumer: &BaseConsumer<Self>, partitions: Option<&TopicPartitionList>) {
        let gone = {
            let mut state = self.state();
            let leaves = |slot: &Slot| {
                partitions.is_none_or(|list| {
                    list.find_partition(self.name(&slot.assigned), slot.assigned.partition).is_some()
                })
            };
            let (gone, stay): (Vec<_>, Vec<_>) = std::mem::take(&mut state.slots).into_iter().partition(leaves);
            state.slots = stay;
            self.engine.letters.status.loses(consumer.assignment_lost());
            self.tell(&state);
            gone
        };
        for Slot { assigned, .. } in &gone {
            self.engine.letters.status.leaves(self.name(assigned), assigned.partition);
        }
        if gone.is_empty() {
            return;
        }
        let (reply, answer) = sync_channel(1);
        let ids = gone.iter().map(|slot| slot.assigned.id).collect();
        if self.notices.send(Notice::Revoked { ids, drain: self.drain, reply }).is_err() {
            return;
        }
        // The dispatcher keeps to the deadline; the margin is for a runtime that is busy.
        let Ok(frontiers) = answer.recv_timeout(self.drain + Duration::from_secs(2)) else {
            tracing::warn!("partitions were given away before their work was booked; it will be delivered again");
            return;
        };
        if consumer.assignment_lost() {
            tracing::warn!("partitions were taken away; what was done since the last commit is delivered again");
            return;
        }
        let mut list = TopicPartitionList::new();
        frontiers.iter().for_each(|frontier| self.add(&mut list, frontier));
        if list.count() > 0
            && let Err(error) = consumer.commit(&list, CommitMode::Sync)
        {
            self.commit_failed();
            tracing::warn!(%error, "the last offsets of given away partitions were not committed; their records come again");
        }
    }

    /// Where partitions begin that come to this worker. Those whose logs are not what the group left begin anew. Also says how the
    /// others' logs are known, and at which ends the group begins that never began.
    fn beginnings(
        &self,
        consumer: &BaseConsumer<Self>,
        partitions: &mut TopicPartitionList,
    ) -> (Vec<Beginning>, TopicPartitionList) {
        let began = Instant::now();
        let (mut beginnings, news): (Vec<Beginning>, Vec<Known>) = loop {
            let asked = self.ask(partitions);
            let (waited, is_lost) = (began.elapsed(), consumer.assignment_lost());
            match asked {
                // What is not known in time is looked at later.
                Ok(Asked { known, looked: Ok((ends, found)), .. })
                    if waited >= ASK || is_lost || !found.contains(&Found::Unknown) =>
                {
                    break (known.into_iter().zip(found).map(Beginning::new).collect(), ends);
                }
                Ok(Asked { known, news, looked: Err(error) })
                    if waited >= (if news.is_empty() { ASK } else { LONGEST }) || is_lost =>
                {
                    tracing::warn!(
                        %error,
                        "whether the partitions' logs are those that the group left is looked at later; nothing of them is committed \
                         until then"
                    );
                    for (topic, partition) in news {
                        let _ = partitions.set_partition_offset(&topic, partition, Offset::End);
                    }
                    break (
                        known.into_iter().map(|known| Beginning::new((known, Found::Unknown))).collect(),
                        Vec::new(),
                    );
                }
                // Who cannot ask what is committed cannot begin either.
                Err(error) if waited >= LONGEST || is_lost => {
                    tracing::warn!(%error, "whether the partitions' logs are those that the group left could not be asked");
                    return (Vec::new(), TopicPartitionList::new());
                }
                _ => std::thread::sleep(PAUSE),
            }
        };
        let mut ends = TopicPartitionList::new();
        for (topic, partition, mark) in &news {
            let _ = partitions.set_partition_offset(topic, *partition, Offset::Offset(mark.next));
            mark.add_to(&mut ends, topic, *partition);
        }
        beginnings.extend(news.into_iter().map(|end| Beginning::new((end, Found::AsItWas))));
        // What stands between is no record, and may be gone.
        for of in beginnings.iter().filter(|of| of.mark.empty_until > of.mark.next) {
            let _ = partitions.set_partition_offset(&of.topic, of.partition, Offset::Offset(of.mark.empty_until));
        }
        for of in beginnings.iter().filter(|of| of.found.reset().is_some() && !self.leaves_it_to_a_person()) {
            let _ = partitions.set_partition_offset(&of.topic, of.partition, Offset::Beginning);
        }
        (beginnings, ends)
    }

    fn begins_at_the_end(&self) -> bool {
        self.config.consumer.kafka_consumer_auto_offset_reset == OffsetReset::Latest
    }

    /// Asks where the group left off, what the logs are, and where those end that the group never began in and that it begins in with
    /// what comes from now on.
    fn ask(&self, partitions: &TopicPartitionList) -> Result<Asked, KafkaError> {
        let check =
            LogCheck::new(&self.config, &self.engine.topics, &self.engine.letters.service, &self.engine.letters.group)?;
        let known = check.committed(partitions)?;
        let mut news = Vec::new();
        if self.begins_at_the_end() {
            news = partitions.elements().iter().map(|of| (of.topic().to_owned(), of.partition())).collect();
            news.retain(|(topic, of)| !known.iter().any(|(name, partition, _)| name == topic && partition == of));
        }
        let looked = check.ends(&news).and_then(|ends| Ok((ends, check.look(&known)?)));
        Ok(Asked { known, news, looked })
    }

    /// Whether a partition whose log is another stands still until a person says where it begins. Otherwise it begins with the oldest
    /// that there is: a group that began with what came from then on has begun already, and all that is in another log came since.
    fn leaves_it_to_a_person(&self) -> bool {
        self.config.consumer.kafka_consumer_auto_offset_reset == OffsetReset::Error
    }

    /// Pauses a partition of which clients do not get past a record. What stands before that was taken already.
    fn is_stuck(&self, consumer: &BaseConsumer<Self>, topic: u16, partition: i32) -> bool {
        let Some(place) = self.engine.rebuild.stuck_in("panicked", topic, partition) else { return false };
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topics[usize::from(topic)].0, partition);
        let _ = consumer.pause(&list);
        let name = &self.topics[usize::from(topic)].0;
        self.engine.letters.status.halts(name, partition, rebuild::stuck(place, name));
        true
    }

    /// Pauses a partition for which settings say that a person decides where it begins.
    fn is_to_halt(
        &self,
        consumer: &BaseConsumer<Self>,
        (topic, partition, left): (&str, i32, i64),
        why: LogReset,
    ) -> bool {
        if !self.leaves_it_to_a_person() {
            return false;
        }
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, partition);
        let _ = consumer.pause(&list);
        let reason = format!(
            "takes nothing of {topic}[{partition}], which the group left at offset {left}: {}; \
             KAFKA_CONSUMER_AUTO_OFFSET_RESET=error leaves it to a person: set the group's offset and restart",
            why.describe()
        );
        self.engine.letters.status.halts(topic, partition, reason);
        true
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, partitions: &TopicPartitionList, beginnings: &[Beginning]) {
        let mut state = self.state();
        let (mut news, mut resets) = (Vec::new(), Vec::new());
        for element in partitions.elements() {
            let Some(topic) = self.topics.iter().position(|(name, _)| *name == *element.topic()) else {
                continue;
            };
            let id = self.board.next_id();
            let consumed = Count::of(self.topics[topic].1.clone());
            let (topic, partition) = (topic as u16, element.partition());
            let assigned = Assigned { id, topic, partition, progress: Arc::default() };
            let is_it = |of: &&Beginning| of.partition == partition && of.topic == element.topic();
            let mut is_halted = self.is_stuck(consumer, topic, partition);
            if let Some(beginning) = beginnings.iter().find(is_it) {
                match beginning.found {
                    Found::Another(why) => {
                        is_halted |= self.is_to_halt(consumer, (element.topic(), partition, beginning.mark.next), why);
                        resets.push(Notice::LogReset(id, why));
                    }
                    Found::AsItWas => assigned.progress.goes_on(beginning.mark),
                    Found::Unknown => {
                        assigned.progress.goes_on(beginning.mark);
                        assigned.progress.is_to_be_verified();
                        self.suspect();
                    }
                }
            }
            news.push(assigned.clone());
            state.slots.push(Slot {
                assigned,
                taken: (0, 0),
                consumed,
                full_since: None,
                paused: false,
                is_halted,
                expected: 0,
                latest: Latest::default(),
                awaits_log: None,
            });
        }
        self.engine.letters.status.loses(false);
        self.tell(&state);
        // The dispatcher ends after this thread; without it there is nobody to tell.
        let _ = self.notices.send(Notice::Assigned(news));
        resets.into_iter().for_each(|reset| drop(self.notices.send(reset)));
    }

    /// Begins partitions anew whose logs were found to be others.
    pub(super) fn begin_anew(&self, consumer: &BaseConsumer<Self>) {
        for (id, why) in self.board.take_resets() {
            let mut state = self.state();
            let Some(slot) = state.slots.iter_mut().find(|slot| slot.assigned.id == id) else { continue };
            let (name, partition) = (&self.topics[usize::from(slot.assigned.topic)].0, slot.assigned.partition);
            let left = slot.assigned.progress.next.load(Ordering::Relaxed);
            slot.is_halted = self.is_to_halt(consumer, (name, partition, left), why);
            if !slot.is_halted
                && let Err(error) = consumer.seek(name, partition, Offset::Beginning, SEEK)
            {
                // The next look finds it again.
                tracing::warn!(%error, topic = name, partition, "going back to the beginning failed");
                continue;
            }
            (slot.expected, slot.latest) = (0, Latest::default());
            slot.awaits_log = (!slot.is_halted && why != LogReset::Trimmed).then(Instant::now);
            let _ = self.notices.send(Notice::LogReset(id, why));
        }
    }
}

impl ConsumerContext for Intake {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        use RDKafkaRespErr::{
            RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS as ASSIGN, RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS as REVOKE,
        };
        tracing::debug!(count = partitions.count(), ?what, "partitions come or go");
        let outcome = match what {
            ASSIGN => {
                let (beginnings, ends) = self.beginnings(consumer, partitions);
                consumer.incremental_assign(partitions).inspect(|()| {
                    // The client remembers that a partition was paused when it was given away.
                    let _ = consumer.resume(partitions);
                    self.assign(consumer, partitions, &beginnings);
                    // Whoever has them next must not begin later than this.
                    if ends.count() > 0 {
                        let _ = consumer.commit(&ends, CommitMode::Async);
                    }
                })
            }
            REVOKE => {
                self.release(consumer, Some(partitions));
                consumer.incremental_unassign(partitions)
            }
            other => Err(KafkaError::Rebalance(other.into())),
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, "rebalancing failed");
        }
    }
}
