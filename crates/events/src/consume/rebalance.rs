//! Who owns which partition, from the poll thread's side. What is assigned gets an id that is never used again, so that
//! whatever belongs to an earlier assignment of the same partition cannot be taken for the present one.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{SyncSender, sync_channel},
    },
    time::Duration,
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
    consumer::ConsumerStatus,
    dispatch::Event,
    record::{Load, Record},
};
use crate::{contract::topics::TopicSpec, kafka::client::Client};

/// One assignment of one partition to this worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct AssignmentId(u64);

/// An assigned partition as the dispatcher learns of it.
#[derive(Debug, Clone)]
pub(super) struct Assigned {
    pub(super) id: AssignmentId,
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
}

/// Up to where a partition is done: the next offset to be handled.
#[derive(Debug, Clone)]
pub(super) struct Frontier {
    pub(super) of: Assigned,
    pub(super) next: i64,
}

#[derive(Debug)]
struct Slot {
    assigned: Assigned,
    spec: &'static TopicSpec,
    load: Arc<Load>,
    paused: bool,
    /// Records below it were seen: pausing and resuming can deliver some again.
    expected: i64,
}

/// More than this of one partition in flight pauses it, less than half resumes it. The count lets a thousand keys of one
/// partition run at once; the bytes bound memory.
const MOST_RECORDS: usize = 5_000;
const MOST_BYTES: usize = 8 << 20;

/// The context of a consumer: its assignments.
pub(super) struct Assignments {
    client: Client,
    topics: Vec<(Arc<str>, &'static TopicSpec)>,
    events: UnboundedSender<Event>,
    status: ConsumerStatus,
    /// How long running handlers may finish before a partition is given away.
    drain: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    slots: Vec<Slot>,
    last_id: u64,
    /// Where the last record was found: records come in runs.
    hint: usize,
}

impl Assignments {
    pub(super) fn new(
        topics: Vec<(Arc<str>, &'static TopicSpec)>,
        events: UnboundedSender<Event>,
        status: ConsumerStatus,
        drain: Duration,
    ) -> Self {
        Self { client: Client::default(), topics, events, status, drain, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies a record for the dispatcher; `None` for one that is not ours any more or was taken before.
    pub(super) fn take(&self, message: &BorrowedMessage<'_>) -> Option<(AssignmentId, Record)> {
        use rdkafka::Message as _;
        let mut state = self.state();
        let is_it =
            |slot: &Slot| slot.assigned.partition == message.partition() && *slot.assigned.topic == *message.topic();
        if !state.slots.get(state.hint).is_some_and(is_it) {
            state.hint = state.slots.iter().position(is_it)?;
        }
        let hint = state.hint;
        let slot = &mut state.slots[hint];
        if message.offset() < slot.expected {
            return None;
        }
        slot.expected = message.offset() + 1;
        Some((slot.assigned.id, Record::copy(message, &slot.assigned.topic, slot.spec, &slot.load)))
    }

    /// Pauses what has too much in flight and resumes what has not. Returns whether anything is paused.
    pub(super) fn balance(&self, consumer: &BaseConsumer<Self>) -> bool {
        let mut state = self.state();
        let (mut pause, mut resume) = (TopicPartitionList::new(), TopicPartitionList::new());
        for slot in &mut state.slots {
            let (records, bytes) = (slot.load.records(), slot.load.bytes());
            if !slot.paused && (records > MOST_RECORDS || bytes > MOST_BYTES) {
                slot.paused = true;
                pause.add_partition(&slot.assigned.topic, slot.assigned.partition);
            } else if slot.paused && records < MOST_RECORDS / 2 && bytes < MOST_BYTES / 2 {
                slot.paused = false;
                resume.add_partition(&slot.assigned.topic, slot.assigned.partition);
            }
        }
        for (list, outcome) in [(&pause, consumer.pause(&pause)), (&resume, consumer.resume(&resume))] {
            if list.count() > 0
                && let Err(error) = outcome
            {
                tracing::warn!(%error, "pausing or resuming partitions failed");
            }
        }
        state.slots.iter().any(|slot| slot.paused)
    }

    /// Of these frontiers, those whose assignment is the present one.
    pub(super) fn current(&self, frontiers: &[Frontier]) -> TopicPartitionList {
        let state = self.state();
        let mut list = TopicPartitionList::new();
        for frontier in frontiers {
            if state.slots.iter().any(|slot| slot.assigned.id == frontier.of.id) {
                add(&mut list, frontier);
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
                partitions
                    .is_none_or(|list| list.find_partition(&slot.assigned.topic, slot.assigned.partition).is_some())
            };
            let (gone, stay): (Vec<_>, Vec<_>) = std::mem::take(&mut state.slots).into_iter().partition(leaves);
            state.slots = stay;
            self.status.assigned(state.slots.len());
            gone
        };
        if gone.is_empty() {
            return;
        }
        let (reply, answer) = sync_channel(1);
        let ids = gone.iter().map(|slot| slot.assigned.id).collect();
        if self.events.send(Event::Revoked { ids, drain: self.drain, reply }).is_err() {
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
        frontiers.iter().for_each(|frontier| add(&mut list, frontier));
        if list.count() > 0
            && let Err(error) = consumer.commit(&list, CommitMode::Sync)
        {
            tracing::warn!(%error, "the last offsets of given away partitions were not committed; their records come again");
        }
    }

    fn assign(&self, partitions: &TopicPartitionList) {
        let mut state = self.state();
        let mut news = Vec::new();
        for element in partitions.elements() {
            let Some((topic, spec)) = self.topics.iter().find(|(name, _)| **name == *element.topic()) else {
                continue;
            };
            state.last_id += 1;
            let id = AssignmentId(state.last_id);
            let assigned = Assigned { id, topic: Arc::clone(topic), partition: element.partition() };
            news.push(assigned.clone());
            state.slots.push(Slot { assigned, spec, load: Arc::default(), paused: false, expected: 0 });
        }
        self.status.assigned(state.slots.len());
        // The dispatcher ends after this thread; without it there is nobody to tell.
        let _ = self.events.send(Event::Assigned(news));
    }
}

/// The reply of the dispatcher to a revocation.
pub(super) type Booked = SyncSender<Vec<Frontier>>;

fn add(list: &mut TopicPartitionList, frontier: &Frontier) {
    // Cannot fail for an offset that is a number.
    let _ = list.add_partition_offset(&frontier.of.topic, frontier.of.partition, Offset::Offset(frontier.next));
}

impl ClientContext for Assignments {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.client.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.client.error(error, reason);
    }
}

impl ConsumerContext for Assignments {
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
