//! Topics: their owner creates what is missing and reports what differs. Nothing is altered behind an operator's back.

use std::time::Duration;

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    error::{KafkaError, RDKafkaErrorCode},
};
use thiserror::Error;

use super::{blame, client::Client, config::KafkaConfig};
use crate::contract::topics::{Cleanup, TopicSpec};

/// How long one question to the cluster may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Why topics could not be made ready.
#[derive(Debug, Error)]
pub enum TopicError {
    /// The cluster did not answer or refused the question; `hint` is what the client met by itself.
    #[error("asking Kafka at {servers} for its topics failed{hint}")]
    Ask { servers: String, hint: String, remedy: Option<&'static str>, source: KafkaError },
    /// One topic was refused.
    #[error("creating the topic {topic} was refused: {code}")]
    Create { topic: String, code: RDKafkaErrorCode },
}

impl TopicError {
    /// What a person has to do, where it does not pass by itself.
    pub(crate) fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Ask { remedy, source, .. } => remedy.or_else(|| blame::remedy(source.rdkafka_error_code()?)),
            // A topic that may not be seen looks as if it were missing.
            Self::Create { code: RDKafkaErrorCode::TopicAuthorizationFailed, .. } => {
                Some("give this client's user the right Describe on the topic, or Create where there is none yet")
            }
            Self::Create { code, .. } => blame::remedy(*code),
        }
    }
}

/// Creates the topics of `topics` that are missing, and logs a warning for each that differs from the catalogue. One that is
/// named twice counts once.
///
/// # Errors
/// When the cluster is away or refuses a topic; calling again is safe.
pub async fn ensure(config: &KafkaConfig, client_id: &str, topics: &[&TopicSpec]) -> Result<(), TopicError> {
    let context = Client::default();
    let last_error = context.last_error.clone();
    let failed = |source| TopicError::Ask {
        servers: config.kafka_bootstrap_servers.to_string(),
        hint: last_error.get().map(|reason| format!(" ({reason})")).unwrap_or_default(),
        remedy: last_error.remedy(),
        source,
    };
    let admin: AdminClient<Client> = config.client(client_id).create_with_context(context).map_err(&failed)?;
    let names = config.topic_names();
    let options = AdminOptions::new().operation_timeout(Some(LIMIT)).request_timeout(Some(LIMIT));
    // Kafka refuses a question that names a topic twice.
    let mut named: Vec<(String, &TopicSpec)> = topics.iter().map(|topic| (names.in_kafka(topic), *topic)).collect();
    named.sort_by(|(one, _), (other, _)| one.cmp(other));
    named.dedup_by(|(one, _), (other, _)| one == other);
    let settings: Vec<_> = named.iter().map(|(_, topic)| settings(config, topic)).collect();
    let wanted: Vec<NewTopic<'_>> = named
        .iter()
        .zip(&settings)
        .map(|((name, topic), settings)| {
            let replication = TopicReplication::Fixed(config.kafka_topic_replication_factor);
            let new = NewTopic::new(name, topic.partitions, replication);
            settings.iter().fold(new, |new, (key, value)| new.set(key, value))
        })
        .collect();
    let (admin, there) = existing(admin, named.iter().map(|(name, _)| name.clone()).collect()).await;
    let there = there.map_err(&failed)?;
    // Asked for only when it is missing: a service that may use a topic need not be allowed to create it.
    let missing: Vec<_> = wanted.iter().filter(|topic| !there.iter().any(|name| name == topic.name)).collect();
    if !missing.is_empty() {
        for outcome in admin.create_topics(missing, &options).await.map_err(&failed)? {
            match outcome {
                Ok(topic) => tracing::info!(topic, "topic created"),
                // Another service was faster.
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => return Err(TopicError::Create { topic, code }),
            }
        }
    }
    let resources: Vec<_> = there.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
    if resources.is_empty() {
        return Ok(());
    }
    for described in admin.describe_configs(&resources, &options).await.map_err(&failed)? {
        let Ok(resource) = described else { continue };
        let rdkafka::admin::OwnedResourceSpecifier::Topic(name) = &resource.specifier else {
            continue;
        };
        let Some(index) = named.iter().position(|(known, _)| known == name) else {
            continue;
        };
        for (key, wanted) in &settings[index] {
            let found = resource.get(key).and_then(|entry| entry.value.as_deref()).unwrap_or("");
            if found != wanted {
                tracing::warn!(
                    topic = name,
                    setting = key,
                    found,
                    wanted,
                    "topic differs from the catalogue; left as it is"
                );
            }
        }
    }
    Ok(())
}

/// Which of these topics there are. The question blocks, so it is asked from a thread that may.
async fn existing(
    admin: AdminClient<Client>,
    names: Vec<String>,
) -> (AdminClient<Client>, Result<Vec<String>, KafkaError>) {
    let asked = tokio::task::spawn_blocking(move || {
        let there = admin.inner().fetch_metadata(None, LIMIT).map(|metadata| {
            let is_there = |name: &String| metadata.topics().iter().any(|topic| topic.name() == name);
            names.into_iter().filter(is_there).collect()
        });
        (admin, there)
    });
    match asked.await {
        Ok(answer) => answer,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

fn settings(config: &KafkaConfig, topic: &TopicSpec) -> Vec<(&'static str, String)> {
    let retention = topic.retention.as_millis().to_string();
    let mut settings = vec![
        ("retention.ms", retention.clone()),
        ("max.message.bytes", topic.max_message_bytes.to_string()),
        ("min.insync.replicas", config.kafka_topic_min_insync_replicas.to_string()),
    ];
    match topic.cleanup {
        Cleanup::Delete => settings.push(("cleanup.policy", "delete".to_owned())),
        Cleanup::CompactDelete => {
            settings.push(("cleanup.policy", "compact,delete".to_owned()));
            settings.push(("min.compaction.lag.ms", retention));
        }
    }
    settings
}
