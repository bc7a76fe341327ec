//! Many records in one transaction. When it fails it is split until the bad record stands alone; only that one is made to
//! wait or given up, and with it what its key has behind it.

use std::{collections::HashSet, future::Future, ops::Range, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use tokio::time::{Instant, timeout};
use tracing::{Instrument, Span};

use super::{
    asking,
    attempt::Engine,
    dependency::Blame,
    dependency_breakers::Probe,
    failure::Failure,
    figures::Figures,
    inbox,
    item::{Item, sealed::Read},
    lane::Lane,
    outcome::{Applied, Outcome, Verdict},
    receipt::Replay,
    work::Work,
};
use crate::{
    contract::{codec::DecodeError, event::EventId, topics::TopicSpec},
    flow::error::HandlerError,
    kafka::trace,
    publish::{Outbox, Tx},
};

/// How large a batch becomes.
#[derive(Debug, Clone, Copy)]
pub struct Batching {
    /// At most this many events; 500 unless set, past which a transaction gains little.
    pub most: usize,
    /// A batch that is not full is not waited for longer than this; 20 ms unless set.
    pub wait: Duration,
}

impl Default for Batching {
    fn default() -> Self {
        Self { most: 500, wait: Duration::from_millis(20) }
    }
}

/// Does the work that many events ask for at once: for stores and statistics, where a transaction for each event would cost
/// more than the work.
pub trait BatchHandler: Send + Sync + 'static {
    /// Part of the inbox key. Renaming it handles the whole topic again.
    const NAME: &'static str;
    /// What it takes: [`Received`](super::Received) events of one type, or [`Raw`](super::Raw) records.
    type Item: Item;

    /// The topics that it takes them from: that of its event, unless said otherwise. One that takes [`Raw`](super::Raw)
    /// records has to say.
    fn topics(&self) -> Vec<&'static TopicSpec> {
        Self::Item::TOPICS.to_vec()
    }

    /// Writes to the database and publishes, all in `tx`; the engine commits it together with the inbox claims. Events of one
    /// key are in their order. None of them was handled before.
    ///
    /// # Errors
    /// `Retry` or `Reject`. The transaction is rolled back, and the batch is tried in two halves and so on: it need not be
    /// known which event is to blame.
    fn apply(&self, batch: &[&Self::Item], tx: &mut Tx) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

/// A batch handler without its types.
pub(super) trait RegisteredBatch: Send + Sync {
    fn name(&self) -> &'static str;
    fn topics(&self) -> Vec<&'static TopicSpec>;
    /// Reads the records; what is no item says why.
    fn load<'a>(&'a self, engine: &Engine, out: &'a [(Lane, Work)]) -> (Vec<Loading>, Box<dyn Loaded + 'a>);
}

/// What a record is to a batch handler.
pub(super) enum Loading {
    Item,
    /// Not for this group, or an event of another type.
    NotWanted,
    Unreadable(DecodeError),
}

/// A batch that was read.
pub(super) trait Loaded: Send + Sync {
    /// One transaction for these of its items.
    fn attempt<'b>(&'b self, which: &'b [usize]) -> BoxFuture<'b, Result<Vec<Applied>, HandlerError>>;
}

pub(super) struct WithOutbox<H> {
    pub(super) handler: H,
    pub(super) outbox: Outbox,
}

impl<H: BatchHandler> RegisteredBatch for WithOutbox<H> {
    fn name(&self) -> &'static str {
        H::NAME
    }

    fn topics(&self) -> Vec<&'static TopicSpec> {
        self.handler.topics()
    }

    fn load<'a>(&'a self, engine: &Engine, out: &'a [(Lane, Work)]) -> (Vec<Loading>, Box<dyn Loaded + 'a>) {
        let (mut loadings, mut items) = (Vec::with_capacity(out.len()), Vec::with_capacity(out.len()));
        for (_, work) in out {
            let topic = &engine.topics[usize::from(work.record.topic)];
            let read = match engine.is_meant(&work.record) {
                true if H::Item::READS_HEADERS && work.record.has_unreadable_headers() => {
                    Err(DecodeError::UnreadableHeaders)
                }
                true => H::Item::read(&work.record, topic),
                false => Ok(None),
            };
            let (loading, item) = match read {
                Ok(Some((id, item))) => {
                    (Loading::Item, Some((id, item, Replay::of(&work.record, &engine.letters.group))))
                }
                Ok(None) => (Loading::NotWanted, None),
                Err(error) => (Loading::Unreadable(error), None),
            };
            loadings.push(loading);
            items.push(item);
        }
        (loadings, Box::new(Items { of: self, items }))
    }
}

