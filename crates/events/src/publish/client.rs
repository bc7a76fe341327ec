//! The relay's client: a producer whose first refusal ends it, so that nothing passes what was refused, and what is known of
//! how Kafka stands to it.

use std::{collections::HashSet, sync::Arc};

use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{Producer as _, ThreadedProducer},
};
use tokio::{
    task::{self, JoinError},
    time::{Duration, Instant, sleep},
};

use super::{
    deliveries::Deliveries,
    lead::{self, Lead},
    relay_error::RelayError,
};
use crate::{
    contract::topics::{self, TopicSpec},
    flow::error::chain,
    kafka::{
        admin,
        blame::{Blame, blame},
        config::KafkaConfig,
    },
    sabotage::{self, Sabotage},
};

/// Kafka is asked again for a topic's partitions after this time.
const AGAIN: Duration = Duration::from_millis(100);

/// What a relay makes sure of before it sends anything; of every other topic at the first row for it.
pub(super) fn at_start(service: &str) -> impl Iterator<Item = &'static TopicSpec> {
    topics::owned_by(service).chain([&topics::DEAD_LETTER_QUEUE])
}

pub(super) struct Client {
    config: KafkaConfig,
    service: String,
    settings: ClientConfig,
    /// The topics that were made sure of, by the catalogue's names.
    ensured: HashSet<&'static str>,
    pub(super) producer: ThreadedProducer<Deliveries>,
    pub(super) deliveries: Deliveries,
    pub(super) lead: Lead,
    /// It has had an acknowledgement.
    pub(super) is_heard: bool,
    /// Since when it learns of no topic.
    pub(super) unanswered_since: Option<Instant>,
}

impl Client {
    pub(super) fn open(config: &KafkaConfig, service: &str) -> Result<Self, RelayError> {
        let mut settings = config.producer(service, None);
        // Without it the client goes on after a refused batch with what came behind it.
        settings.set("enable.gapless.guarantee", "true");
        if sabotage::is(Sabotage::ObeyProducerSettings) {
            let set = &config.producer;
            settings
                .set("enable.gapless.guarantee", "false")
                .set("batch.size", set.kafka_producer_batch_size.to_string());
            set.kafka_producer_retries.map(|retries| settings.set("retries", retries.to_string()));
        }
        let deliveries = Deliveries::default();
        let producer = settings.create_with_context(deliveries.clone()).map_err(RelayError::Producer)?;
        Ok(Self {
            config: config.clone(),
            service: service.to_owned(),
            settings,
            ensured: at_start(service).map(|topic| topic.name).collect(),
            producer,
            deliveries,
            lead: Lead::default(),
            is_heard: false,
            unanswered_since: None,
        })
    }

    /// Whether it ended because a record was refused: the record's own report says why.
    pub(super) fn was_refused(&self) -> bool {
        self.producer.client().fatal_error().is_some_and(|(code, _)| code == RDKafkaErrorCode::GaplessGuarantee)
    }

    /// Fails where it ended by itself.
    pub(super) fn check(&self) -> Result<(), RelayError> {
        match self.producer.client().fatal_error() {
            Some((code, reason)) if code != RDKafkaErrorCode::GaplessGuarantee => {
                Err(RelayError::Fatal { code, reason })
            }
            _ => Ok(()),
        }
    }

    /// Learns how many partitions a topic has, which is made where it is missing; not while Kafka is away.
    pub(super) async fn look_at(&mut self, topic: &'static TopicSpec, name: &Arc<str>) -> Result<(), RelayError> {
        if !self.ensured.contains(topic.name) {
            match admin::ensure(&self.config, &self.service, &[topic]).await {
                Ok(()) => _ = self.ensured.insert(topic.name),
                Err(error) if error.remedy().is_some() => return Err(Box::new(error).into()),
                Err(error) => {
                    tracing::warn!(topic = topic.name, error = chain(&error), "the topic is not ready; trying again");
                    self.unanswered_since.get_or_insert_with(Instant::now);
                    sleep(AGAIN).await;
                    return Ok(());
                }
            }
        }
        let (producer, asked) = (self.producer.clone(), Arc::clone(name));
        match joined(task::spawn_blocking(move || lead::partitions(producer.client(), &asked)).await) {
            Some(Ok(partitions)) => {
                self.lead.learn(topic.name, partitions);
                self.unanswered_since = None;
            }
            Some(Err(KafkaError::MetadataFetch(code))) if matches!(blame(code), Blame::Setting(_)) => {
                return Err(RelayError::Delivery { topic: Arc::clone(name), code });
            }
            // Kafka is away, or the runtime ends.
            Some(Err(_)) | None => {
                self.unanswered_since.get_or_insert_with(Instant::now);
                sleep(AGAIN).await;
            }
        }
        Ok(())
    }

    /// Puts a new producer in the place of one that died. Nothing may be on its way.
    pub(super) fn renew(&mut self) -> Result<(), RelayError> {
        let new = self.settings.create_with_context(self.deliveries.clone()).map_err(RelayError::Producer)?;
        let old = std::mem::replace(&mut self.producer, new);
        (self.lead, self.is_heard) = (Lead::default(), false);
        // Dropping a producer waits for its threads.
        task::spawn_blocking(move || drop(old));
        Ok(())
    }

    pub(super) async fn end(self) {
        let _ = joined(task::spawn_blocking(move || drop(self.producer)).await);
    }
}

fn joined<T>(outcome: Result<T, JoinError>) -> Option<T> {
    match outcome.map_err(JoinError::try_into_panic) {
        Ok(done) => Some(done),
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_)) => None,
    }
}
