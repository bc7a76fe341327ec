//! A record's way from the hand-over to its acknowledgement, for every producer but the relay's.
//!
//! Records are handed over in the order of the calls, also while the client's queue is full: a client of its own accord
//! refuses them then, and whoever tries again later would come behind others of the same key.

use std::{
    ops::Deref,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::{DeliveryResult, Message as _},
    producer::{ProducerContext, ThreadedProducer},
    statistics::Statistics,
};
use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};

use super::{
    client::Client,
    producer::OutRecord,
    producer_metrics::{ProducerMetrics, TopicMetrics},
    send_error::SendError,
};
use crate::contract::topics::TopicNames;

/// While the client's queue is full, it is tried this often at least: a place becomes free a moment after the delivery that
/// frees it is told.
const FULL: Duration = Duration::from_millis(5);

type Answer = oneshot::Sender<Result<(), SendError>>;

/// A record on its way: ends with its acknowledgement by every in-sync replica. Dropped, the record goes its way all the
/// same.
#[derive(Debug)]
#[must_use = "without awaiting it nobody learns that the record failed"]
pub struct Delivery(oneshot::Receiver<Result<(), SendError>>);

impl Delivery {
    pub(super) fn new() -> (Answer, Self) {
        let (answer, answered) = oneshot::channel();
        (answer, Self(answered))
    }
}

impl Future for Delivery {
    type Output = Result<(), SendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // A client answers for every record, at the latest when it is dropped; without it the process is ending.
        let gone = |_| Err(SendError::of("a topic", None, KafkaError::Canceled));
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or_else(gone))
    }
}

/// A client, with what it counts.
pub(super) struct Outlet {
    client: OffThread<ThreadedProducer<Deliveries>>,
    deliveries: Deliveries,
    metrics: ProducerMetrics,
}

impl Outlet {
    pub(super) fn open(settings: &ClientConfig, names: TopicNames) -> Result<Self, KafkaError> {
        let deliveries = Deliveries { names: names.clone(), ..Deliveries::default() };
        let client = OffThread(Some(settings.create_with_context(deliveries.clone())?));
        Ok(Self { client, deliveries, metrics: ProducerMetrics::new(names) })
    }

    pub(super) fn client(&self) -> &ThreadedProducer<Deliveries> {
        &self.client
    }

    /// What the client met by itself.
    pub(super) fn hint(&self) -> Option<String> {
        self.deliveries.client.last_error.get()
    }

    /// The first failure of a record that had no `answer`, since it was last asked.
    pub(super) fn take_failure(&self) -> Option<SendError> {
        self.deliveries.failure.lock().ok()?.take()
    }

    /// Hands a record over, waiting while there is no room for it.
    pub(super) async fn hand_over(&mut self, record: &OutRecord, answer: Option<Answer>) -> Result<(), KafkaError> {
        let metrics = self.metrics.of(&record.topic);
        let pending = Pending { answer, metrics: Arc::clone(&metrics), since: self.metrics.sample() };
        let mut outgoing = record.with_opaque(Box::new(pending));
        loop {
            match self.client.send(outgoing) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                    outgoing = refused;
                    let _ = timeout(FULL, self.deliveries.room.notified()).await;
                }
                Err((error, _)) => {
                    metrics.failed();
                    return Err(error);
                }
            }
        }
    }
}

pub(super) struct Pending {
    answer: Option<Answer>,
    metrics: Arc<TopicMetrics>,
    since: Option<Instant>,
}

#[derive(Clone, Default)]
pub(super) struct Deliveries {
    client: Client,
    names: TopicNames,
    room: Arc<Notify>,
    failure: Arc<Mutex<Option<SendError>>>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.client.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.client.error(error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        ProducerMetrics::new(self.names.clone()).batch_sizes(&statistics);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Pending>;

    fn delivery(&self, result: &DeliveryResult<'_>, pending: Box<Pending>) {
        let outcome = match result {
            Ok(_) => {
                pending.metrics.sent();
                if let Some(since) = pending.since {
                    pending.metrics.took(since);
                }
                Ok(())
            }
            Err((error, message)) => {
                pending.metrics.failed();
                Err(SendError::of(message.topic(), self.client.last_error.get(), error.clone()))
            }
        };
        match (pending.answer, outcome) {
            // Nobody waits any more when the sender was cancelled: the record's fate is then unknown to it either way.
            (Some(answer), outcome) => _ = answer.send(outcome),
            (None, Err(failure)) => {
                if let Ok(mut first) = self.failure.lock() {
                    first.get_or_insert(failure);
                }
            }
            (None, Ok(())) => {}
        }
        self.room.notify_one();
    }
}

/// Dropping a client waits for its threads, and half a second for what it gives up; a task must not.
struct OffThread<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> Deref for OffThread<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("only the drop takes it")
    }
}

impl<T: Send + 'static> Drop for OffThread<T> {
    fn drop(&mut self) {
        let client = self.0.take();
        // Where there is no thread to be had, it is dropped here.
        let _ = std::thread::Builder::new().name("kafka-drop".into()).spawn(move || drop(client));
    }
}
