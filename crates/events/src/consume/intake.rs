//! Taking records, from the poll thread's side: which partitions are ours, what of them was taken before, how much is in flight,
//! and how they are given away.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering, mpsc::sync_channel},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance},
    error::KafkaError,
    message::BorrowedMessage,
};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    figures::Count,
    notice::Notice,
    partition::{Assigned, AssignmentId, Board, Frontier},
    record::{Block, Record, Subscribed},
    status::ConsumerStatus,
};
use crate::kafka::client::Client;

#[derive(Debug)]
struct Slot {
    assigned: Assigned,
    /// Records and bytes taken since the assignment began.
    taken: (usize, usize),
    consumed: Count,
    /// Since when it has too much in flight.
    full_since: Option<Instant>,
    paused: bool,
    /// Records below it were seen: pausing and resuming can deliver some again.
    expected: i64,
}

/// More than this of one partition in flight pauses it, less than half resumes it. The count lets a thousand keys of one
/// partition run at once; the bytes bound memory.
const MOST_RECORDS: usize = 5_000;
const MOST_BYTES: usize = 8 << 20;
/// A full partition is not polled past for this long before it is paused: pausing throws away what the client has fetched of
/// it, and a partition that is full only because its worker is quick is below half within milliseconds.
const PATIENCE: Duration = Duration::from_millis(50);

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
    /// Names in Kafka, and what counts the records of each.
    topics: Vec<(String, metrics::Counter)>,
    events: UnboundedSender<Notice>,
    status: ConsumerStatus,
    board: Board,
    /// How long running handlers may finish before a partition is given away.
    drain: Duration,
    /// More uncommitted records of one partition pause it, less than half resume it.
    most_uncommitted: usize,
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
        group: &str,
        topics: &[Subscribed],
        events: UnboundedSender<Notice>,
        status: ConsumerStatus,
        board: Board,
        drain: Duration,
        most_uncommitted: usize,
    ) -> Self {
        let consumed = |topic: &Subscribed| {
            let labels = [("group", group.to_owned()), ("topic", topic.spec.name.to_owned())];
            metrics::counter!("kafka_consumer_messages_consumed_total", &labels)
        };
        let topics = topics.iter().map(|topic| (topic.name.clone(), consumed(topic))).collect();
        Self {
            client: Client::default(),
            topics,
            events,
            status,
            board,
            drain,
            most_uncommitted,
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
        use rdkafka::Message as _;
        let mut state = self.state();
        let is_it = |slot: &Slot| {
            slot.assigned.partition == message.partition() && self.name(&slot.assigned) == message.topic()
        };
        if !state.slots.get(state.hint).is_some_and(is_it) {
            state.hint = state.slots.iter().position(is_it)?;
        }
        let hint = state.hint;
        let slot = &mut state.slots[hint];
        if message.offset() < slot.expected {
            return None;
        }
        slot.expected = message.offset() + 1;
        let record = Record::copy(message, slot.assigned.topic, block);
        slot.taken.0 += 1;
        slot.taken.1 += record.size();
        slot.consumed.untold += 1;
        Some((slot.assigned.id, record))
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
            let uncommitted = progress.uncommitted.load(Ordering::Relaxed);
            let name = &self.topics[usize::from(slot.assigned.topic)].0;
            if slot.paused {
                let is_low = records < MOST_RECORDS / 2 && bytes < MOST_BYTES / 2;
                if is_low && uncommitted < self.most_uncommitted.div_ceil(2) {
                    slot.paused = false;
                    resume.add_partition(name, slot.assigned.partition);
                }
            } else if records <= MOST_RECORDS && bytes <= MOST_BYTES && uncommitted <= self.most_uncommitted {
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
        if self.events.send(Notice::Revoked { ids, drain: self.drain, reply }).is_err() {
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
        // Cannot fail for an offset that is a number.
        let offset = Offset::Offset(frontier.next);
        let _ = list.add_partition_offset(self.name(&frontier.of), frontier.of.partition, offset);
    }

    fn tell(&self, state: &State) {
        self.status.assigned(state.slots.len());
        self.board.show(state.slots.iter().map(|slot| slot.assigned.clone()).collect());
    }

    fn assign(&self, partitions: &TopicPartitionList) {
        let mut state = self.state();
        let mut news = Vec::new();
        for element in partitions.elements() {
            let Some(topic) = self.topics.iter().position(|(name, _)| *name == *element.topic()) else {
                continue;
            };
            let id = self.board.next_id();
            let consumed = Count::of(self.topics[topic].1.clone());
            let (topic, partition) = (topic as u16, element.partition());
            let assigned = Assigned { id, topic, partition, progress: Arc::default() };
            news.push(assigned.clone());
            state.slots.push(Slot { assigned, taken: (0, 0), consumed, full_since: None, paused: false, expected: 0 });
        }
        self.tell(&state);
        // The dispatcher ends after this thread; without it there is nobody to tell.
        let _ = self.events.send(Notice::Assigned(news));
    }
}

impl ClientContext for Intake {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.client.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.client.error(error, reason);
    }
}

impl ConsumerContext for Intake {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            tracing::debug!(count = partitions.count(), "partitions revoked");
            self.release(consumer, Some(partitions));
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                tracing::debug!(count = partitions.count(), "partitions assigned");
                self.assign(partitions);
            }
            Rebalance::Revoke(_) => {}
            Rebalance::Error(error) => tracing::warn!(%error, "rebalancing failed"),
        }
    }
}
