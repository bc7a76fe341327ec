//! Records that were handed out together, run one after the other as long as none has to wait for anything. The first that
//! does keeps the task; the rest goes on in another, so that nobody waits for it.

use std::{collections::VecDeque, pin::pin, sync::Arc, task::Poll, time::Duration};

use futures::future::BoxFuture;
use tokio::sync::mpsc::UnboundedSender;

use super::{
    asking,
    attempt::Engine,
    batch::Batches,
    lane::Lane,
    notice::{Notice, Report, Then},
    outcome::Verdict,
    stopwatch::Stopwatch,
    work::Work,
};
use crate::flow::ledger::Ticket;

pub(super) struct Chunk {
    rest: VecDeque<(Lane, Work)>,
    is_batch: bool,
    /// The record that is at work. It is lost if nothing else is said of it.
    current: Option<(Lane, Ticket)>,
    reports: Vec<Report>,
    events: UnboundedSender<Notice>,
}

impl Chunk {
    pub(super) fn new(rest: impl Into<VecDeque<(Lane, Work)>>, events: UnboundedSender<Notice>) -> Self {
        Self { rest: rest.into(), is_batch: false, current: None, reports: Vec::new(), events }
    }

    /// Runs all of it.
    pub(super) fn run(mut self, engine: Arc<Engine>) -> BoxFuture<'static, ()> {
        let breakers = Arc::clone(&engine.breakers);
        let attempts = async move {
            self.reports.reserve(self.rest.len());
            let mut stopwatch = Stopwatch::of(&engine.handlers);
            while let Some((lane, work)) = self.rest.pop_front() {
                self.current = Some((lane, work.ticket));
                let verdict = {
                    let mut handling = pin!(engine.handle(&work, &mut stopwatch));
                    match futures::poll!(handling.as_mut()) {
                        Poll::Ready(verdict) => verdict,
                        Poll::Pending => {
                            self.leave_the_rest(lane, &engine);
                            handling.await
                        }
                    }
                };
                self.settle(lane, work, verdict);
            }
        };
        Box::pin(asking::scope(&breakers, attempts))
    }

    /// Runs all of it together.
    pub(super) async fn run_together(mut self, batches: Arc<Batches>) {
        self.is_batch = true;
        let breakers = &batches.engine.breakers;
        let verdicts = asking::scope(breakers, batches.handle(self.rest.make_contiguous())).await;
        let mut verdicts = verdicts.into_iter();
        while let Some(verdict) = verdicts.next()
            && let Some((lane, work)) = self.rest.pop_front()
        {
            let left = self.rest.len();
            // A record without a verdict has one of its lane before it, which took it along.
            if let Some(verdict) = verdict {
                self.settle(lane, work, verdict);
            }
            verdicts.by_ref().take(left - self.rest.len()).for_each(drop);
        }
    }

    /// The record at work has to wait: the rest of its lane is put back, the other lanes go on in a task of their own.
    fn leave_the_rest(&mut self, lane: Lane, engine: &Arc<Engine>) {
        let works = self.take_lane(lane);
        if !works.is_empty() {
            self.reports.push(Report::Back { lane, works, then: Then::Running });
        }
        self.tell();
        if !self.rest.is_empty() {
            let others = Self::new(std::mem::take(&mut self.rest), self.events.clone());
            tokio::spawn(others.run(Arc::clone(engine)));
        }
    }

    /// What is left of the lane; it stands first.
    fn take_lane(&mut self, lane: Lane) -> Vec<Work> {
        let mut works = Vec::new();
        while self.rest.front().is_some_and(|(next, _)| *next == lane)
            && let Some((_, work)) = self.rest.pop_front()
        {
            works.push(work);
        }
        works
    }

    fn settle(&mut self, lane: Lane, mut work: Work, verdict: Verdict) {
        self.current = None;
        let (tries, then) = match verdict {
            Verdict::Done(outcome) => {
                let last = self.rest.front().is_none_or(|(next, _)| *next != lane);
                let (ticket, size) = (work.ticket, work.record.size());
                return self.reports.push(Report::Done { lane, ticket, size, outcome, last });
            }
            Verdict::Later(delay, tries) => (tries, Then::After(delay)),
            Verdict::Blocked(wait, tries) => (tries, Then::Back(wait)),
        };
        work.tries = Some(tries);
        let mut works = vec![work];
        works.append(&mut self.take_lane(lane));
        self.reports.push(Report::Back { lane, works, then });
    }

    fn tell(&mut self) {
        if !self.reports.is_empty() {
            // The dispatcher ends last; without it there is nobody to tell.
            let _ = self.events.send(Notice::Reports(std::mem::take(&mut self.reports)));
        }
    }
}

impl Drop for Chunk {
    /// However it ends: a lane whose end went unheard would be shut for ever.
    fn drop(&mut self) {
        // Which record of a batch it was is not known: the first is taken for it.
        let first = self.rest.front().filter(|_| self.is_batch).map(|(lane, work)| (*lane, work.ticket));
        if let Some((lane, ticket)) = self.current.or(first) {
            let behind = self.take_lane(lane);
            self.reports.push(Report::Back { lane, works: behind, then: Then::Running });
            self.reports.push(Report::Lost { lane, ticket });
        }
        while let Some((lane, _)) = self.rest.front() {
            let lane = *lane;
            let works = self.take_lane(lane);
            self.reports.push(Report::Back { lane, works, then: Then::After(Duration::ZERO) });
        }
        if self.is_batch {
            self.reports.push(Report::BatchEnded);
        }
        self.tell();
    }
}
