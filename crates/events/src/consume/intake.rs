//! Taking records, from the poll thread's side: which partitions are ours, what of them was taken before, how much is in flight,
//! and how they are given away.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering, mpsc::sync_channel},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message as _, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext},
    error::KafkaError,
    message::BorrowedMessage,
    types::RDKafkaRespErr,
};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    attempt::Engine,
    figures::Count,
    log_check::LogCheck,
    notice::Notice,
    partition::{Assigned, AssignmentId, Board, Frontier, LogMark, LogReset},
    rebuild::Place,
    record::{Block, Record, Subscribed},
};
use crate::{
    kafka::{
        client::Client,
        config::{KafkaConfig, OffsetReset},
    },
    sabotage::{self, Sabotage},
};

#[derive(Debug)]
struct Slot {
    assigned: Assigned,
    /// Records and bytes taken since the assignment began.
    taken: (usize, usize),
    consumed: Count,
    /// Since when it has too much in flight.
    full_since: Option<Instant>,
    paused: bool,
    /// Nothing more is taken of it until a person has acted.
    is_halted: bool,
    /// Records below it were seen: pausing and resuming can deliver some again.
    expected: i64,
    latest: Latest,
}

/// Of the records that were taken last, which they were: offset and time, the oldest first. A record that comes below what is
/// expected is one of them, or stands in another log. What is delivered again are the few that the client had at hand.
#[derive(Debug, Default)]
struct Latest(VecDeque<(i64, Option<i64>)>);

/// 4 KiB for each partition.
const LATEST: usize = 170;

impl Latest {
    fn add(&mut self, offset: i64, timestamp_ms: Option<i64>) {
        if self.0.len() == LATEST {
            self.0.pop_front();
        }
        self.0.push_back((offset, timestamp_ms));
    }

    fn contains(&self, offset: i64, timestamp_ms: Option<i64>) -> bool {
        self.0.contains(&(offset, timestamp_ms))
    }
}

/// More than this of one partition in flight pauses it, less than half resumes it. The count lets a thousand keys of one
/// partition run at once; the bytes bound memory.
const MOST_RECORDS: usize = 5_000;
const MOST_BYTES: usize = 8 << 20;
/// A full partition is not polled past for this long before it is paused: pausing throws away what the client has fetched of
/// it, and a partition that is full only because its worker is quick is below half within milliseconds.
const PATIENCE: Duration = Duration::from_millis(50);

/// Going back within a partition may take this long.
const SEEK: Duration = Duration::from_secs(5);

/// Whether there is room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// In all partitions.
    Free,
    /// Some are paused until they have.
    Paused,
    /// Not now: the next poll could bring records of a partition that is full.
    Full,
}

/// The context of a consumer: what it takes records of.
pub(super) struct Intake {
    client: Client,
    config: KafkaConfig,
    /// Names in Kafka, and what counts the records of each.
    topics: Vec<(String, metrics::Counter)>,
    notices: UnboundedSender<Notice>,
    board: Board,
    /// How long running handlers may finish before a partition is given away.
    drain: Duration,
    engine: Arc<Engine>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    slots: Vec<Slot>,
    /// Where the last record was found: records come in runs.
    hint: usize,
}

