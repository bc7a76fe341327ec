//! One record: every handler that wants it, each tried, waited for and given up by its policy.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use chrono::Utc;
use futures::FutureExt;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    consumer::ConsumerStatus,
    dead_letter::{self, Failure, Reporter},
    handler::{Job, Outcome, Registered},
    record::Record,
};
use crate::{
    contract::{
        codec::{self, Opened},
        headers,
        topics::{DEAD_LETTER_QUEUE, TopicNames},
    },
    flow::{
        error::{Category, HandlerError, chain},
        retry::{Decision, RetryPolicy},
    },
    kafka::producer::Producer,
    publish::Outbox,
};

/// What every record of a consumer is handled with.
pub(super) struct Engine {
    pub(super) group: String,
    pub(super) service: String,
    pub(super) handlers: Vec<Arc<dyn Registered>>,
    pub(super) outbox: Outbox,
    pub(super) dead_letters: Producer,
    pub(super) names: TopicNames,
    pub(super) retry: RetryPolicy,
    pub(super) attempt_limit: Duration,
    pub(super) status: ConsumerStatus,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Applied, skipped, or kept as a dead letter: it is behind us.
    Done,
    /// Its partition goes to another worker: it will be delivered again there.
    Abandoned,
}

/// Told when a record begins and ends to wait, so that it does not count while it waits.
pub(super) trait Place: Sync {
    fn leave(&self);
    fn take_again(&self);
}

impl Engine {
    /// Does all that is to be done with one record. `revoked` ends the waiting for a retry, not an attempt under way.
    pub(super) async fn handle(&self, record: &Record, place: &impl Place, revoked: &CancellationToken) -> Verdict {
        // Before decoding: a replay for another group may be in a form that only that group reads.
        if record.headers.text(headers::TARGET_GROUP).is_some_and(|group| group != self.group) {
            count(record, "skipped");
            return Verdict::Done;
        }
        let opened = match codec::open(record.spec, record.coordinates(), record.payload().unwrap_or_default()) {
            Ok(opened) => opened,
            Err(error) => {
                return self.give_up(record, None, "", Failure::of_decoding(&error), revoked).await;
            }
        };
        let wanted = self
            .handlers
            .iter()
            .filter(|handler| handler.event_type() == opened.event_type && handler.topic() == record.spec);
        let mut handled = false;
        for handler in wanted {
            handled = true;
            let verdict = match handler.read(&opened, record) {
                Ok(job) => self.work(record, &opened, handler.name(), &*job, place, revoked).await,
                Err(error) => {
                    self.give_up(record, Some(&opened), handler.name(), Failure::of_decoding(&error), revoked).await
                }
            };
            if verdict == Verdict::Abandoned {
                return verdict;
            }
        }
        if !handled {
            count(record, "skipped");
        }
        Verdict::Done
    }

    async fn work(
        &self,
        record: &Record,
        opened: &Opened<'_>,
        handler: &'static str,
        job: &dyn Job,
        place: &impl Place,
        revoked: &CancellationToken,
    ) -> Verdict {
        let mut first_failure = None;
        let mut attempts = 0;
        loop {
            let began = Instant::now();
            let outcome = self.attempt(job).await;
            metrics::histogram!("kafka_consumer_processing_duration_seconds", "handler" => handler)
                .record(began.elapsed().as_secs_f64());
            let error = match outcome {
                Ok(Outcome::Applied) => {
                    count(record, "applied");
                    return Verdict::Done;
                }
                Ok(Outcome::Duplicate) => {
                    metrics::counter!("inbox_duplicates_total", "handler" => handler).increment(1);
                    count(record, "duplicate");
                    return Verdict::Done;
                }
                Err(error) => error,
            };
            let (since, first_failed_at) = *first_failure.get_or_insert_with(|| (Instant::now(), Utc::now()));
            // An outage is not this record's fault, so its attempts are not counted.
            if error.category() != Category::Dependency {
                attempts += 1;
            }
            let decision = match &error {
                HandlerError::Reject { .. } => Decision::GiveUp,
                HandlerError::Retry { category, .. } => {
                    self.retry.decide(*category, attempts.max(1), since.elapsed(), fastrand::f64())
                }
            };
            metrics::counter!("handler_failures_total", "handler" => handler, "category" => error.category().as_str())
                .increment(1);
            match decision {
                Decision::GiveUp => {
                    let failure = Failure::of_handler(&error, attempts.max(1), first_failed_at);
                    return self.give_up(record, Some(opened), handler, failure, revoked).await;
                }
                Decision::After(delay) => {
                    tracing::debug!(handler, event_id = %opened.event_id, ?delay, category = %error.category(), "will be tried again");
                    place.leave();
                    let waited = timeout(delay, revoked.cancelled()).await;
                    place.take_again();
                    if waited.is_ok() {
                        return Verdict::Abandoned;
                    }
                }
            }
        }
    }

    /// The wrappers around a handler, from the inside out: the panic is caught first, so that it cannot take the limit's
    /// timer with it; the limit covers all that the handler does, its transaction included, which a cut-off rolls back.
    async fn attempt(&self, job: &dyn Job) -> Result<Outcome, HandlerError> {
        let caught = AssertUnwindSafe(job.attempt(&self.outbox)).catch_unwind();
        match timeout(self.attempt_limit, caught).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(HandlerError::retry("the handler panicked")),
            Err(_) => Err(HandlerError::timeout(format!("the handler ran longer than {:?}", self.attempt_limit))),
        }
    }

    /// Keeps the record as a dead letter. Until that is acknowledged the record is not behind us, however long it takes.
    async fn give_up(
        &self,
        record: &Record,
        event: Option<&Opened<'_>>,
        handler: &str,
        failure: Failure,
        revoked: &CancellationToken,
    ) -> Verdict {
        let by = Reporter { group: &self.group, handler, service: &self.service };
        let letter = dead_letter::write(self.names.in_kafka(&DEAD_LETTER_QUEUE), record, event, &by, &failure);
        tracing::warn!(
            handler,
            topic = &*record.topic,
            partition = record.partition,
            offset = record.offset,
            event_id = event.map(|event| event.event_id.to_string()),
            category = %failure.category,
            code = failure.code,
            attempts = failure.attempts,
            "given up: {}",
            failure.chain
        );
        let mut pause = Duration::from_millis(500);
        while let Err(error) = self.dead_letters.send(&letter).await {
            tracing::error!(
                error = chain(&error),
                "the dead letter could not be written; its offset stays where it is"
            );
            self.status.dead_letters_refused(true);
            metrics::counter!("dead_letter_failures_total").increment(1);
            if timeout(pause, revoked.cancelled()).await.is_ok() {
                return Verdict::Abandoned;
            }
            pause = (pause * 2).min(Duration::from_secs(30));
        }
        self.status.dead_letters_refused(false);
        metrics::counter!("dead_letters_total", "handler" => handler.to_owned(), "category" => failure.category.as_str())
            .increment(1);
        count(record, "dead_letter");
        Verdict::Done
    }
}

fn count(record: &Record, outcome: &'static str) {
    metrics::counter!("kafka_consumer_messages_processed_total", "topic" => record.spec.name, "outcome" => outcome)
        .increment(1);
}
