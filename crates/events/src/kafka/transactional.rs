//! All or nothing: records of several topics, and the offsets of what they were made from, become visible together or not at
//! all. For Kafka-to-Kafka work; what belongs to a database goes through the outbox.
//!
//! librdkafka's transactional calls block, and some of them longer than they were told, so each producer has a thread that
//! makes them and a deadline here. Readers see a transaction only as `read_committed`, as all of ours are.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

pub use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::{
    Offset, TopicPartitionList,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{Producer as _, ThreadedProducer},
};
use tokio::{sync::oneshot, time::timeout};

pub use super::transaction_error::TransactionError;
use super::{
    config::KafkaConfig,
    delivery::{Deliveries, Outlet},
    out_record::OutRecord,
    registry::Registry,
    transaction_error::{Met, Step},
};
use crate::contract::{
    event::{Event, NewEvent},
    topics::{CATALOGUE, TopicNames},
};

/// The thread is waited for this much longer than a call of its may take: librdkafka does not always keep to its limit.
const MARGIN: Duration = Duration::from_secs(5);
/// What may be tried again is tried again after this time.
const AGAIN: Duration = Duration::from_millis(50);
/// Before a commit it is looked this often whether everything was delivered. The client's own flush looks ten times a
/// second.
const DELIVERED: Duration = Duration::from_micros(500);

type Client = ThreadedProducer<Deliveries>;
type Work = Box<dyn FnOnce(&Client) + Send>;

/// Sends records in transactions. Of all producers with one `transactional.id` only the newest works: it ends what the one
/// before it left open, and that one is [fenced](TransactionError::Fenced).
///
/// ```no_run
/// # use events::kafka::{producer::OutRecord, transactional::{TransactionalProducer, TransactionError}};
/// # async fn example(producer: &mut TransactionalProducer, records: Vec<OutRecord>) -> Result<(), TransactionError> {
/// let mut transaction = producer.begin().await?;
/// for record in &records {
///     transaction.send(record).await?; // an error drops the transaction, which aborts it
/// }
/// transaction.commit().await
/// # }
/// ```
///
/// What ended takes nothing more, and only one is open at a time:
///
/// ```compile_fail,E0382
/// # use events::kafka::{producer::OutRecord, transactional::{TransactionalProducer, TransactionError}};
/// # async fn example(producer: &mut TransactionalProducer, record: OutRecord) -> Result<(), TransactionError> {
/// let mut transaction = producer.begin().await?;
/// transaction.commit().await?;
/// transaction.send(&record).await
/// # }
/// ```
///
/// ```compile_fail,E0499
/// # use events::kafka::{producer::OutRecord, transactional::{TransactionalProducer, TransactionError}};
/// # async fn example(producer: &mut TransactionalProducer, record: OutRecord) -> Result<(), TransactionError> {
/// let mut first = producer.begin().await?;
/// let mut second = producer.begin().await?;
/// first.send(&record).await
/// # }
/// ```
pub struct TransactionalProducer {
    outlet: Outlet,
    /// Makes the calls that block, in their order.
    thread: mpsc::Sender<Work>,
    registry: Option<Registry>,
    names: TopicNames,
    source: String,
    id: String,
    patience: Duration,
    /// The thread is stuck in the client, or an outcome is not known: a new producer has to settle it.
    stuck: bool,
}

impl std::fmt::Debug for TransactionalProducer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TransactionalProducer").field("id", &self.id).finish_non_exhaustive()
    }
}

