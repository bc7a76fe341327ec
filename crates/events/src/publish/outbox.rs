//! The outbox: an event is a row, written in the transaction that makes it true.

use std::{fmt, sync::Arc};

use sqlx::{PgConnection, PgPool, migrate::Migrator};
use thiserror::Error;
use tracing::{Instrument, Span};

use super::connections::{Connections, Lease};
use crate::{
    contract::{
        codec,
        envelope::Envelope,
        event::{Event, EventId, NewEvent},
        headers,
        topics::TopicSpec,
    },
    kafka::{record_size, trace},
};

/// Outbox and inbox tables, made in the first schema of the connection's search path.
pub static MIGRATOR: Migrator = sqlx::migrate!("./sql");

/// Why an event could not be published. The transaction that it belongs to should be rolled back.
#[derive(Debug, Error)]
pub enum PublishError {
    /// Its record, with key and headers, would be larger than its topic takes.
    #[error("the record for {topic} would have {size} bytes; the topic takes at most {limit}")]
    TooLarge { topic: &'static str, size: usize, limit: usize },
    /// The event cannot be written as JSON.
    #[error("the {event_type} event cannot be written as JSON")]
    Encode { event_type: &'static str, source: serde_json::Error },
    /// The database refused the row.
    #[error("writing the {event_type} event to the outbox failed")]
    Write { event_type: &'static str, source: sqlx::Error },
}

/// Where a service writes its events.
#[derive(Debug, Clone)]
pub struct Outbox {
    connections: Connections,
    source: Arc<str>,
}

impl Outbox {
    /// The outbox in the schema of `pool`'s search path; `source` is the service's name in each event.
    pub fn new(pool: PgPool, source: &str) -> Self {
        Self { connections: Connections::new(pool), source: source.into() }
    }

    /// Begins a transaction that can publish.
    pub async fn begin(&self) -> Result<Tx, sqlx::Error> {
        Ok(Tx {
            lease: self.connections.begin().await?,
            connections: self.connections.clone(),
            source: Arc::clone(&self.source),
            correlation_id: None,
            causation_id: None,
            actor: None,
        })
    }

    /// Where its tables are, as far as the way there tells: two outboxes of one place have the same.
    pub(crate) fn place(&self) -> String {
        let way = self.pool().connect_options();
        format!(
            "{}:{}/{} as {} {}",
            way.get_socket().map_or(way.get_host().into(), |socket| socket.to_string_lossy()),
            way.get_port(),
            way.get_database().unwrap_or_default(),
            way.get_username(),
            way.get_options().unwrap_or_default()
        )
    }

    /// The pool behind it, for reads.
    pub fn pool(&self) -> &PgPool {
        self.connections.pool()
    }
}

/// A transaction: what it writes and what it publishes happen together or not at all. Dropped, it is rolled back.
pub struct Tx {
    connections: Connections,
    lease: Lease,
    source: Arc<str>,
    correlation_id: Option<String>,
    causation_id: Option<EventId>,
    actor: Option<String>,
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Tx {
    /// The connection, for the transaction's own statements.
    ///
    /// The next transaction has it too, and begins as the session's defaults say: nothing is left of `SET TRANSACTION`, `SET
    /// LOCAL`, `set_config(…, true)`, `pg_advisory_xact_lock`, a cursor, a temporary table `ON COMMIT DROP`. What is made for
    /// the session stays with it, as with every pool, and is yours to take back: `SET`, `SET ROLE`, `pg_advisory_lock`,
    /// `LISTEN`, `PREPARE`, a cursor `WITH HOLD`, any other temporary table. `COMMIT` and `ROLLBACK` are not for you to say.
    pub fn connection(&mut self) -> &mut PgConnection {
        self.lease.connection()
    }

    /// Events published from here on belong to the journey and have the cause of the event being handled, by this handler.
    pub(crate) fn caused_by(&mut self, event: EventId, correlation_id: Option<&str>, handler: &str) {
        self.causation_id = Some(event);
        self.correlation_id = correlation_id.map(str::to_owned);
        self.actor = Some(format!("handler:{handler}"));
    }

    /// Events published from here on name who did it, such as `token:front-desk`: a program or a post, never a person's data.
    pub fn by(&mut self, actor: impl Into<String>) {
        self.actor = Some(actor.into());
    }

    /// Triggers that publish find the present trace in `switchboard.traceparent`. Costs nothing while traces are off.
    pub(crate) async fn tell_trace(&mut self) -> Result<(), sqlx::Error> {
        if !trace::is_on() {
            return Ok(());
        }
        let headers = trace::headers_of(&Span::current());
        if let Some((_, parent)) = headers.iter().find(|(name, _)| *name == headers::TRACEPARENT) {
            let tell = sqlx::query("SELECT set_config('switchboard.traceparent', $1, true)").bind(parent);
            tell.execute(self.lease.connection()).await?;
        }
        Ok(())
    }

    /// Publishes an event once this transaction commits.
    ///
    /// Call it after the write that the event tells of: the row's place in the order is drawn here, and only while the
    /// lock of the changed row is held is that the order of the changes.
    ///
    /// # Errors
    /// When the event is too large or the database refuses the row.
    pub async fn publish<E: Event>(&mut self, mut event: NewEvent<E>) -> Result<EventId, PublishError> {
        event.causation_id = event.causation_id.or(self.causation_id);
        event.correlation_id = event.correlation_id.or_else(|| self.correlation_id.clone());
        event.actor = event.actor.or_else(|| self.actor.clone());
        let envelope = Envelope::seal(event, &self.source);
        let encode = |source| PublishError::Encode { event_type: E::TYPE, source };
        let payload = codec::encode(&envelope).map_err(encode)?;
        let span = trace::send(E::TOPIC.name);
        let headers: Vec<_> = headers::of(&envelope).into_iter().chain(trace::headers_of(&span)).collect();
        self.append(E::TYPE, E::TOPIC, &envelope.key(), &headers, &payload).instrument(span).await?;
        Ok(envelope.event_id)
    }

    /// Publishes a record as it stands: `headers` is a JSON object of strings. For what is no event, such as a dead letter
    /// with foreign bytes.
    ///
    /// # Errors
    /// When the record is too large or the database refuses the row.
    pub async fn publish_raw(
        &mut self,
        topic: &TopicSpec,
        key: &str,
        headers: &[(&str, String)],
        payload: &[u8],
    ) -> Result<(), PublishError> {
        self.append("raw", topic, key, headers, payload).await
    }

    async fn append(
        &mut self,
        event_type: &'static str,
        topic: &TopicSpec,
        key: &str,
        headers: &[(&str, String)],
        payload: &[u8],
    ) -> Result<(), PublishError> {
        let of_headers = headers.iter().map(|(name, value)| record_size::header(name, value.as_bytes())).sum();
        let size = record_size::record(key.as_bytes(), payload, of_headers);
        let limit = topic.max_message_bytes as usize;
        if size > limit {
            return Err(PublishError::TooLarge { topic: topic.name, size, limit });
        }
        let headers: serde_json::Map<String, serde_json::Value> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
        sqlx::query("INSERT INTO outbox (topic, key, headers, payload) VALUES ($1, $2, $3::text::json, $4)")
            .bind(topic.name)
            .bind(key)
            .bind(serde_json::Value::Object(headers).to_string())
            .bind(payload)
            .execute(self.lease.connection())
            .await
            .map_err(|source| PublishError::Write { event_type, source })?;
        Ok(())
    }

    /// Makes it so.
    ///
    /// # Errors
    /// When the database refuses, also because a statement had failed before and nobody minded: then nothing was written.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.settle().await?;
        self.keep();
        Ok(())
    }

    /// The first half of a commit: what was written stands. After an error the transaction is there still, to be dropped or
    /// renewed.
    pub(crate) async fn settle(&mut self) -> Result<(), sqlx::Error> {
        Connections::commit(&mut self.lease).await
    }

    /// The second half: its connection is for the next.
    pub(crate) fn keep(self) {
        self.connections.keep(self.lease);
    }

    /// Undoes it, and ends its connection, which is of no use any more, and those at hand, which are as old.
    pub(crate) async fn renew(self) {
        self.connections.renew(self.lease).await;
    }

    /// Undoes it.
    pub async fn rollback(self) -> Result<(), sqlx::Error> {
        self.lease.rollback().await
    }
}
