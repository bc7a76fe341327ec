//! Sending records without an outbox, for dead letters and for tools: handed over in the order of the calls, acknowledged by
//! every in-sync replica. What a transaction publishes goes through the outbox instead.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    producer::Producer as _,
};
use tokio::sync::Mutex;
use tracing::Instrument;

use super::{config::KafkaConfig, delivery::Outlet, registry::Registry, trace};
pub use super::{delivery::Delivery, out_record::OutRecord, send_error::SendError};
use crate::contract::{
    event::{Event, NewEvent},
    topics::{CATALOGUE, TopicNames, TopicSpec},
};

/// Sends records. Dropping it gives up what is not acknowledged yet, and each such [`Delivery`] says so: to lose nothing,
/// await the deliveries or [`Self::flush`] first.
///
/// A client that died (an idempotent one does when it no longer knows what the broker has) is replaced by the next call;
/// what was on its way fails as [`SendError::ClientDied`] or [`SendError::Unacknowledged`].
pub struct Producer {
    /// Fair: whoever calls first goes first.
    turn: Mutex<Outlet>,
    settings: ClientConfig,
    /// The topics whose limits records are held against.
    limits: &'static [&'static TopicSpec],
    patience: Duration,
    registry: Option<Registry>,
    names: TopicNames,
    source: String,
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Producer {
    /// A producer for the service `source`, which tries a record for at most `patience`. Does not connect yet.
    ///
    /// # Errors
    /// When a setting is not what librdkafka accepts, such as a certificate file that holds none.
    pub fn new(config: &KafkaConfig, source: &str, patience: Duration) -> Result<Self, KafkaError> {
        Self::with(config.producer(source, Some(patience)), CATALOGUE, config, source, patience)
    }

    /// The same for dead letters: takes what no other takes for its size. Do not publish much by it.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(crate) fn for_letters(config: &KafkaConfig, source: &str, patience: Duration) -> Result<Self, KafkaError> {
        // What a letter is about may have come into its topic compressed: Kafka says what is too large.
        Self::with(config.letters_producer(source, patience), &[], config, source, patience)
    }

    fn with(
        settings: ClientConfig,
        limits: &'static [&'static TopicSpec],
        config: &KafkaConfig,
        source: &str,
        patience: Duration,
    ) -> Result<Self, KafkaError> {
        let names = config.topic_names();
        Ok(Self {
            turn: Mutex::new(Outlet::open(&settings, names.clone(), limits)?),
            settings,
            limits,
            patience,
            registry: Registry::of(config),
            names,
            source: source.to_owned(),
        })
    }

    /// Publishes an event directly, without an outbox: whoever calls this must be able to call it again when it fails.
    /// Where a schema registry is set, the value is framed; one that is away is waited for within the producer's patience,
    /// and other records wait behind this one meanwhile.
    ///
    /// # Errors
    /// See [`SendError`], which says what to do.
    pub async fn publish<E: Event>(&self, event: NewEvent<E>) -> Result<(), SendError> {
        let span = trace::send(E::TOPIC.name);
        let mut record = OutRecord::of(event, &self.source, &self.names)?;
        let context = trace::headers_of(&span).into_iter();
        record.headers.extend(context.map(|(name, value)| (name.to_owned(), value.into_bytes())));
        let deliver = async {
            let mut turn = self.turn.lock().await;
            if let Some(registry) = &self.registry {
                registry.frame(&mut record, self.patience).await?;
            }
            let delivery = self.hand_over(&mut turn, &record).await?;
            drop(turn);
            delivery.await
        };
        deliver.instrument(span).await
    }

    /// Sends a record as it is and waits until every in-sync replica has it.
    ///
    /// # Errors
    /// See [`SendError`], which says what to do.
    pub async fn send(&self, record: &OutRecord) -> Result<(), SendError> {
        self.enqueue(record).await?.await
    }

    /// Hands a record over behind those of earlier calls, waiting while there is no room for it. The [`Delivery`] ends with
    /// the acknowledgement, so that a caller can keep many records on their way. Cancelled, nothing was handed over.
    ///
    /// # Errors
    /// When the client cannot take the record at all.
    pub async fn enqueue(&self, record: &OutRecord) -> Result<Delivery, SendError> {
        let mut turn = self.turn.lock().await;
        self.hand_over(&mut turn, record).await
    }

    async fn hand_over(&self, outlet: &mut Outlet, record: &OutRecord) -> Result<Delivery, SendError> {
        match outlet.hand_over(record).await {
            Ok(delivery) => return Ok(delivery),
            Err(error) if error.rdkafka_error_code() != Some(RDKafkaErrorCode::Fatal) => {
                return Err(SendError::of(&record.topic, Some(outlet.met()), error));
            }
            Err(_) => {}
        }
        let reason = outlet.client().client().fatal_error().map(|(_, reason)| reason);
        tracing::error!(reason, "the Kafka client died and is replaced; who sent what was on its way sends it again");
        let failed = |error| SendError::of(&record.topic, None, error);
        *outlet = Outlet::open(&self.settings, self.names.clone(), self.limits).map_err(failed)?;
        outlet.hand_over(record).await.map_err(failed)
    }

    /// Waits until everything that was handed over has its answer, at most `limit`.
    ///
    /// # Errors
    /// When something has none by then.
    pub async fn flush(&self, limit: Duration) -> Result<(), KafkaError> {
        let client = self.turn.lock().await.client().clone();
        match tokio::task::spawn_blocking(move || client.flush(limit)).await {
            Ok(flushed) => flushed,
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends.
                Err(_) => Err(KafkaError::Canceled),
            },
        }
    }
}