impl Intake {
    pub(super) fn new(
        config: &KafkaConfig,
        engine: Arc<Engine>,
        notices: UnboundedSender<Notice>,
        board: Board,
        drain: Duration,
    ) -> Self {
        let consumed = |topic: &Subscribed| {
            let labels = [("group", engine.letters.group.clone()), ("topic", topic.spec.name.to_owned())];
            metrics::counter!("kafka_consumer_messages_consumed_total", &labels)
        };
        Self {
            client: Client::default(),
            config: config.clone(),
            topics: engine.topics.iter().map(|topic| (topic.name.clone(), consumed(topic))).collect(),
            notices,
            board,
            drain,
            engine,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn name(&self, assigned: &Assigned) -> &str {
        &self.topics[usize::from(assigned.topic)].0
    }

    /// Copies a record for the dispatcher; `None` for one that is not ours any more or was taken before.
    pub(super) fn take(&self, message: &BorrowedMessage<'_>, block: &mut Block) -> Option<(AssignmentId, Record)> {
        let mut state = self.state();
        let is_it = |slot: &Slot| {
            slot.assigned.partition == message.partition() && self.name(&slot.assigned) == message.topic()
        };
        if !state.slots.get(state.hint).is_some_and(is_it) {
            state.hint = state.slots.iter().position(is_it)?;
        }
        let hint = state.hint;
        let slot = &mut state.slots[hint];
        let (offset, time) = (message.offset(), message.timestamp().to_millis());
        if offset < slot.expected && !sabotage::is(Sabotage::IgnoreShorterLog) {
            if slot.latest.contains(offset, time) {
                return None;
            }
            // The client went back by itself: it was told that its offset is not in the log.
            slot.latest.0.clear();
            let _ = self.notices.send(Notice::LogReset(slot.assigned.id, LogReset::Shorter));
        } else if offset < slot.expected {
            return None;
        }
        let record = Record::copy(message, slot.assigned.topic, block);
        slot.expected = offset + 1;
        slot.latest.add(offset, time);
        slot.taken.0 += 1;
        slot.taken.1 += record.size();
        slot.consumed.untold += 1;
        Some((slot.assigned.id, record))
    }

    /// What the client met may have to do with its logs.
    pub(super) fn suspect(&self) {
        self.board.suspect();
    }

    /// Where a record stands; `None` for one of a topic that is not ours.
    pub(super) fn place(&self, message: &BorrowedMessage<'_>) -> Option<Place> {
        let topic = self.topics.iter().position(|(name, _)| name == message.topic())? as u16;
        Some(Place { topic, partition: message.partition(), offset: message.offset() })
    }

    /// Pauses what has too much in flight for long, and resumes what has not.
    pub(super) fn balance(&self, consumer: &BaseConsumer<Self>) -> Room {
        let mut state = self.state();
        let (mut pause, mut resume) = (TopicPartitionList::new(), TopicPartitionList::new());
        let mut room = Room::Free;
        for slot in &mut state.slots {
            let progress = &slot.assigned.progress;
            progress.taken.store(slot.taken.0, Ordering::Relaxed);
            slot.consumed.tell();
            let records = slot.taken.0 - progress.records.load(Ordering::Relaxed);
            let bytes = slot.taken.1 - progress.bytes.load(Ordering::Relaxed);
            let name = &self.topics[usize::from(slot.assigned.topic)].0;
            if slot.is_halted {
                continue;
            }
            if slot.paused {
                if records < MOST_RECORDS / 2 && bytes < MOST_BYTES / 2 {
                    slot.paused = false;
                    resume.add_partition(name, slot.assigned.partition);
                }
            } else if records <= MOST_RECORDS && bytes <= MOST_BYTES {
                slot.full_since = None;
            } else if slot.full_since.get_or_insert_with(Instant::now).elapsed() < PATIENCE {
                room = Room::Full;
            } else {
                (slot.paused, slot.full_since) = (true, None);
                pause.add_partition(name, slot.assigned.partition);
            }
            if slot.paused && room == Room::Free {
                room = Room::Paused;
            }
        }
        for (list, outcome) in [(&pause, consumer.pause(&pause)), (&resume, consumer.resume(&resume))] {
            if list.count() > 0
                && let Err(error) = outcome
            {
                tracing::warn!(%error, "pausing or resuming partitions failed");
            }
        }
        room
    }

    /// Of these frontiers, those whose assignment is the present one.
    pub(super) fn current(&self, frontiers: &[Frontier]) -> TopicPartitionList {
        let state = self.state();
        let mut list = TopicPartitionList::new();
        for frontier in frontiers {
            if state.slots.iter().any(|slot| slot.assigned.id == frontier.of.id) {
                self.add(&mut list, frontier);
            }
        }
        list
    }

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
            self.tell(&state);
            gone
        };
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
            tracing::warn!(%error, "the last offsets of given away partitions were not committed; their records come again");
        }
    }

    fn add(&self, list: &mut TopicPartitionList, frontier: &Frontier) {
        let mut of = list.add_partition(self.name(&frontier.of), frontier.of.partition);
        // Cannot fail for an offset that is a number.
        let _ = of.set_offset(Offset::Offset(frontier.mark.next));
        of.set_metadata(frontier.mark.metadata());
    }

    fn tell(&self, state: &State) {
        self.engine.letters.status.assigned(state.slots.len());
        self.board.show(state.slots.iter().map(|slot| slot.assigned.clone()).collect());
    }

    /// Where partitions begin that come to this worker. Those whose logs are not what the group left are set to where a group
    /// without an offset begins. Also says how the others' logs are known.
    fn beginnings(&self, partitions: &mut TopicPartitionList) -> Vec<Beginning> {
        let asked = self.log_check().and_then(|check| {
            let known = check.committed(partitions)?;
            let found = check.look(&known)?;
            Ok(known.into_iter().zip(found).collect::<Vec<_>>())
        });
        let Ok(looked) = asked.inspect_err(|error| {
            tracing::warn!(%error, "whether the partitions' logs are those that the group left could not be asked");
        }) else {
            return Vec::new();
        };
        for ((topic, partition, _), reset) in &looked {
            if let Some(offset) = reset.and_then(|why| self.begins_at(why)) {
                let _ = partitions.set_partition_offset(topic, *partition, offset);
            }
        }
        looked
            .into_iter()
            .map(|((topic, partition, mark), reset)| Beginning { topic, partition, mark, reset })
            .collect()
    }

    /// Where a partition begins whose log is another. `None` where settings leave that to a person.
    fn begins_at(&self, why: LogReset) -> Option<Offset> {
        match (self.config.consumer.kafka_consumer_auto_offset_reset, why) {
            (OffsetReset::Error, _) => None,
            // Whoever begins with what comes from now on has begun already: what is left is handled.
            (OffsetReset::Earliest, _) | (OffsetReset::Latest, LogReset::Trimmed) => Some(Offset::Beginning),
            (OffsetReset::Latest, _) => Some(Offset::End),
        }
    }

    /// Pauses a partition of which clients do not get past a record. What stands before that was taken already.
    fn is_stuck(&self, consumer: &BaseConsumer<Self>, topic: u16, partition: i32) -> bool {
        let Some(place) = self.engine.rebuild.stuck_in("panicked", topic, partition) else { return false };
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topics[usize::from(topic)].0, partition);
        let _ = consumer.pause(&list);
        self.engine.letters.status.halts(place.stuck(&self.topics[usize::from(topic)].0));
        true
    }

    /// Pauses a partition for which settings say that a person decides where it begins.
    fn is_to_halt(&self, consumer: &BaseConsumer<Self>, topic: &str, partition: i32, why: LogReset) -> bool {
        if self.begins_at(why).is_some() {
            return false;
        }
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, partition);
        let _ = consumer.pause(&list);
        self.engine.letters.status.halts(format!(
            "takes nothing of {topic}[{partition}]: {}; KAFKA_CONSUMER_AUTO_OFFSET_RESET=error leaves it to a person: set the \
             group's offset and restart",
            why.describe()
        ));
        true
    }

    fn log_check(&self) -> Result<LogCheck, KafkaError> {
        LogCheck::new(&self.config, &self.engine.letters.service, &self.engine.letters.group)
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
                match beginning.reset {
                    Some(why) => {
                        is_halted |= self.is_to_halt(consumer, element.topic(), partition, why);
                        resets.push(Notice::LogReset(id, why));
                    }
                    None => assigned.progress.set_mark(Some(beginning.mark)),
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
            });
        }
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
            match self.begins_at(why) {
                Some(offset) => {
                    if let Err(error) = consumer.seek(name, partition, offset, SEEK) {
                        // The next look finds it again.
                        tracing::warn!(%error, topic = name, partition, "going back to the beginning failed");
                        continue;
                    }
                }
                None => slot.is_halted = self.is_to_halt(consumer, name, partition, why),
            }
            (slot.expected, slot.latest) = (0, Latest::default());
            let _ = self.notices.send(Notice::LogReset(id, why));
        }
    }
}

/// Where a partition begins that comes to this worker.
struct Beginning {
    topic: String,
    partition: i32,
    mark: LogMark,
    reset: Option<LogReset>,
}

impl ClientContext for Intake {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.client.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.board.suspect();
        self.client.error(error, reason);
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
                let beginnings = self.beginnings(partitions);
                consumer.incremental_assign(partitions).inspect(|()| {
                    // The client remembers that a partition was paused when it was given away.
                    let _ = consumer.resume(partitions);
                    self.assign(consumer, partitions, &beginnings);
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
