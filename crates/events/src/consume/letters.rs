//! Giving up, in one place: the dead letter of a record, the receipt of a replay that failed, and what both are counted as.
//!
//! A record counts as done only once Kafka has acknowledged its letter, however long that takes: its key waits meanwhile, and
//! the letter is tried again without another call of the handler. Where Kafka refuses it for its size, the bytes are kept
//! in the database and the letter points to them. What a reader of the dead letters' topic gives up is parked in the database
//! and never written back.

use std::{error::Error, sync::Arc, time::Duration};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{
    dead_letter::{self, KeptIn, Letter, Pointer, Reporter},
    failure::Failure,
    figures,
    letter_store::LetterStore,
    outcome::{Outcome, Verdict},
    partition::LogReset,
    receipt::{self, Receipt},
    record::{Record, Subscribed},
    status::ConsumerStatus,
    work::{GivenUp, Work},
};
use crate::{
    contract::{
        codec::{self, DecodeError, Opened},
        event::{Event, NewEvent},
        replay::{Carrier, NotAReplay, Replay, ReplayKey},
    },
    flow::error::{Category, HandlerError, chain},
    kafka::producer::{Producer, SendError},
    sabotage::{self, Sabotage},
};

/// A letter that was refused is tried again after this time, which doubles with each refusal.
const AGAIN: Duration = Duration::from_millis(500);
/// No wait is longer.
const LONGEST: Duration = Duration::from_secs(30);
/// What is parked is looked at this often: a person may have seen to it.
const LOOK: Duration = Duration::from_secs(10);

/// A handler as its letters name it.
pub(super) struct Named {
    pub(super) name: &'static str,
    /// No other handler of the consumer wants such events.
    pub(super) is_alone: bool,
}

/// Where a consumer's dead letters, receipts and alerts go.
pub(super) struct Letters {
    pub(super) producer: Producer,
    /// The dead letters' topic as it is called in Kafka.
    pub(super) queue: String,
    pub(super) topics: Arc<[Subscribed]>,
    /// What the handlers are called, the one that takes batches included.
    pub(super) handlers: Vec<Named>,
    pub(super) group: String,
    pub(super) service: String,
    /// Where it is set, what is not signed with it is no replay.
    pub(super) replay_key: Option<ReplayKey>,
    pub(super) status: ConsumerStatus,
    /// Where the service has a database.
    pub(super) store: Option<LetterStore>,
}

type Refusal = Box<dyn Error + Send + Sync>;

