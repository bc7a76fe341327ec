//! A record's way from the hand-over to its acknowledgement, for every producer but the relay's.
//!
//! Records are handed over in the order of the calls, also while the client's queue is full: a client of its own accord
//! refuses them then, and whoever tries again later would come behind others of the same key.

use std::{
    collections::HashMap,
    fmt,
    ops::Deref,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures::task::AtomicWaker;
use rdkafka::{
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::{DeliveryResult, Message as _},
    producer::{ProducerContext, ThreadedProducer},
    statistics::Statistics,
};
use tokio::{sync::Notify, time::timeout};

use super::{
    client::{Client, LastError},
    out_record::OutRecord,
    producer_metrics::{ProducerMetrics, TopicMetrics},
    send_error::SendError,
};
use crate::contract::topics::{TopicNames, TopicSpec};

/// While the client's queue is full, it is tried this often at least: a place becomes free a moment after the delivery that
/// frees it is told.
const FULL: Duration = Duration::from_millis(5);

/// A record on its way: ends with its acknowledgement by every in-sync replica. Dropped, the record goes its way all the
/// same.
#[must_use = "without awaiting it nobody learns that the record failed"]
pub struct Delivery(Arc<Pending>);

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").finish_non_exhaustive()
    }
}

impl Future for Delivery {
    type Output = Result<(), SendError>;

    /// A client answers for every record, at the latest when it is dropped.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // First, so that an answer that comes in between wakes.
        self.0.waker.register(context.waker());
        self.0.outcome().take().map_or(Poll::Pending, Poll::Ready)
    }
}

/// What is known of a record until it is answered for. The one who awaits it holds it longer than the client's thread does, as
/// a rule, so it is freed by the thread that made it: with a channel and a box for each record, made by one thread and freed
/// by the other, sending was a seventh slower.
pub(super) struct Pending {
    outcome: Mutex<Option<Result<(), SendError>>>,
    waker: AtomicWaker,
    is_awaited: bool,
    metrics: Arc<TopicMetrics>,
    since: Option<Instant>,
}

impl Pending {
    fn outcome(&self) -> MutexGuard<'_, Option<Result<(), SendError>>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client, with what it counts.
pub(super) struct Outlet {
    client: OffThread<ThreadedProducer<Deliveries>>,
    deliveries: Deliveries,
    metrics: ProducerMetrics,
    /// What the catalogue's topics take, by their names in Kafka.
    limits: HashMap<String, usize>,
}

impl Outlet {
    /// `topics` are those whose limits its records are held against before they are compressed.
    pub(super) fn open(settings: &ClientConfig, names: TopicNames, topics: &[&TopicSpec]) -> Result<Self, KafkaError> {
        let deliveries = Deliveries { names: names.clone(), ..Deliveries::default() };
        let client = OffThread(Some(settings.create_with_context(deliveries.clone())?));
        let limits = topics.iter().map(|topic| (names.in_kafka(topic), topic.max_message_bytes as usize)).collect();
        Ok(Self { client, deliveries, metrics: ProducerMetrics::new(names), limits })
    }

    pub(super) fn client(&self) -> &ThreadedProducer<Deliveries> {
        &self.client
    }

    /// What the client met by itself.
    pub(super) fn met(&self) -> &LastError {
        &self.deliveries.client.last_error
    }

    /// The first failure of a record that had no `answer`, since it was last asked.
    pub(super) fn take_failure(&self) -> Option<SendError> {
        self.deliveries.failure.lock().ok()?.take()
    }

    /// Hands a record over, waiting while there is no room for it.
    pub(super) async fn hand_over(&mut self, record: &OutRecord) -> Result<Delivery, KafkaError> {
        let pending = self.hand_over_for(record, true).await?;
        Ok(Delivery(pending))
    }

    /// The same where nobody awaits the record: its failure is kept for [`Self::take_failure`].
    pub(super) async fn hand_over_unawaited(&mut self, record: &OutRecord) -> Result<(), KafkaError> {
        self.hand_over_for(record, false).await.map(drop)
    }

    async fn hand_over_for(&mut self, record: &OutRecord, is_awaited: bool) -> Result<Arc<Pending>, KafkaError> {
        let metrics = self.metrics.of(&record.topic);
        if self.limits.get(&record.topic).is_some_and(|limit| record.size() > *limit) {
            metrics.failed();
            return Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge));
        }
        let pending = Arc::new(Pending {
            outcome: Mutex::default(),
            waker: AtomicWaker::new(),
            is_awaited,
            metrics,
            since: self.metrics.sample(),
        });
        let mut outgoing = record.with_opaque(Arc::clone(&pending));
        loop {
            match self.client.send(outgoing) {
                Ok(()) => return Ok(pending),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                    outgoing = refused;
                    let _ = timeout(FULL, self.deliveries.room.notified()).await;
                }
                Err((error, _)) => {
                    pending.metrics.failed();
                    return Err(error);
                }
            }
        }
    }
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
    type DeliveryOpaque = Arc<Pending>;

    fn delivery(&self, result: &DeliveryResult<'_>, pending: Arc<Pending>) {
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
                Err(SendError::of(message.topic(), Some(&self.client.last_error), error.clone()))
            }
        };
        match outcome {
            // Nobody waits any more when the sender was cancelled: the record's fate is then unknown to it either way.
            outcome if pending.is_awaited => {
                *pending.outcome() = Some(outcome);
                pending.waker.wake();
            }
            Err(failure) => {
                if let Ok(mut first) = self.failure.lock() {
                    first.get_or_insert(failure);
                }
            }
            Ok(()) => {}
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
