//! A consumer's life: it waits for its topics, joins its group, takes records, and leaves when it is told to stop.

use std::{
    fmt,
    sync::{Arc, mpsc},
    time::Duration,
};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use sqlx::PgPool;
use tokio::{sync::mpsc::unbounded_channel, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    attempt::Engine,
    batch::{Batches, Batching, RegisteredBatch},
    build_error::BuildError,
    claimants::Claimant,
    dead_letter_brake::DeadLetterBrake,
    dependency_breakers::Breakers,
    dispatch::{Dispatcher, Mode},
    error_class::POSTGRES,
    figures::Figures,
    handler::{Placed, Registered},
    intake::Intake,
    lag::Watch,
    lane::Order,
    letter_store::LetterStore,
    letters::{Letters, Named},
    log_watch::LogWatch,
    monitoring::Monitoring,
    partition::Board,
    poll::Poller,
    rebuild::Rebuild,
    record::Subscribed,
    status::ConsumerStatus,
};
use crate::{
    contract::topics::{DEAD_LETTER_QUEUE, TopicSpec},
    flow::{brake::BrakePolicy, breaker::BreakerPolicy, error::chain, retry::RetryPolicy},
    kafka::{
        admin,
        config::{KafkaConfig, OffsetReset},
        producer::Producer,
    },
};

/// A dead letter that was not acknowledged for this long is sent again; its id is the same.
const DEAD_LETTER_PATIENCE: Duration = Duration::from_secs(10);
/// Running handlers may finish for this long when a partition is given away and at shutdown.
const DRAIN: Duration = Duration::from_secs(10);
/// Leaving the group may take this long besides.
const CLOSE: Duration = Duration::from_secs(10);
/// A client is followed by the next after this time.
const AGAIN: Duration = Duration::from_secs(1);

/// Takes records of the topics of its handlers and has each handled once.
#[derive(Debug)]
pub struct Consumer {
    pub(super) parts: ConsumerParts,
    pub(super) claimants: Vec<Arc<Claimant>>,
    pub(super) status: ConsumerStatus,
}

impl Consumer {
    /// For readiness.
    pub fn status(&self) -> ConsumerStatus {
        self.status.clone()
    }

    /// Takes records until the shutdown; then finishes what runs, commits, and leaves the group.
    ///
    /// # Errors
    /// When the settings are refused or the thread cannot be started. An outage of Kafka is waited out.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), BuildError> {
        let Self { parts, claimants: _until_the_end, status } = self;
        // Whoever drops this future without a word must not leave a thread behind that keeps the partitions.
        let shutdown = shutdown.child_token();
        let _stop_the_thread = shutdown.clone().drop_guard();
        wait_for_topics(&parts, &shutdown).await;
        let session = Session::new(parts, status)?;
        let _stop_the_watch = session.watch()?;
        session.count_rebuild("stalled", 0);
        session.mode.engine().letters.tell_from_the_start();
        tokio::spawn(Arc::clone(&session.mode.engine().letters).watch_parked(shutdown.clone()));
        let mut outcome = session.run(&shutdown).await;
        while let Ok(Ended::Rebuild(reason)) = outcome {
            session.count_rebuild(reason, 1);
            // A client that dies at once must not be built in a tight loop.
            let _ = timeout(AGAIN, shutdown.cancelled()).await;
            outcome = session.run(&shutdown).await;
        }
        // The last owner of the dead letters' producer drops it, which waits for its threads.
        let _ = tokio::task::spawn_blocking(move || drop(session)).await;
        outcome.map(|_| ())
    }
}

/// What a consumer is made of.
pub(super) struct ConsumerParts {
    pub(super) config: KafkaConfig,
    pub(super) group: String,
    pub(super) service: String,
    pub(super) handlers: Vec<Box<dyn Registered>>,
    pub(super) batches: Vec<(Box<dyn RegisteredBatch>, Batching)>,
    pub(super) order: Order,
    pub(super) retry: RetryPolicy,
    pub(super) attempt_limit: Duration,
    pub(super) breaker: BreakerPolicy,
    pub(super) brake: BrakePolicy,
    pub(super) cool_down: Duration,
    pub(super) stall_limit: Duration,
    /// Where its inbox is; `None` without a database.
    pub(super) inbox: Option<String>,
    pub(super) most_uncommitted: usize,
    pub(super) database: Option<PgPool>,
}

impl fmt::Debug for ConsumerParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("group", &self.group).field("handlers", &self.handlers).finish_non_exhaustive()
    }
}

