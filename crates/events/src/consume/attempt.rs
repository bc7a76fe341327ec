//! One record: every handler that wants it, each tried, made to wait and given up by its policy. What has to wait is handed
//! back, so that nothing is held meanwhile but its key.

use std::{mem, panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration};

use chrono::Utc;
use futures::FutureExt;
use tracing::{Instrument, Span};

use super::{
    asking::{self, Calls},
    content::{Content, Tombstone},
    dependency::{Blame, Caller, Wait},
    dependency_breakers::{Blamed, Breakers, Probe},
    error_class::is_answer,
    failure::Failure,
    handler::{AttemptError, Placed},
    letters::Letters,
    monitoring::Monitoring,
    outcome::{Applied, Outcome, Verdict},
    rebuild::Rebuild,
    receipt,
    record::{Record, Subscribed},
    stopwatch::Stopwatch,
    work::{Needs, Tries, Work},
};
use crate::{
    contract::{codec::DecodeError, replay::Replay},
    flow::{
        error::HandlerError,
        retry::{Decision, RetryPolicy},
    },
    kafka::trace,
    sabotage::{self, Sabotage},
};

/// What every record of a consumer is handled with.
pub(super) struct Engine {
    pub(super) topics: Arc<[Subscribed]>,
    /// Empty where one handler takes batches.
    pub(super) handlers: Vec<Placed>,
    pub(super) letters: Arc<Letters>,
    pub(super) retry: RetryPolicy,
    pub(super) attempt_limit: Duration,
    pub(super) breakers: Arc<Breakers>,
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
            let probes = match self.breakers.admit(index, work.needs(index).map(|needs| &*needs.dependency)) {
                Ok(probes) => probes,
                Err(wait) => return Verdict::Blocked(wait, self.tries(work, index)),
            };
            // A second handler of one event is rare; it opens the record anew.
            if mem::replace(&mut is_used, true) {
                let Ok(anew) = self.read(record, replay.as_ref()) else { continue };
                content = anew;
            }
            match self.attempt(index, probes, &mut content, work, replay.as_ref(), stopwatch).await {
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
            _ => self.letters.open(record, replay).map(Content::Event),
        }
    }

    /// The wrappers around a handler, from the inside out: the panic is caught first, so that it cannot take the limit's
    /// timer with it; the limit covers all that the handler does, its transaction included, which a cut-off rolls back;
    /// the systems that it asks are noted around that, so that what was cut off is known; what comes of it is told to the breakers
    /// before anybody waits or gives up by it.
    async fn attempt(
        &self,
        index: usize,
        probes: Vec<Probe>,
        content: &mut Content<'_>,
        work: &Work,
        replay: Option<&Replay>,
        stopwatch: &mut Stopwatch<'_>,
    ) -> Verdict {
        let placed = &self.handlers[index];
        let handler = &*placed.handler;
        let span = if trace::is_on() { self.span(handler.name(), &work.record) } else { Span::none() };
        let attempt = AssertUnwindSafe(handler.attempt(content, &work.record, replay)).catch_unwind();
        let ((outcome, took), calls) = {
            // In their places at once: to hand futures on is to move them, which a handler that does nothing feels.
            let attempt = pin!(stopwatch.time(index, self.attempt_limit, attempt));
            let noting = pin!(asking::noting(probes, attempt));
            match span.is_none() {
                true => noting.await,
                false => noting.instrument(span.clone()).await,
            }
        };
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
                return Box::pin(self.failed(index, error, calls, work, took)).await;
            }
        };
        if applied == Applied::Before {
            placed.figures.duplicates.increment(1);
        }
        calls.tell(&self.breakers, None);
        self.went_well(index, applied, work);
        drop(calls);
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

    /// Tells the breakers of a record whose attempt ended well.
    pub(super) fn went_well(&self, index: usize, applied: Applied, work: &Work) {
        // Of what it names it is known whether it was asked.
        let needs = work.needs(index).filter(|needs| !needs.is_named);
        self.breakers.went_well(self.caller(index), needs.map(|needs| &*needs.dependency), applied);
    }

    pub(super) async fn failed(
        &self,
        index: usize,
        error: AttemptError,
        calls: Calls,
        work: &Work,
        took: Duration,
    ) -> Verdict {
        let handler = self.letters.name_of(Some(index));
        let error = match error {
            AttemptError::Failed(error) => calls.put_down(error),
            AttemptError::Unreadable(error) => {
                drop(calls);
                return self.letters.give_up(work, Some(index), &Failure::of_decoding(&error)).await;
            }
        };
        let blames = error.blames().map(|name| &**name);
        calls.tell(&self.breakers, blames);
        let mut tries = self.tries(work, index);
        if let Some(name) = blames.filter(|name| calls.has_to_wait_for(name)) {
            let wait = Wait { dependency: name.into(), presumed: None };
            let failed_at = tries.needs.as_ref().filter(|needs| *needs.dependency == *name).and_then(|it| it.failed_at);
            tries.needs = Some(Needs { dependency: Arc::clone(&wait.dependency), is_named: true, failed_at });
            return Verdict::Blocked(wait, tries);
        }
        metrics::counter!("handler_failures_total", "handler" => handler, "category" => error.category().as_str())
            .increment(1);
        let first_failed_at = *tries.first_failed_at.get_or_insert_with(Utc::now);
        // An outage is nobody's fault: a failure that blames a system counts only if that has answered others since the one
        // before, so that this record is what it fails at.
        let blamed = blames.map(|name| self.blame(index, name, &error, &calls, &mut tries));
        // Its turn to ask is over, and a letter can take long.
        drop(calls);
        let counts = blamed.as_ref().is_none_or(|blamed| blamed.counts);
        let decision = match &error {
            HandlerError::Reject { .. } => Decision::GiveUp,
            HandlerError::Retry { .. } if !counts => self.retry.decide(0, Duration::ZERO, fastrand::f64()),
            HandlerError::Retry { .. } => {
                tries.attempts += 1;
                tries.spent += took;
                self.retry.decide(tries.attempts, tries.spent, fastrand::f64())
            }
        };
        match decision {
            Decision::After(_) if let Some(Blamed { is_open: true, name, .. }) = blamed => {
                Verdict::Blocked(Wait { dependency: name, presumed: None }, tries)
            }
            Decision::After(delay) => {
                let delay = blamed.map_or(delay, |blamed| delay.max(blamed.at_least));
                tries.spent += if counts { delay } else { Duration::ZERO };
                tracing::debug!(handler, offset = work.record.offset, ?delay, category = %error.category(), "will be tried again");
                Verdict::Later(delay, tries)
            }
            Decision::GiveUp => {
                let failure = Failure::of_handler(&error, tries.attempts.max(1), first_failed_at);
                self.letters.give_up(work, Some(index), &failure).await
            }
        }
    }

    /// Tells the breakers whom a failed attempt blames.
    fn blame(&self, index: usize, name: &str, error: &HandlerError, calls: &Calls, tries: &mut Tries) -> Blamed {
        let known = tries.needs.as_ref().filter(|needs| *needs.dependency == *name);
        let is_named = calls.has_named(name);
        let blamed = self.breakers.failed(
            name,
            Blame {
                before: known.and_then(|needs| needs.failed_at),
                unnamed: (!is_named || sabotage::is(Sabotage::AnySuccessProvesAll)).then(|| self.caller(index)),
                was_known: known.is_some(),
                is_answer: is_answer(error),
            },
            Some(error),
        );
        tries.needs = Some(Needs { dependency: Arc::clone(&blamed.name), is_named, failed_at: Some(blamed.at) });
        blamed
    }

    pub(super) fn caller(&self, index: usize) -> Caller {
        // A handler that takes batches has a database.
        let has_database = self.handlers.get(index).is_none_or(|placed| placed.handler.writes_receipts());
        Caller { index, has_database }
    }

    /// The tries so far of the handler at `index`; none yet if another was at work before.
    pub(super) fn tries(&self, work: &Work, index: usize) -> Box<Tries> {
        let known = work.tries.as_ref().filter(|tries| tries.handler == index);
        known.cloned().unwrap_or_else(|| Box::new(Tries { handler: index, ..Tries::default() }))
    }
}
