//! A consumer is assembled where its service starts, one line for each handler: reading it shows what the service hears.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    batch::{BatchHandler, Batching, WithOutbox},
    build_error::BuildError,
    claimants::Claimant,
    consumer::{Consumer, ConsumerParts},
    handler::{Handler, Listener, WithInbox, WithMemory},
    lane::Order,
    memory_claims::MemoryClaims,
    status::ConsumerStatus,
};
use crate::{
    contract::{
        replay,
        topics::{Cleanup, DEAD_LETTER_QUEUE},
    },
    flow::{brake::BrakePolicy, breaker::BreakerPolicy, retry::RetryPolicy},
    kafka::config::KafkaConfig,
    publish::Outbox,
};

/// A handler that runs longer is cut off and tried again.
const ATTEMPT: Duration = Duration::from_secs(60);
/// How long the brake stays on unless a person takes it off.
const COOL_DOWN: Duration = Duration::from_secs(300);

/// How long a partition may stand still that has more: past this the client is not slow but broken.
const STALL: Duration = Duration::from_secs(60);

/// At 10 000 records/s, what a restart brings again is looked up within two minutes.
const MOST_UNCOMMITTED: usize = 1_000_000;

/// For consumers without a database; see [`Consumer::without_database`].
#[derive(Debug, Clone, Copy)]
pub struct NoDatabase;

/// Assembles a [`Consumer`]. `D` is where its effects go: an [`Outbox`], or [`NoDatabase`].
pub struct ConsumerBuilder<D = Outbox> {
    pub(super) parts: ConsumerParts,
    database: D,
}

impl Consumer {
    /// Begins to assemble a consumer of the group `group`, which `KAFKA_GROUP_ID` is not consulted for: the service
    /// decides. Effects and their events go through `outbox`.
    pub fn builder(config: KafkaConfig, group: &str, service: &str, outbox: Outbox) -> ConsumerBuilder {
        let pool = outbox.pool().clone();
        let mut builder = ConsumerBuilder::new(config, group, service, outbox);
        builder.parts.database = Some(pool);
        builder
    }

    /// The same without a database, for [`Listener`](super::Listener)s. What was heard is remembered in memory only.
    pub fn without_database(config: KafkaConfig, group: &str, service: &str) -> ConsumerBuilder<NoDatabase> {
        ConsumerBuilder::new(config, group, service, NoDatabase)
    }
}

impl<D> fmt::Debug for ConsumerBuilder<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.fmt(f)
    }
}

impl ConsumerBuilder<Outbox> {
    /// One handler more; its event's topic is subscribed.
    pub fn handle<H: Handler>(mut self, handler: H) -> Self {
        let outbox = self.database.clone();
        self.parts.inbox = Some(outbox.place());
        self.parts.handlers.push(Box::new(WithInbox { handler, outbox }));
        self
    }

    /// The handler that takes batches; it is alone in its consumer.
    pub fn handle_batches<H: BatchHandler>(mut self, handler: H, batching: Batching) -> Self {
        let outbox = self.database.clone();
        self.parts.inbox = Some(outbox.place());
        self.parts.batches.push((Box::new(WithOutbox { handler, outbox }), batching));
        self
    }
}

impl<D> ConsumerBuilder<D> {
    pub(super) fn new(config: KafkaConfig, group: &str, service: &str, database: D) -> Self {
        let parts = ConsumerParts {
            group: config.topic_names().group(group),
            service: service.to_owned(),
            config,
            inbox: None,
            handlers: Vec::new(),
            batches: Vec::new(),
            order: Order::default(),
            retry: RetryPolicy::default(),
            attempt_limit: ATTEMPT,
            breaker: BreakerPolicy::default(),
            brake: BrakePolicy::default(),
            cool_down: COOL_DOWN,
            stall_limit: STALL,
            most_uncommitted: MOST_UNCOMMITTED,
            database: None,
        };
        Self { parts, database }
    }

    /// One listener more; its event's topic is subscribed. It promises less than a handler: see [`Listener`].
    pub fn listen<L: Listener>(mut self, listener: L) -> Self {
        self.parts.handlers.push(Box::new(WithMemory { listener, claims: MemoryClaims::default() }));
        self
    }

