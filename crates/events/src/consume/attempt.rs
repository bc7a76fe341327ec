//! One record: every handler that wants it, each tried, made to wait and given up by its policy. What has to wait is handed
//! back, so that nothing is held meanwhile but its key.

use std::{mem, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use chrono::Utc;
use futures::FutureExt;
use tracing::{Instrument, Span};

use super::{
    content::{Content, Tombstone},
    dependency_breakers::Breakers,
    error_class::POSTGRES,
    failure::Failure,
    handler::{AttemptError, Placed},
    letters::Letters,
    monitoring::Monitoring,
    outcome::{Applied, Outcome, Verdict},
    rebuild::Rebuild,
    receipt,
    record::{Record, Subscribed},
    stopwatch::Stopwatch,
    work::{Tries, Work},
};
use crate::{
    contract::{codec::DecodeError, replay::Replay},
    flow::{
        error::HandlerError,
        retry::{Decision, RetryPolicy},
    },
    kafka::trace,
};

/// What every record of a consumer is handled with.
pub(super) struct Engine {
    pub(super) topics: Arc<[Subscribed]>,
    /// Empty where one handler takes batches.
    pub(super) handlers: Vec<Placed>,
    pub(super) letters: Arc<Letters>,
    pub(super) retry: RetryPolicy,
    pub(super) attempt_limit: Duration,
    pub(super) breakers: Breakers,
    pub(super) monitoring: Monitoring,
    pub(super) rebuild: Rebuild,
}

impl Engine {
    /// Does all that is to be done with one record now.
    pub(super) async fn handle(&self, work: &Work, stopwatch: &mut Stopwatch<'_>) -> Verdict {
        let record = &work.record;
        // Before decoding: a replay for another group may be in a form that only that group reads.
        let replay = self.letters.replay_of(record).unwrap_or_else(|why| {
            if work.tries.is_none() {
                self.letters.ignored(record, why);
            }
            None
        });
        if replay.as_ref().is_some_and(|replay| replay.group != self.letters.group) {
            return Verdict::Done(Outcome::OtherGroup);
        }
        let mut done = Outcome::Skipped;
        let mut begin = work.tries.as_ref().map_or(0, |tries| tries.handler);
        if let Some(letter) = work.tries.as_ref().and_then(|tries| tries.given_up.as_ref()) {
            stopwatch.pause();
            match (Box::pin(self.letters.give_up(work, letter.by, &letter.failure)).await, letter.by) {
                // The handlers behind the one that gave it up have not had it yet.
                (Verdict::Done(outcome), Some(index)) => (done, begin) = (outcome, index + 1),
                (verdict, _) => return verdict,
            }
        }
        let mut content = match self.read(record, replay.as_ref()) {
            Ok(content) => content,
            Err(error) => {
                let failure = Failure::of_decoding(&error);
                return Box::pin(self.letters.give_up(work, None, &failure)).await;
            }
        };
        let event_type = match &content {
            Content::Event(opened) => Some(opened.event_type.clone()),
            Content::Tombstone(_) => None,
        };
        let mut is_used = false;
        let only = replay.as_ref().and_then(|replay| replay.handler.as_deref());
        for (index, placed) in self.handlers.iter().enumerate().skip(begin) {
            let handler = &*placed.handler;
            let takes = match &event_type {
                Some(event_type) => handler.event_type() == event_type,
                None => handler.takes_tombstones(),
            };
            if placed.topic != record.topic || !takes || only.is_some_and(|name| name != handler.name()) {
                continue;
            }
            if let Some(dependency) = self.breakers.in_the_way_of(index) {
                return Verdict::Blocked(dependency, self.tries(work, index));
            }
            // A second handler of one event is rare; it opens the record anew.
            if mem::replace(&mut is_used, true) {
                let Ok(anew) = self.read(record, replay.as_ref()) else { continue };
                content = anew;
            }
            match self.attempt(index, placed, &mut content, work, replay.as_ref(), stopwatch).await {
                Verdict::Done(Outcome::Duplicate) if done != Outcome::Skipped => {}
                // A dead letter is what the record is counted as, whatever the other handlers did.
                Verdict::Done(_) if matches!(done, Outcome::GivenUp { .. }) => {}
                Verdict::Done(outcome) => done = outcome,
                other => return other,
            }
        }
        if done == Outcome::Skipped {
            done = Outcome::of_unwanted(record);
            if let Some(replay) = &replay {
                Box::pin(self.letters.nobody_takes(replay)).await;
            }
        }
        Verdict::Done(done)
    }

    fn read<'r>(&self, record: &'r Record, replay: Option<&Replay>) -> Result<Content<'r>, DecodeError> {
        let topic = &self.topics[usize::from(record.topic)];
        match record.payload() {
            None if !record.has_unreadable_headers() => Ok(Content::Tombstone(Tombstone::read(record, topic, replay))),
            _ => self.letters.open(record).map(Content::Event),
        }
    }

    /// The wrappers around a handler, from the inside out: the panic is caught first, so that it cannot take the limit's
    /// timer with it; the limit covers all that the handler does, its transaction included, which a cut-off rolls back;
    /// what comes of it is told to the breakers before anybody waits or gives up by it.
    async fn attempt(
        &self,
        index: usize,
        placed: &Placed,
        content: &mut Content<'_>,
        work: &Work,
        replay: Option<&Replay>,
        stopwatch: &mut Stopwatch<'_>,
    ) -> Verdict {
        let handler = &*placed.handler;
        let span = if trace::is_on() { self.span(handler.name(), &work.record) } else { Span::none() };
        let attempt = AssertUnwindSafe(handler.attempt(content, &work.record, replay)).catch_unwind();
        let (outcome, took) = stopwatch.time(index, self.attempt_limit, attempt).instrument(span.clone()).await;
        let outcome = match outcome {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(HandlerError::retry("the handler panicked").into()),
            Err(_) => {
                let limit = self.attempt_limit;
                Err(HandlerError::timeout(format!("the handler ran longer than {limit:?}")).into())
            }
        };
        let applied = match outcome {
            Ok(applied) => applied,
            Err(error) => {
                trace::failed(&span, error.category().as_str());
                drop(span);
                stopwatch.pause();
                return Box::pin(self.failed(index, error, work, took)).await;
            }
        };
        if applied == Applied::Before {
            placed.figures.duplicates.increment(1);
        }
        // A claim that is found was found in the database; what else the handler needs was not asked.
        self.breakers.ended(index, |dependency| applied == Applied::Now || dependency == POSTGRES);
        if let Some(replay) = replay.filter(|_| !handler.writes_receipts()) {
            stopwatch.pause();
            self.letters.send_receipt(receipt::of(replay, handler.name(), applied)).await;
        }
        Verdict::Done(applied.into())
    }

    /// One event is one piece of work, so its span is a child of the one that sent it, and linked with it as the
    /// conventions have it.
    fn span(&self, handler: &str, record: &Record) -> Span {
        let topic = self.topics[usize::from(record.topic)].spec.name;
        let span = trace::process(topic, &self.letters.group, handler, record.partition, record.offset);
        trace::set_parent(&span, &record.headers());
        trace::link(&span, &record.headers());
        span
    }

    pub(super) async fn failed(&self, index: usize, error: AttemptError, work: &Work, took: Duration) -> Verdict {
        let handler = self.letters.name_of(Some(index));
        let error = match error {
            AttemptError::Failed(error) => error,
            AttemptError::Unreadable(error) => {
                self.breakers.ended(index, |_| false);
                return self.letters.give_up(work, Some(index), &Failure::of_decoding(&error)).await;
            }
        };
        metrics::counter!("handler_failures_total", "handler" => handler, "category" => error.category().as_str())
            .increment(1);
        let mut tries = self.tries(work, index);
        let first_failed_at = *tries.first_failed_at.get_or_insert_with(Utc::now);
        let blamed = error.blames().map(|name| self.breakers.failed(index, name, &error));
        if blamed.is_none() {
            self.breakers.ended(index, |_| false);
        }
        // An outage is nobody's fault: a failure that blames a system counts only if that has answered others since the one
        // before, so that this record is what it fails at.
        let answers = blamed.as_ref().map(|blamed| blamed.answers);
        if answers.is_none() || tries.answers.is_some_and(|before| answers > Some(before)) {
            tries.attempts += 1;
            tries.spent += took;
        }
        tries.answers = answers;
        let decision = match &error {
            HandlerError::Reject { .. } => Decision::GiveUp,
            HandlerError::Retry { .. } => self.retry.decide(tries.attempts, tries.spent, fastrand::f64()),
        };
        if let (Decision::After(_), Some(dependency)) = (decision, blamed.and_then(|blamed| blamed.open)) {
            return Verdict::Blocked(dependency, tries);
        }
        match decision {
            Decision::After(delay) => {
                tries.spent += if tries.attempts > 0 { delay } else { Duration::ZERO };
                tracing::debug!(handler, offset = work.record.offset, ?delay, category = %error.category(), "will be tried again");
                Verdict::Later(delay, tries)
            }
            Decision::GiveUp => {
                let failure = Failure::of_handler(&error, tries.attempts.max(1), first_failed_at);
                self.letters.give_up(work, Some(index), &failure).await
            }
        }
    }

    /// The tries so far of the handler at `index`; none yet if another was at work before.
    pub(super) fn tries(&self, work: &Work, index: usize) -> Box<Tries> {
        let known = work.tries.as_ref().filter(|tries| tries.handler == index);
        known.cloned().unwrap_or_else(|| Box::new(Tries { handler: index, ..Tries::default() }))
    }
}
