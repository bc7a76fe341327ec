//! What the author of a handler writes, and how the engine calls it.

use std::{fmt, future::Future};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

use super::{inbox, record::Record};
use crate::{
    contract::{
        codec::{DecodeError, Opened},
        envelope::Metadata,
        event::{Event, EventId},
        topics::TopicSpec,
    },
    flow::error::{Cause, HandlerError},
    publish::{Outbox, PublishError, Tx},
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
    /// `Retry` to be called again later, `Reject` to give the event up. The transaction is rolled back either way.
    fn apply(
        &self,
        event: &Received<Self::Event>,
        plan: Self::Plan,
        tx: &mut Tx,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

/// What an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Applied,
    /// The inbox had it: nothing was done.
    Duplicate,
}

/// A handler without its types.
pub(crate) trait Registered: Send + Sync {
    fn name(&self) -> &'static str;
    fn event_type(&self) -> &'static str;
    fn topic(&self) -> &'static TopicSpec;
    /// Reads the event; what comes back can be attempted any number of times.
    fn read<'h>(&'h self, opened: &Opened<'_>, record: &Record) -> Result<Box<dyn Job + 'h>, DecodeError>;
}

/// One event with its handler.
pub(crate) trait Job: Send + Sync {
    fn attempt<'a>(&'a self, outbox: &'a Outbox) -> BoxFuture<'a, Result<Outcome, HandlerError>>;
}

impl<H: Handler> Registered for H {
    fn name(&self) -> &'static str {
        H::NAME
    }

    fn event_type(&self) -> &'static str {
        H::Event::TYPE
    }

    fn topic(&self) -> &'static TopicSpec {
        H::Event::TOPIC
    }

    fn read<'h>(&'h self, opened: &Opened<'_>, record: &Record) -> Result<Box<dyn Job + 'h>, DecodeError> {
        let event = Received {
            id: opened.event_id,
            occurred_at: opened.timestamp,
            metadata: opened.metadata.clone(),
            key: record.key().map(|key| String::from_utf8_lossy(key).into_owned()).unwrap_or_default(),
            data: opened.typed::<H::Event>()?,
        };
        Ok(Box::new(TypedJob { handler: self, event }))
    }
}

struct TypedJob<'h, H: Handler> {
    handler: &'h H,
    event: Received<H::Event>,
}

impl<H: Handler> Job for TypedJob<'_, H> {
    fn attempt<'a>(&'a self, outbox: &'a Outbox) -> BoxFuture<'a, Result<Outcome, HandlerError>> {
        Box::pin(async move {
            let event = &self.event;
            let plan = match H::Plan::nothing() {
                Some(plan) => plan,
                None => {
                    // Saves the outside call for what is done already; the claim below is what decides.
                    if inbox::is_claimed(outbox.pool(), H::NAME, event.id).await? {
                        return Ok(Outcome::Duplicate);
                    }
                    self.handler.prepare(event).await?
                }
            };
            let mut tx = outbox.begin().await?;
            tx.caused_by(event.id, event.metadata.correlation_id.as_deref());
            if !inbox::claim(&mut tx, H::NAME, event.id).await? {
                tx.rollback().await?;
                return Ok(Outcome::Duplicate);
            }
            self.handler.apply(event, plan, &mut tx).await?;
            tx.commit().await?;
            Ok(Outcome::Applied)
        })
    }
}

impl fmt::Debug for dyn Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A database that is away, and one that refuses: the classes of SQLSTATE that say "not now".
fn is_outage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_)
        | sqlx::Error::BeginFailed => true,
        sqlx::Error::Database(refusal) => refusal.code().is_some_and(|code| {
            // 08 connection, 53 resources, 57P0x shutdown, 58 system, 25006 a standby after a fail-over.
            ["08", "53", "57P", "58"].iter().any(|class| code.starts_with(class)) || code == "25006"
        }),
        _ => false,
    }
}

/// Deadlocks and serialisation failures, lock and statement time-outs, and a unique row that another transaction wrote in
/// between: nobody's outage, and seen differently by the next attempt.
fn is_collision(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|refusal| refusal.code());
    code.is_some_and(|code| code.starts_with("40") || ["55P03", "57014", "23505"].contains(&&*code))
}

impl From<sqlx::Error> for HandlerError {
    fn from(error: sqlx::Error) -> Self {
        if is_outage(&error) {
            return Self::dependency("postgres", DatabaseFailure::new(error));
        }
        if is_collision(&error) {
            return Self::retry(DatabaseFailure::new(error));
        }
        Self::reject("database_refused", DatabaseFailure::new(error))
    }
}

impl From<PublishError> for HandlerError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Write { source, .. } => source.into(),
            other => Self::reject("cannot_publish", Cause::from(other)),
        }
    }
}

/// PostgreSQL quotes the offending row in a detail, which sqlx does not show; its message can quote a value too. What may
/// be told is the state, the table and the constraint.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct DatabaseFailure(String);

impl DatabaseFailure {
    fn new(error: sqlx::Error) -> Self {
        let Some(refusal) = error.as_database_error() else {
            return Self(error.to_string());
        };
        let mut text = format!("the database refused with SQLSTATE {}", refusal.code().unwrap_or_default());
        for (what, name) in [("table", refusal.table()), ("constraint", refusal.constraint())] {
            if let Some(name) = name {
                text.push_str(&format!(", {what} {name}"));
            }
        }
        Self(text)
    }
}