impl TransactionalProducer {
    /// Connects, fences every earlier producer of this `id`, and ends the transaction that it left open.
    ///
    /// The `id` is the same after a restart and differs between instances that work side by side; it gets the name space of
    /// the topics. `patience` is how long a transaction may take: brokers abort it then, and until then what it left open
    /// keeps `read_committed` readers from what comes after it. It lies between 1 s and the brokers'
    /// `transaction.max.timeout.ms`, 15 minutes unless set.
    ///
    /// # Errors
    /// [`TransactionError::Unavailable`] while Kafka is away; [`TransactionError::Fatal`] where a setting or the right to
    /// use this id is missing.
    pub async fn new(
        config: &KafkaConfig,
        source: &str,
        id: &str,
        patience: Duration,
    ) -> Result<Self, TransactionError> {
        let names = config.topic_names();
        let id = names.group(id);
        let limit = patience.as_millis().to_string();
        let mut settings = config.producer(source, Some(patience));
        settings.set("transactional.id", &id).set("transaction.timeout.ms", limit);
        let refused = |reason: String| TransactionError::Fatal { id: id.clone(), reason };
        let outlet = Outlet::open(&settings, names.clone(), CATALOGUE).map_err(|error| refused(error.to_string()))?;
        let (thread, work) = mpsc::channel::<Work>();
        let client = outlet.client().clone();
        thread::Builder::new()
            .name("kafka-transactions".into())
            .spawn(move || work.iter().for_each(|work| work(&client)))
            .map_err(|error| refused(error.to_string()))?;
        let registry = Registry::of(config);
        let mut new = Self { outlet, thread, registry, names, source: source.to_owned(), id, patience, stuck: false };
        new.call(Step::Start, |client, left| client.init_transactions(left)).await?;
        Ok(new)
    }

    /// Begins a transaction. One that was dropped unfinished is aborted before.
    ///
    /// # Errors
    /// [`TransactionError::Fenced`] or [`TransactionError::Fatal`].
    pub async fn begin(&mut self) -> Result<Transaction<'_>, TransactionError> {
        let begin = |client: &Client, _| client.begin_transaction();
        // Beginning asks nobody, so what is in the way is an earlier transaction: one whose abort was not answered, or whose
        // `begin` was cancelled.
        match self.call(Step::Begin, begin).await {
            Err(TransactionError::Unavailable { .. }) => {
                self.call(Step::Abort, abort).await?;
                self.call(Step::Begin, begin).await?;
            }
            begun => begun?,
        }
        self.outlet.take_failure();
        Ok(Transaction { producer: self, open: true })
    }

    /// Makes a call on the thread, again where it may be made again, no longer than the patience.
    async fn call(
        &mut self,
        step: Step,
        call: impl Fn(&Client, Duration) -> Result<(), KafkaError> + Send + 'static,
    ) -> Result<(), TransactionError> {
        // A dead client has been seen to hang in what it is asked.
        if let Some(fatal) = self.outlet.client().client().fatal_error() {
            return Err(self.met(step, Some(fatal)).error(KafkaError::Canceled));
        }
        let (answer, answered) = oneshot::channel();
        let deadline = Instant::now() + self.patience;
        let work: Work = Box::new(move |client| {
            let outcome = loop {
                let left = deadline.saturating_duration_since(Instant::now());
                match call(client, left) {
                    Err(KafkaError::Transaction(error)) if error.is_retriable() && !left.is_zero() => {
                        thread::sleep(AGAIN)
                    }
                    outcome => break outcome,
                }
            };
            let _ = answer.send(outcome);
        });
        let sent = !self.stuck && self.thread.send(work).is_ok();
        match timeout(self.patience + MARGIN, answered).await {
            Ok(Ok(outcome)) => {
                outcome.map_err(|error| self.met(step, self.outlet.client().client().fatal_error()).error(error))
            }
            Ok(Err(_)) | Err(_) => {
                self.stuck = true;
                let stuck = (RDKafkaErrorCode::OperationTimedOut, "its client does not answer".to_owned());
                // A commit that was asked for may have been made.
                Err(self.met(step, (step != Step::Commit || !sent).then_some(stuck)).error(KafkaError::Canceled))
            }
        }
    }

    fn met(&self, step: Step, fatal: Option<(RDKafkaErrorCode, String)>) -> Met<'_> {
        Met { id: &self.id, step, hint: self.outlet.met().get(), fatal }
    }
}

/// An open transaction. Dropped before [`Self::commit`] or [`Self::abort`], it is aborted.
#[derive(Debug)]
#[must_use = "a transaction that is dropped is aborted"]
pub struct Transaction<'p> {
    producer: &'p mut TransactionalProducer,
    open: bool,
}