    /// Which records wait for each other; those of one key unless set.
    pub fn order(mut self, order: Order) -> Self {
        self.parts.order = order;
        self
    }

    /// How failed attempts are repeated; see [`RetryPolicy::default`].
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.parts.retry = policy;
        self
    }

    /// How long one attempt may take; a minute unless set. Set it below what the database and the outside calls may take
    /// together, and those have no limit at all.
    pub fn attempt_limit(mut self, limit: Duration) -> Self {
        self.parts.attempt_limit = limit;
        self
    }

    /// When an outside system counts as away; see [`BreakerPolicy::default`].
    pub fn breaker(mut self, policy: BreakerPolicy) -> Self {
        self.parts.breaker = policy;
        self
    }

    /// When too much is given up, and how long nothing is taken then: five minutes unless set; see [`BrakePolicy::default`].
    pub fn brake(mut self, policy: BrakePolicy, cool_down: Duration) -> Self {
        (self.parts.brake, self.parts.cool_down) = (policy, cool_down);
        self
    }

    /// How long nothing may be taken of a partition that has more before the Kafka client is built anew; a minute unless
    /// set. Records that wait for a handler, a retry or an outside system are taken. Readiness fails too when an offset is not
    /// committed for so long.
    pub fn stall_limit(mut self, limit: Duration) -> Self {
        self.parts.stall_limit = limit;
        self
    }

    /// How many records of a partition may be done or in flight behind one that waits before no more are taken of it: a
    /// million unless set. A restart brings so many again, and what was done of them is looked up in the inbox.
    pub fn most_uncommitted(mut self, records: usize) -> Self {
        self.parts.most_uncommitted = records.max(1);
        self
    }

    /// # Errors
    /// When two handlers share a name, or one has that of a handler of another group; when there is none, one that takes batches is not
    /// alone, a name is none that a replay could have, one asks for tombstones of a topic that is not compacted, or the dead
    /// letters' topic is read without a database.
    pub fn build(self) -> Result<Consumer, BuildError> {
        let mut parts = self.parts;
        parts.breaker.probe_limit = parts.attempt_limit;
        let names = parts.handlers.iter().map(|handler| handler.name());
        let names = names.chain(parts.batches.iter().map(|(batches, _)| batches.name()));
        if let Some(name) = names.chain([parts.group.as_str()]).find(|name| !replay::is_name(name)) {
            return Err(BuildError::Name(name.to_owned()));
        }
        for (index, handler) in parts.handlers.iter().enumerate() {
            let topic = handler.topic();
            if handler.takes_tombstones() && topic.cleanup != Cleanup::CompactDelete {
                return Err(BuildError::NoTombstones(handler.name(), topic.name));
            }
            if parts.handlers[..index].iter().any(|other| other.name() == handler.name()) {
                return Err(BuildError::SameName(handler.name()));
            }
        }
        let alone = parts.handlers.is_empty() && parts.batches.len() == 1;
        match parts.batches.first() {
            None if parts.handlers.is_empty() => return Err(BuildError::NoHandlers),
            Some((batches, _)) if !alone => return Err(BuildError::NotAlone(batches.name())),
            Some((batches, _)) if batches.topics().is_empty() => return Err(BuildError::NoTopics(batches.name())),
            _ => {}
        }
        let names = parts.config.topic_names();
        let queue = names.in_kafka(&DEAD_LETTER_QUEUE);
        if parts.database.is_none() && parts.topics().into_iter().any(|topic| names.in_kafka(topic) == queue) {
            return Err(BuildError::NowhereToPark(parts.group));
        }
        let claimants = parts.claimants()?;
        Ok(Consumer { parts, claimants, status: ConsumerStatus::default() })
    }
}

impl ConsumerParts {
    fn claimants(&self) -> Result<Vec<Arc<Claimant>>, BuildError> {
        let Some(inbox) = &self.inbox else { return Ok(Vec::new()) };
        let note = |handler| {
            Claimant::note(inbox, handler, &self.group)
                .map_err(|other| BuildError::NameOfAnotherGroup { handler, other })
        };
        self.claim_as().into_iter().map(note).collect()
    }
}