impl Letters {
    /// Empty where no handler got that far.
    pub(super) fn name_of(&self, handler: Option<usize>) -> &'static str {
        handler.and_then(|index| self.handlers.get(index)).map_or("", |handler| handler.name)
    }

    /// The replay that a record is, for whichever group.
    pub(super) fn replay_of(&self, record: &Record) -> Result<Option<Replay>, NotAReplay> {
        let Some(headers) = record.address() else { return Ok(None) };
        let topic = &self.topics[usize::from(record.topic)].name;
        let carrier = Carrier { topic, key: record.key(), value: record.payload() };
        Replay::read(headers, &carrier, self.replay_key.as_ref())
    }

    /// Has its counters told from the start: an alert on the first needs the 0 before it.
    pub(super) fn tell_from_the_start(&self) {
        figures::tell_letters("");
        for topic in &*self.topics {
            NotAReplay::ALL.iter().for_each(|reason| count_ignored(topic.spec.name, reason.as_str(), 0));
            LogReset::ALL.iter().for_each(|why| figures::count_reset(&self.group, topic.spec.name, *why, 0));
        }
    }

    /// Tells that the headers of a replay that this record has are ignored.
    pub(super) fn ignored(&self, record: &Record, why: NotAReplay) {
        let (topic, reason) = (&self.topics[usize::from(record.topic)], why.as_str());
        count_ignored(topic.spec.name, reason, 1);
        let (partition, offset) = (record.partition, record.offset);
        tracing::debug!(topic = topic.name, partition, offset, reason, "the headers of a replay are ignored: {why}");
    }

    pub(super) fn open<'r>(&self, record: &'r Record, replay: Option<&Replay>) -> Result<Opened<'r>, DecodeError> {
        if record.has_unreadable_headers() {
            return Err(DecodeError::UnreadableHeaders);
        }
        let topic = &self.topics[usize::from(record.topic)];
        codec::open(topic.spec, record.origin(topic, replay), record.payload().unwrap_or_default())
    }

    /// Keeps the record as a dead letter. `by` is the handler that gave it up; none got that far with what cannot be opened.
    pub(super) async fn give_up(&self, work: &Work, by: Option<usize>, failure: &Failure) -> Verdict {
        let handler = self.name_of(by);
        let record = &work.record;
        let is_alone = by.and_then(|index| self.handlers.get(index)).is_some_and(|handler| handler.is_alone);
        let reporter = Reporter { group: &self.group, handler, is_alone, service: &self.service };
        let topic = &self.topics[usize::from(record.topic)];
        let replay = self.replay_of(record).unwrap_or_default();
        let opened = self.open(record, replay.as_ref()).ok();
        let before = work.tries.as_ref().and_then(|tries| tries.given_up.as_ref()).map_or(0, |letter| letter.refusals);
        if before == 0 {
            tracing::warn!(
                handler,
                topic = topic.name,
                partition = record.partition,
                offset = record.offset,
                event_id = opened.as_ref().map(|event| event.event_id.to_string()),
                category = %failure.category,
                code = failure.code,
                attempts = failure.attempts,
                "given up: {}",
                failure.chain
            );
        }
        let kept = if topic.name == self.queue {
            self.park(record, topic, &reporter, failure).await
        } else {
            let letter =
                dead_letter::write(self.queue.clone(), record, topic, &opened, replay.as_ref(), &reporter, failure);
            self.send(letter, record, topic, before > 0).await
        };
        if let Err(error) = kept {
            tracing::error!(
                error = chain(&*error),
                "the dead letter could not be written; its offset stays where it is"
            );
            self.status.letter_refused(record.place());
            metrics::counter!("dead_letter_failures_total", "group" => self.group.clone()).increment(1);
            if !sabotage::is(Sabotage::FireAndForgetDeadLetter) {
                let mut tries = work.tries.clone().unwrap_or_default();
                let refusals = before + 1;
                tries.given_up = Some(GivenUp { by, failure: failure.clone(), refusals });
                return Verdict::Later(AGAIN.saturating_mul(1 << refusals.min(6)).min(LONGEST), tries);
            }
        } else {
            self.status.letter_taken(record.place());
        }
        metrics::counter!("dead_letters_total", "handler" => handler, "category" => failure.category.as_str())
            .increment(1);
        if let Some(replay) = replay {
            let message = failure.message.clone();
            self.send_receipt(receipt::of_failure(&replay, handler, failure.category, message)).await;
        }
        Verdict::Done(Outcome::GivenUp { handler, code: failure.code })
    }

    /// Answers a replay for this group that none of its handlers takes.
    pub(super) async fn nobody_takes(&self, replay: &Replay) {
        let handler = replay.handler.as_deref().unwrap_or_default();
        let message = format!("no handler of {} takes this record", self.group);
        self.send_receipt(receipt::of_failure(replay, handler, Category::Processing, message)).await;
    }

    /// Whole where Kafka takes it so, else as a pointer. `is_repeat` when that was tried before.
    async fn send(&self, letter: Letter, record: &Record, topic: &Subscribed, is_repeat: bool) -> Result<(), Refusal> {
        let whole = match letter.is_readable() {
            true => self.producer.send(&letter.record).await.map_err(|error| (error.is_too_large(), error.into())),
            false => Err((true, Refusal::from("it would have too many headers"))),
        };
        let Letter { id, record: letter } = letter;
        let too_large = match whole {
            Ok(()) => {
                if let Some(store) = self.store.as_ref().filter(|_| is_repeat)
                    && let Err(error) = store.forget_bytes(&id, record).await
                {
                    tracing::warn!(error = chain(&error), dlq_id = id, "bytes that the letter has are kept twice");
                }
                return Ok(());
            }
            Err((true, error)) => error,
            Err((false, error)) => return Err(error),
        };
        let pointer = Pointer::of(letter).ok_or(too_large)?;
        let kept_in = match &self.store {
            None => KeptIn::Log,
            Some(store) => match store.keep_bytes(&id, record).await {
                Ok(()) => KeptIn::Database,
                // It will never take them; whoever waited for it would wait for ever.
                Err(error @ HandlerError::Reject { .. }) => {
                    tracing::error!(
                        error = chain(&error),
                        dlq_id = id,
                        "the database refuses the bytes of a dead letter"
                    );
                    KeptIn::Log
                }
                Err(error) => return Err(error.into()),
            },
        };
        tracing::warn!(
            dlq_id = id,
            bytes = record.size(),
            ?kept_in,
            "the dead letters' topic does not take the whole record; the letter says where it is"
        );
        Ok(self.producer.send(&pointer.to(kept_in, record, topic)).await?)
    }

    async fn park(
        &self,
        record: &Record,
        topic: &Subscribed,
        by: &Reporter<'_>,
        failure: &Failure,
    ) -> Result<(), Refusal> {
        let store = self.store.as_ref().ok_or("there is no database to park it in")?;
        store.park(record, topic, by, failure).await?;
        self.look_at_parked(store).await;
        Ok(())
    }

    /// Tells of what is parked until the shutdown, where this consumer reads the dead letters' topic.
    pub(super) async fn watch_parked(self: Arc<Self>, shutdown: CancellationToken) {
        let Some(store) = &self.store else { return };
        if self.topics.iter().all(|topic| topic.name != self.queue) {
            return;
        }
        while !shutdown.is_cancelled() {
            self.look_at_parked(store).await;
            let _ = timeout(LOOK, shutdown.cancelled()).await;
        }
    }

    async fn look_at_parked(&self, store: &LetterStore) {
        match store.parked(&self.group).await {
            Ok(count) => {
                self.status.parked(count);
                metrics::gauge!("dead_letters_parked", "group" => self.group.clone()).set(count as f64);
            }
            Err(error) => tracing::debug!(error = chain(&error), "the parked dead letters were not counted"),
        }
    }

    /// Of an effect without a transaction, and of a failure. A receipt that is lost leaves its replay without an outcome,
    /// which is shown as such; the effect stands either way.
    pub(super) async fn send_receipt(&self, receipt: Receipt) {
        if let Err(error) = self.publish(receipt).await {
            tracing::warn!(error = chain(&error), "the receipt of a replay could not be written");
        }
    }

    /// Publishes an event beside the records: a receipt, an alert.
    pub(super) async fn publish<E: Event>(&self, event: NewEvent<E>) -> Result<(), SendError> {
        self.producer.publish(event).await
    }
}

fn count_ignored(topic: &'static str, reason: &'static str, times: u64) {
    metrics::counter!("replay_headers_ignored_total", "topic" => topic, "reason" => reason).increment(times);
}