impl Transaction<'_> {
    /// Hands a record over as it is, waiting only while there is no room for it; [`Self::commit`] waits for what was handed
    /// over.
    ///
    /// # Errors
    /// [`TransactionError::Abortable`] when this record, or one before it, does not get into Kafka.
    pub async fn send(&mut self, record: &OutRecord) -> Result<(), TransactionError> {
        let producer = &mut *self.producer;
        if let Some(failure) = producer.outlet.take_failure() {
            return Err(producer.met(Step::Send, None).failed_record(failure));
        }
        let sent = producer.outlet.hand_over_unawaited(record).await;
        sent.map_err(|error| producer.met(Step::Send, producer.outlet.client().client().fatal_error()).error(error))
    }

    /// Hands an event over, framed where a schema registry is set.
    ///
    /// # Errors
    /// As [`Self::send`], and [`TransactionError::Event`].
    pub async fn publish<E: Event>(&mut self, event: NewEvent<E>) -> Result<(), TransactionError> {
        let producer = &*self.producer;
        let mut record = OutRecord::of(event, &producer.source, &producer.names).map_err(TransactionError::Event)?;
        if let Some(registry) = &producer.registry {
            let framed = registry.frame(&mut record, producer.patience).await;
            framed.map_err(|error| TransactionError::Event(error.into()))?;
        }
        self.send(&record).await
    }

    /// Commits these offsets of the consumer with the transaction: topic, partition, and the offset of the *next* record to
    /// be read. The consumer itself must commit none; `group` is its `group_metadata()`, taken after the records were.
    ///
    /// # Errors
    /// [`TransactionError::Abortable`] too when the consumer has lost its partitions meanwhile.
    pub async fn send_offsets(
        &mut self,
        offsets: &[(&str, i32, i64)],
        group: ConsumerGroupMetadata,
    ) -> Result<(), TransactionError> {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (topic, partition, next) in offsets {
            let added = list.add_partition_offset(topic, *partition, Offset::Offset(*next));
            added.map_err(|error| self.producer.met(Step::SendOffsets, None).error(error))?;
        }
        let call = move |client: &Client, left: Duration| client.send_offsets_to_transaction(&list, &group, left);
        self.producer.call(Step::SendOffsets, call).await
    }

    /// Waits until everything has been delivered and makes it visible. After an error that is not
    /// [`TransactionError::OutcomeUnknown`] nothing of it ever is.
    ///
    /// # Errors
    /// See [`TransactionError`], which says what to do.
    pub async fn commit(mut self) -> Result<(), TransactionError> {
        let call = |client: &Client, left: Duration| {
            let deadline = Instant::now() + left;
            while client.in_flight_count() > 0 && Instant::now() < deadline {
                thread::sleep(DELIVERED);
            }
            client.commit_transaction(deadline.saturating_duration_since(Instant::now()))
        };
        let outcome = self.producer.call(Step::Commit, call).await;
        self.open = matches!(outcome, Err(TransactionError::Abortable { .. }));
        self.producer.stuck |= matches!(outcome, Err(TransactionError::OutcomeUnknown { .. }));
        match (outcome, self.producer.outlet.take_failure()) {
            // The client only counts how many records failed.
            (Err(TransactionError::Abortable { .. }), Some(failure)) => {
                Err(self.producer.met(Step::Commit, None).failed_record(failure))
            }
            (outcome, _) => outcome,
        }
    }

    /// Gives everything up: no `read_committed` reader ever sees any of it.
    ///
    /// # Errors
    /// [`TransactionError::Fatal`] where that was not acknowledged; nothing becomes visible then either.
    pub async fn abort(mut self) -> Result<(), TransactionError> {
        self.open = false;
        self.producer.call(Step::Abort, abort).await
    }
}

fn abort(client: &Client, left: Duration) -> Result<(), KafkaError> {
    client.abort_transaction(left)
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.open || self.producer.stuck {
            return;
        }
        let limit = self.producer.patience;
        let _ = self.producer.thread.send(Box::new(move |client| {
            // Where it fails, the next transaction does not begin, or the next producer with this id aborts it.
            if let Err(error) = abort(client, limit) {
                tracing::warn!(%error, "a transaction that was dropped could not be aborted yet");
            }
        }));
    }
}
