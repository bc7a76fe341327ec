//! Giving up, in one place: the dead letter of a record, the receipt of a replay that failed, and what both are counted as.
//!
//! A record counts as done only once Kafka has acknowledged its letter, however long that takes: its key waits meanwhile, and
//! the letter is tried again without another call of the handler.

use std::{sync::Arc, time::Duration};

use super::{
    dead_letter::{self, Reporter},
    failure::Failure,
    outcome::{Outcome, Verdict},
    receipt::{Receipt, Replay},
    record::{Record, Subscribed},
    status::ConsumerStatus,
    work::{GivenUp, Work},
};
use crate::{
    contract::{
        codec::{self, DecodeError, Opened},
        event::{Event, NewEvent},
    },
    flow::error::chain,
    kafka::producer::{Producer, SendError},
    sabotage::{self, Sabotage},
};

/// A letter that was refused is tried again after this time, which doubles with each refusal.
const AGAIN: Duration = Duration::from_millis(500);
/// No wait is longer.
const LONGEST: Duration = Duration::from_secs(30);

/// Where a consumer's dead letters, receipts and alerts go.
pub(super) struct Letters {
    pub(super) producer: Producer,
    /// The dead letters' topic as it is called in Kafka.
    pub(super) queue: String,
    pub(super) topics: Arc<[Subscribed]>,
    /// What the handlers are called, the one that takes batches included.
    pub(super) handlers: Vec<&'static str>,
    pub(super) group: String,
    pub(super) service: String,
    pub(super) status: ConsumerStatus,
}

impl Letters {
    /// Empty where no handler got that far.
    pub(super) fn name_of(&self, handler: Option<usize>) -> &'static str {
        handler.and_then(|index| self.handlers.get(index).copied()).unwrap_or_default()
    }

    pub(super) fn open<'r>(&self, record: &'r Record) -> Result<Opened<'r>, DecodeError> {
        if record.has_unreadable_headers() {
            return Err(DecodeError::UnreadableHeaders);
        }
        let topic = &self.topics[usize::from(record.topic)];
        codec::open(topic.spec, record.coordinates(topic), record.payload().unwrap_or_default())
    }

    /// Keeps the record as a dead letter. `by` is the handler that gave it up; none got that far with what cannot be opened.
    pub(super) async fn give_up(&self, work: &Work, by: Option<usize>, failure: &Failure) -> Verdict {
        let handler = self.name_of(by);
        let record = &work.record;
        let reporter = Reporter { group: &self.group, handler, service: &self.service };
        let topic = &self.topics[usize::from(record.topic)];
        let opened = self.open(record).ok();
        let letter = dead_letter::write(self.queue.clone(), record, topic, &opened, &reporter, failure);
        let before = work.tries.as_ref().and_then(|tries| tries.given_up.as_ref()).map_or(0, |letter| letter.refusals);
        if before == 0 {
            tracing::warn!(
                handler,
                topic = topic.name,
                partition = record.partition,
                offset = record.offset,
                event_id = opened.map(|event| event.event_id.to_string()),
                category = %failure.category,
                code = failure.code,
                attempts = failure.attempts,
                "given up: {}",
                failure.chain
            );
        }
        if let Err(error) = self.producer.send(&letter).await {
            tracing::error!(
                error = chain(&error),
                "the dead letter could not be written; its offset stays where it is"
            );
            self.status.dead_letters_refused(true);
            metrics::counter!("dead_letter_failures_total", "group" => self.group.clone()).increment(1);
            if !sabotage::is(Sabotage::FireAndForgetDeadLetter) {
                let mut tries = work.tries.clone().unwrap_or_default();
                let refusals = before + 1;
                tries.given_up = Some(GivenUp { by, failure: failure.clone(), refusals });
                return Verdict::Later(AGAIN.saturating_mul(1 << refusals.min(6)).min(LONGEST), tries);
            }
        } else {
            self.status.dead_letters_refused(false);
        }
        metrics::counter!("dead_letters_total", "handler" => handler, "category" => failure.category.as_str())
            .increment(1);
        if let Some(replay) = Replay::of(record, &self.group) {
            self.send_receipt(replay.failure(handler, failure.category, failure.message.clone())).await;
        }
        Verdict::Done(Outcome::GivenUp { handler, code: failure.code })
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
