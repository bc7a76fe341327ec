//! Sending records one by one with an awaited delivery, for dead letters and for tools. What a transaction publishes goes
//! through the outbox instead.

use std::time::Duration;

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer},
};
use thiserror::Error;
use tokio::sync::oneshot;

use super::{
    client::{Client, LastError},
    config::KafkaConfig,
};
use crate::contract::{
    codec,
    envelope::Envelope,
    event::{Event, NewEvent},
    headers,
    topics::TopicNames,
};

/// A record to be sent, with its name in Kafka.
#[derive(Debug, Clone)]
pub struct OutRecord {
    /// The name in Kafka.
    pub topic: String,
    /// Decides the partition; records of one key stay in order.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
    /// Names and values, in their order.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Why a record is not in Kafka, or not known to be.
#[derive(Debug, Error)]
#[error("sending to {topic} failed{hint}")]
pub struct SendError {
    topic: String,
    hint: String,
    source: KafkaError,
}

impl SendError {
    /// Whether Kafka refused this very record, so that sending it again is of no use.
    pub fn is_refusal(&self) -> bool {
        self.source.rdkafka_error_code().is_some_and(refused_for_good)
    }
}

/// The answers by which Kafka refuses a record for what it is.
pub(crate) fn refused_for_good(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::MessageSizeTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidMessage
            | Code::InvalidRecord
            | Code::InvalidTopic
            | Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::UnknownPartition
            | Code::TopicAuthorizationFailed
            | Code::PolicyViolation
    )
}

type Answer = oneshot::Sender<Result<(), KafkaError>>;

#[derive(Clone, Default)]
struct AwaitDelivery {
    client: Client,
}

impl ClientContext for AwaitDelivery {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.client.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.client.error(error, reason);
    }
}

impl ProducerContext for AwaitDelivery {
    type DeliveryOpaque = Box<Answer>;

    fn delivery(&self, result: &DeliveryResult<'_>, answer: Box<Answer>) {
        // Nobody waits any more when the sender was cancelled: the record's fate is then unknown to it either way.
        let _ = answer.send(result.as_ref().map(|_| ()).map_err(|(error, _)| error.clone()));
    }
}

/// A producer whose sends are awaited. Cheap to share behind an `Arc`.
pub struct Producer {
    inner: ThreadedProducer<AwaitDelivery>,
    last_error: LastError,
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
        let context = AwaitDelivery::default();
        let last_error = context.client.last_error.clone();
        let inner = config.producer(source, Some(patience)).create_with_context(context)?;
        Ok(Self { inner, last_error, names: config.topic_names(), source: source.to_owned() })
    }

    /// Publishes an event directly, without an outbox: whoever calls this must be able to call it again when it fails.
    ///
    /// # Errors
    /// When Kafka refuses the record or does not acknowledge it in time.
    pub async fn publish<E: Event>(&self, event: NewEvent<E>) -> Result<(), SendError> {
        let topic = self.names.in_kafka(E::TOPIC);
        let envelope = Envelope::seal(event, &self.source);
        let headers = headers::of(&envelope).into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes()));
        let record = OutRecord {
            key: Some(envelope.key().into_bytes()),
            headers: headers.collect(),
            payload: Some(codec::encode(&envelope).map_err(|_| SendError {
                topic: topic.clone(),
                hint: " (the event cannot be written as JSON)".to_owned(),
                source: KafkaError::MessageProduction(RDKafkaErrorCode::InvalidMessage),
            })?),
            topic,
        };
        self.send(&record).await
    }

    /// Sends a record and waits until every in-sync replica has it.
    ///
    /// # Errors
    /// When Kafka refuses the record or does not acknowledge it in time. Then it may be in the log all the same.
    pub async fn send(&self, record: &OutRecord) -> Result<(), SendError> {
        let failed = |source| SendError {
            topic: record.topic.clone(),
            hint: self.last_error.get().map(|reason| format!(" ({reason})")).unwrap_or_default(),
            source,
        };
        let (answer, delivered) = oneshot::channel();
        let mut opaque = Box::new(answer);
        loop {
            let mut outgoing = BaseRecord::with_opaque_to(&record.topic, opaque).headers(owned(&record.headers));
            outgoing.key = record.key.as_deref();
            outgoing.payload = record.payload.as_deref();
            match self.inner.send(outgoing) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                    opaque = refused.delivery_opaque;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err((error, _)) => return Err(failed(error)),
            }
        }
        match delivered.await {
            Ok(outcome) => outcome.map_err(failed),
            Err(_) => Err(failed(KafkaError::Canceled)),
        }
    }

    /// Waits until everything that was sent has its answer, at most `limit`. Blocks: call it from a blocking thread.
    pub fn flush(&self, limit: Duration) -> Result<(), KafkaError> {
        self.inner.flush(limit)
    }
}

/// Headers in librdkafka's form.
pub(crate) fn owned(headers: &[(String, Vec<u8>)]) -> OwnedHeaders {
    headers.iter().fold(OwnedHeaders::new_with_capacity(headers.len()), |all, (key, value)| {
        all.insert(Header { key, value: Some(value) })
    })
}