struct Items<'a, H: BatchHandler> {
    of: &'a WithOutbox<H>,
    items: Vec<Option<Loadable<H::Item>>>,
}

/// An item, what it is claimed by, and who waits for its receipt.
type Loadable<I> = (EventId, I, Option<Replay>);

impl<H: BatchHandler> Loaded for Items<'_, H> {
    fn attempt<'b>(&'b self, which: &'b [usize]) -> BoxFuture<'b, Result<Vec<Applied>, HandlerError>> {
        Box::pin(async move {
            let items: Vec<_> = which.iter().filter_map(|index| self.items[*index].as_ref()).collect();
            let mut tx = self.of.outbox.begin().await?;
            let ids: Vec<EventId> = items.iter().map(|(id, ..)| *id).collect();
            let mut fresh: HashSet<EventId> = inbox::claim_all(&mut tx, H::NAME, &ids).await?;
            let mut applied = Vec::with_capacity(items.len());
            let mut batch = Vec::with_capacity(fresh.len());
            for (id, item, _) in &items {
                // The second copy of an event within the batch finds its claim gone.
                let is_fresh = fresh.remove(id);
                applied.push(if is_fresh { Applied::Now } else { Applied::Before });
                if is_fresh {
                    batch.push(item);
                }
            }
            if !batch.is_empty() {
                self.of.handler.apply(&batch, &mut tx).await?;
            }
            for ((_, _, replay), applied) in items.iter().zip(&applied) {
                if let Some(replay) = replay {
                    tx.publish(replay.receipt(H::NAME, *applied)).await?;
                }
            }
            tx.commit().await?;
            Ok(applied)
        })
    }
}

/// The engine's way with batches.
pub(super) struct Batches {
    pub(super) engine: Arc<Engine>,
    pub(super) handler: Box<dyn RegisteredBatch>,
    pub(super) figures: Figures,
}

/// A batch handler has its consumer to itself.
const INDEX: usize = 0;

impl Batches {
    /// One verdict for each record; none for what stands behind a record of its lane that has to wait.
    pub(super) async fn handle(&self, out: &[(Lane, Work)]) -> Vec<Option<Verdict>> {
        let (loadings, loaded) = self.handler.load(&self.engine, out);
        let mut run = Run { of: self, out, verdicts: out.iter().map(|_| None).collect() };
        let mut wanted = Vec::with_capacity(out.len());
        for (index, loading) in loadings.into_iter().enumerate() {
            match loading {
                Loading::Item => match out[index].1.tries.as_ref().and_then(|tries| tries.given_up.as_ref()) {
                    None => wanted.push(index),
                    Some(letter) => {
                        let verdict = self.engine.letters.give_up(&out[index].1, letter.by, &letter.failure).await;
                        run.verdicts[index] = Some(verdict);
                    }
                },
                Loading::NotWanted => run.verdicts[index] = Some(Verdict::Done(Outcome::Skipped)),
                Loading::Unreadable(error) => {
                    let failure = Failure::of_decoding(&error);
                    let verdict = self.engine.letters.give_up(&out[index].1, Some(INDEX), &failure).await;
                    run.verdicts[index] = Some(verdict);
                }
            }
        }
        let mut parts = Vec::from([Range { start: 0, end: wanted.len() }]);
        while let Some(part) = parts.pop() {
            if let Some((first, second)) = run.part(&*loaded, &wanted, part).await {
                parts.extend([second, first]);
            }
        }
        run.verdicts
    }
}

struct Run<'a> {
    of: &'a Batches,
    out: &'a [(Lane, Work)],
    verdicts: Vec<Option<Verdict>>,
}

