//! A consumer is assembled where its service starts, one line for each handler; then it runs until it is told to stop.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use rdkafka::{
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
};
use thiserror::Error;
use tokio::{sync::mpsc::unbounded_channel, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    attempt::Engine,
    dispatch::Dispatcher,
    handler::{Handler, Registered},
    poll::Poller,
    rebalance::Assignments,
};
use crate::{
    contract::topics::{DEAD_LETTER_QUEUE, TopicSpec},
    flow::{error::chain, retry::RetryPolicy},
    kafka::{admin, config::KafkaConfig, producer::Producer},
    publish::Outbox,
};

/// A dead letter that was not acknowledged for this long is sent again; its id is the same.
const DEAD_LETTER_PATIENCE: Duration = Duration::from_secs(10);
/// Running handlers may finish for this long when a partition is given away and at shutdown.
const DRAIN: Duration = Duration::from_secs(10);
/// Leaving the group may take this long besides.
const CLOSE: Duration = Duration::from_secs(10);
/// A handler that runs longer is cut off and tried again.
const ATTEMPT: Duration = Duration::from_secs(60);
/// Without a poll for this long the consumer is not alive: a poll takes 50 ms, a rebalance at most the drain.
const SILENT: Duration = Duration::from_secs(30);

/// Why a consumer cannot be assembled.
#[derive(Debug, Error)]
pub enum BuildError {
    #[error("two handlers are called {0}: their inbox claims would be each other's")]
    SameName(&'static str),
    #[error("a consumer without handlers would skip every record")]
    NoHandlers,
    #[error("the Kafka settings were refused")]
    Settings(#[from] KafkaError),
    #[error("the consumer's thread could not be started")]
    Thread(#[from] std::io::Error),
}

/// Assembles a [`Consumer`].
#[derive(Debug)]
pub struct ConsumerBuilder {
    config: KafkaConfig,
    group: String,
    service: String,
    outbox: Outbox,
    handlers: Vec<Arc<dyn Registered>>,
    retry: RetryPolicy,
    attempt_limit: Duration,
}

/// Takes records of the topics of its handlers and has each handled once.
#[derive(Debug)]
pub struct Consumer {
    builder: ConsumerBuilder,
    status: ConsumerStatus,
}

impl ConsumerBuilder {
    /// One handler more; its event's topic is subscribed.
    pub fn handle<H: Handler>(mut self, handler: H) -> Self {
        self.handlers.push(Arc::new(handler));
        self
    }

    /// How failed attempts are repeated; see [`RetryPolicy::default`].
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// How long one attempt may take; a minute unless set.
    pub fn attempt_limit(mut self, limit: Duration) -> Self {
        self.attempt_limit = limit;
        self
    }

    /// # Errors
    /// When two handlers share a name, or there is none.
    pub fn build(self) -> Result<Consumer, BuildError> {
        if self.handlers.is_empty() {
            return Err(BuildError::NoHandlers);
        }
        for (index, handler) in self.handlers.iter().enumerate() {
            if self.handlers[..index].iter().any(|other| other.name() == handler.name()) {
                return Err(BuildError::SameName(handler.name()));
            }
        }
        Ok(Consumer { builder: self, status: ConsumerStatus::default() })
    }
}

impl Consumer {
    /// Begins to assemble a consumer of the group `group`, which `KAFKA_GROUP_ID` is not consulted for: the service
    /// decides. Effects and their events go through `outbox`.
    pub fn builder(config: KafkaConfig, group: &str, service: &str, outbox: Outbox) -> ConsumerBuilder {
        ConsumerBuilder {
            group: config.topic_names().group(group),
            service: service.to_owned(),
            config,
            outbox,
            handlers: Vec::new(),
            retry: RetryPolicy::default(),
            attempt_limit: ATTEMPT,
        }
    }

    /// For readiness.
    pub fn status(&self) -> ConsumerStatus {
        self.status.clone()
    }

    /// Takes records until the shutdown; then finishes what runs, commits, and leaves the group.
    ///
    /// # Errors
    /// When the settings are refused or the thread cannot be started. An outage of Kafka is waited out.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), BuildError> {
        let Self { builder, status } = self;
        // Whoever drops this future without a word must not leave a thread behind that keeps the partitions.
        let shutdown = shutdown.child_token();
        let _stop_the_thread = shutdown.clone().drop_guard();
        let names = builder.config.topic_names();
        let specs: BTreeMap<&str, &'static TopicSpec> =
            builder.handlers.iter().map(|handler| (handler.topic().name, handler.topic())).collect();
        let specs: Vec<_> = specs.into_values().collect();
        wait_for_topics(&builder, &specs, &shutdown).await;

        let topics: Vec<(Arc<str>, _)> = specs.iter().map(|spec| (names.in_kafka(spec).into(), *spec)).collect();
        let (events, inbound) = unbounded_channel();
        let (commits, to_commit) = mpsc::channel();
        let context = Assignments::new(topics.clone(), events.clone(), status.clone(), DRAIN);
        let consumer: BaseConsumer<Assignments> =
            builder.config.consumer(&builder.service, &builder.group).create_with_context(context)?;
        let subscription: Vec<&str> = topics.iter().map(|(name, _)| &**name).collect();
        consumer.subscribe(&subscription)?;

        let poller = Poller {
            consumer,
            events: events.clone(),
            commits: to_commit,
            status: status.clone(),
            most_at_once: builder.config.consumer.kafka_consumer_max_poll_records as usize,
            shutdown: shutdown.clone(),
        };
        let dead_letters = Producer::new(&builder.config, &builder.service, DEAD_LETTER_PATIENCE)?;
        let concurrency = builder.config.consumer.kafka_consumer_concurrency as usize;
        let engine = Engine {
            group: builder.group,
            service: builder.service,
            handlers: builder.handlers,
            outbox: builder.outbox,
            dead_letters,
            names,
            retry: builder.retry,
            attempt_limit: builder.attempt_limit,
            status,
        };
        let engine = Arc::new(engine);
        let dispatcher = Dispatcher::new(Arc::clone(&engine), concurrency, events, commits);
        std::thread::Builder::new().name("kafka-poll".to_owned()).spawn(move || poller.run())?;
        let run = dispatcher.run(inbound);
        let mut run = std::pin::pin!(run);
        tokio::select! {
            () = &mut run => {}
            () = shutdown.cancelled() => {
                if timeout(DRAIN + CLOSE, run).await.is_err() {
                    tracing::warn!("the consumer did not leave its group in time and is left behind");
                }
            }
        }
        // The last owner of the dead letters' producer drops it, which waits for its threads.
        let _ = tokio::task::spawn_blocking(move || drop(engine)).await;
        Ok(())
    }
}

/// Services start in any order: whoever needs a topic first creates it as the catalogue has it. Where this service may
/// not, it waits for the one that may.
async fn wait_for_topics(builder: &ConsumerBuilder, specs: &[&'static TopicSpec], shutdown: &CancellationToken) {
    let needed: Vec<&TopicSpec> = specs.iter().copied().chain([&DEAD_LETTER_QUEUE]).collect();
    let mut said = false;
    while let Err(error) = admin::ensure(&builder.config, &builder.service, &needed).await {
        if !said {
            tracing::warn!(error = chain(&error), "the topics are not ready; trying again every second");
            said = true;
        }
        if timeout(Duration::from_secs(1), shutdown.cancelled()).await.is_ok() {
            return;
        }
    }
}

/// What a consumer is doing, for readiness.
#[derive(Clone)]
pub struct ConsumerStatus(Arc<Status>);

struct Status {
    began: Instant,
    /// Milliseconds after `began`; zero before the first poll.
    polled: AtomicU64,
    assigned: AtomicUsize,
    dead_letters_refused: AtomicBool,
}

impl Default for ConsumerStatus {
    fn default() -> Self {
        Self(Arc::new(Status {
            began: Instant::now(),
            polled: AtomicU64::new(0),
            // Before the first assignment: nobody has told yet.
            assigned: AtomicUsize::new(usize::MAX),
            dead_letters_refused: AtomicBool::new(false),
        }))
    }
}

impl fmt::Debug for ConsumerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerStatus").field("check", &self.check()).finish()
    }
}

impl ConsumerStatus {
    /// Whether it has joined its group, polls, and can write dead letters; `Err` says which is not so.
    pub fn check(&self) -> Result<(), String> {
        let polled = Duration::from_millis(self.0.polled.load(Ordering::Relaxed));
        if self.0.assigned.load(Ordering::Relaxed) == usize::MAX {
            return Err("has not joined its consumer group yet".to_owned());
        }
        if self.0.began.elapsed().saturating_sub(polled) > SILENT {
            return Err(format!("has not polled Kafka for {SILENT:?}"));
        }
        // The log has the reason, which may name hosts; readiness is open to everybody.
        match self.0.dead_letters_refused.load(Ordering::Relaxed) {
            true => Err("cannot write dead letters; see the log".to_owned()),
            false => Ok(()),
        }
    }

    /// How many partitions this worker has.
    pub fn partitions(&self) -> usize {
        match self.0.assigned.load(Ordering::Relaxed) {
            usize::MAX => 0,
            count => count,
        }
    }

    pub(super) fn polled(&self) {
        let now = u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        self.0.polled.store(now, Ordering::Relaxed);
    }

    pub(super) fn assigned(&self, partitions: usize) {
        self.0.assigned.store(partitions, Ordering::Relaxed);
    }

    pub(super) fn dead_letters_refused(&self, refused: bool) {
        self.0.dead_letters_refused.store(refused, Ordering::Relaxed);
    }
}
