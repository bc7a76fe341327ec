//! Many records in one transaction. When it fails it is split until the bad record stands alone; only that one is made to
//! wait or given up, and with it what its key has behind it. What is given up or answered without the handler has its turn
//! within its key too.

use std::{collections::HashSet, future::Future, ops::Range, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use tokio::time::{Instant, timeout};
use tracing::{Instrument, Span};

use super::{
    asking,
    attempt::Engine,
    dependency::Blame,
    dependency_breakers::Probe,
    error_class::outdates_its_session,
    failure::Failure,
    figures::Figures,
    identity::ClaimedBy,
    inbox,
    item::{Item, sealed::Read},
    lane::Lane,
    outcome::{Applied, Outcome, Verdict},
    receipt,
    record::Record,
    work::Work,
};
use crate::{
    contract::{codec::DecodeError, event::EventId, replay::Replay, topics::TopicSpec},
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
    /// An event of another type, or none.
    NotWanted,
    /// A replay for another group.
    OtherGroup,
    /// A replay for this group that this handler does not take.
    Refused(Replay),
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
            let (loading, item) = match read::<H>(engine, &work.record) {
                Ok(item) => (Loading::Item, Some(item)),
                Err(loading) => (loading, None),
            };
            loadings.push(loading);
            items.push(item);
        }
        (loadings, Box::new(Items { of: self, items }))
    }
}

fn read<H: BatchHandler>(engine: &Engine, record: &Record) -> Result<Loadable<H::Item>, Loading> {
    // What makes no replay is told of when its record has its turn.
    let replay = engine.letters.replay_of(record).unwrap_or_default();
    if replay.as_ref().is_some_and(|replay| replay.group != engine.letters.group) {
        return Err(Loading::OtherGroup);
    }
    if H::Item::READS_HEADERS && record.has_unreadable_headers() {
        return Err(Loading::Unreadable(DecodeError::UnreadableHeaders));
    }
    let topic = &engine.topics[usize::from(record.topic)];
    let item = H::Item::read(record, topic, replay.as_ref()).map_err(Loading::Unreadable)?;
    let only = replay.as_ref().and_then(|replay| replay.handler.as_deref());
    match item.filter(|_| only.is_none_or(|name| name == H::NAME)) {
        Some((id, item)) => Ok((ClaimedBy::of(id, record, replay.as_ref()), item, replay)),
        None => Err(replay.map_or(Loading::NotWanted, Loading::Refused)),
    }
}

struct Items<'a, H: BatchHandler> {
    of: &'a WithOutbox<H>,
    items: Vec<Option<Loadable<H::Item>>>,
}

/// An item, what it is claimed by, and who waits for its receipt.
type Loadable<I> = (ClaimedBy, I, Option<Replay>);

impl<H: BatchHandler> Loaded for Items<'_, H> {
    fn attempt<'b>(&'b self, which: &'b [usize]) -> BoxFuture<'b, Result<Vec<Applied>, HandlerError>> {
        Box::pin(async move {
            let items: Vec<_> = which.iter().filter_map(|index| self.items[*index].as_ref()).collect();
            let mut tx = self.of.outbox.begin().await?;
            let written = self.write(&mut tx, &items).await;
            match &written {
                Ok(_) => tx.keep(),
                Err(error) if outdates_its_session(error) => tx.renew().await,
                Err(_) => {}
            }
            written
        })
    }
}

