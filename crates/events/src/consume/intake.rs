//! Taking records, from the poll thread's side: which partitions are ours, what of them was taken before, how much is in flight,
//! and how they are given away.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message as _, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    message::BorrowedMessage,
};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    attempt::Engine,
    figures::Count,
    notice::Notice,
    partition::{Assigned, AssignmentId, Board, Frontier, LogReset},
    record::{Block, Place, Record, Subscribed},
};
use crate::{
    kafka::{client::Client, config::KafkaConfig},
    sabotage::{self, Sabotage},
};

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) assigned: Assigned,
    /// Records and bytes taken since the assignment began.
    pub(super) taken: (usize, usize),
    pub(super) consumed: Count,
    /// Since when it has too much in flight.
    pub(super) full_since: Option<Instant>,
    pub(super) paused: bool,
    /// Nothing more is taken of it until a person has acted.
    pub(super) is_halted: bool,
    /// Records below it were seen: pausing and resuming can deliver some again.
    pub(super) expected: i64,
    pub(super) latest: Latest,
    /// Since when its log is another of which nothing has come yet.
    pub(super) awaits_log: Option<Instant>,
}

/// Of the records that were taken last, which they were: offset and time, the oldest first. A record that comes below what is
/// expected is one of them, or stands in another log. What is delivered again are the few that the client had at hand.
#[derive(Debug, Default)]
pub(super) struct Latest(VecDeque<(i64, Option<i64>)>);

/// 4 KiB for each partition.
const LATEST: usize = 170;

impl Latest {
    fn add(&mut self, offset: i64, timestamp_ms: Option<i64>) {
        if self.0.len() == LATEST {
            self.0.pop_front();
        }
        self.0.push_back((offset, timestamp_ms));
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
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

/// Of another log something comes within milliseconds, where it holds anything. A client that met a later leader epoch in the log
/// before it keeps asking for that, is refused for ever and says nothing; a new one knows of none.
const DEAF: Duration = Duration::from_secs(5);

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
    pub(super) client: Client,
    pub(super) config: KafkaConfig,
    /// Names in Kafka, and what counts the records of each.
    pub(super) topics: Vec<(String, metrics::Counter)>,
    pub(super) notices: UnboundedSender<Notice>,
    pub(super) board: Board,
    commit_failures: metrics::Counter,
    /// How long running handlers may finish before a partition is given away.
    pub(super) drain: Duration,
    /// More uncommitted records of one partition pause it, less than half resume it.
    most_uncommitted: usize,
    pub(super) engine: Arc<Engine>,
    pub(super) state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) slots: Vec<Slot>,
    /// Where the last record was found: records come in runs.
    pub(super) hint: usize,
}

impl Intake {
    pub(super) fn new(
        config: &KafkaConfig,
        engine: Arc<Engine>,
        notices: UnboundedSender<Notice>,
        board: Board,
        drain: Duration,
        most_uncommitted: usize,
    ) -> Self {
        let consumed = |topic: &Subscribed| {
            let labels = [("group", engine.letters.group.clone()), ("topic", topic.spec.name.to_owned())];
            metrics::counter!("kafka_consumer_messages_consumed_total", &labels)
        };
        let commit_failures =
            metrics::counter!("kafka_consumer_commit_failures_total", "group" => engine.letters.group.clone());
        // An alert on the first needs the 0 before it.
        commit_failures.increment(0);
        Self {
            client: Client::default(),
            config: config.clone(),
            topics: engine.topics.iter().map(|topic| (topic.name.clone(), consumed(topic))).collect(),
            notices,
            board,
            commit_failures,
            drain,
            engine,
            most_uncommitted,
            state: Mutex::default(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn name(&self, assigned: &Assigned) -> &str {
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
        let offset = message.offset();
        if offset < slot.expected {
            let is_again = slot.latest.contains(offset, message.timestamp().to_millis());
            if is_again || sabotage::is(Sabotage::IgnoreShorterLog) {
                return None;
            }
            // The client went back by itself: it was told that its offset is not in the log.
            slot.latest.0.clear();
            self.board.suspect();
            let _ = self.notices.send(Notice::LogReset(slot.assigned.id, LogReset::Shorter));
        }
        let record = Record::copy(message, slot.assigned.topic, block);
        slot.awaits_log = None;
        slot.expected = offset + 1;
        if slot.latest.is_empty() {
            slot.assigned.progress.takes_first(offset, record.timestamp_ms);
        }
        slot.latest.add(offset, record.timestamp_ms);
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
            let uncommitted = progress.uncommitted.load(Ordering::Relaxed);
            let name = &self.topics[usize::from(slot.assigned.topic)].0;
            if slot.is_halted {
                continue;
            }
            // Of a paused partition nothing is to come. What waits of the log before stands in no log that another client could
            // have it from.
            if slot.paused || records > 0 || uncommitted > 0 {
                slot.awaits_log = slot.awaits_log.map(|_| Instant::now());
            } else if slot.awaits_log.take_if(|since| since.elapsed() >= DEAF).is_some() {
                self.engine.rebuild.ask("another_log", None);
            }
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

    pub(super) fn commit_failed(&self) {
        self.commit_failures.increment(1);
    }

    pub(super) fn add(&self, list: &mut TopicPartitionList, frontier: &Frontier) {
        frontier.mark.add_to(list, self.name(&frontier.of), frontier.of.partition);
    }

    pub(super) fn tell(&self, state: &State) {
        self.engine.letters.status.assigned(state.slots.len());
        self.board.show(state.slots.iter().map(|slot| slot.assigned.clone()).collect());
    }
}

impl ClientContext for Intake {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // rdkafka calls back for commits by the clock only (rust-rdkafka#856); of ours that failed there is this line.
        if facility == "COMMITFAIL" {
            self.commit_failed();
        }
        self.client.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.board.suspect();
        self.client.error(error, reason);
    }
}
