//! Why a record is not in Kafka, or not known to be, and what to do about it.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use thiserror::Error;

use super::registry_error::RegistryError;

/// Why a record is not in Kafka, or not known to be.
#[derive(Debug, Error)]
pub enum SendError {
    /// Kafka refuses this very record, for its size, its topic or the rights of its sender. Sending it again is of no use
    /// before somebody mends that.
    #[error("Kafka refuses the record for {topic}")]
    Refused {
        /// The name in Kafka.
        topic: String,
        /// How Kafka puts it.
        source: Box<KafkaError>,
    },
    /// Not acknowledged in time, or cut off. It may be in the log all the same: send it again, as readers with an inbox drop
    /// the copy.
    #[error("sending to {topic} failed{hint}")]
    Unacknowledged {
        /// The name in Kafka.
        topic: String,
        /// What the client met by itself, such as a refused password.
        hint: String,
        /// How the client puts it.
        source: Box<KafkaError>,
    },
    /// The client gave up for good while the record was on its way. Send it again: the next record gets a new client.
    #[error("the Kafka client died while it was sending to {topic}{hint}")]
    ClientDied {
        /// The name in Kafka.
        topic: String,
        /// What it died of.
        hint: String,
        /// How the client puts it.
        source: Box<KafkaError>,
    },
    /// The schema registry is away, or refuses the schema.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The event cannot be written as JSON, such as a map whose keys are no texts.
    #[error("{event_type} cannot be written as JSON")]
    Encode {
        /// The event's type.
        event_type: &'static str,
        /// What cannot be written.
        source: serde_json::Error,
    },
}

impl SendError {
    pub(crate) fn of(topic: &str, hint: Option<String>, source: KafkaError) -> Self {
        let topic = topic.to_owned();
        let hint = hint.map(|reason| format!(" ({reason})")).unwrap_or_default();
        let code = source.rdkafka_error_code();
        let source = Box::new(source);
        match code {
            Some(code) if refused_for_good(code) => Self::Refused { topic, source },
            Some(RDKafkaErrorCode::Fatal) => Self::ClientDied { topic, hint, source },
            _ => Self::Unacknowledged { topic, hint, source },
        }
    }

    /// Whether this very record is refused for its size.
    pub(crate) fn is_too_large(&self) -> bool {
        use RDKafkaErrorCode as Code;
        let sizes = [Code::MessageSizeTooLarge, Code::MessageBatchTooLarge, Code::InvalidMessageSize];
        matches!(self, Self::Refused { source, .. } if source.rdkafka_error_code().is_some_and(|code| sizes.contains(&code)))
    }

    /// Whether this very record is refused, so that sending it again is of no use.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Encode { .. } => true,
            Self::Registry(error) => error.is_refusal(),
            Self::Unacknowledged { .. } | Self::ClientDied { .. } => false,
        }
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