impl<H: BatchHandler> Items<'_, H> {
    /// All that these come to, up to their commit.
    async fn write(&self, tx: &mut Tx, items: &[&Loadable<H::Item>]) -> Result<Vec<Applied>, HandlerError> {
        let ids: Vec<EventId> = items.iter().flat_map(|(by, ..)| [Some(by.id), by.letter]).flatten().collect();
        let mut fresh: HashSet<EventId> = inbox::claim_all(tx, H::NAME, &ids).await?;
        let mut applied = Vec::with_capacity(items.len());
        let mut batch = Vec::with_capacity(fresh.len());
        for (by, item, _) in items {
            // The second copy of an event within the batch finds its claim gone.
            let [id, letter] = [Some(by.id), by.letter].map(|id| id.is_none_or(|id| fresh.remove(&id)));
            let is_fresh = id && letter;
            applied.push(if is_fresh { Applied::Now } else { Applied::Before });
            if is_fresh {
                batch.push(item);
            }
        }
        if !batch.is_empty() {
            self.of.handler.apply(&batch, tx).await?;
        }
        for ((_, _, replay), applied) in items.iter().zip(&applied) {
            if let Some(replay) = replay {
                tx.publish(receipt::of(replay, H::NAME, *applied)).await?;
            }
        }
        tx.settle().await?;
        Ok(applied)
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
        for round in run.rounds(loadings) {
            run.together(&*loaded, &round.items).await;
            for (index, alone) in round.alone {
                if !run.stands_behind_one_that_waits(index) {
                    let verdict = self.by_itself(&out[index].1, alone).await;
                    run.verdicts[index] = Some(verdict);
                }
            }
        }
        for (index, (_, work)) in out.iter().enumerate().filter(|(_, (_, work))| work.tries.is_none()) {
            if let Err(why) = self.engine.letters.replay_of(&work.record)
                && !run.stands_behind_one_that_waits(index)
            {
                self.engine.letters.ignored(&work.record, why);
            }
        }
        run.verdicts
    }

    async fn by_itself(&self, work: &Work, alone: Alone) -> Verdict {
        match alone {
            Alone::GivenUp(by, failure) => self.engine.letters.give_up(work, by, &failure).await,
            Alone::Refused(replay) => {
                self.engine.letters.nobody_takes(&replay).await;
                Verdict::Done(Outcome::of_unwanted(&work.record))
            }
        }
    }
}

/// What of a batch can be done at once: of each lane what comes before the next record that is no item, and that.
#[derive(Default)]
struct Round {
    items: Vec<usize>,
    alone: Vec<(usize, Alone)>,
}

/// What is done with a record without its handler. Someone is told, so it has to wait for its turn.
enum Alone {
    GivenUp(Option<usize>, Failure),
    Refused(Replay),
}

struct Run<'a> {
    of: &'a Batches,
    out: &'a [(Lane, Work)],
    verdicts: Vec<Option<Verdict>>,
}

impl Run<'_> {
    /// Sorts the records into rounds; those that nobody needs to be told of have their verdict at once.
    fn rounds(&mut self, loadings: Vec<Loading>) -> Vec<Round> {
        let mut rounds: Vec<Round> = Vec::new();
        let (mut lane, mut place) = (None, 0);
        for (index, loading) in loadings.into_iter().enumerate() {
            let (its_lane, work) = &self.out[index];
            if lane.replace(*its_lane) != Some(*its_lane) {
                place = 0;
            }
            let given_up = work.tries.as_ref().and_then(|tries| tries.given_up.as_ref());
            let alone = match (loading, given_up) {
                (_, Some(letter)) => Some(Alone::GivenUp(letter.by, letter.failure.clone())),
                (Loading::Item, None) => None,
                (Loading::Unreadable(error), None) => Some(Alone::GivenUp(Some(INDEX), Failure::of_decoding(&error))),
                (Loading::Refused(replay), None) => Some(Alone::Refused(replay)),
                (Loading::NotWanted, None) => {
                    self.verdicts[index] = Some(Verdict::Done(Outcome::of_unwanted(&work.record)));
                    continue;
                }
                (Loading::OtherGroup, None) => {
                    self.verdicts[index] = Some(Verdict::Done(Outcome::OtherGroup));
                    continue;
                }
            };
            if rounds.len() == place {
                rounds.push(Round::default());
            }
            match alone {
                None => rounds[place].items.push(index),
                Some(alone) => {
                    rounds[place].alone.push((index, alone));
                    place += 1;
                }
            }
        }
        rounds
    }

    /// Tries these in one transaction, and in parts if that fails.
    async fn together(&mut self, loaded: &dyn Loaded, items: &[usize]) {
        if items.iter().all(|index| self.stands_behind_one_that_waits(*index)) {
            return;
        }
        let mut parts = Vec::from([Range { start: 0, end: items.len() }]);
        while let Some(part) = parts.pop() {
            if let Some((first, second)) = self.part(loaded, items, part).await {
                parts.extend([second, first]);
            }
        }
    }

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
        let attempt = asking::noting(probes, timeout(engine.attempt_limit, attempt));
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
                    engine.breakers.failed(name, Blame { unnamed, ..Blame::default() }, Some(&error));
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