impl Run<'_> {
    /// Tries a part of the batch. Returns its halves if it is to be tried in two.
    async fn part(
        &mut self,
        loaded: &dyn Loaded,
        wanted: &[usize],
        part: Range<usize>,
    ) -> Option<(Range<usize>, Range<usize>)> {
        let (which, probes) = self.admit(wanted[part.clone()].iter().copied());
        let engine = &self.of.engine;
        if which.is_empty() {
            return None;
        }
        let began = Instant::now();
        let span = self.span(&which);
        let attempt = AssertUnwindSafe(loaded.attempt(&which)).catch_unwind();
        let attempt = asking::noting(&engine.breakers, probes, timeout(engine.attempt_limit, attempt));
        let (outcome, calls) = attempt.instrument(span.clone()).await;
        let outcome = match outcome {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(HandlerError::retry("the handler panicked")),
            Err(_) => Err(HandlerError::timeout(format!("the handler ran longer than {:?}", engine.attempt_limit))),
        };
        let took = began.elapsed();
        self.of.figures.durations.record(took.as_secs_f64());
        if let Err(error) = &outcome {
            trace::failed(&span, error.category().as_str());
        }
        drop(span);
        match outcome {
            Ok(applied) => {
                calls.tell(&engine.breakers, None);
                let before = applied.iter().filter(|applied| **applied == Applied::Before).count();
                self.of.figures.duplicates.increment(before as u64);
                for (index, applied) in which.into_iter().zip(applied) {
                    engine.went_well(INDEX, applied, &self.out[index].1);
                    self.verdicts[index] = Some(Verdict::Done(applied.into()));
                }
                None
            }
            Err(error) if which.len() > 1 => {
                // Nobody knows which of them asked.
                let error = calls.put_down(error);
                let blames = error.blames().map(|name| &**name);
                calls.tell(&engine.breakers, blames);
                if let Some(name) = blames.filter(|name| !calls.has_to_wait_for(name)) {
                    let unnamed = (!calls.has_named(name)).then(|| engine.caller(INDEX));
                    engine.breakers.failed(name, Blame { unnamed, ..Blame::default() });
                }
                let middle = part.start + part.len() / 2;
                Some((part.start..middle, middle..part.end))
            }
            Err(error) => {
                let work = &self.out[which[0]].1;
                self.verdicts[which[0]] = Some(engine.failed(INDEX, error.into(), calls, work, took).await);
                None
            }
        }
    }

    /// Those that may be tried now, and the systems whose probe they are. The others are told what they wait for.
    fn admit(&mut self, part: impl Iterator<Item = usize>) -> (Vec<usize>, Vec<Probe>) {
        let engine = &self.of.engine;
        let (mut which, mut probes, mut of_the_rest) = (Vec::new(), Vec::new(), None);
        for index in part {
            if self.stands_behind_one_that_waits(index) {
                continue;
            }
            let work = &self.out[index].1;
            let outcome = match work.needs(INDEX) {
                Some(needs) => engine.breakers.admit(INDEX, Some(&needs.dependency)).map(|more| probes.extend(more)),
                None => of_the_rest
                    .get_or_insert_with(|| engine.breakers.admit(INDEX, None).map(|more| probes.extend(more)))
                    .clone(),
            };
            match outcome {
                Ok(()) => which.push(index),
                Err(wait) => self.verdicts[index] = Some(Verdict::Blocked(wait, engine.tries(work, INDEX))),
            }
        }
        (which, probes)
    }

    /// Linked with those that sent its records: it can be a child of one at most.
    fn span(&self, which: &[usize]) -> Span {
        let record = |index: usize| &self.out[index].1.record;
        let engine = &self.of.engine;
        let topic = engine.topics[usize::from(record(which[0]).topic)].spec.name;
        let span = trace::process_batch(topic, &engine.letters.group, self.of.handler.name(), which.len());
        which.iter().for_each(|index| trace::link(&span, &record(*index).headers()));
        span
    }

    fn stands_behind_one_that_waits(&self, index: usize) -> bool {
        let lane = self.out[index].0;
        let before = self.out[..index].iter().zip(&self.verdicts).rev().take_while(|((other, _), _)| *other == lane);
        before.into_iter().any(|(_, verdict)| !matches!(verdict, Some(Verdict::Done(_)) | None))
    }
}
