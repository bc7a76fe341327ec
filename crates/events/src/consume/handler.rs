//! What the author of a handler writes, and how the engine calls it.

use std::{fmt, future::Future, mem};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

use super::{
    content::{Content, Tombstone},
    error_class::outdates_its_session,
    figures::Figures,
    identity::ClaimedBy,
    inbox,
    memory_claims::{Claim, MemoryClaims},
    outcome::Applied,
    receipt,
    record::Record,
};
use crate::{
    contract::{
        codec::{DecodeError, Opened},
        envelope::Metadata,
        event::{Event, EventId},
        replay::Replay,
        topics::TopicSpec,
    },
    flow::error::{Category, HandlerError},
    publish::{Outbox, Tx},
};

/// An event as a handler gets it.
#[derive(Debug, Clone)]
pub struct Received<E> {
    /// Its identity. A handler needs it only to derive ids from it: repeats do not reach the handler.
    pub id: EventId,
    /// When the fact happened.
    pub occurred_at: DateTime<Utc>,
    /// Where it comes from and what it belongs to.
    pub metadata: Metadata,
    /// The record's key; empty where it had none.
    pub key: String,
    /// The payload.
    pub data: E,
}

impl<E: Event> Received<E> {
    /// Takes what it needs out of `opened`.
    pub(super) fn read(opened: &mut Opened<'_>, record: &Record) -> Result<Self, DecodeError> {
        let data = opened.typed::<E>()?;
        Ok(Self {
            id: opened.event_id,
            occurred_at: opened.timestamp,
            metadata: mem::take(&mut opened.metadata),
            key: record.key().map(|key| String::from_utf8_lossy(key).into_owned()).unwrap_or_default(),
            data,
        })
    }
}

/// What `prepare` hands to `apply`. Implement it for your own type with an empty body; a handler that prepares nothing
/// uses `()`.
pub trait Plan: Send + Sized {
    /// `Some` for the plan of a handler that prepares nothing: `prepare` is then not called.
    fn nothing() -> Option<Self> {
        None
    }
}

impl Plan for () {
    fn nothing() -> Option<Self> {
        Some(())
    }
}

/// Does the work that one event type asks for, once per event.
pub trait Handler: Send + Sync + 'static {
    /// Part of the inbox key. Renaming it handles the whole topic again.
    const NAME: &'static str;
    /// The event that it handles.
    type Event: Event;
    /// What the outside calls come to.
    type Plan: Plan;
    /// Whether it is handed the tombstones of its event's topic too, which then has to be a compacted one.
    const TOMBSTONES: bool = false;

    /// Makes the outside calls; no transaction is open here. May be called again for the same event when the work after
    /// it failed.
    ///
    /// # Errors
    /// `Retry` to be called again later, `Reject` to give the event up.
    fn prepare(&self, event: &Received<Self::Event>) -> impl Future<Output = Result<Self::Plan, HandlerError>> + Send {
        let _ = event;
        async {
            Self::Plan::nothing().ok_or_else(|| HandlerError::reject("prepare_missing", "this handler has no prepare"))
        }
    }

    /// Writes to the database and publishes, all in `tx`; the engine commits it together with the inbox claim.
    ///
    /// # Errors
    /// `Retry` to be called again later, `Reject` to give the event up. The transaction is rolled back either way. So it is
    /// when a statement failed and its error is not handed on: the event becomes a dead letter.
    fn apply(
        &self,
        event: &Received<Self::Event>,
        plan: Self::Plan,
        tx: &mut Tx,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send;

    /// Forgets what the key of a record without a value stands for: called once for each where
    /// [`TOMBSTONES`](Self::TOMBSTONES) is set, in the order of its key, and committed as `apply` is.
    ///
    /// # Errors
    /// As those of `apply`.
    fn tombstone(&self, tombstone: &Tombstone, tx: &mut Tx) -> impl Future<Output = Result<(), HandlerError>> + Send {
        let _ = (tombstone, tx);
        async { Err(no_tombstone()) }
    }
}

fn no_tombstone() -> HandlerError {
    HandlerError::reject("tombstone_missing", "this handler asks for tombstones and has no use for them")
}

