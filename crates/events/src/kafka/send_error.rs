//! Why a record is not in Kafka, or not known to be, and what to do about it.

use rdkafka::error::KafkaError;
use thiserror::Error;

use super::{
    blame::{Blame, blame},
    client::LastError,
    registry_error::RegistryError,
};

/// Why a record is not in Kafka, or not known to be.
#[derive(Debug, Error)]
pub enum SendError {
    /// Kafka refuses this very record, for its size or its form. Sending it again is of no use.
    #[error("Kafka refuses the record for {topic}")]
    Refused {
        /// The name in Kafka.
        topic: String,
        /// How Kafka puts it.
        source: Box<KafkaError>,
    },
    /// A right, a topic or a setting is missing. Nothing is wrong with the record: send it again once a person has done what
    /// the message says.
    #[error("nothing can be sent to {topic} for now: {remedy}{hint}")]
    Denied {
        /// The name in Kafka.
        topic: String,
        /// What a person has to do.
        remedy: &'static str,
        /// What the client met by itself, such as a refused password.
        hint: String,
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
    /// Sorts an error of the client's; `met` is what it met by itself.
    pub(crate) fn of(topic: &str, met: Option<&LastError>, source: KafkaError) -> Self {
        let topic = topic.to_owned();
        let hint = met.and_then(LastError::get).map(|reason| format!(" ({reason})")).unwrap_or_default();
        let blame = source.rdkafka_error_code().map_or(Blame::Outage, blame);
        // A refused password shows only in what the client met: records just wait, and time out.
        let remedy = met.and_then(LastError::remedy);
        let source = Box::new(source);
        match (blame, remedy) {
            (Blame::Record, _) => Self::Refused { topic, source },
            (Blame::Setting(remedy), _) | (Blame::Outage, Some(remedy)) => Self::Denied { topic, remedy, hint, source },
            (Blame::Client, _) => Self::ClientDied { topic, hint, source },
            (Blame::Outage, None) => Self::Unacknowledged { topic, hint, source },
        }
    }

    /// Whether this very record is refused for its size.
    pub(crate) fn is_too_large(&self) -> bool {
        use rdkafka::error::RDKafkaErrorCode as Code;
        let sizes = [Code::MessageSizeTooLarge, Code::MessageBatchTooLarge, Code::InvalidMessageSize];
        matches!(self, Self::Refused { source, .. } if source.rdkafka_error_code().is_some_and(|code| sizes.contains(&code)))
    }

    /// Whether this very record is refused, so that sending it again is of no use.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Encode { .. } => true,
            Self::Registry(error) => error.is_refusal(),
            Self::Denied { .. } | Self::Unacknowledged { .. } | Self::ClientDied { .. } => false,
        }
    }
}