impl ConsumerParts {
    /// The names that claims in the inbox are made under.
    pub(super) fn claim_as(&self) -> Vec<&'static str> {
        let of_handlers =
            self.handlers.iter().filter(|handler| handler.writes_receipts()).map(|handler| handler.name());
        of_handlers.chain(self.batches.iter().map(|(batches, _)| batches.name())).collect()
    }

    /// The topics of its handlers, each once.
    pub(super) fn topics(&self) -> Vec<&'static TopicSpec> {
        let of_handlers = self.handlers.iter().map(|handler| handler.topic());
        let of_batches = self.batches.iter().flat_map(|(batches, _)| batches.topics());
        let mut topics: Vec<_> = of_handlers.chain(of_batches).collect();
        topics.sort_by_key(|topic| topic.name);
        topics.dedup();
        topics
    }
}

/// What stays the same for as long as the consumer runs, whatever becomes of its client.
pub(super) struct Session {
    config: KafkaConfig,
    mode: Mode,
    order: Order,
    brake: (BrakePolicy, Duration),
    stall_limit: Duration,
    most_uncommitted: usize,
    board: Board,
    status: ConsumerStatus,
}

/// How the life of a client ended.
enum Ended {
    /// It was told to stop.
    Stopped,
    /// It is of no use any more.
    Rebuild(&'static str),
}

impl Session {
    pub(super) fn new(parts: ConsumerParts, status: ConsumerStatus) -> Result<Self, BuildError> {
        let names = parts.config.topic_names();
        let specs = parts.topics();
        let place = |spec: &'static TopicSpec| specs.iter().position(|other| *other == spec).unwrap_or_default() as u16;
        let of_batches = parts.batches.iter().map(|(handler, _)| Named { name: handler.name(), is_alone: true });
        let wanted: Vec<_> = parts.handlers.iter().map(|handler| (handler.topic(), handler.event_type())).collect();
        let named = parts.handlers.iter().zip(&wanted).map(|(handler, wants)| Named {
            name: handler.name(),
            is_alone: wanted.iter().filter(|other| *other == wants).count() == 1,
        });
        let called = named.chain(of_batches).collect();
        let handlers = parts.handlers.into_iter().map(|handler| Placed {
            topic: place(handler.topic()),
            figures: Figures::of(handler.name()),
            handler,
        });
        let topics: Arc<[Subscribed]> =
            specs.iter().map(|spec| Subscribed { name: names.in_kafka(spec), spec }).collect();
        let letters = Arc::new(Letters {
            producer: Producer::for_letters(&parts.config, &parts.service, DEAD_LETTER_PATIENCE)?,
            queue: names.in_kafka(&DEAD_LETTER_QUEUE),
            topics: Arc::clone(&topics),
            handlers: called,
            group: parts.group,
            service: parts.service,
            replay_key: parts.config.consumer.replay_signing_key.clone(),
            status: status.clone(),
            store: parts.database.map(LetterStore),
        });
        let engine = Arc::new(Engine {
            topics,
            handlers: handlers.collect(),
            monitoring: Monitoring::new(parts.config.clone(), Arc::clone(&letters)),
            rebuild: Rebuild::default(),
            letters,
            retry: parts.retry,
            attempt_limit: parts.attempt_limit,
            breakers: Breakers::new(parts.breaker, status.clone()),
        });
        let mode = match parts.batches.into_iter().next() {
            None => Mode::Each(engine),
            Some((handler, batching)) => {
                let figures = Figures::of(handler.name());
                Mode::Together(Arc::new(Batches { engine, handler, figures }), batching)
            }
        };
        metrics::counter!("dead_letter_failures_total", "group" => mode.engine().letters.group.clone()).increment(0);
        let uses_the_database = mode.engine().handlers.iter().any(|placed| placed.handler.writes_receipts());
        if uses_the_database || matches!(mode, Mode::Together(..)) {
            metrics::gauge!("breaker_state", "dependency" => POSTGRES).set(0.0);
        }
        let brake = (parts.brake, parts.cool_down);
        Ok(Self {
            config: parts.config,
            mode,
            order: parts.order,
            brake,
            stall_limit: parts.stall_limit,
            most_uncommitted: parts.most_uncommitted,
            board: Board::default(),
            status,
        })
    }

    #[cfg(test)]
    pub(super) fn engine(&self) -> Arc<Engine> {
        Arc::clone(self.mode.engine())
    }

    fn count_rebuild(&self, reason: &'static str, times: u64) {
        let group = self.mode.engine().letters.group.clone();
        metrics::counter!("kafka_consumer_rebuilds_total", "group" => group, "reason" => reason).increment(times);
    }