/// Hears of one event type, without a database of its own.
///
/// Promises less than a [`Handler`]: an event is heard at least once. What was heard is remembered in memory (about 50 000
/// events), which spares most repeats; a process that ends between hearing and committing hears some again, and so does
/// another process that takes its partitions over.
pub trait Listener: Send + Sync + 'static {
    /// Names it in dead letters and metrics.
    const NAME: &'static str;
    /// The event that it hears of.
    type Event: Event;
    /// Whether it hears of the tombstones of its event's topic too, which then has to be a compacted one.
    const TOMBSTONES: bool = false;

    /// Called for each event; those of one key in their order, one after the other.
    ///
    /// # Errors
    /// `Retry` to be called again later, `Reject` to give the event up: it becomes a dead letter.
    fn hear(&self, event: &Received<Self::Event>) -> impl Future<Output = Result<(), HandlerError>> + Send;

    /// Called for each record without a value where [`TOMBSTONES`](Self::TOMBSTONES) is set, in the order of its key.
    ///
    /// # Errors
    /// As those of `hear`.
    fn tombstone(&self, tombstone: &Tombstone) -> impl Future<Output = Result<(), HandlerError>> + Send {
        let _ = tombstone;
        async { Err(no_tombstone()) }
    }
}

/// How an attempt ended badly.
#[derive(Debug)]
pub(super) enum AttemptError {
    Unreadable(DecodeError),
    Failed(HandlerError),
}

impl AttemptError {
    pub(super) fn category(&self) -> Category {
        match self {
            Self::Unreadable(error) => error.category(),
            Self::Failed(error) => error.category(),
        }
    }
}

impl<E: Into<HandlerError>> From<E> for AttemptError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// A handler without its types.
pub(super) trait Registered: Send + Sync {
    fn name(&self) -> &'static str;
    fn event_type(&self) -> &'static str;
    fn topic(&self) -> &'static TopicSpec;
    fn takes_tombstones(&self) -> bool;
    /// Whether it has the receipt of a replay in the transaction of its effect.
    fn writes_receipts(&self) -> bool;
    fn attempt<'a>(
        &'a self,
        content: &'a mut Content<'_>,
        record: &'a Record,
        replay: Option<&'a Replay>,
    ) -> BoxFuture<'a, Result<Applied, AttemptError>>;
}

/// A handler in its place: what is looked up once for all records.
pub(super) struct Placed {
    pub(super) handler: Box<dyn Registered>,
    /// Index of its topic.
    pub(super) topic: u16,
    pub(super) figures: Figures,
}

impl fmt::Debug for dyn Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

pub(super) struct WithInbox<H> {
    pub(super) handler: H,
    pub(super) outbox: Outbox,
}

impl<H: Handler> Registered for WithInbox<H> {
    fn name(&self) -> &'static str {
        H::NAME
    }

    fn event_type(&self) -> &'static str {
        H::Event::TYPE
    }

    fn topic(&self) -> &'static TopicSpec {
        H::Event::TOPIC
    }

    fn takes_tombstones(&self) -> bool {
        H::TOMBSTONES
    }

    fn writes_receipts(&self) -> bool {
        true
    }

    fn attempt<'a>(
        &'a self,
        content: &'a mut Content<'_>,
        record: &'a Record,
        replay: Option<&'a Replay>,
    ) -> BoxFuture<'a, Result<Applied, AttemptError>> {
        Box::pin(async move {
            let opened = match content {
                Content::Event(opened) => opened,
                Content::Tombstone(tombstone) => {
                    let by = ClaimedBy::of(tombstone.id, record, replay);
                    return Box::pin(self.forget(tombstone, by, replay)).await;
                }
            };
            let event: Received<H::Event> = Received::read(opened, record).map_err(AttemptError::Unreadable)?;
            let plan = match H::Plan::nothing() {
                Some(plan) => Some(plan),
                // Saves the outside call for what is done already; the claim below is what decides.
                None if inbox::is_claimed(self.outbox.pool(), H::NAME, event.id).await? => None,
                None => Some(self.handler.prepare(&event).await?),
            };
            let mut tx = self.outbox.begin().await?;
            tx.caused_by(event.id, event.metadata.correlation_id.as_deref(), H::NAME);
            tx.tell_trace().await?;
            let by = ClaimedBy::of(event.id, record, replay);
            let written = self.write(&mut tx, &event, by, plan, replay).await;
            Self::end(tx, written, replay).await
        })
    }
}

