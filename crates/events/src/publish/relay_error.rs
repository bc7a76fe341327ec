//! Why the relay stopped for now.

use std::sync::Arc;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use thiserror::Error;

use super::cursor::CursorError;
use crate::kafka::{admin::TopicError, blame};

/// Why the relay stopped for now. It begins again from the saved position.
#[derive(Debug, Error)]
pub(super) enum RelayError {
    #[error(transparent)]
    Cursor(#[from] CursorError),
    #[error("the relay's database connection failed")]
    Database(#[from] sqlx::Error),
    #[error("the relay's producer could not be made")]
    Producer(#[source] KafkaError),
    #[error("the relay's producer is dead: {code}: {reason}")]
    Fatal { code: RDKafkaErrorCode, reason: String },
    #[error(
        "Kafka has answered nothing for 30 s, with {records} records on their way; beginning again with a new client"
    )]
    Silent { records: usize },
    #[error("a record for {topic} was not delivered: {code}")]
    Delivery { topic: Arc<str>, code: RDKafkaErrorCode },
    /// A batch was refused, and with it sound records: all up to this id go alone, so that only those at fault are held.
    #[error("Kafka refused a record for {topic}: {code}; all that was on its way is sent again one by one")]
    Refused { topic: Arc<str>, code: RDKafkaErrorCode, until: i64 },
    #[error(transparent)]
    Topics(#[from] Box<TopicError>),
}

impl RelayError {
    /// What a person has to do before the position means something again.
    pub(super) fn is_lost_position(&self) -> bool {
        matches!(self, Self::Cursor(CursorError::ForeignCluster | CursorError::Future | CursorError::Missing))
    }

    /// What a person has to do before Kafka takes this relay's records.
    pub(super) fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Fatal { code, .. } | Self::Delivery { code, .. } => blame::remedy(*code),
            Self::Topics(error) => error.remedy(),
            Self::Cursor(_) | Self::Database(_) | Self::Producer(_) | Self::Silent { .. } | Self::Refused { .. } => {
                None
            }
        }
    }
}