    /// Starts the threads that look at the lag and at the logs; they end when what is returned is dropped.
    fn watch(&self) -> Result<[mpsc::Sender<()>; 2], BuildError> {
        let engine = self.mode.engine();
        let watch = Watch {
            config: self.config.clone(),
            service: engine.letters.service.clone(),
            group: engine.letters.group.clone(),
            topics: Arc::clone(&engine.topics),
            board: self.board.clone(),
            status: self.status.clone(),
            limit: self.stall_limit,
            engine: Arc::clone(engine),
        };
        let logs = LogWatch {
            config: self.config.clone(),
            engine: Arc::clone(engine),
            board: self.board.clone(),
            before: Default::default(),
        };
        let ((stop, stopped), (stop_logs, logs_stopped)) = (mpsc::channel(), mpsc::channel());
        std::thread::Builder::new().name("kafka-lag".to_owned()).spawn(move || watch.run(&stopped))?;
        std::thread::Builder::new().name("kafka-logs".to_owned()).spawn(move || logs.run(&logs_stopped))?;
        Ok([stop, stop_logs])
    }

    /// The life of one client, until the shutdown or until it is of no use any more. What it had taken and not done is
    /// delivered again to the next.
    async fn run(&self, shutdown: &CancellationToken) -> Result<Ended, BuildError> {
        let stop = shutdown.child_token();
        let _stop_the_thread = stop.clone().drop_guard();
        self.status.joins();
        let engine = self.mode.engine();
        engine.rebuild.begin();
        let (events, inbound) = unbounded_channel();
        let (commits, to_commit) = mpsc::channel();
        let context = Intake::new(
            &self.config,
            Arc::clone(engine),
            events.clone(),
            self.board.clone(),
            DRAIN,
            self.most_uncommitted,
        );
        let mut settings = self.config.consumer(&engine.letters.service, &engine.letters.group);
        if self.config.consumer.kafka_consumer_auto_offset_reset == OffsetReset::Latest {
            // Where a group begins that never began is asked when its partitions come. One whose place is not in the log any more
            // has begun: what is left there is handled.
            settings.set("auto.offset.reset", "earliest");
        }
        let consumer: BaseConsumer<Intake> = settings.create_with_context(context)?;
        let subscription: Vec<&str> = engine.topics.iter().map(|topic| topic.name.as_str()).collect();
        consumer.subscribe(&subscription)?;
        let poller = Poller {
            consumer,
            events: events.clone(),
            commits: to_commit,
            status: self.status.clone(),
            engine: Arc::clone(engine),
            most_at_once: self.config.consumer.kafka_consumer_max_poll_records as usize,
            shutdown: stop.clone(),
        };
        let concurrency = self.config.consumer.kafka_consumer_concurrency as usize;
        let (letters, monitoring) = (Arc::clone(&engine.letters), engine.monitoring.clone());
        let brake = DeadLetterBrake::new(self.brake.0, self.brake.1, letters, monitoring);
        let dispatcher = Dispatcher::new(self.mode.clone(), self.order, concurrency, brake, events, commits);
        std::thread::Builder::new().name("kafka-poll".to_owned()).spawn(move || poller.run())?;
        let mut run = std::pin::pin!(dispatcher.run(inbound));
        let ended = tokio::select! {
            // The thread ends by itself only when its client is dead.
            () = &mut run => {
                let reason = engine.rebuild.take_reason().unwrap_or("dead");
                return Ok(if shutdown.is_cancelled() { Ended::Stopped } else { Ended::Rebuild(reason) });
            }
            () = engine.rebuild.asked() => Ended::Rebuild(engine.rebuild.take_reason().unwrap_or("dead")),
            () = shutdown.cancelled() => Ended::Stopped,
        };
        stop.cancel();
        if timeout(DRAIN + CLOSE, run).await.is_err() {
            tracing::warn!("the consumer did not leave its group in time and is left behind");
        }
        Ok(ended)
    }
}

/// Services start in any order: whoever needs a topic first creates it as the catalogue has it. Where this service may
/// not, it waits for the one that may.
async fn wait_for_topics(parts: &ConsumerParts, shutdown: &CancellationToken) {
    let mut needed = parts.topics();
    if !needed.contains(&&DEAD_LETTER_QUEUE) {
        needed.push(&DEAD_LETTER_QUEUE);
    }
    let mut said = false;
    while let Err(error) = admin::ensure(&parts.config, &parts.service, &needed).await {
        if !said {
            tracing::warn!(error = chain(&error), "the topics are not ready; trying again every second");
            said = true;
        }
        if timeout(Duration::from_secs(1), shutdown.cancelled()).await.is_ok() {
            return;
        }
    }
}