impl<H: Handler> WithInbox<H> {
    /// All that an event comes to, up to its commit; without one where nothing was written.
    async fn write(
        &self,
        tx: &mut Tx,
        event: &Received<H::Event>,
        by: ClaimedBy,
        plan: Option<H::Plan>,
        replay: Option<&Replay>,
    ) -> Result<Applied, HandlerError> {
        let fresh = (plan.is_some() || by.letter.is_some()) && inbox::claim(tx, H::NAME, by).await?;
        let applied = match plan {
            Some(plan) if fresh => {
                self.handler.apply(event, plan, tx).await?;
                Applied::Now
            }
            _ => Applied::Before,
        };
        Self::settle(tx, applied, replay).await
    }

    async fn forget(
        &self,
        tombstone: &Tombstone,
        by: ClaimedBy,
        replay: Option<&Replay>,
    ) -> Result<Applied, AttemptError> {
        let mut tx = self.outbox.begin().await?;
        tx.caused_by(tombstone.id, None, H::NAME);
        tx.tell_trace().await?;
        let written = self.write_tombstone(&mut tx, tombstone, by, replay).await;
        Self::end(tx, written, replay).await
    }

    async fn write_tombstone(
        &self,
        tx: &mut Tx,
        tombstone: &Tombstone,
        by: ClaimedBy,
        replay: Option<&Replay>,
    ) -> Result<Applied, HandlerError> {
        let applied = match inbox::claim(tx, H::NAME, by).await? {
            true => {
                self.handler.tombstone(tombstone, tx).await?;
                Applied::Now
            }
            false => Applied::Before,
        };
        Self::settle(tx, applied, replay).await
    }

    async fn settle(tx: &mut Tx, applied: Applied, replay: Option<&Replay>) -> Result<Applied, HandlerError> {
        if let Some(replay) = replay {
            tx.publish(receipt::of(replay, H::NAME, applied)).await?;
        } else if applied == Applied::Before {
            return Ok(applied);
        }
        tx.settle().await?;
        Ok(applied)
    }

    async fn end(
        tx: Tx,
        written: Result<Applied, HandlerError>,
        replay: Option<&Replay>,
    ) -> Result<Applied, AttemptError> {
        match written {
            Ok(Applied::Before) if replay.is_none() => {
                tx.rollback().await?;
                Ok(Applied::Before)
            }
            Ok(applied) => {
                tx.keep();
                Ok(applied)
            }
            Err(error) => {
                if outdates_its_session(&error) {
                    tx.renew().await;
                }
                Err(error.into())
            }
        }
    }
}

pub(super) struct WithMemory<L> {
    pub(super) listener: L,
    pub(super) claims: MemoryClaims,
}

impl<L: Listener> Registered for WithMemory<L> {
    fn name(&self) -> &'static str {
        L::NAME
    }

    fn event_type(&self) -> &'static str {
        L::Event::TYPE
    }

    fn topic(&self) -> &'static TopicSpec {
        L::Event::TOPIC
    }

    fn takes_tombstones(&self) -> bool {
        L::TOMBSTONES
    }

    fn writes_receipts(&self) -> bool {
        false
    }

    fn attempt<'a>(
        &'a self,
        content: &'a mut Content<'_>,
        record: &'a Record,
        replay: Option<&'a Replay>,
    ) -> BoxFuture<'a, Result<Applied, AttemptError>> {
        Box::pin(async move {
            let id = match content {
                Content::Event(opened) => opened.event_id,
                Content::Tombstone(tombstone) => tombstone.id,
            };
            let by = ClaimedBy::of(id, record, replay);
            let letter = by.letter.map(|letter| self.claims.claim(letter));
            let claims = match (self.claims.claim(by.id), letter) {
                (Some(claim), None) => (claim, None),
                (Some(claim), Some(Some(letter))) => (claim, Some(letter)),
                (claim, letter) => {
                    claim.into_iter().chain(letter.flatten()).for_each(Claim::stand);
                    return Ok(Applied::Before);
                }
            };
            match content {
                Content::Event(opened) => {
                    let event = Received::read(opened, record).map_err(AttemptError::Unreadable)?;
                    self.listener.hear(&event).await?;
                }
                Content::Tombstone(tombstone) => self.listener.tombstone(tombstone).await?,
            }
            let (claim, letter) = claims;
            claim.stand();
            letter.into_iter().for_each(Claim::stand);
            Ok(Applied::Now)
        })
    }
}
